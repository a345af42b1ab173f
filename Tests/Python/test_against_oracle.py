"""The library against the float64 oracle: every layer and option, forward and backward, in every
situation that lengths and masks can make.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import refrain
from oracle import generate, library
from oracle.activations import softmax
from oracle.compare import assert_close, assert_results
from oracle.losses import LOSSES, items
from oracle.network import Masks, Network
from oracle.optimizers import OPTIMIZERS
from oracle.problem import Problem, Result, solve
from oracle.tape import Tensor

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
  for threads in (2, 3):
    library.assert_same_bits(one, library.train(problem, f"threads={threads}"))


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


# -- dropout

RATE = 0.3
KEPT = 1 / (1 - RATE)


def readable(cell: str, hidden: int, features: int, of_inputs: bool) -> dict[str, np.ndarray]:
  """Parameters with which a recurrent layer's outputs tell its dropout masks.

  For inputs: unit j sees input j, and stays 0 for ever where that is dropped. For the hidden
  state: unit j sees itself and a constant, and stays what it was where its state is dropped. The
  gates that carry a state over are shut.
  """
  kind = generate.CELLS[cell][0]
  gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
  candidate = {"RNN": 0, "LSTM": 2, "GRU": 2}[kind]
  carry = {"LSTM": 1, "GRU": 1}.get(kind)
  ih, hh = np.zeros((gates, hidden, features)), np.zeros((gates, hidden, hidden))
  bias = np.zeros((gates, hidden))
  if carry is not None:
    bias[carry] = -50
  if of_inputs:
    ih[candidate] = np.eye(hidden, features)
  else:
    hh[candidate] = np.eye(hidden)
    bias[candidate] = 1
  return {
    "weight_ih": ih.reshape(-1, features),
    "weight_hh": hh.reshape(-1, hidden),
    "bias_ih": bias.reshape(-1),
    "bias_hh": np.zeros(gates * hidden),
  }


def read_masks(problem: Problem, cell: str, bidirectional: bool, options: str) -> Sequence[Masks]:
  """The masks of the first forward pass of a trainer with these options."""
  hidden, features, timesteps = 6, 5, problem.inputs[0].shape[1]
  batch = len(problem.inputs[0])
  masks: list[dict[str, np.ndarray]] = [{} for _ in range(batch)]
  for of_inputs in (True, False):
    chosen = readable(cell, hidden, features, of_inputs)
    parameters = {
      name: chosen[name.removeprefix("layer.").removesuffix("_reverse")].astype(np.float32)
      for name in problem.parameters
    }
    ones = np.ones_like(problem.inputs[0])
    told = dataclasses.replace(problem, parameters=parameters, inputs=[ones], output_gradients=None)
    output = library.train(told, options).outputs[0]
    for direction, suffix in enumerate(("", "_reverse") if bidirectional else ("",)):
      of_direction = output[..., direction * hidden : (direction + 1) * hidden]
      # In the order in which they were computed.
      states = of_direction[:, ::-1] if direction else of_direction
      if of_inputs:
        kept = states[:, :, :features] != 0
      else:
        kept = np.abs(states[:, 1:] - states[:, :-1]) > 1e-6
        kept = np.concatenate([kept[:, :1], kept[:, :1]], axis=1)
      assert (kept == kept[:, :1]).all(), "the mask changes along the sequence"
      for b in range(batch):
        name = "layer" if of_inputs else "layer.recurrent"
        masks[b][name + suffix] = np.where(kept[b, 0], KEPT, 0.0)
  assert timesteps > 1
  return [Masks(of_row) for of_row in masks]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", generate.CELLS)
def test_recurrent_dropout(cell: str, bidirectional: bool) -> None:
  """The masks are read off the outputs of telling parameters; with them the oracle knows all."""
  network = generate.recurrent(
    cell,
    6,
    merge_mode="concat" if bidirectional else None,
    return_sequences=True,
    recurrent_bias=True,
    dropout=RATE,
    recurrent_dropout=RATE,
  )
  problem = generate.problem(network, generate.Situation(70, 4))
  options = "seed=5"
  masks = read_masks(problem, cell, bidirectional, options)
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
