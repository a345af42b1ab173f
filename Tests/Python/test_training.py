"""Training as a whole: that it learns, and that what must not change the result does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import refrain
import safetensors.numpy
from oracle import clipping, generate, library, schedules
from oracle.compare import assert_close
from oracle.losses import LOSSES, items
from oracle.network import Network
from oracle.optimizers import OPTIMIZERS
from oracle.problem import Problem
from oracle.tape import Tensor

Parameters = dict[str, np.ndarray]


def parameters_of(model: refrain.Model) -> Parameters:
  return {name: model.parameters[name].copy() for name in model.parameters}


def assert_same_bits(first: Parameters, second: Parameters) -> None:
  for name, value in first.items():
    assert np.array_equal(value, second[name]), f"{name} differs"


def differ(first: Parameters, second: Parameters) -> bool:
  return any(not np.array_equal(value, second[name]) for name, value in first.items())


# -- that it learns


def first_token(count: int, timesteps: int = 8, words: int = 4) -> tuple[np.ndarray, ...]:
  """Ids whose first decides the class, with lengths; what lies behind them is misleading."""
  random = np.random.default_rng(11)
  ids = random.integers(0, words, (count, timesteps)).astype(np.int32)
  return ids, ids[:, 0].copy(), random.integers(1, timesteps + 1, count)


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU"])
def test_a_classifier_remembers_the_first_word(layer: str) -> None:
  x, y, lengths = first_token(512)
  model = refrain.Model(f"Embedding(4, 8) -> {layer}(16) -> Dense(4, activation=softmax)", seed=1)
  before = model.evaluate(x, y, lengths=lengths, loss="crossentropy").loss
  history = model.fit(x, y, lengths=lengths, optimizer="Adam(0.01)", epochs=15, verbose=0)
  after = model.evaluate(x, y, lengths=lengths, loss="crossentropy")
  assert before > 1.2
  assert after.loss < 0.1 and after.accuracy > 0.97
  assert len(history["loss"]) == 15 and history["loss"][-1] < 0.1 * history["loss"][0]


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "Bidirectional(GRU"])
def test_a_tagger_marks_every_timestep(layer: str) -> None:
  """The parity of the ones so far: a loss on every timestep, of rows with different lengths."""
  random = np.random.default_rng(3)
  bits = random.integers(0, 2, (400, 6, 1))
  lengths = random.integers(1, 7, 400)
  close = ")" if "(" in layer else ""
  model = refrain.Model(
    f"x = Input(1)\nx -> {layer}(12, return_sequences=true){close} -> Dense(2)", seed=2
  )
  x, y = bits.astype(np.float32), (bits.cumsum(axis=1)[..., 0] % 2).astype(np.int32)
  model.fit(x, y, lengths=lengths, optimizer="Adam(0.03)", epochs=60, verbose=0)
  assert model.evaluate(x, y, lengths=lengths, loss="crossentropy").accuracy > 0.97


@pytest.mark.parametrize("loss", ["mse", "mae", "huber(delta=0.5)"])
def test_a_regression_adds_up(loss: str) -> None:
  random = np.random.default_rng(5)
  x = random.normal(size=(300, 5, 2)).astype(np.float32)
  y = x[:, :, 0].sum(axis=1, keepdims=True) * 0.3
  model = refrain.Model("x = Input(2)\nx -> GRU(16) -> Dense(1)", seed=3)
  before = np.abs(model.predict(x) - y).mean()
  model.fit(x, y, loss=loss, optimizer="Adam(0.01)", epochs=40, verbose=0)
  assert np.abs(model.predict(x) - y).mean() < 0.2 * before


def test_two_classes_from_one_sigmoid() -> None:
  random = np.random.default_rng(6)
  x = random.normal(size=(300, 4, 3)).astype(np.float32)
  y = (x[:, -1, 0] > 0).astype(np.int32)
  model = refrain.Model("x = Input(3)\nx -> LSTM(8) -> Dense(1, activation=sigmoid)", seed=4)
  model.fit(x, y, loss="binary_crossentropy", optimizer="Adam(0.02)", epochs=30, verbose=0)
  assert model.evaluate(x, y, loss="binary_crossentropy").accuracy > 0.95


# -- that it computes what it should


def test_a_fit_follows_the_oracle() -> None:
  """Two epochs in order, the last batch smaller, with clipping and a schedule: every parameter."""
  network = Network()
  x = network.layer("Embedding", network.input(ids=True), 7, 5, name="embedding", mask_zero=True)
  x = network.layer("LSTM", x, 6, name="lstm", merge_mode="concat")
  network.layer("Dense", x, 3, name="dense", activation="softmax")
  random = np.random.default_rng(8)
  ids = random.integers(0, 7, (23, 5)).astype(np.int32)
  classes = random.integers(0, 3, 23).astype(np.int32)
  lengths = random.integers(0, 6, 23)
  weights = generate.single(random.random(23))
  start = generate.problem(network, generate.Situation(1, 5)).parameters
  model = library.model_of(Problem(network, start, [ids]))
  history = model.fit(
    ids,
    classes,
    lengths=lengths,
    sample_weight=weights,
    optimizer="Adam(0.02)",
    schedule="Exponential(0.9, per=update)",
    clip_norm=0.3,
    epochs=2,
    batch_size=5,
    shuffle=False,
    verbose=0,
  )

  values = {name: value.astype(np.float64) for name, value in start.items()}
  rules = {name: OPTIMIZERS["Adam"]() for name in values}
  factor = schedules.exponential(0.9)
  updates, epochs = 0, []
  for _ in range(2):
    total = 0.0
    for first in range(0, 23, 5):
      rows = slice(first, min(first + 5, 23))
      parameters = {name: Tensor(value) for name, value in values.items()}
      outputs = network.run(parameters, [ids[rows]], lengths[rows])[0]
      found = items(outputs, classes[rows], weights[rows])
      loss = LOSSES["crossentropy"](found, of="probabilities")
      loss.backward()
      total += float(loss.value) * weights[rows].sum()
      gradients = {
        name: np.zeros_like(p.value) if p.gradient is None else p.gradient
        for name, p in parameters.items()
      }
      clipped = clipping.by_norm(gradients, 0.3)
      for name, rule in rules.items():
        rule.learning_rate = 0.02 * factor(updates)
        values[name] = rule.step(values[name], clipped[name])
      updates += 1
    epochs.append(total / weights.sum())
  for name, value in values.items():
    assert_close(model.parameters[name], value, 2e-5, 2e-6, name)
  assert_close(np.array(history["loss"]), np.array(epochs), 1e-5, what="history")
  assert_close(history["gradient_norm"][-1], clipping.norm(gradients), 1e-4, what="norm")
  assert_close(history["learning_rate"][-1], 0.02 * factor(updates - 1), 1e-6, what="rate")


def test_evaluation_does_not_depend_on_batches() -> None:
  x, y, lengths = first_token(101)
  weights = generate.single(np.random.default_rng(2).random(101))
  model = refrain.Model("Embedding(4, 8) -> GRU(7, dropout=0.5) -> Dense(4, activation=softmax)")
  found = [
    model.evaluate(
      x, y, lengths=lengths, sample_weight=weights, loss="crossentropy", batch_size=size
    )
    for size in (1, 10, 101, 1000)
  ]
  for other in found[1:]:
    assert_close(other.loss, found[0].loss, 1e-6, what="loss")
    assert_close(other.accuracy, found[0].accuracy, 1e-6, what="accuracy")
  p = model.predict(x, lengths=lengths)[np.arange(101), y]
  assert_close(found[0].loss, -(weights * np.log(p)).sum() / weights.sum(), 1e-5, what="loss")


# -- what must not change the result

NOTATION = (
  "Embedding(4, 6) -> LSTM(9, dropout=0.2, recurrent_dropout=0.3, return_sequences=true)"
  " -> GRU(7) -> Dropout(0.3) -> Dense(4, activation=softmax)"
)


def fitted(**options: object) -> Parameters:
  """The parameters after a fit with dropout and everything."""
  x, y, lengths = first_token(90)
  model = refrain.Model(NOTATION, seed=4)
  everything = {"epochs": 2, "batch_size": 35, "clip_norm": 1.0, "seed": 9, "verbose": 0}
  model.fit(x, y, lengths=lengths, **(everything | options))
  return parameters_of(model)


def test_threads_give_the_same_bits() -> None:
  one = fitted(threads=1)
  for threads in (2, 3, 5):
    assert_same_bits(one, fitted(threads=threads))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_by_shards_gives_the_bits_of_the_batch_as_a_whole(
  threads: int, weighted: bool
) -> None:
  """A fit takes shard after shard; after a forward pass that shows its outputs, all wait for the loss."""
  x, y, lengths = first_token(35)
  weights = np.linspace(0.1, 2, 35).astype(np.float32) if weighted else None
  options = {"optimizer": "Adam(0.01)", "clip_norm": 1.0, "seed": 9}
  by_shards = refrain.Model(NOTATION, seed=4)
  by_shards.fit(
    x, y, lengths=lengths, sample_weight=weights, batch_size=35, epochs=1, shuffle=False, verbose=0,
    threads=threads, **options
  )  # fmt: skip
  whole = refrain.Model(NOTATION, seed=4)
  trainer = whole.trainer("loss=crossentropy", threads=threads, **options)
  trainer.forward(x, lengths=lengths)
  trainer.backward_loss(y, weights)
  trainer.update()
  assert_same_bits(parameters_of(by_shards), parameters_of(whole))


LARGE_WEIGHTS = """
import numpy as np
import refrain

random = np.random.default_rng(3)
x = random.normal(size=(130, 13, 2)).astype(np.float32)
y = random.integers(0, 3, 130).astype(np.int32)
weights = random.uniform(0.1, 2, 130).astype(np.float32)

def outcome(optimizer, threads, lengths):
  model = refrain.Model(
    "Input(2) -> LSTM(512, return_sequences=true, dropout=0.2, recurrent_dropout=0.1) -> Dropout(0.1)"
    " -> LSTM(256, zoneout=0.1) -> Dense(530) -> Dense(3, activation=softmax)", seed=1)
  history = model.fit(
    x, y, lengths=lengths, sample_weight=weights, batch_size=130, epochs=1, shuffle=False,
    optimizer=optimizer, seed=2, threads=threads, verbose=0)
  loss = model.evaluate(x, y, lengths=lengths, sample_weight=weights, threads=threads).loss
  outputs = model.predict(x, lengths=lengths, threads=threads)
  return [*history["loss"], loss], [outputs, *model.parameters.values()]

# After a step of SGD as long as the second one, parameters have the bits of their gradients.
cases = [("Adam(0.01)", None), ("SGD(10000)", None), ("Adam(0.01)", random.integers(8, 14, 130))]
for optimizer, lengths in cases:
  losses, arrays = outcome(optimizer, 1, lengths)
  for threads in (2, 4, 7):
    other_losses, other_arrays = outcome(optimizer, threads, lengths)
    assert other_losses == losses, f"losses with {threads} threads"
    for a, b in zip(arrays, other_arrays, strict=True):
      assert np.array_equal(np.asarray(a), np.asarray(b)), f"bits with {threads} threads"
"""


@pytest.mark.parametrize("blas", ["off", "on"])
def test_large_weights_give_the_same_bits_for_any_number_of_threads(blas: str) -> None:
  """One thread takes more rows at a time than several, and lengths are shared among several."""
  environment = {**os.environ, "REFRAIN_BLAS": blas}
  subprocess.run([sys.executable, "-c", LARGE_WEIGHTS], env=environment, check=True)


def test_a_batch_that_is_not_finite_leaves_no_gradients() -> None:
  """The third of four shards has the number: the first two have added theirs by then."""
  random = np.random.default_rng(7)
  x = random.normal(size=(32, 5, 3)).astype(np.float32)
  y = random.integers(0, 2, 32).astype(np.int32)
  model = refrain.Model("x = Input(3)\nx -> LSTM(4) -> Dense(2)", seed=1)
  trained = refrain.Model("x = Input(3)\nx -> LSTM(4) -> Dense(2)", seed=1)
  broken = x.copy()
  broken[20, 2, 1] = np.nan
  with pytest.raises(refrain.NotFiniteError, match="input|lstm"):
    model.fit(broken, y, batch_size=32, optimizer="SGD(0.1)", verbose=0)
  for each in (model, trained):
    each.fit(x, y, batch_size=32, optimizer="SGD(0.1)", shuffle=False, epochs=1, verbose=0)
  assert_same_bits(parameters_of(model), parameters_of(trained))


def test_seeds_decide_everything() -> None:
  assert_same_bits(fitted(), fitted())
  assert differ(fitted(), fitted(seed=10))
  assert differ(fitted(), fitted(shuffle=False))


def test_similar_lengths_share_batches_of_the_same_sequences() -> None:
  """Without learning, an epoch's loss is that of the data, whatever shares a batch."""
  x, y, lengths = first_token(90)
  model = refrain.Model("Embedding(4, 6) -> GRU(7) -> Dense(4, activation=softmax)", seed=4)
  expected = model.evaluate(x, y, lengths=lengths, loss="crossentropy").loss
  for bucket in (True, False):
    options = {"optimizer": "SGD(0)", "batch_size": 9, "bucket": bucket, "verbose": 0}
    history = model.fit(x, y, lengths=lengths, **options)
    assert_close(history["loss"][-1], expected, 1e-5, what=f"loss with bucket={bucket}")
  assert differ(fitted(), fitted(bucket=False))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_batches_from_a_function_equal_those_in_memory(accumulate: int) -> None:
  x, y, lengths = first_token(90)

  def batches() -> Iterator[refrain.Data]:
    for first in range(0, 90, 35):
      rows = slice(first, first + 35)
      yield refrain.Data(x[rows], y[rows], lengths=lengths[rows])

  model = refrain.Model(NOTATION, seed=4)
  history = model.fit(batches, epochs=2, clip_norm=1.0, seed=9, accumulate=accumulate, verbose=0)
  assert history.epochs == 2
  expected = fitted(shuffle=False, accumulate=accumulate)
  assert_same_bits(parameters_of(model), expected)


def plain_fit(**options: object) -> Parameters:
  """A fit of 96 sequences in order and without dropout."""
  x, y, lengths = first_token(96)
  model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4, activation=softmax)", seed=6)
  shared = {"epochs": 2, "shuffle": False, "verbose": 0, "optimizer": "SGD(0.1, momentum=0.9)"}
  model.fit(x, y, lengths=lengths, **(shared | options))
  return parameters_of(model)


def test_accumulated_batches_equal_a_large_one() -> None:
  expected = plain_fit(batch_size=24)
  for size, accumulate in ((12, 2), (8, 3), (6, 4)):
    found = plain_fit(batch_size=size, accumulate=accumulate)
    for name, value in expected.items():
      assert_close(found[name], value, 1e-5, 1e-6, f"{name}, {accumulate} × {size}")


def test_fewer_batches_than_to_accumulate_are_averaged() -> None:
  """The last update of an epoch averages over the batches that it has."""
  expected = plain_fit(batch_size=96)
  for name, value in plain_fit(batch_size=24, accumulate=7).items():
    assert_close(value, expected[name], 1e-5, 1e-6, name)


def test_own_loop_accumulates_as_well() -> None:
  """Backward passes before an update add up."""
  x, y, lengths = first_token(48)
  found = []
  for parts in (1, 2, 4):
    model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4)", seed=6)
    trainer = model.trainer("loss=crossentropy(reduction=sum), optimizer=SGD(0.01)")
    for rows in np.split(np.arange(48), parts):
      trainer.forward(x[rows], lengths[rows])
      trainer.backward_loss(y[rows])
    trainer.update()
    found.append(parameters_of(model))
  for other in found[1:]:
    for name, value in found[0].items():
      assert_close(other[name], value, 1e-5, 1e-6, name)


# -- weights


def test_class_weights_of_a_fit_are_those_of_the_loss() -> None:
  by_fit = plain_fit(class_weight={0: 3.0, 2: 0.25})
  by_list = plain_fit(class_weight=[3.0, 1.0, 0.25, 1.0])
  by_loss = plain_fit(loss="crossentropy(class_weights=[3, 1, 0.25, 1])")
  assert_same_bits(by_fit, by_list)
  for name, value in by_loss.items():
    assert_close(by_fit[name], value, 1e-5, 1e-6, name)
  assert differ(by_fit, plain_fit())


def test_a_heavy_class_is_preferred() -> None:
  """On data that say nothing the prediction is the weighted share of each class."""
  x = np.zeros((100, 3, 1), np.float32)
  y = np.arange(100, dtype=np.int32) % 2
  model = refrain.Model("x = Input(1)\nx -> RNN(2) -> Dense(2, activation=softmax)", seed=1)
  model.fit(
    x,
    y,
    class_weight={0: 3.0},
    optimizer="SGD(0.5)",
    epochs=100,
    batch_size=100,
    verbose=0,
  )
  assert_close(model.predict(x[:1])[0], [0.75, 0.25], 1e-3)


def test_timesteps_that_weigh_nothing_do_not_exist() -> None:
  """Weights of 0 behind a point equal lengths up to it, where nothing comes back from behind."""
  random = np.random.default_rng(4)
  x = random.normal(size=(64, 6, 3)).astype(np.float32)
  y = random.integers(0, 4, (64, 6)).astype(np.int32)
  lengths = random.integers(1, 7, 64)
  weights = (np.arange(6) < lengths[:, np.newaxis]).astype(np.float32)
  found = []
  # Batches are to be the same, so not made by the lengths that only one of the two has.
  same = {"epochs": 2, "optimizer": "SGD(0.1)", "batch_size": 16, "bucket": False, "verbose": 0}
  for options in ({"lengths": lengths}, {"sample_weight": weights}):
    model = refrain.Model("x = Input(3)\nx -> LSTM(8, return_sequences=true) -> Dense(4)", seed=2)
    model.fit(x, y, **same, **options)
    found.append(parameters_of(model))
  for name, value in found[0].items():
    assert_close(found[1][name], value, 1e-5, 1e-6, name)


def test_a_weight_of_two_is_being_there_twice() -> None:
  x, y, lengths = first_token(20)
  twice = np.arange(20) < 5
  found = []
  for rows, weights in (
    (np.arange(20), np.where(twice, 2.0, 1.0)),
    (np.concatenate([np.arange(20), np.flatnonzero(twice)]), None),
  ):
    model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4)", seed=6)
    model.fit(
      x[rows],
      y[rows],
      lengths=lengths[rows],
      sample_weight=weights,
      optimizer="SGD(0.1)",
      epochs=3,
      batch_size=64,
      verbose=0,
    )
    found.append(parameters_of(model))
  for name, value in found[0].items():
    assert_close(found[1][name], value, 1e-5, 1e-6, name)


def test_a_small_bias_beside_a_large_recurrent_one_keeps_its_bits() -> None:
  """With the reset gate shut, the candidate's recurrent bias counts for nothing."""
  model = refrain.Model("Input(1) -> GRU(1)")
  for name in model.parameters:
    model.parameters[name][:] = 0
  model.parameters["gru.bias_ih"][:] = [-100, 0, 0.1]
  model.parameters["gru.bias_hh"][:] = [0, 0, 1000]
  found = model.predict(np.zeros((1, 1, 1), np.float32))
  assert_close(found.ravel(), np.array([0.5 * np.tanh(np.float32(0.1))]), 1e-6, what="h")


# -- stopping, resuming

TRAINER = "loss=crossentropy, optimizer=Adam(0.01), schedule=Exponential(0.9), clip_norm=1, seed=9"


@pytest.fixture(scope="module")
def uninterrupted() -> Callable[[int], Parameters]:
  """The parameters after three epochs without a stop."""
  known: dict[int, Parameters] = {}

  def after(accumulate: int) -> Parameters:
    if accumulate not in known:
      known[accumulate] = _three_epochs(None, None, accumulate)
    return known[accumulate]

  return after


def _three_epochs(stop: int | None, path: Path | None, accumulate: int) -> Parameters:
  """Train with dropout; stopped after that many batches, go on.

  With a path from a checkpoint, in a new model and trainer, as in a process that was started anew.
  """
  x, y, lengths = first_token(90)
  data = {"x": x, "y": y, "lengths": lengths, "validation_data": (x[:9], y[:9])}
  options = {"epochs": 3, "batch_size": 20, "accumulate": accumulate, "verbose": 0}
  model = refrain.Model(NOTATION, seed=4)
  trainer = model.trainer(TRAINER)
  seen = 0

  def on_progress(progress: refrain.Progress) -> bool:
    nonlocal seen
    if not progress.epoch_end:
      seen += 1
    if seen != stop or progress.epoch_end:
      return False
    if path is not None:
      trainer.save(path)
    return True

  history = trainer.fit(**data, **options, on_progress=on_progress)
  assert history.interrupted == (stop is not None)
  if stop is None:
    return parameters_of(model)
  if path is not None:
    model = refrain.Model(NOTATION, seed=99)
    trainer = model.trainer(TRAINER)
    trainer.load(path)
  history = trainer.fit(**data, **options, resume=True)
  assert not history.interrupted
  return parameters_of(model)


@pytest.mark.parametrize("from_checkpoint", [False, True])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("stop", [1, 3, 5, 7, 14])
def test_resuming_gives_the_same_bits(
  stop: int,
  accumulate: int,
  from_checkpoint: bool,
  uninterrupted: Callable[[int], Parameters],
  tmp_path: Path,
) -> None:
  """Stopped in the middle and at the end of epochs, and between the batches of one update."""
  path = tmp_path / "training.checkpoint" if from_checkpoint else None
  assert_same_bits(_three_epochs(stop, path, accumulate), uninterrupted(accumulate))


def _interrupted(**options: object) -> refrain.Trainer:
  """A trainer whose fit was stopped after its second batch of five."""
  x, y, lengths = first_token(90)
  trainer = refrain.Model(NOTATION, seed=4).trainer(TRAINER)
  stops = {"on_progress": lambda progress: progress.batch == 1, "verbose": 0}
  trainer.fit(x, y, lengths=lengths, batch_size=20, **stops, **options)
  return trainer


@pytest.mark.parametrize(
  "other", [{"bucket": False}, {"shuffle": False}, {"accumulate": 2}, {"batch_size": 30}]
)
def test_a_fit_goes_on_only_with_the_same_batches(other: dict[str, object]) -> None:
  x, y, lengths = first_token(90)
  trainer = _interrupted()
  options = {"batch_size": 20, "resume": True, "verbose": 0} | other
  with pytest.raises(refrain.ArgumentError, match="the interrupted fit had batches of 20 from 90"):
    trainer.fit(x, y, lengths=lengths, **options)


@pytest.mark.parametrize(
  "counter",
  ["fit.batches", "fit.batch", "fit.epoch", "fit.first_epoch", "updates", "passes", "epochs"],
)
def test_a_checkpoint_with_an_impossible_counter_is_refused(counter: str, tmp_path: Path) -> None:
  """However large, it neither ends the process nor is gone on from."""
  x, y, lengths = first_token(90)
  good = tmp_path / "good.checkpoint"
  _interrupted().save(good)
  with safetensors.safe_open(good, "numpy") as file:
    metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
  for value in (2**63 - 1, 2**50, 1_000_000 if counter in ("fit.batches", "fit.batch") else None):
    if value is None:
      continue
    bad = tmp_path / "bad.checkpoint"
    safetensors.numpy.save_file(arrays, bad, metadata | {f"n.{counter}": str(value)})
    trainer = refrain.Model(NOTATION, seed=4).trainer(TRAINER)
    with pytest.raises(refrain.RefrainError):
      trainer.load(bad)
      trainer.fit(x, y, lengths=lengths, batch_size=20, resume=True, verbose=0)


def _contradiction() -> dict[str, object]:
  """All of class 0 to learn from, all of class 1 to validate: the loss grows epoch by epoch."""
  x, y, _ = first_token(64)
  return {"x": x, "y": np.zeros_like(y), "validation_data": (x, np.ones_like(y)), "verbose": 0}


def _worsening(**options: object) -> tuple[refrain.Model, refrain.History]:
  model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4)", seed=6)
  history = model.fit(**_contradiction(), optimizer="SGD(0.1)", **options)
  return model, history


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_patience_ends_a_fit(patience: int) -> None:
  _, history = _worsening(epochs=20, patience=patience)
  assert history.stopped_early
  assert (np.diff(history["val_loss"]) > 0).all(), "the task does not worsen"
  assert history.epochs == 1 + max(patience, 1)


def test_restore_best_brings_back_the_best_epoch() -> None:
  first, _ = _worsening(epochs=1)
  restored, _ = _worsening(epochs=6, restore_best=True)
  last, _ = _worsening(epochs=6)
  assert_same_bits(parameters_of(restored), parameters_of(first))
  assert differ(parameters_of(last), parameters_of(first))


def test_restore_best_keeps_the_last_epoch_where_that_is_best() -> None:
  x, y, _ = first_token(64)
  found = []
  for restore in (True, False):
    model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4)", seed=6)
    history = model.fit(
      x, y, validation_data=(x, y), restore_best=restore, epochs=5, patience=2, verbose=0
    )
    assert not history.stopped_early
    found.append(parameters_of(model))
  assert_same_bits(*found)


def test_the_best_epoch_survives_a_checkpoint(tmp_path: Path) -> None:
  """Stopped after the best epoch and resumed elsewhere, a fit still restores it."""
  options = {**_contradiction(), "epochs": 9, "patience": 5, "restore_best": True}
  path = tmp_path / "training.checkpoint"

  def begin(seed: int) -> tuple[refrain.Model, refrain.Trainer]:
    model = refrain.Model("Embedding(4, 6) -> GRU(9) -> Dense(4)", seed=seed)
    return model, model.trainer("loss=crossentropy, optimizer=SGD(0.1)")

  _, trainer = begin(6)

  def on_progress(progress: refrain.Progress) -> bool:
    if progress.epoch < 2:
      return False
    trainer.save(path)
    return True

  trainer.fit(**options, on_progress=on_progress)
  model, trainer = begin(7)
  trainer.load(path)
  history = trainer.fit(**options, resume=True)
  best, _ = _worsening(epochs=1)
  assert history.stopped_early
  assert_same_bits(parameters_of(model), parameters_of(best))


# -- numbers that are not finite


def test_a_loss_that_is_not_finite_names_the_step_and_the_layer() -> None:
  random = np.random.default_rng(7)
  x = random.normal(size=(40, 5, 3)).astype(np.float32)
  y = random.integers(0, 2, 40).astype(np.int32)
  x[25, 2, 1] = np.nan
  notation = "x = Input(3)\nx -> LSTM(4, name=memory) -> Dense(2, name=verdict)"
  model = refrain.Model(notation, seed=1)
  with pytest.raises(refrain.NotFiniteError) as caught:
    model.fit(x, y, batch_size=10, shuffle=False, optimizer="SGD(0.1)", verbose=0)
  message = str(caught.value)
  assert "loss" in message and "3" in message, message  # the third step
  assert "layer input" in message or "layer memory" in message, message
  expected = refrain.Model(notation, seed=1)
  expected.fit(x[:20], y[:20], batch_size=10, shuffle=False, optimizer="SGD(0.1)", verbose=0)
  assert_same_bits(parameters_of(model), parameters_of(expected))


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
  model = refrain.Model("x = Input(3)\nx -> GRU(4, name=memory) -> Dense(2)", seed=1)
  before = parameters_of(model)
  trainer = model.trainer("optimizer=Adam")
  trainer.gradients["memory.weight_hh"][1, 2] = np.inf
  with pytest.raises(refrain.NotFiniteError, match=r"memory\.weight_hh"):
    trainer.update()
  assert_same_bits(parameters_of(model), before)


def test_parameters_never_become_infinite() -> None:
  x, y, _ = first_token(32)
  model = refrain.Model("Embedding(4, 6) -> RNN(9, activation=relu) -> Dense(4)", seed=1)
  with pytest.raises(refrain.NotFiniteError):
    model.fit(x, y, optimizer="SGD(1e30)", epochs=20, verbose=0)
  for name in model.parameters:
    assert np.isfinite(model.parameters[name]).all(), name


def test_inputs_of_different_lengths_may_be_joined():
  """Each batch is cut to its longest row; joined inputs must be cut alike."""
  rng = np.random.default_rng(5)
  x, y = (rng.normal(size=(20, 40, 2)).astype(np.float32) for _ in range(2))
  short, long = rng.integers(1, 9, 20), rng.integers(20, 41, 20)
  target = rng.normal(size=(20, 1)).astype(np.float32)
  model = refrain.Model("a = Input(2)\nb = Input(2)\n[a, b] -> Concat -> GRU(3) -> Dense(1)", seed=1)
  history = model.fit(
    [x, y], target, lengths=[short, long], loss="mse", epochs=2, batch_size=7, verbose=0)
  assert np.isfinite(history["loss"]).all()


def test_classes_behind_a_reversed_mask_are_checked():
  """A mask that comes out reversed lets other timesteps count than those it masked."""
  x = np.ones((1, 4, 2), np.float32)
  mask = np.array([[0, 1, 1, 1]], np.uint8)
  classes = np.array([[10**9, 0, 1, 0]], np.int32)
  model = refrain.Model(
    "Input(2) -> RNN(3, return_sequences=true, go_backwards=true) -> Dense(2)", seed=1)
  with pytest.raises(refrain.RefrainError, match="expected a class of 0 … 1"):
    model.fit(x, classes, mask=mask, loss="crossentropy", epochs=1, verbose=0)


@pytest.mark.parametrize("optional", ["", ", recompute=3"])
def test_rows_of_any_lengths_keep_their_places(optional: str) -> None:
  """Rows are taken in the order of their lengths; outputs, errors and gradients are not."""
  random = np.random.default_rng(1)
  lengths = np.array([2, 5, 0, 4, 1])
  x = random.standard_normal((5, 5, 3)).astype(np.float32)
  dy = random.standard_normal((5, 5, 2)).astype(np.float32)
  model = refrain.Model(
    "Input(3) -> LSTM(4, return_sequences=true) -> Dense(2, activation=softmax)", seed=1
  )
  trainer = model.trainer("loss=crossentropy" + optional)
  together = trainer.forward(x, lengths=lengths), trainer.backward(dy)
  for row in range(5):
    alone = slice(row, row + 1)
    output = trainer.forward(x[alone], lengths=lengths[alone])
    np.testing.assert_allclose(together[0][alone], output, rtol=0, atol=1e-6)
    np.testing.assert_allclose(together[1][alone], trainer.backward(dy[alone]), rtol=0, atol=1e-6)

  beyond = np.zeros((5, 5), np.int32)
  beyond[np.arange(5) >= lengths[:, None]] = 9
  trainer.forward(x, lengths=lengths)
  expected = trainer.backward_loss(beyond)
  assert np.isfinite(expected)
  for row, step in [(0, 1), (1, 4), (3, 3), (4, 0)]:
    wrong = beyond.copy()
    wrong[row, step] = 7
    trainer.forward(x, lengths=lengths)
    with pytest.raises(refrain.ArgumentError, match=rf"\[{5 * row + step}\]: expected a class of 0 … 1"):
      trainer.backward_loss(wrong)
    assert trainer.backward_loss(beyond) == expected
