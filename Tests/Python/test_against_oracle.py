"""The library against the float64 oracle: every layer and option, forward and backward, in every
situation that lengths and masks can make.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import refrain
from oracle import clipping, generate, library
from oracle.activations import softmax
from oracle.compare import assert_close, assert_results
from oracle.losses import LOSSES, items
from oracle.layer import Masks
from oracle.network import Network
from oracle.optimizers import OPTIMIZERS
from oracle.problem import Problem, Result, solve
from oracle.tape import Tensor
from oracle.telling import masks_of
from oracle.traits import Case

OUTPUT = 1e-5
GRADIENT = 5e-5
ABSOLUTE = 1e-6  # for gradients that are small because large terms cancel


def assert_agrees(problem: Problem, options: str = "") -> None:
  """Inference, training and all gradients are the oracle's; nothing is NaN."""
  expected = solve(problem)
  outputs = Result(expected.outputs)
  assert_results(library.run(problem), outputs, OUTPUT, GRADIENT, ABSOLUTE)
  assert_results(library.train(problem, options), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("situation", generate.SITUATIONS)
@pytest.mark.parametrize("name", [name for name in generate.networks() if "dropout" not in name])
def test_layers(name: str, situation: str) -> None:
  network = generate.networks()[name]()
  assert_agrees(generate.problem(network, generate.SITUATIONS[situation], seed=len(name)))


@pytest.mark.parametrize("memory", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("timesteps", [1, 2, 5, 17, 40])
def test_attention_sizes(timesteps: int, memory: int) -> None:
  """Fewer and more queries than keys, below and above what a kernel's tile takes."""
  situation = generate.Situation(5, timesteps, lengths=True, mask=True, memory=memory)
  for size, other, heads in ((6, 10, 2), (33, 20, 3), (16, 16, 1)):
    for query in ("sequence", "itself"):
      for kind, *positional in (("Attention", other), ("MultiHeadAttention", heads)):
        network = generate.attention(
          query, *positional, kind=kind, size=size, memory=other, return_weights=True
        )
        assert_agrees(generate.problem(network, situation, seed=timesteps))


@pytest.mark.parametrize("name", generate.attentions())
def test_keys_that_do_not_count_have_no_weight(name: str) -> None:
  """Exactly 0, and zeros for those that have nothing to look at, whatever stands there."""
  network = generate.attentions()[name]()
  problem = generate.problem(network, generate.Situation(9, 6, True, True, memory=5), seed=3)
  result = library.train(problem)
  index = len(network.inputs) - 1
  counted = ~np.isnan(problem.inputs[index]).any(axis=-1)
  assert (result.of_inputs[index][~counted] == 0).all()
  layer = network.layers[0]
  if "return_weights" not in layer.options:
    return
  weights = result.outputs[1].reshape(len(counted), -1, counted.shape[1])
  assert (weights[np.broadcast_to(~counted[:, np.newaxis], weights.shape)] == 0).all()
  sums = weights.sum(axis=-1)
  assert (np.isclose(sums, 1, atol=1e-6) | (sums == 0)).all()
  alone = ~counted.any(axis=1)
  assert alone.any()
  assert (weights[alone] == 0).all()
  if layer.kind == "Attention":
    assert (result.outputs[0][alone] == 0).all()


@pytest.mark.parametrize("name", generate.attentions())
def test_attention_with_any_number_of_threads(name: str) -> None:
  situation = generate.Situation(67, 7, lengths=True, mask=True, memory=5)
  problem = generate.problem(generate.attentions()[name](), situation)
  library.assert_same_bits(library.run(problem, threads=1), library.run(problem, threads=3))
  one = library.train(problem, "threads=1")
  for threads in (2, 3):
    library.assert_same_bits(one, library.train(problem, f"threads={threads}"))
  if "return_weights" not in problem.network.notation:  # they can have no loss
    library.assert_same_bits(library.learn(problem, 1), library.learn(problem, 2))


def test_a_row_of_attention_does_not_depend_on_its_neighbours() -> None:
  network = generate.networks()["attention_between"]()
  problem = generate.problem(network, generate.Situation(20, 6, lengths=True, memory=9))
  together = library.run(problem).outputs
  for row in (0, 7, 19):
    part = slice(row, row + 1)
    alone = dataclasses.replace(
      problem,
      inputs=[array[part] for array in problem.inputs],
      lengths=[lengths[part] for lengths in problem.lengths],
    )
    for index, output in enumerate(library.run(alone).outputs):
      assert_close(output[0], together[index][row], 1e-6, 1e-7, f"row {row} of output {index}")


@pytest.mark.parametrize(
  "name", [*generate.attentions(), "attention_between", "repeated", "gated", "residual"]
)
def test_attention_survives_its_file(name: str) -> None:
  """The file's own sample is verified when it is loaded; all answers stay the same."""
  problem = generate.problem(generate.networks()[name](), generate.SITUATIONS["lengths_mask"])
  model = library.model_of(problem)
  loaded = refrain.load(model.to_bytes())
  assert loaded.notation == model.notation == refrain.Model(model.notation).notation
  assert loaded.outputs == model.outputs
  data = library.data_of(problem)
  for found, expected in zip(
    library.as_list(loaded.predict(**data)), library.as_list(model.predict(**data)), strict=True
  ):
    assert (found == expected).all()


def test_a_fit_sees_no_padding() -> None:
  """Batches are cut to what their longest sequences need, queries and keys each to their own."""
  random = np.random.default_rng(5)
  query, memory = random.normal(size=(40, 9, 4)), random.normal(size=(40, 13, 3))
  lengths = [random.integers(0, 10, 40), random.integers(0, 14, 40)]
  target = random.normal(size=(40, 4))

  def padded(array: np.ndarray, more: int) -> np.ndarray:
    return np.pad(array, ((0, 0), (0, more), (0, 0)), constant_values=np.nan).astype(np.float32)

  def losses(more: int) -> list[float]:
    model = refrain.Model(
      "q = Input(4)\nm = Input(3)\n"
      "[c, w] = [q, m] -> Attention(5, return_weights=true)\n"
      "s = [q, c] -> Concat -> MultiHeadAttention(7, causal=true)\n"
      "y = [s, m] -> MultiHeadAttention(1, key_size=6) -> Attention(score=dot) -> Dense(4)\n"
      "[w, y]",
      seed=2,
    )
    history = model.fit(
      [padded(query, more), padded(memory, 2 * more)],
      target,
      lengths=lengths,
      loss=[None, "mse"],
      epochs=3,
      batch_size=8,
      verbose=0,
    )
    return history["loss"]

  assert losses(0) == losses(40)
  assert losses(0)[-1] < losses(0)[0]


@pytest.mark.parametrize("score", ["additive", "dot", "scaled_dot"])
@pytest.mark.parametrize("largest", [1.0, 300.0])
def test_attention_of_a_stream(score: str, largest: float) -> None:
  """After each timestep, what a run gives for the sequence so far; scores may be large."""
  model = refrain.Model(
    f"x = Input(5)\nx -> GRU(6, return_sequences=true) -> Attention(score={score}) -> Dense(2)"
  )
  if score != "additive":
    model.parameters["attention.query"] *= largest
  x = np.random.default_rng(4).normal(size=(3, 11, 5)).astype(np.float32)
  session = model.session(lanes=3)
  for t in range(11):
    found = session.step(x[:, t])
    assert_close(found, model.predict(x[:, : t + 1]), 1e-5, 1e-6, f"timestep {t}")
  session.reset(1)
  found = session.step(x[:, 0])
  assert_close(found[1], model.predict(x[:, :1])[1], 1e-5, 1e-6, "after a reset")


def test_what_needs_a_whole_sequence_cannot_stream() -> None:
  for rest in (
    "[x, x] -> Attention(3)",
    "v = x -> Pooling(last)\n[v, x] -> Attention(3)",
    "v = Input(3, time=false)\nr = v -> RepeatVector(5)\n[x, r] -> Attention(3)",
    "[y, w] = x -> Attention(3, return_weights=true)",
    "x -> MultiHeadAttention(1, causal=true)",
    "v = x -> Pooling(mean)\n[v, x] -> RepeatVector",
  ):
    model = refrain.Model(f"x = Input(4)\n{rest}")
    frames = [np.zeros(size.shape[-1], np.float32) for size in model.inputs]
    with pytest.raises(refrain.UnsupportedError, match="needs the whole sequence"):
      model.session().step(frames if len(frames) > 1 else frames[0])


def test_a_stream_with_an_input_that_stays() -> None:
  """A given query, and a vector at every timestep, as long as both stay what they are."""
  model = refrain.Model(
    "x = Input(5)\nv = Input(3, time=false)\n"
    "u = v -> Dense(4, activation=tanh)\nr = [u, x] -> RepeatVector\n"
    "s = [x, r] -> Concat -> GRU(6, return_sequences=true)\n"
    "c = [u, s] -> Attention(7)\nd = [u, s] -> Attention(score=general)\n[c, d] -> Concat"
  )
  random = np.random.default_rng(6)
  x = random.normal(size=(2, 8, 5)).astype(np.float32)
  v = random.normal(size=(2, 3)).astype(np.float32)
  session = model.session(lanes=2)
  for t in range(8):
    found = session.step([x[:, t], v])
    assert_close(found, model.predict([x[:, : t + 1], v]), 1e-5, 1e-6, f"timestep {t}")


@pytest.mark.parametrize("name", ["dropout", "dropout_vector"])
def test_inference_has_no_dropout(name: str) -> None:
  problem = generate.problem(generate.networks()[name](), generate.SITUATIONS["lengths"])
  assert_results(library.run(problem), Result(solve(problem).outputs), 0, 0)


@pytest.mark.parametrize("merge_mode", [None, "concat"])
@pytest.mark.parametrize("hidden", [1, 2, 3, 15, 16, 17, 31, 33, 48, 64, 65, 100])
@pytest.mark.parametrize("cell", generate.CELLS)
def test_hidden_sizes(cell: str, hidden: int, merge_mode: str | None) -> None:
  network = generate.recurrent(
    cell, hidden, True, merge_mode, return_sequences=True, return_state=True
  )
  assert_agrees(generate.problem(network, generate.Situation(3, 4, lengths=True), seed=hidden))


@pytest.mark.parametrize("batch", [2, 7, 8, 9, 16, 31, 33, 70])
@pytest.mark.parametrize("cell", generate.CELLS)
def test_batch_sizes(cell: str, batch: int) -> None:
  """Also such as span several shards; lengths and masks make every shard different."""
  network = generate.recurrent(cell, 6, True, None, return_sequences=True, return_state=True)
  situation = generate.Situation(batch, 5, lengths=True, mask=batch > 2)
  assert_agrees(generate.problem(network, situation, seed=batch))


@pytest.mark.parametrize("bidirectional", [None, "concat"])
@pytest.mark.parametrize("cell", generate.CELLS)
def test_all_tiles(cell: str, bidirectional: str | None) -> None:
  """Rows and units enough for the widest tiles and, of both, some over."""
  network = generate.recurrent(cell, 70, True, bidirectional, return_sequences=True)
  assert_agrees(generate.problem(network, generate.Situation(29, 4), seed=3))


@pytest.mark.parametrize(
  "options",
  [
    {"activation": "relu"},
    {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
  ],
)
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 6, 7, 8, 13])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_tiles_of_other_activations(cell: str, batch: int, options: dict[str, str]) -> None:
  network = Network()
  options = {k: v for k, v in options.items() if cell != "RNN" or k == "activation"}
  network.layer(cell, network.input(5), 70, return_sequences=True, **options)
  assert_agrees(generate.problem(network, generate.Situation(batch, 4), seed=batch))


@pytest.mark.parametrize("cell", generate.CELLS)
def test_many_timesteps(cell: str) -> None:
  network = generate.recurrent(cell, 17, return_sequences=True)
  assert_agrees(generate.problem(network, generate.Situation(3, 150, lengths=True)))


@pytest.mark.parametrize("features", [1, 2, 16, 33, 130])
def test_feature_sizes(features: int) -> None:
  for kind in ("LSTM", "GRU"):
    network = Network()
    network.layer(kind, network.input(features), 7, return_sequences=True)
    network.layer("Dense", network.given, 3)
    assert_agrees(generate.problem(network, generate.Situation(5, 4, lengths=True)))


def test_no_sequence_has_a_timestep() -> None:
  """All lengths are 0: outputs are the initial states, gradients go straight through."""
  for cell in generate.CELLS:
    network = generate.recurrent(cell, 4, True, return_state=True)
    problem = generate.problem(network, generate.Situation(3, 5))
    nothing = np.full_like(problem.inputs[0], np.nan)
    problem = dataclasses.replace(
      problem, lengths=np.zeros(3, np.int64), inputs=[nothing, *problem.inputs[1:]]
    )
    assert_agrees(problem)
    assert (library.run(problem).outputs[0] == problem.inputs[1]).all()


def test_ids_behind_a_length_may_be_anything() -> None:
  network = generate.networks()["embedding_lstm"]()
  problem = generate.problem(network, generate.SITUATIONS["lengths"])
  expected = library.train(problem)
  ids = problem.inputs[0].copy()
  behind = np.arange(ids.shape[1]) >= problem.lengths[:, np.newaxis]
  for garbage in (-1, generate.VOCABULARY, 2**31 - 1, -(2**31)):
    ids[behind] = garbage
    library.assert_same_bits(library.train(dataclasses.replace(problem, inputs=[ids])), expected)


def test_a_mask_and_the_equal_lengths_agree() -> None:
  """Masked ends and shorter lengths differ only in what sequences repeat behind them."""
  for cell in generate.CELLS:
    problem = generate.problem(
      generate.recurrent(cell, return_state=True), generate.Situation(6, 5, lengths=True)
    )
    clean = dataclasses.replace(problem, inputs=[np.nan_to_num(problem.inputs[0])])
    mask = np.arange(5) < problem.lengths[:, np.newaxis]
    masked = dataclasses.replace(clean, lengths=None, mask=mask)
    assert_results(library.train(masked), library.train(clean), OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize(
  "name",
  ["stacked", "branches", "embedding_mask_zero_gru_gru", "embedding", "bidirectional-lstm-sum"],
)
def test_threads_do_not_change_a_bit(name: str) -> None:
  problem = generate.problem(
    generate.networks()[name](), generate.Situation(131, 7, lengths=True, mask=True)
  )
  library.assert_same_bits(library.run(problem, threads=1), library.run(problem, threads=2))
  one = library.train(problem, "threads=1")
  learned = library.learn(problem, threads=1)
  for threads in (2, 3):
    library.assert_same_bits(one, library.train(problem, f"threads={threads}"))
    library.assert_same_bits(learned, library.learn(problem, threads))


@pytest.mark.parametrize("threads", [1, 2])
def test_many_units_after_sequences_that_end(threads: int) -> None:
  """More weights than rows take at a time: outputs and gradients are those of each sequence alone."""
  random = np.random.default_rng(5)
  x = random.normal(size=(19, 9, 130)).astype(np.float32)
  lengths = random.integers(0, 10, 19)
  model = refrain.Model("Input(130) -> Dense(1100, activation=tanh)", seed=1)
  trainer = model.trainer(threads=threads)
  y = trainer.forward(x, lengths=lengths)
  dy = random.normal(size=y.shape).astype(np.float32)
  dx = trainer.backward(dy)
  inferred = model.predict(x, lengths=lengths, threads=threads)
  for row, length in enumerate(lengths):
    assert not y[row, length:].any()
    assert not dx[row, length:].any()
    if length == 0:
      continue
    alone = slice(row, row + 1), slice(length)
    expected = trainer.forward(x[alone])
    assert np.array_equal(y[alone], expected)
    assert np.array_equal(inferred[alone], expected)
    assert np.array_equal(dx[alone], trainer.backward(dy[alone]))


def test_a_row_does_not_depend_on_its_neighbours() -> None:
  """Inference of a batch gives each row what it gets alone."""
  problem = generate.problem(
    generate.networks()["stacked"](), generate.Situation(40, 6, lengths=True)
  )
  together = library.run(problem).outputs[0]
  for row in (0, 17, 39):
    alone = dataclasses.replace(
      problem,
      inputs=[array[row : row + 1] for array in problem.inputs],
      lengths=problem.lengths[row : row + 1],
    )
    assert_close(library.run(alone).outputs[0][0], together[row], 1e-6, 1e-7, f"row {row}")


def test_backward_passes_add_up() -> None:
  problem = generate.problem(generate.networks()["stacked"](), generate.SITUATIONS["lengths"])
  trainer = library.model_of(problem).trainer()
  expected = solve(problem).of_parameters
  for times in (1, 2, 3):
    trainer.forward(**library.data_of(problem))
    trainer.backward(problem.output_gradients[0])
    for name, gradient in expected.items():
      assert_close(trainer.gradients[name], times * gradient, GRADIENT, what=f"{name} × {times}")
  trainer.zero_gradients()
  assert all((trainer.gradients[name] == 0).all() for name in expected)


@pytest.mark.parametrize("name", [name for name in generate.networks() if "dropout" not in name])
def test_a_pass_leaves_nothing_behind(name: str) -> None:
  """What an earlier batch of the same sizes, longer and with other numbers, left in memory has no
  influence: outputs and gradients are the bits of a trainer and a session that saw no other."""
  network = generate.networks()[name]()
  problem = generate.problem(network, generate.SITUATIONS["lengths_mask"], seed=2)
  whole = dataclasses.replace(generate.SITUATIONS["lengths_mask"], lengths=False, mask=False)
  earlier = generate.problem(network, whole, seed=9)
  for array in earlier.inputs:
    if array.dtype == np.float32:
      array *= 30
  model = library.model_of(problem)
  trainer, session = model.trainer(), model.session()
  for each in (earlier, problem):
    outputs = library.as_list(trainer.forward(**library.data_of(each)))
    weights = each.output_gradients
    trainer.zero_gradients()
    of_inputs = library.as_list(trainer.backward(weights if len(weights) > 1 else weights[0]))
    run = library.as_list(session.run(**library.data_of(each)))
  found = Result(outputs, {key: trainer.gradients[key] for key in network.shapes}, of_inputs)
  library.assert_same_bits(found, library.train(problem))
  library.assert_same_bits(Result(run), library.run(problem))


# -- losses

_RANDOM = np.random.default_rng(12)

LOSS_CASES: dict[str, tuple[str, str, dict[str, object]]] = {
  "crossentropy": ("crossentropy", "classes", {}),
  "crossentropy_sum": ("crossentropy", "classes", {"reduction": "sum"}),
  "crossentropy_smooth": ("crossentropy", "classes", {"label_smoothing": 0.1}),
  "crossentropy_ignore": ("crossentropy", "classes", {"ignore_class": 1}),
  "crossentropy_weights": ("crossentropy", "classes", {"class_weights": [0.5, 2.0, 0.0, 1.25]}),
  "crossentropy_everything": (
    "crossentropy",
    "classes",
    {"label_smoothing": 0.2, "ignore_class": 3, "class_weights": [0.5, 2.0, 1.5, 1.0]},
  ),
  "crossentropy_distribution": ("crossentropy", "distribution", {"label_smoothing": 0.1}),
  "binary_crossentropy": ("binary_crossentropy", "bits", {}),
  "binary_crossentropy_soft": ("binary_crossentropy", "fractions", {}),
  "binary_crossentropy_weights": (
    "binary_crossentropy",
    "bits",
    {"positive_weights": [2.0, 0.5, 1.0, 3.0]},
  ),
  "binary_crossentropy_sum": ("binary_crossentropy", "bits", {"reduction": "sum"}),
  "mse": ("mse", "numbers", {}),
  "mse_sum": ("mse", "numbers", {"reduction": "sum"}),
  "mae": ("mae", "numbers", {}),
  "huber": ("huber", "numbers", {"delta": 0.7}),
  "huber_sum": ("huber", "numbers", {"delta": 0.7, "reduction": "sum"}),
}
CLASSES = 4


def _targets(what: str, shape: tuple[int, ...]) -> np.ndarray:
  random = np.random.default_rng(21)
  if what == "classes":
    return random.integers(0, CLASSES, shape).astype(np.int32)
  if what == "distribution":
    return random.dirichlet(np.ones(CLASSES), shape).astype(np.float32)
  if what == "bits":
    return random.integers(0, 2, (*shape, CLASSES)).astype(np.float32)
  if what == "fractions":
    return random.random((*shape, CLASSES)).astype(np.float32)
  return random.normal(size=(*shape, CLASSES)).astype(np.float32)


@pytest.mark.parametrize("weights", [None, "sequences", "timesteps"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", LOSS_CASES)
def test_losses(name: str, fused: bool, sequences: bool, weights: str | None) -> None:
  """Values and gradients, of logits and behind softmax or sigmoid; padding is NaN."""
  loss, what, options = LOSS_CASES[name]
  if weights == "timesteps" and not sequences:
    pytest.skip("an output without timesteps has no weights per timestep")
  activation = {"crossentropy": "softmax", "binary_crossentropy": "sigmoid"}.get(loss, "tanh")
  network = Network()
  x = network.layer("GRU", network.input(5), 6, return_sequences=sequences)
  network.layer("Dense", x, CLASSES, activation=activation if fused else "linear")
  problem = generate.problem(network, generate.Situation(7, 6, lengths=True, mask=sequences))
  shape = (7, 6) if sequences else (7,)
  targets = _targets(what, shape)
  random = np.random.default_rng(4)
  sample_weights = None
  if weights is not None:
    sample_weights = generate.single(random.random(shape if weights == "timesteps" else 7))
    sample_weights[1] = 0
  if sequences and targets.dtype == np.float32:
    targets[np.arange(6) >= problem.lengths[:, np.newaxis]] = np.nan

  parameters = {key: Tensor(value) for key, value in problem.parameters.items()}
  given = Tensor(problem.inputs[0])
  values = network.run(parameters, [given], problem.lengths, problem.mask)[0]
  of = {"of": "probabilities"} if fused and "crossentropy" in loss else {}
  expected = LOSSES[loss](items(values, targets, sample_weights), **options, **of)
  expected.backward()

  spelled = ", ".join(f"{key}={value}" for key, value in options.items())
  trainer = library.model_of(problem).trainer(f"loss={loss}({spelled})")
  trainer.forward(**library.data_of(problem))
  value, dx = trainer.backward_loss(targets, sample_weights, input_gradients=True)
  assert_close(value, expected.value, OUTPUT, ABSOLUTE, "loss")
  for key, parameter in parameters.items():
    assert_close(trainer.gradients[key], parameter.gradient, GRADIENT, ABSOLUTE, key)
  assert_close(dx, given.gradient, GRADIENT, ABSOLUTE, "gradient of the input")


def test_losses_bear_extreme_outputs() -> None:
  """Logits of ±200 through softmax and sigmoid: no logarithm of zero."""
  for loss, activation, target in (
    ("crossentropy", "softmax", np.array([0, 1, 2], np.int32)),
    ("binary_crossentropy", "sigmoid", np.eye(3, dtype=np.float32)),
  ):
    network = Network()
    network.layer("Dense", network.input(3, time=False), 3, name="dense", activation=activation)
    x = np.array([[-200, 0, 200], [200, -200, 0], [0, 0, 200]], np.float32)
    parameters = {"dense.weight": np.eye(3), "dense.bias": np.zeros(3)}
    problem = Problem(network, parameters, [x])
    trainer = library.model_of(problem).trainer(f"loss={loss}")
    trainer.forward(x)
    value, dx = trainer.backward_loss(target, input_gradients=True)
    logits = Tensor(x)
    expected = LOSSES[loss](items([logits[b] for b in range(3)], target))
    expected.backward()
    assert_close(value, expected.value, 1e-6, what=loss)
    assert_close(dx, logits.gradient, 1e-6, what=loss)


def test_several_outputs_have_several_losses() -> None:
  network = Network()
  x = network.input(5)
  states = network.layer("GRU", x, 4, return_sequences=True)
  numbers = network.layer("Dense", states, 2)
  classes = network.layer("Dense", network.layer("Pooling", states, "mean"), 3)
  network.outputs(numbers, classes)
  problem = generate.problem(network, generate.SITUATIONS["lengths"])
  targets = [_targets("numbers", (7, 6))[..., :2].copy(), _targets("classes", (7,)) % 3]
  parameters = {key: Tensor(value) for key, value in problem.parameters.items()}
  values = network.run(parameters, [Tensor(problem.inputs[0])], problem.lengths)
  first = LOSSES["mse"](items(values[0], targets[0]))
  total = first + LOSSES["crossentropy"](items(values[1], targets[1]))
  total.backward()
  trainer = library.model_of(problem).trainer("loss=[mse, crossentropy]")
  trainer.forward(**library.data_of(problem))
  assert_close(trainer.backward_loss(targets), total.value, OUTPUT, what="loss")
  for key, parameter in parameters.items():
    assert_close(trainer.gradients[key], parameter.gradient, GRADIENT, ABSOLUTE, key)


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.25, 3.0], [0.0, 2.0]])
def test_losses_have_weights(weights: list[float]) -> None:
  """The loss is the weighted sum, in training, in a fit and in an evaluation."""
  network = Network()
  x = network.input(5)
  states = network.layer("GRU", x, 4, return_sequences=True)
  numbers = network.layer("Dense", states, 2)
  classes = network.layer("Dense", network.layer("Pooling", states, "mean"), 3)
  network.outputs(numbers, classes)
  problem = generate.problem(network, generate.SITUATIONS["lengths"])
  targets = [_targets("numbers", (7, 6))[..., :2].copy(), _targets("classes", (7,)) % 3]
  parameters = {key: Tensor(value) for key, value in problem.parameters.items()}
  values = network.run(parameters, [Tensor(problem.inputs[0])], problem.lengths)
  total = LOSSES["mse"](items(values[0], targets[0])) * weights[0]
  total = total + LOSSES["crossentropy"](items(values[1], targets[1])) * weights[1]
  total.backward()
  model = library.model_of(problem)
  data = library.data_of(problem)
  trainer = model.trainer(loss=["mse", "crossentropy"], loss_weights=weights)
  trainer.forward(**data)
  assert_close(trainer.backward_loss(targets), total.value, OUTPUT, what="loss")
  for key, parameter in parameters.items():
    assert_close(trainer.gradients[key], parameter.gradient, GRADIENT, ABSOLUTE, key)
  measured = model.evaluate(
    **_named(data), y=targets, loss=["mse", "crossentropy"], loss_weights=weights
  )
  assert_close(measured.loss, total.value, OUTPUT, what="evaluated loss")
  history = model.fit(
    **_named(data),
    y=targets,
    loss=["mse", "crossentropy"],
    loss_weights=weights,
    optimizer="SGD(0)",
    validation_data=(problem.inputs[0], targets),
    validation_lengths=problem.lengths,
    verbose=0,
  )
  assert_close(history["loss"][0], total.value, OUTPUT, what="loss of a fit")
  assert_close(history["val_loss"][0], total.value, OUTPUT, what="validation loss")
  assert_close(model.evaluate(**_named(data), y=targets).loss, total.value, OUTPUT)


def _named(data: dict[str, object]) -> dict[str, object]:
  return {name: value for name, value in data.items() if value is not None}


@pytest.mark.parametrize("at", [0, 1])
def test_an_output_without_a_loss(at: int) -> None:
  """It has no target and no gradient, and figures are those of the other."""
  network = Network()
  x = network.input(5)
  pooled, weights = network.layer("Attention", x, 4, return_weights=True)
  classes = network.layer("Dense", pooled, 3, activation="softmax")
  network.outputs(*([weights, classes] if at else [classes, weights]))
  problem = generate.problem(network, generate.SITUATIONS["lengths_mask"])
  target = _targets("classes", (8,)) % 3
  parameters = {key: Tensor(value) for key, value in problem.parameters.items()}
  values = network.run(parameters, [Tensor(problem.inputs[0])], problem.lengths, problem.mask)
  total = LOSSES["crossentropy"](items(values[at], target), of="probabilities")
  total.backward()
  model = library.model_of(problem)
  data = library.data_of(problem)
  loss = [None, "crossentropy"] if at else ["crossentropy", None]
  trainer = model.trainer(loss=loss)
  trainer.forward(**data)
  assert_close(trainer.backward_loss(target), total.value, OUTPUT, what="loss")
  for key, parameter in parameters.items():
    assert_close(trainer.gradients[key], parameter.gradient, GRADIENT, ABSOLUTE, key)
  measured = model.evaluate(**data, y=target, loss=loss)
  assert_close(measured.loss, total.value, OUTPUT, what="evaluated loss")
  predicted = model.predict(**data)[at].argmax(axis=-1)
  assert_close(measured.accuracy, (predicted == target).mean(), 1e-6, what="accuracy")
  history = model.fit(**data, y=target, loss=loss, optimizer="SGD(0)", verbose=0)
  assert_close(history["loss"][0], total.value, OUTPUT, what="loss of a fit")
  with pytest.raises(refrain.UnsupportedError, match="can have no loss"):
    model.trainer(loss=["mse", "mse"])


# -- whole updates

OPTIMIZER_CASES: dict[str, dict[str, object]] = {
  "SGD": {"learning_rate": 0.1},
  "SGD_everything": {
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.01,
  },
  "RMSprop": {"learning_rate": 0.01, "decay": 0.8},
  "RMSprop_momentum": {"learning_rate": 0.01, "momentum": 0.5, "weight_decay": 0.01},
  "Adagrad": {"learning_rate": 0.05, "weight_decay": 0.01},
  "Adam": {"learning_rate": 0.01},
  "Adam_everything": {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.02},
  "AdamW": {"learning_rate": 0.01, "weight_decay": 0.1},
}


@pytest.mark.parametrize("name", OPTIMIZER_CASES)
def test_updates(name: str) -> None:
  """Ten updates of every parameter, with gradients of our own."""
  rule, options = name.partition("_")[0], OPTIMIZER_CASES[name]
  problem = generate.problem(generate.networks()["stacked"](), generate.SITUATIONS["full"])
  model = library.model_of(problem)
  spelled = ", ".join(f"{key}={str(value).lower()}" for key, value in options.items())
  trainer = model.trainer(f"optimizer={rule}({spelled})")
  values = {key: value.astype(np.float64) for key, value in problem.parameters.items()}
  rules = {key: OPTIMIZERS[rule](**options) for key in values}
  random = np.random.default_rng(6)
  for step in range(10):
    for key, value in values.items():
      gradient = generate.single(random.normal(size=value.shape) * (step % 3))
      trainer.gradients[key][...] = gradient
      values[key] = rules[key].step(value, gradient.astype(np.float64))
    trainer.update()
  for key, value in values.items():
    assert_close(model.parameters[key], value, 5e-6, 1e-6, key)


def test_penalty_on_weights() -> None:
  """l2 adds 2 l2 w to the gradients of weights, none to those of biases."""
  problem = generate.problem(generate.recurrent("lstm"), generate.SITUATIONS["full"])
  model = library.model_of(problem)
  trainer = model.trainer("optimizer=SGD(0.5), l2=0.25")
  trainer.forward(**library.data_of(problem))
  trainer.backward(np.zeros((4, 3), np.float32))
  trainer.update()
  for name, value in problem.parameters.items():
    expected = value if "bias" in name else value - 0.5 * 2 * 0.25 * value
    assert_close(model.parameters[name], expected, 1e-6, what=name)


@pytest.mark.parametrize(
  "options",
  ["", "clip_parameter_norm=0.2", "clip_norm=0.3", "clip_parameter_norm=0.2, clip_norm=0.3"],
)
def test_clipping_counts_the_penalty(options: str) -> None:
  """First each parameter's gradient with its penalty, then all of them together."""
  problem = generate.problem(generate.recurrent("gru"), generate.SITUATIONS["full"])
  model = library.model_of(problem)
  trainer = model.trainer(f"optimizer=SGD(0.5), l2=0.25, {options}".rstrip(", "))
  random = np.random.default_rng(2)
  values = {key: value.astype(np.float64) for key, value in problem.parameters.items()}
  for _ in range(2):
    gradients = {}
    for key, value in values.items():
      given = generate.single(random.normal(size=value.shape) * 0.1)
      trainer.gradients[key][...] = given
      gradients[key] = given + (0 if "bias" in key else 0.5 * value)
    if "clip_parameter_norm" in options:
      gradients = clipping.by_parameter_norm(gradients, 0.2)
    norm = clipping.norm(gradients)
    if "clip_norm" in options:
      gradients = clipping.by_norm(gradients, 0.3)
    assert_close(trainer.update(), norm, 1e-6, what="norm")
    values = {key: value - 0.5 * gradients[key] for key, value in values.items()}
  for key, value in values.items():
    assert_close(model.parameters[key], value, 1e-6, 1e-6, key)


# -- dropout

RATE = 0.3
KEPT = 1 / (1 - RATE)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_dropout(kind: str, bidirectional: bool) -> None:
  """The masks are read off the outputs of telling parameters; with them the oracle knows all."""
  rates = {"dropout": RATE, "recurrent_dropout": RATE}
  merge_mode = "concat" if bidirectional else None
  case = Case(kind, rates, merge_mode, situation=generate.Situation(70, 4))
  problem, options = case.problem(), "seed=5"
  masks = masks_of(case, problem, options)
  expected = solve(problem, masks)
  assert_results(library.train(problem, options), expected, OUTPUT, GRADIENT, ABSOLUTE)
  assert_results(library.run(problem), Result(solve(problem).outputs), OUTPUT, GRADIENT)
  library.assert_same_bits(
    library.train(problem, options), library.train(problem, f"{options}, threads=2")
  )
  values = np.stack([np.concatenate(list(of_row.by_name.values())) for of_row in masks])
  _assert_kept_share(values != 0, 1 - RATE)
  assert len({row.tobytes() for row in values}) > 60, "rows share their masks"


def _assert_kept_share(kept: np.ndarray, share: float) -> None:
  """Within five standard deviations of what chance allows."""
  deviation = (share * (1 - share) / kept.size) ** 0.5
  assert abs(kept.mean() - share) < 5 * deviation, f"{kept.mean():.4f} of {kept.size} were kept"


def _head_masks(name: str, options: str, batch: int, timesteps: int) -> np.ndarray:
  """The masks ``[B, heads, T, T]`` of a self-attention's first forward pass, read off its output.

  With queries of 0 every weight is 1/T. Key j is the unit vector j, and the value of head h has
  units of its own, so what is missing in the output was dropped.
  """
  heads = 2
  network = Network()
  x = network.input(timesteps)
  network.layer("MultiHeadAttention", x, heads, name=name, key_size=timesteps, dropout=RATE)
  width = heads * timesteps
  value = np.zeros((3 * width, timesteps), np.float32)
  value[2 * width :] = np.tile(np.eye(timesteps), (heads, 1))
  masks = []
  for head in range(heads):
    out = np.zeros((timesteps, width), np.float32)
    out[:, head * timesteps : (head + 1) * timesteps] = np.eye(timesteps)
    parameters = {
      f"{name}.in_proj_weight": value,
      f"{name}.in_proj_bias": np.zeros(3 * width, np.float32),
      f"{name}.out_proj.weight": out,
      f"{name}.out_proj.bias": np.zeros(timesteps, np.float32),
    }
    data = np.broadcast_to(np.eye(timesteps, dtype=np.float32), (batch, timesteps, timesteps))
    problem = Problem(network, parameters, [data.copy()])
    masks.append(library.train(problem, options).outputs[0] * timesteps)
  return np.stack(masks, axis=1)


def test_attention_dropout() -> None:
  """The masks are read off telling parameters; with them the oracle knows all."""
  options, batch, timesteps = "seed=5", 40, 6
  masks = _head_masks("layer", options, batch, timesteps)
  kept = masks > 0.5
  assert_close(masks, np.where(kept, KEPT, 0), 1e-5, what="masks")
  _assert_kept_share(kept, 1 - RATE)
  assert len({row.tobytes() for row in kept[:, 0]} | {row.tobytes() for row in kept[:, 1]}) > 70
  network = generate.attention(
    "itself", 2, kind="MultiHeadAttention", size=6, dropout=RATE, return_weights=True
  )
  problem = generate.problem(network, generate.Situation(batch, timesteps, lengths=True, mask=True))
  exact = np.where(kept, KEPT, 0.0)
  expected = solve(problem, [Masks({"layer": of_row}) for of_row in exact])
  assert_results(library.train(problem, options), expected, OUTPUT, GRADIENT, ABSOLUTE)
  assert_results(library.run(problem), Result(solve(problem).outputs), OUTPUT, GRADIENT, ABSOLUTE)

  # A single head has the first head's masks, for the numbers of a row are drawn in one sequence.
  network = generate.attention(
    "itself", 1, kind="MultiHeadAttention", size=6, dropout=RATE, causal=True
  )
  problem = generate.problem(network, generate.Situation(batch, timesteps, lengths=True))
  expected = solve(problem, [Masks({"layer": of_row[:1]}) for of_row in exact])
  assert_results(library.train(problem, options), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("score", ["additive", "dot", "general", "scaled_dot"])
def test_dropout_of_single_attention(score: str) -> None:
  """Memory j is the unit vector j, so that a context shows which weights were dropped."""
  keys, batch = 5, 50
  network = generate.attention(
    "sequence", kind="Attention", score=score, memory=keys, dropout=RATE, return_weights=True
  )
  problem = generate.problem(network, generate.Situation(batch, 3, memory=keys))
  problem.inputs[1] = np.broadcast_to(np.eye(keys, dtype=np.float32), (batch, keys, keys)).copy()
  context, weights = library.train(problem, "seed=8").outputs
  kept = context != 0
  _assert_kept_share(kept, 1 - RATE)
  assert_close(weights.sum(axis=-1), np.ones((batch, 3)), 1e-6, what="weights that are given")
  masks = [Masks({"layer": np.where(of_row, KEPT, 0.0)}) for of_row in kept]
  expected = solve(problem, masks)
  assert_results(library.train(problem, "seed=8"), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_layer(rate: float) -> None:
  """Each element by itself is 0 or x/(1 − p), and gradients go where values went."""
  model = refrain.Model(f"x = Input(17)\nx -> Dropout({rate})")
  x = np.random.default_rng(1).normal(size=(64, 9, 17)).astype(np.float32)
  trainer = model.trainer("seed=3")
  first = trainer.forward(x)
  dx = trainer.backward(np.ones_like(x))
  kept = first != 0
  _assert_kept_share(kept, 1 - rate)
  for axis in range(3):
    assert 0 < np.abs(np.diff(kept.astype(int), axis=axis)).mean() < 1, "equal along an axis"
  assert_close(first, np.where(kept, x / (1 - rate), 0), 1e-6)
  assert_close(dx, kept / (1 - rate), 1e-6)
  assert (model.predict(x) == x).all()
  assert (model.trainer("seed=3, threads=2").forward(x) == first).all()
  assert (model.trainer("seed=4").forward(x) != first).any()
  assert (trainer.forward(x) != first).any(), "the next pass has the same mask"


def test_every_pass_and_layer_has_masks_of_its_own() -> None:
  network = Network()
  x = network.input(6)
  network.outputs(network.layer("Dropout", x, 0.5), network.layer("Dropout", x, 0.5))
  trainer = refrain.Model(network.notation).trainer("seed=1")
  ones = np.ones((50, 3, 6), np.float32)
  a, b = trainer.forward(ones)
  c, d = trainer.forward(ones)
  seen = [a, b, c, d]
  for index, one in enumerate(seen):
    for other in seen[index + 1 :]:
      assert 0.4 < (one == other).mean() < 0.6


def test_softmax_rows_sum_to_one() -> None:
  model = refrain.Model("x = Input(9, time=false)\nx -> Activation(softmax)")
  x = (np.random.default_rng(2).normal(size=(33, 9)) * 30).astype(np.float32)
  y = model.predict(x)
  assert_close(y.sum(axis=1), np.ones(33), 1e-6)
  expected = np.stack([softmax(Tensor(row)).value for row in x])
  assert_close(y, expected, 1e-6)
