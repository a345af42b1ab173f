"""Generation against naive decoders on top of `predict`, which runs the whole prefix every time.

The decoders below share no code with the library's: greedy search, beam search and enumeration in
plain loops, over log-probabilities of float64.
"""

import itertools
import math

import numpy as np
import pytest
import refrain

ENDINGS = {
  "attention": """
    source = Input(ids)
    target = Input(ids)
    [memory, h, c] = source -> Embedding(9, 6) -> LSTM(8, return_sequences=true, return_state=true)
    t = target -> Embedding(7, 5)
    states = [t, h, c] -> LSTM(8, return_sequences=true)
    context = [states, memory] -> Attention(6)
    [states, context] -> Concat -> Dense(7, activation=softmax)""",
  "dot attention, GRU, masks": """
    source = Input(ids)
    target = Input(ids)
    [memory, h] = source -> Embedding(9, 6, mask_zero=true)
      -> GRU(8, return_sequences=true, return_state=true)
    t = target -> Embedding(7, 5, mask_zero=true)
    states = [t, h] -> GRU(8, return_sequences=true)
    context = [states, memory] -> Attention(score=dot)
    [states, context] -> Concat -> Dense(7, activation=softmax)""",
  "two layers, general attention": """
    source = Input(ids)
    target = Input(ids)
    [a, h, c] = source -> Embedding(9, 6) -> LSTM(4, return_sequences=true, return_state=true)
    [memory, i] = a -> GRU(5, return_sequences=true, return_state=true)
    t = target -> Embedding(7, 3)
    b = [t, h, c] -> LSTM(4, return_sequences=true)
    states = [b, i] -> GRU(5, return_sequences=true) -> LayerNorm
    [context, weights] = [states, memory] -> Attention(score=general, return_weights=true)
    chosen = [states, context] -> Concat -> Dense(7) -> Activation(softmax)
    [chosen, weights]""",
  "heads": """
    source = Input(ids)
    target = Input(ids)
    memory = source -> Embedding(9, 6) -> Bidirectional(GRU(3, return_sequences=true))
    states = target -> Embedding(7, 6) -> GRU(6, return_sequences=true, learn_initial_state=true)
    context = [states, memory] -> MultiHeadAttention(2)
    z = [states, context] -> Add -> Dropout(0.3)
    z -> Dense(7, activation=softmax)""",
  "heads of another size": """
    source = Input(ids)
    target = Input(ids)
    memory = source -> Embedding(9, 4)
    states = target -> Embedding(7, 6) -> LSTM(6, return_sequences=true)
    context = [states, memory] -> MultiHeadAttention(3, key_size=5, use_bias=false)
    context -> GRU(5, return_sequences=true) -> Dense(6, activation=softmax)""",
  "a vector at every timestep": """
    source = Input(ids)
    target = Input(ids)
    v = source -> Embedding(9, 6) -> Bidirectional(LSTM(3)) -> Dense(4, activation=tanh)
    t = target -> Embedding(7, 4)
    all = [v, t] -> RepeatVector
    m = [all, t] -> Multiply
    [m, t] -> Concat -> RNN(5, return_sequences=true) -> Dense(7, activation=softmax)""",
  "looking back at what was written": """
    source = Input(ids)
    target = Input(ids)
    [memory, h] = source -> Embedding(9, 6) -> GRU(6, return_sequences=true, return_state=true)
    t = target -> Embedding(7, 6, mask_zero=true)
    [back, seen] = t -> LayerNorm -> MultiHeadAttention(3, causal=true, return_weights=true)
    x = [t, back] -> Add
    states = [x, h] -> GRU(6, return_sequences=true)
    again = states -> MultiHeadAttention(2, key_size=2, causal=true, use_bias=false)
    context = [again, memory] -> MultiHeadAttention(2)
    y = [states, again, context] -> Concat -> Dense(7, activation=softmax)
    [y, seen]""",
  "outputs that need the whole": """
    source = Input(ids)
    target = Input(ids)
    t = target -> Embedding(7, 4)
    h = source -> Embedding(9, 5) -> GRU(5)
    y = [t, h] -> GRU(5, return_sequences=true) -> Dense(7, activation=softmax)
    other = t -> Bidirectional(GRU(3)) -> Dense(2)
    [y, other]""",
}
RECURRENT = [
  entry.name
  for entry in refrain.describe()
  if entry.kind == "layer"
  and any(option.name == "learn_initial_state" for option in refrain.describe(entry.name).options)
  and entry.name != "AUGRU"
]


def build(notation, seed=1, scale=1.0):
  """A model with parameters large enough for its choices to differ."""
  model = refrain.Model("\n".join(" ".join(part.split()) for part in join_lines(notation)), seed)
  rng = np.random.default_rng(seed)
  for name in model.parameters:
    values = model.parameters[name]
    values[:] = rng.normal(0, scale, values.shape)
  return model


def join_lines(notation):
  lines = []
  for line in notation.strip().splitlines():
    if line.strip().startswith("->"):
      lines[-1] += line
    else:
      lines.append(line)
  return lines


def sources(batch=5, timesteps=6, vocabulary=9, seed=3):
  rng = np.random.default_rng(seed)
  lengths = rng.integers(1, timesteps + 1, batch)
  lengths[0] = timesteps
  return rng.integers(0, vocabulary, (batch, timesteps)), lengths


class Rows:
  """One row's next log-probabilities, by running the whole prefix through `predict`."""

  def __init__(self, model, source=None, length=None):
    self.model = model
    self.source = None if source is None else source[np.newaxis, :length]

  def __call__(self, prefix):
    ids = np.array([prefix])
    y = self.model.predict(ids if self.source is None else [self.source, ids])
    y = y[0] if isinstance(y, list) else y
    with np.errstate(divide="ignore"):
      return np.log(y[0, -1].astype(np.float64))


def greedy(following, prompt, max_length, end):
  ids, score = [], 0.0
  while len(ids) < max_length:
    p = following([*prompt, *ids])
    best = int(np.argmax(p))
    score += p[best]
    if best == end:
      break
    ids.append(best)
  return ids, score


def beam_search(following, prompt, max_length, end, beams, alpha=0.0):
  def rank(score, length):
    return score / ((5 + length) / 6) ** alpha

  followed, best = [([], 0.0)], None
  for length in range(1, max_length + 1):
    candidates = []
    for parent, (ids, score) in enumerate(followed):
      for id, p in enumerate(following([*prompt, *ids])):
        candidates.append((-(score + p), parent, id))
    candidates.sort()
    followed_next = []
    for place, (negative, parent, id) in enumerate(candidates):
      if len(followed_next) == beams:
        break
      ids = followed[parent][0]
      if id == end:
        if place < beams and (best is None or rank(-negative, length) > best[0]):
          best = (rank(-negative, length), ids, -negative)
      else:
        followed_next.append(([*ids, id], -negative))
    followed = followed_next
  for ids, score in followed:
    if best is None or rank(score, max_length) > best[0]:
      best = (rank(score, max_length), ids, score)
  return best[1], best[2]


def enumerated(following, prompt, max_length, end, vocabulary, alpha=0.0):
  """The best of all sequences that there are."""
  best = None
  others = [id for id in range(vocabulary) if id != end]
  memo = {}

  def at(prefix):
    if prefix not in memo:
      memo[prefix] = following([*prompt, *prefix])
    return memo[prefix]

  for length in range(max_length + 1):
    for ids in itertools.product(others, repeat=length):
      score = sum(at(ids[:i])[ids[i]] for i in range(length))
      count = length
      if length < max_length:
        score += at(ids)[end]
        count += 1
      rank = score / ((5 + count) / 6) ** alpha
      if best is None or rank > best[0]:
        best = (rank, list(ids), score)
  return best[1], best[2]


def check(generated, row, expected):
  ids, score = expected
  assert generated.sequences[row] == ids
  np.testing.assert_allclose(generated.scores[row], score, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ENDINGS)
def test_greedy_is_the_naive_decoder(name):
  model = build(ENDINGS[name])
  x, lengths = sources()
  for end in (2, None):
    generated = model.generate(x, lengths=lengths, start=1, end=end, max_length=9)
    for row in range(len(x)):
      expected = greedy(Rows(model, x[row], lengths[row]), [1], 9, end)
      check(generated, row, expected)
      filled = generated.ids[row, generated.lengths[row] :]
      assert (filled == (end or 0)).all()


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("beams", [2, 3])
def test_beams_are_the_naive_beam_search(name, beams):
  model = build(ENDINGS[name], seed=beams, scale=0.7)
  x, lengths = sources(4)
  for alpha in (0.0, 1.5):
    generated = model.generate(
      x, lengths=lengths, start=1, end=2, max_length=6, beams=beams, length_penalty=alpha
    )
    for row in range(len(x)):
      following = Rows(model, x[row], lengths[row])
      check(generated, row, beam_search(following, [1], 6, 2, beams, alpha))


@pytest.mark.parametrize("cell", RECURRENT)
def test_every_recurrent_layer(cell):
  count = len(refrain.Model(f"Input(3) -> {cell}(4, return_state=true)").outputs) - 1
  names = [f"s{i}" for i in range(count)]
  model = build(f"""
    source = Input(ids)
    target = Input(ids)
    [memory, {", ".join(names)}] = source -> Embedding(9, 4)
      -> {cell}(4, return_sequences=true, return_state=true)
    t = target -> Embedding(7, 4, mask_zero=true)
    a = [t, {", ".join(names)}] -> {cell}(4, return_sequences=true)
    b = a -> {cell}(4, return_sequences=true, learn_initial_state=true)
    context = [b, memory] -> Attention(4)
    [b, context] -> Concat -> Dense(7, activation=softmax)""")
  x, lengths = sources(3)
  generated = model.generate(x, lengths=lengths, start=1, end=2, max_length=6)
  for row in range(len(x)):
    check(generated, row, greedy(Rows(model, x[row], lengths[row]), [1], 6, 2))


LANGUAGE_MODEL = """
  Embedding(6, 4) -> LSTM(7, return_sequences=true) -> GRU(5, return_sequences=true)
    -> Dense(6, activation=softmax)"""


def test_a_language_model_goes_on_with_prompts_of_different_lengths():
  model = build(LANGUAGE_MODEL)
  prompts, lengths = sources(21, 5, 6)
  with model.session(threads=2) as session:
    likeliest = session.generate(prompts, lengths, end=0, max_length=7)
    searched = session.generate(prompts, lengths, end=0, max_length=7, beams=3)
  for row, length in enumerate(lengths):
    prompt = prompts[row, :length].tolist()
    check(likeliest, row, greedy(Rows(model), prompt, 7, 0))
    check(searched, row, beam_search(Rows(model), prompt, 7, 0, 3))


def test_a_language_model_that_looks_back():
  model = build("""
    x = Embedding(6, 4)
    y = x -> MultiHeadAttention(2, causal=true)
    z = [x, y] -> Add -> LayerNorm
    w = z -> MultiHeadAttention(1, causal=true)
    [z, w] -> Add -> Dense(6, activation=softmax)""")
  prompts, lengths = sources(11, 5, 6)
  with model.session(threads=2) as session:
    likeliest = session.generate(prompts, lengths, end=0, max_length=9)
    searched = session.generate(prompts, lengths, end=0, max_length=9, beams=4)
  for row, length in enumerate(lengths):
    prompt = prompts[row, :length].tolist()
    check(likeliest, row, greedy(Rows(model), prompt, 9, 0))
    check(searched, row, beam_search(Rows(model), prompt, 9, 0, 4))


def test_ids_that_the_embedding_masks_leave_the_state_as_it_is():
  model = build("""
    Embedding(5, 4, mask_zero=true) -> LSTM(6, return_sequences=true)
      -> GRU(5, return_sequences=true, learn_initial_state=true) -> Dense(5, activation=softmax)""")
  model.parameters["dense.bias"][0] = 2  # 0 is chosen now and then
  prompts = np.array([[1, 0, 0], [0, 0, 3], [2, 4, 1], [0, 0, 0]])
  for beams in (None, 3):
    generated = model.generate(prompts, end=4, max_length=8, beams=beams)
    assert (generated.ids[generated.lengths > 2] == 0).any()
    for row, prompt in enumerate(prompts.tolist()):
      if beams:
        check(generated, row, beam_search(Rows(model), prompt, 8, 4, beams))
      else:
        check(generated, row, greedy(Rows(model), prompt, 8, 4))


@pytest.mark.parametrize("alpha", [0.0, 0.8])
def test_wide_enough_beams_find_the_best_of_all_sequences(alpha):
  model = build("Embedding(4, 3) -> GRU(5, return_sequences=true) -> Dense(4, activation=softmax)")
  prompts = np.array([[1], [2], [3]])
  generated = model.generate(prompts, end=0, max_length=4, beams=4**4, length_penalty=alpha)
  for row, prompt in enumerate(prompts.tolist()):
    check(generated, row, enumerated(Rows(model), prompt, 4, 0, 4, alpha))
  without_end = model.generate(prompts, max_length=3, beams=4**3)
  for row, prompt in enumerate(prompts.tolist()):
    assert without_end.lengths[row] == 3
    best = max(
      itertools.product(range(4), repeat=3),
      key=lambda ids: sum(Rows(model)([*prompt, *ids[:i]])[ids[i]] for i in range(3)),
    )
    assert tuple(without_end.sequences[row]) == best


def test_a_row_goes_on_as_long_as_it_may_become_better():
  """Long sequences are penalised less, so the best may end long after a good one has."""
  late = 0
  for seed in range(12):
    model = build(LANGUAGE_MODEL, seed=seed, scale=0.4)
    generated = model.generate(
      np.array([[1], [2]]), end=0, max_length=7, beams=3, length_penalty=3.0
    )
    for row, prompt in enumerate(([1], [2])):
      expected = beam_search(Rows(model), prompt, 7, 0, 3, alpha=3.0)
      check(generated, row, expected)
      late += 1 < len(expected[0]) < 7
  assert late > 3


def test_an_end_counts_only_before_the_last_that_is_followed():
  """One behind `beams` others is not taken, also if what is followed gets worse."""
  differing = 0
  for seed in range(40):
    model = build(LANGUAGE_MODEL, seed=seed, scale=0.8)
    generated = model.generate(np.array([[1]]), end=0, max_length=4, beams=2)
    expected = beam_search(Rows(model), [1], 4, 0, 2)
    check(generated, 0, expected)
    differing += enumerated(Rows(model), [1], 4, 0, 6)[1] > expected[1] + 1e-3
  assert differing > 0


def test_beams_are_never_worse_than_following_the_likeliest():
  model = build(ENDINGS["attention"], seed=5, scale=0.6)
  x, lengths = sources(30)
  one = model.generate(x, lengths=lengths, start=1, max_length=8)
  several = model.generate(x, lengths=lengths, start=1, max_length=8, beams=32)
  assert (several.scores >= one.scores - 1e-4).all()
  assert (several.scores > one.scores + 1e-3).any()


# Draws


def test_draws_have_the_distribution_of_the_softmax():
  model = build("Embedding(6, 4) -> GRU(5, return_sequences=true) -> Dense(6, activation=softmax)")
  count = 20_000
  logits = Rows(model)([1])
  for temperature in (0.5, 1.0, 3.0):
    generated = model.generate(
      np.full((count, 1), 1), max_length=1, temperature=temperature, seed=11
    )
    found = np.bincount(generated.ids[:, 0], minlength=6)
    p = np.exp(logits / temperature)
    expected = count * p / p.sum()
    chi_square = ((found - expected) ** 2 / expected).sum()
    assert chi_square < 20.5  # five degrees of freedom: once in a thousand seeds
    # Scores are those of the model itself, whatever the temperature.
    np.testing.assert_allclose(generated.scores, logits[generated.ids[:, 0]], rtol=1e-4)


def test_later_positions_have_draws_of_their_own():
  model = build("Embedding(4, 3) -> GRU(3, return_sequences=true) -> Dense(4, activation=softmax)")
  for name in model.parameters:
    model.parameters[name][:] = 0  # every id is as likely as every other
  ids = model.generate(np.ones((3000, 1), int), max_length=3, temperature=1, seed=5).ids
  triples = np.bincount(ids @ [16, 4, 1], minlength=64)
  expected = 3000 / 64
  assert ((triples - expected) ** 2 / expected).sum() < 103.5  # 63 degrees of freedom, 0.001
  other = model.generate(np.ones((3000, 1), int), max_length=3, temperature=1, seed=6).ids
  assert 0.6 < (other != ids).mean() < 0.9


@pytest.mark.parametrize(
  ("top_k", "top_p"),
  [(1, None), (3, None), (99, None), (None, 0.6), (None, 1.0), (4, 0.7), (2, 1e-9)],
)
def test_draws_stay_within_the_likeliest(top_k, top_p):
  model = build(LANGUAGE_MODEL, scale=0.5)
  prompts = np.arange(6)[:, np.newaxis]
  repeated = np.repeat(prompts, 500, axis=0)
  ids = model.generate(
    repeated, max_length=1, temperature=1.5, top_k=top_k, top_p=top_p, seed=2
  ).ids.reshape(6, 500)
  for row in range(6):
    p = np.exp(Rows(model)([row]) / 1.5)
    order = np.argsort(-p, kind="stable")[: top_k or len(p)]
    shares = np.cumsum(p[order]) / p[order].sum()
    kept = order[: np.searchsorted(shares, (top_p or 1) - 1e-9) + 1]
    assert set(ids[row]) <= set(kept)
    found = np.array([(ids[row] == id).sum() for id in kept])
    expected = 500 * p[kept] / p[kept].sum()
    assert ((found - expected) ** 2 / expected).sum() < 30


def test_one_of_the_likeliest_is_the_likeliest():
  model = build(LANGUAGE_MODEL)
  prompts, lengths = sources(9, 5, 6)
  likeliest = model.generate(prompts, lengths, end=0, max_length=7)
  for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-6}):
    drawn = model.generate(prompts, lengths, end=0, max_length=7, **{"temperature": 1.0, **options})
    np.testing.assert_array_equal(drawn.ids, likeliest.ids)


# What must not matter


@pytest.mark.parametrize("options", [{}, {"beams": 3}, {"temperature": 1.0, "seed": 4}])
def test_threads_make_no_difference(options):
  model = build(ENDINGS["attention"])
  x, lengths = sources(37)
  given = {"lengths": lengths, "start": 1, "end": 2, "max_length": 12, **options}
  one = model.generate(x, threads=1, **given)
  two = model.generate(x, threads=2, **given)
  np.testing.assert_array_equal(one.ids, two.ids)
  np.testing.assert_array_equal(one.lengths, two.lengths)
  np.testing.assert_array_equal(one.scores, two.scores)


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("beams", [None, 4])
def test_a_row_is_the_same_alone(name, beams):
  model = build(ENDINGS[name])
  x, lengths = sources(11)
  together = model.generate(x, lengths=lengths, start=1, end=2, max_length=9, beams=beams)
  for row, length in enumerate(lengths):
    alone = model.generate(x[row : row + 1, :length], start=1, end=2, max_length=9, beams=beams)
    assert alone.sequences == [together.sequences[row]]
    np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)


def test_what_lies_behind_a_length_does_not_matter():
  model = build(ENDINGS["attention"])
  x, lengths = sources(6)
  other = x.copy()
  for row, length in enumerate(lengths):
    other[row, length:] = (other[row, length:] + 1) % 9
  for beams in (None, 3):
    a = model.generate(x, lengths=lengths, start=1, end=2, max_length=9, beams=beams)
    b = model.generate(other, lengths=lengths, start=1, end=2, max_length=9, beams=beams)
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_array_equal(a.scores, b.scores)


def test_sessions_generate_again_and_between_other_calls():
  model = build(ENDINGS["attention"])
  x, lengths = sources(6)
  given = {"lengths": lengths, "start": 1, "end": 2, "max_length": 9}
  with model.session() as session:
    first = session.generate(x, **given)
    session.generate(x, beams=5, **given)
    session.run([x, np.ones((6, 3), int)])
    session.generate(x[:2, :3], start=1, max_length=3)
    again = session.generate(x, **given)
    np.testing.assert_array_equal(first.ids, again.ids)
    # And it follows the parameters.
    model.parameters["dense.bias"][2] += 100
    assert session.generate(x, **given).lengths.tolist() == [0] * 6


def test_the_streams_are_not_touched():
  model = build(LANGUAGE_MODEL)
  with model.session() as session, model.session() as other:
    for t, id in enumerate([1, 2, 3]):
      if t == 2:
        session.generate(np.array([[1, 2]]), max_length=4)
      np.testing.assert_array_equal(session.step(id), other.step(id))


# Edges


def test_the_end_may_come_at_once():
  model = build(ENDINGS["attention"])
  model.parameters["dense.bias"][2] = 1000
  x, _ = sources(3)
  for beams in (None, 2):
    generated = model.generate(x, start=1, end=2, max_length=5, beams=beams)
    assert generated.lengths.tolist() == [0, 0, 0]
    assert (generated.ids == 2).all()
    np.testing.assert_allclose(generated.scores, 0, atol=1e-6)


def test_one_id():
  model = build(ENDINGS["attention"])
  x, lengths = sources(4)
  for beams in (None, 3):
    generated = model.generate(x, lengths=lengths, start=1, end=2, max_length=1, beams=beams)
    for row in range(4):
      check(generated, row, greedy(Rows(model, x[row], lengths[row]), [1], 1, 2))


def test_a_vocabulary_of_one():
  model = refrain.Model(
    "Embedding(1, 2) -> GRU(3, return_sequences=true) -> Dense(1, activation=softmax)"
  )
  for options in ({}, {"beams": 3}, {"temperature": 1.0}):
    generated = model.generate(np.zeros((2, 1), int), max_length=4, **options)
    assert generated.ids.tolist() == [[0] * 4] * 2
    assert generated.lengths.tolist() == [4, 4]
    np.testing.assert_allclose(generated.scores, 0, atol=1e-6)
  ended = model.generate(np.zeros((2, 1), int), max_length=4, end=0, beams=2)
  assert ended.lengths.tolist() == [0, 0]


def test_of_equals_the_smallest_id():
  model = build(LANGUAGE_MODEL)
  for name in model.parameters:
    model.parameters[name][:] = 0
  assert (model.generate(np.array([[3]]), max_length=4).ids == 0).all()
  generated = model.generate(np.array([[3]]), max_length=3, beams=2)
  assert generated.ids.tolist() == [[0, 0, 0]]
  np.testing.assert_allclose(generated.scores, 3 * math.log(1 / 6), rtol=1e-6)
  # Among ids that are as likely, top_k keeps the smaller.
  ids = model.generate(np.full((200, 1), 3), max_length=1, temperature=1, top_k=2).ids
  assert set(ids[:, 0]) == {0, 1}


def test_not_a_number_ends_its_row_alone():
  model = build("""
    x = Input(2)
    target = Input(ids)
    h = x -> GRU(4)
    t = target -> Embedding(5, 3)
    [t, h] -> GRU(4, return_sequences=true) -> Dense(5, activation=softmax)""")
  x = np.random.default_rng(0).normal(size=(3, 4, 2))
  broken = x.copy()
  broken[1, 2, 0] = np.nan
  for options in ({}, {"beams": 2}, {"temperature": 1.0}):
    whole = model.generate(x, start=1, end=0, max_length=5, **options)
    found = model.generate(broken, start=1, end=0, max_length=5, **options)
    assert found.lengths[1] == 0 and np.isnan(found.scores[1]) and (found.ids[1] == 0).all()
    for row in (0, 2):
      assert found.sequences[row] == whole.sequences[row]
      assert found.scores[row] == whole.scores[row]


def test_no_rows():
  model = build(ENDINGS["attention"])
  generated = model.generate(np.zeros((0, 4), int), start=1, max_length=3)
  assert generated.ids.shape == (0, 3) and generated.sequences == []


def test_which_input_is_fed():
  model = build("""
    target = Input(ids)
    source = Input(ids, name=words)
    h = source -> Embedding(9, 5) -> GRU(5)
    t = target -> Embedding(7, 4)
    [t, h] -> GRU(5, return_sequences=true) -> Dense(7, activation=softmax)""")
  x, lengths = sources(3)
  prompts = np.ones((3, 1), int)
  expected = model.generate([prompts, x], [None, lengths], feed=0, end=2, max_length=5)
  for feed in ("target", "input", "t"):
    found = model.generate([prompts, x], [None, lengths], feed=feed, end=2, max_length=5)
    np.testing.assert_array_equal(found.ids, expected.ids)
  started = model.generate(x, lengths=lengths, feed=0, start=1, end=2, max_length=5)
  np.testing.assert_array_equal(started.ids, expected.ids)
  each = model.generate(x, lengths=lengths, feed=0, start=[1, 1, 1], end=2, max_length=5)
  np.testing.assert_array_equal(each.ids, expected.ids)
  for feed in ("source", "words", 1, None):
    with pytest.raises(refrain.UnsupportedError, match="timesteps of the input that is fed"):
      model.generate([prompts, x], feed=feed, max_length=5)
  with pytest.raises(refrain.UnknownNameError, match="'target'"):
    model.generate([prompts, x], feed="targt", max_length=5)
  with pytest.raises(refrain.ArgumentError, match="index"):
    model.generate(x, feed="target", start=1, max_length=5)


@pytest.mark.parametrize(
  ("notation", "message"),
  [
    (
      "Input(3) -> GRU(4, return_sequences=true) -> Dense(3, activation=softmax)",
      "no input of ids",
    ),
    ("Embedding(5, 3) -> GRU(4) -> Dense(5, activation=softmax)", "timesteps"),
    ("Embedding(5, 3) -> GRU(4, return_sequences=true) -> Dense(5)", "softmax"),
    (
      "Embedding(5, 3) -> GRU(4, return_sequences=true) -> Dense(6, activation=softmax)",
      "6 classes",
    ),
    (
      """x = Embedding(5, 3) -> Bidirectional(GRU(4, return_sequences=true))
      x -> Dense(5, activation=softmax)""",
      "bidirectional needs the whole",
    ),
    (
      """x = Embedding(5, 3) -> GRU(4, return_sequences=true, go_backwards=true)
      x -> Dense(5, activation=softmax)""",
      "gru needs the whole",
    ),
    (
      "Embedding(5, 4) -> MultiHeadAttention(2) -> Dense(5, activation=softmax)",
      "multiheadattention needs the whole",
    ),
    (
      """x = Embedding(5, 4)
      y = [x, x] -> Attention(3)
      y -> Dense(5, activation=softmax)""",
      "attention needs the whole",
    ),
    (
      """x = Embedding(5, 4)
      p = x -> Pooling(mean)
      y = [p, x] -> RepeatVector
      y -> Dense(5, activation=softmax)""",
      "repeatvector needs the whole",
    ),
    (
      """x = Embedding(5, 4)
      p = x -> GRU(4)
      y = [x, p] -> GRU(4, return_sequences=true)
      y -> Dense(5, activation=softmax)""",
      "gru_1 needs the whole",
    ),
    (
      """a = Embedding(5, 4)
      b = Embedding(5, 4)
      [b, a] -> Concat -> Dense(5, activation=softmax)""",
      "timesteps of the input|joins the sequence",
    ),
  ],
)
def test_models_that_cannot(notation, message):
  model = refrain.Model("\n".join(line.strip() for line in notation.splitlines()))
  inputs = [
    np.zeros((2, 3), int) if each.is_ids else np.zeros((2, 3, 3), np.float32)
    for each in model.inputs
  ]
  with pytest.raises(refrain.UnsupportedError, match=message):
    model.generate(inputs if len(inputs) > 1 else inputs[0], max_length=4)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"max_length": 0}, "max_length"),
    ({"max_length": 1 << 31}, "max_length"),
    ({"beams": 0}, "beams"),
    ({"beams": 65537}, "beams"),
    ({"beams": 2, "temperature": 1.0}, "beams"),
    ({"temperature": -1.0}, "temperature"),
    ({"temperature": float("inf")}, "temperature|inf"),
    ({"top_k": 3}, "top_k"),
    ({"top_p": 0.5}, "top_p"),
    ({"temperature": 1.0, "top_k": 0}, "top_k"),
    ({"temperature": 1.0, "top_p": 0.0}, "top_p"),
    ({"temperature": 1.0, "top_p": 1.1}, "top_p"),
    ({"length_penalty": 0.5}, "length_penalty"),
    ({"beams": 2, "length_penalty": -0.5}, "length_penalty"),
    ({"end": 6}, "end"),
    ({"end": -1}, "end"),
    ({"feed": 1}, "feed"),
    ({"seed": -1}, "seed"),
  ],
)
def test_options_that_are_refused(options, message):
  model = build(LANGUAGE_MODEL)
  with pytest.raises(refrain.RefrainError, match=message):
    model.generate(np.array([[1]]), **{"max_length": 3, **options})


def test_prompts_that_are_refused():
  model = build(LANGUAGE_MODEL)
  prompts = np.array([[1, 2], [3, 4]])
  with pytest.raises(refrain.ArgumentError, match="lengths"):
    model.generate(prompts, np.array([1, 0]), max_length=3)
  with pytest.raises(refrain.ArgumentError, match="mask"):
    model.generate(prompts, mask=np.ones((2, 2)), max_length=3)
  with pytest.raises(refrain.ArgumentError, match="expected an id"):
    model.generate(np.array([[6]]), max_length=3)
  with pytest.raises(refrain.ArgumentError, match="one of them"):
    model.generate(prompts, start=1, max_length=3)
  assert model.generate(start=[1, 2, 3], max_length=2).ids.shape == (3, 2)
  assert model.generate(start=1, max_length=2).ids.shape == (1, 2)


def test_memory_that_cannot_be_had():
  model = build(LANGUAGE_MODEL)
  with pytest.raises(refrain.OutOfMemoryError):
    model.generate(np.array([[1]] * 8), max_length=(1 << 27) - 1, beams=65536)


def test_texts_go_through_the_tokenizer():
  model = build(LANGUAGE_MODEL)
  tokenizer = refrain.Tokenizer(num_words=6)
  tokenizer.fit_on_texts(["a b c d e"])
  model.tokenizer = tokenizer
  texts = model.generate(["a b", "c d"], max_length=3)
  ids = model.generate(np.array([[1, 2], [3, 4]]), max_length=3)
  np.testing.assert_array_equal(texts.ids, ids.ids)
