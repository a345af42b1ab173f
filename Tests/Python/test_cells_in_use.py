"""The library's recurrent cells in use: as a stream, in files, from fresh parameters, in training,
and what zoneout draws.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import refrain
from oracle import library, traits
from oracle.compare import assert_close
from oracle.generate import Situation
from oracle.telling import masks_of
from oracle.traits import Case

SINGLES = traits.singles()
EVERYTHING = traits.everything()


# -- streams


def streamed(case: Case) -> Case:
  """The same for three full sequences of five timesteps, read forward from its own first state."""
  options = {name: value for name, value in case.options.items() if name != "go_backwards"}
  return Case(case.kind, options, situation=Situation(3, 5))


STREAMS = {
  name: streamed(case)
  for name, case in {**SINGLES, **EVERYTHING}.items()
  if case.options or name in traits.TRAITS
}


@pytest.mark.parametrize("name", STREAMS)
def test_steps_equal_a_run(name: str) -> None:
  """Each output after each step is that of a run over the sequence so far."""
  problem = STREAMS[name].problem(5)
  model = library.model_of(problem)
  stream, runs = model.session(lanes=3), model.session()
  for t in range(5):
    frames = [x[:, t] for x in problem.inputs]
    found = library.as_list(stream.step(frames if len(frames) > 1 else frames[0]))
    so_far = [np.ascontiguousarray(x[:, : t + 1]) for x in problem.inputs]
    expected = library.as_list(runs.run(so_far if len(so_far) > 1 else so_far[0]))
    for output, value in zip(found, expected, strict=True):
      last = value[:, -1] if value.ndim == 3 else value
      assert_close(output, last, 1e-5, 1e-6, f"timestep {t}")


@pytest.mark.parametrize("name", STREAMS)
def test_streams_begin_again_and_go_on_elsewhere(name: str) -> None:
  """A lane that is reset is at its first state again; states travel as bytes."""
  problem = STREAMS[name].problem(5)
  model = library.model_of(problem)
  stream = model.session(lanes=3)

  def step(session: refrain.Session, t: int) -> list[np.ndarray]:
    frames = [x[:, t] for x in problem.inputs]
    return library.as_list(session.step(frames if len(frames) > 1 else frames[0]))

  first = step(stream, 0)
  step(stream, 1)
  saved, clone = stream.state, stream.clone()
  third = step(stream, 2)
  other = model.session(lanes=3)
  other.state = saved
  for session in (clone, other):
    assert all(np.array_equal(a, b) for a, b in zip(step(session, 2), third, strict=True))
  stream.reset(lane=1)
  again = step(stream, 0)
  assert all(np.array_equal(a[1], b[1]) for a, b in zip(again, first, strict=True))
  stream.reset()
  assert all(np.array_equal(a, b) for a, b in zip(step(stream, 0), first, strict=True))


@pytest.mark.parametrize("kind", traits.TRAITS)
def test_a_stream_begins_where_the_model_learned_to(kind: str) -> None:
  """Also where that was set after the session was made."""
  problem = streamed(Case(kind, {"learn_initial_state": True})).problem(2)
  model = library.model_of(problem)
  stream = model.session(lanes=3)
  frames = [x[:, 0] for x in problem.inputs]
  given = frames if len(frames) > 1 else frames[0]
  before = library.as_list(stream.step(given))
  for name in model.parameters:
    if "initial" in name:
      model.parameters[name] = problem.parameters[name] * 0.5 + 1
  stream.reset()
  after = library.as_list(stream.step(given))
  expected = library.as_list(model.session(lanes=3).step(given))
  assert all(np.array_equal(a, b) for a, b in zip(after, expected, strict=True))
  assert (before[0] != after[0]).any()
  whole = [np.ascontiguousarray(x[:, :1]) for x in problem.inputs]
  run = library.as_list(model.session().run(whole if len(whole) > 1 else whole[0]))
  assert_close(after[0], run[0][:, 0], 1e-5, 1e-6)


# -- files


@pytest.mark.parametrize("name", {**SINGLES, **EVERYTHING})
def test_models_travel(name: str) -> None:
  """Notation and bytes make the same model again, bit for bit."""
  problem = {**SINGLES, **EVERYTHING}[name].problem(5)
  model = library.model_of(problem)
  again = refrain.Model(model.notation)
  assert again.notation == model.notation
  shapes = {key: model.parameters[key].shape for key in model.parameters}
  assert {key: again.parameters[key].shape for key in again.parameters} == shapes
  loaded = refrain.load(model.to_bytes())
  assert loaded.notation == model.notation
  for key, value in problem.parameters.items():
    assert np.array_equal(loaded.parameters[key], value), key
  data = library.data_of(problem)
  found, expected = (library.as_list(of.session().run(**data)) for of in (loaded, model))
  assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# -- fresh parameters


def test_fresh_parameters() -> None:
  """What is not a weight starts where it changes nothing."""
  options = "peephole=true, projection=3, layer_norm=true, learn_initial_state=true"
  for coupled in ("false", "true"):
    model = refrain.Model(f"x = Input(4)\nx -> LSTM(5, name=a, coupled={coupled}, {options})")
    p = {name.removeprefix("a."): model.parameters[name] for name in model.parameters}
    for name, value in {
      "weight_peephole": 0,
      "initial_hidden": 0,
      "initial_cell": 0,
      "norm_ih_weight": 1,
      "norm_hh_weight": 1,
      "norm_cell_weight": 1,
      "norm_cell_bias": 0,
    }.items():
      assert (p[name] == value).all(), name
    gates = p["bias_ih"].reshape(-1, 5)
    forget = 0 if coupled == "true" else 1
    assert (gates[forget] == 1).all() and (np.delete(gates, forget, axis=0) == 0).all()
    limit = (6 / (3 + 5)) ** 0.5
    assert 0.5 * limit < np.abs(p["weight_hr"]).max() <= limit
  model = refrain.Model("x = Input(4)\nx -> Bidirectional(SLSTM(5, learn_initial_state=true))")
  for name in model.parameters:
    if "initial" in name:
      assert (model.parameters[name] == 0).all(), name
  assert sum("initial" in name for name in model.parameters) == 8


# -- learning


def marked_token(count: int = 256, timesteps: int = 7) -> tuple[np.ndarray, ...]:
  """Ids of which one of 0 … 3, somewhere, is the class; the others are noise. What lies behind a
  length is misleading. The scores point at that one.
  """
  random = np.random.default_rng(17)
  ids = random.integers(4, 8, (count, timesteps)).astype(np.int32)
  lengths = random.integers(2, timesteps + 1, count)
  places = random.integers(0, lengths)
  classes = random.integers(0, 4, count).astype(np.int32)
  scores = np.zeros((count, timesteps, 1), np.float32)
  for b in range(count):
    ids[b, lengths[b] :] = (classes[b] + 1) % 4
    ids[b, places[b]] = classes[b]
    scores[b, places[b]] = 1
  return ids, scores, lengths, classes


LEARNERS = {kind: f"{kind}(16)" for kind in traits.TRAITS} | {
  "SLSTM_exponential": "SLSTM(16, forget_gate=exponential)",
  "LSTM_everything": "LSTM(16, peephole=true, coupled=true, projection=8, cell_clip=3, clip=5,"
  " layer_norm=true, zoneout=0.1, zoneout_cell=0.1, learn_initial_state=true)",
  "GRU_everything": "GRU(16, layer_norm=true, clip=5, zoneout=0.1, learn_initial_state=true)",
  "RNN_layer_norm": "RNN(16, layer_norm=true)",
  "Bidirectional_MinLSTM": "Bidirectional(MinLSTM(8, zoneout=0.1))",
}


@pytest.mark.parametrize("name", LEARNERS)
def test_each_cell_learns(name: str) -> None:
  ids, scores, lengths, classes = marked_token()
  layer, x, of_scores = LEARNERS[name], ids, ""
  given, these_lengths = "e", lengths
  if "AUGRU" in layer:
    of_scores, given = "s = Input(1)\n", "[e, s]"
    x, these_lengths = [ids, scores], [lengths, lengths]
  model = refrain.Model(
    f"i = Input(ids)\n{of_scores}e = i -> Embedding(8, 6)\n"
    f"{given} -> {layer} -> Dense(4, activation=softmax)",
    seed=1,
  )
  before = {key: model.parameters[key].copy() for key in model.parameters}
  options = {"optimizer": "Adam(0.02)", "epochs": 30, "seed": 1, "verbose": 0}
  history = model.fit(x, classes, lengths=these_lengths, **options)
  after = model.evaluate(x, classes, lengths=these_lengths, loss="crossentropy")
  assert after.accuracy > 0.97 and history["loss"][-1] < 0.3 * history["loss"][0]
  for key, value in before.items():
    if "normalizer" not in key and "stabilizer" not in key:
      assert (model.parameters[key] != value).any(), f"{key} did not change"


def test_resuming_gives_the_same_bits(tmp_path: Path) -> None:
  """The random state of zoneout is in the checkpoint."""
  ids, _, lengths, classes = marked_token(60)
  notation = (
    "Embedding(8, 6) -> LSTM(5, zoneout=0.3, zoneout_cell=0.2, return_sequences=true)"
    " -> MinGRU(4, zoneout=0.3, learn_initial_state=true) -> Dense(4)"
  )
  data = {"x": ids, "y": classes, "lengths": lengths}
  options = {"epochs": 2, "batch_size": 20, "verbose": 0}

  path = tmp_path / "training.checkpoint"
  models = [refrain.Model(notation, seed=seed) for seed in (1, 1, 2)]
  whole, stopped, resumed = (model.trainer("loss=crossentropy, seed=9") for model in models)
  whole.fit(**data, **options)

  def on_progress(progress: refrain.Progress) -> bool:
    stopped.save(path)
    return progress.batch == 1

  stopped.fit(**data, **options, on_progress=on_progress)
  resumed.load(path)
  resumed.fit(**data, **options, resume=True)
  for name in models[0].parameters:
    assert np.array_equal(models[2].parameters[name], models[0].parameters[name]), name


# -- what zoneout draws


def drawn(case: Case, options: str = "seed=5") -> dict[str, np.ndarray]:
  """The masks of all sequences by name, ``[B, T, …]``."""
  rows = masks_of(case, case.problem(1), options)
  return {name: np.stack([row.by_name[name] for row in rows]) for name in rows[0].by_name}


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.999])
@pytest.mark.parametrize("kind", traits.TRAITS)
def test_zoneout_keeps_its_share(kind: str, rate: float) -> None:
  """Each timestep, unit, sequence and direction by itself."""
  options: dict[str, object] = {"zoneout": rate}
  if kind == "LSTM":
    options["zoneout_cell"] = rate
  merge_mode = None if kind == "AUGRU" else "concat"
  case = Case(kind, options, merge_mode, situation=Situation(70, 8))
  masks = drawn(case)
  for name, u in masks.items():
    deviation = (rate * (1 - rate) / u.size) ** 0.5
    assert abs(u.mean() - (1 - rate)) < 5 * deviation, f"{name}: {u.mean():.4f} of {u.size}"
  if rate != 0.3:
    return
  same = rate**2 + (1 - rate) ** 2
  for name, u in masks.items():
    for axis in range(3):
      share = (np.diff(u, axis=axis) == 0).mean()
      assert abs(share - same) < 0.05, f"{name}: {share:.3f} stay along axis {axis}"
    for other, v in masks.items():
      if other != name:
        assert abs((u == v).mean() - same) < 0.05, f"{name} and {other} go together"


def test_seeds_decide_what_zoneout_draws() -> None:
  case = Case("LSTM", {"zoneout": 0.3, "zoneout_cell": 0.4}, situation=Situation(70, 8))
  first = drawn(case)
  for options, is_same in (("seed=5", True), ("seed=5, threads=2", True), ("seed=6", False)):
    for name, u in drawn(case, options).items():
      assert np.array_equal(u, first[name]) == is_same, f"{name} with {options}"


def test_each_pass_draws_anew() -> None:
  problem = Case("GRU", {"zoneout": 0.5}).problem(1)
  trainer = library.model_of(problem).trainer("seed=1")
  first, second = (trainer.forward(problem.inputs[0])[0] for _ in range(2))
  assert (first != second).any()
  session = library.model_of(problem).session()
  assert np.array_equal(session.run(problem.inputs[0])[0], session.run(problem.inputs[0])[0])


@pytest.mark.parametrize("kind", traits.TRAITS)
def test_zoneout_of_nothing_is_no_zoneout(kind: str) -> None:
  plain = Case(kind).problem(1)
  none = dataclasses.replace(plain, network=Case(kind, {"zoneout": 0}).network)
  library.assert_same_bits(library.train(none), library.train(plain))
  library.assert_same_bits(library.run(none), library.run(plain))


@pytest.mark.parametrize(
  "layers",
  ["Attention(9)", "GRU(4, return_sequences=true)", "GRU(4, return_sequences=true) -> Pooling(max)"],
)
def test_a_stream_skips_what_a_mask_leaves_out(layers: str) -> None:
  """Ids of 0, as in the whole sequence."""
  net = refrain.Model(f"Embedding(9, 5, mask_zero=true) -> {layers}", seed=3)
  ids = np.array([[4, 0, 2, 0, 0, 8], [3, 3, 0, 1, 5, 0]], np.int32)
  stream = net.session(lanes=2)
  for t in range(6):
    step = stream.step(ids[:, t])
    whole = net.predict(ids[:, : t + 1])
    np.testing.assert_allclose(step, whole[:, -1] if whole.ndim == 3 else whole, atol=1e-6)


def test_zoneout_leaves_rows_that_ended_bit_by_bit() -> None:
  net = refrain.Model("Input(3) -> LSTM(8, zoneout=0.1, zoneout_cell=0.1)", seed=3)
  x = np.random.default_rng(1).normal(size=(2, 50, 3)).astype(np.float32)
  together = net.predict(x, lengths=np.array([3, 50]))
  assert np.array_equal(together[0], net.predict(x[:1, :3])[0])


def test_scores_may_be_as_long_as_the_model_says() -> None:
  net = refrain.Model(
    "x = Input(4, time=false)\nr = x -> RepeatVector(5)\ns = r -> Dense(1)\n[r, s] -> AUGRU(8)", seed=1
  )
  assert net.predict(np.ones((2, 4), np.float32)).shape == (2, 8)


@pytest.mark.parametrize(
  "notation",
  [
    "a = Input(2000000000, time=false)\n" + "".join(f"a{i + 1} = [a{i or ''}, a{i or ''}] -> Concat\n" for i in range(40)),
    "a = Input([2000000000, 2000000000, 2000000000], time=false)",
  ],
)
def test_vectors_longer_than_there_can_be_are_refused(notation: str) -> None:
  with pytest.raises(refrain.RefrainError):
    refrain.Model(notation, seed=1)
