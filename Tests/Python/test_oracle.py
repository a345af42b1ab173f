"""The oracle by itself: its gradients against differences, its numbers against other programs.

The conformance cases that it passes here are the ones the library has to pass in
test_conformance.py, read by the same code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import (
  clipping,
  conformance,
  generate,
  keras_cases,
  layers,
  losses,
  onnx_cases,
  schedules,
  torch_cases,
)
from oracle.activations import ACTIVATIONS, log_softmax, named
from oracle.compare import assert_close, assert_results
from oracle.layer import Masks
from oracle.network import as_array
from oracle.optimizers import OPTIMIZERS
from oracle.problem import Problem, scalar, solve
from oracle.row import Row
from oracle.tape import Tensor, concatenate, largest, stack, tensor

STEP = 1e-6

# -- the tape

OPERATIONS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
  "add": (lambda a, b: a + b, [(3, 4), (4,)]),
  "subtract": (lambda a, b: a - b, [(3, 1), (3, 4)]),
  "subtract_from_constant": (lambda a: 2.0 - a, [(3,)]),
  "multiply": (lambda a, b: a * b, [(2, 3, 4), (3, 1)]),
  "multiply_itself": (lambda a: a * a, [(3,)]),
  "divide": (lambda a, b: a / (b * b + 1.0), [(3, 4), (4,)]),
  "matrix_vector": (lambda a, b: a @ b, [(3, 4), (4,)]),
  "index": (lambda a: a[1] * a[0], [(3, 4)]),
  "slice": (lambda a: a[1:3] * a[0:2], [(4, 3)]),
  "mean": (lambda a: a.mean() * a, [(3, 4)]),
  "exp": (lambda a: a.exp(), [(3,)]),
  "log": (lambda a: (a * a + 1.0).log(), [(3,)]),
  "sqrt": (lambda a: (a * a + 1.0).sqrt(), [(3,)]),
  "abs": (lambda a: a.abs(), [(5,)]),
  "concatenate": (lambda a, b: concatenate([a, b, a]), [(3,), (2,)]),
  "stack": (lambda a, b: stack([a, b, a]), [(3,), (3,)]),
  "largest": (lambda a, b, c: largest([a, b, c]), [(7,), (7,), (7,)]),
  "log_softmax": (log_softmax, [(5,)]),
} | {name: (named(notation), [(7,)]) for name, notation in generate.functions(ACTIVATIONS).items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_agree_with_differences(name: str) -> None:
  function, shapes = OPERATIONS[name]
  random = np.random.default_rng(3)
  values = [random.normal(size=shape) for shape in shapes]
  weight = random.normal(size=function(*map(Tensor, values)).shape)

  def total(arrays: list[np.ndarray]) -> Tensor:
    operands = [Tensor(array) for array in arrays]
    total.operands = operands
    return (function(*operands) * weight).sum()

  total(values).backward()
  gradients = [operand.gradient for operand in total.operands]
  for index, gradient in enumerate(gradients):
    for place in np.ndindex(values[index].shape):
      moved = []
      for sign in (1, -1):
        arrays = [value.copy() for value in values]
        arrays[index][place] += sign * STEP
        moved.append(float(total(arrays).value))
      difference = (moved[0] - moved[1]) / (2 * STEP)
      assert_close(gradient[place], difference, 1e-7, 1e-8, f"operand {index} at {place}")


def test_softmax_bears_large_numbers() -> None:
  x = Tensor([1e5, 1e5, -1e5])
  assert_close(ACTIVATIONS["softmax"](x).value, [0.5, 0.5, 0.0], 1e-15)
  assert_close(log_softmax(x).value, -np.log(2) - np.array([0, 0, 2e5]), 1e-15)


# -- layers and options


# Row 0 of an embedding that masks it does not learn, though its output depends on it.
DIFFERENTIABLE = [name for name in generate.networks() if name != "embedding_mask_zero"]


@pytest.mark.parametrize("situation", ["full", "lengths_mask", "one_of_each"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_layers_agree_with_differences(name: str, situation: str) -> None:
  problem = generate.problem(
    generate.networks()[name](), generate.SITUATIONS[situation], seed=len(name)
  )
  result = solve(problem)
  random = np.random.default_rng(5)
  for parameter, gradient in result.of_parameters.items():
    value = problem.parameters[parameter]

    def with_value(moved: np.ndarray, parameter: str = parameter) -> Problem:
      return dataclasses.replace(problem, parameters=problem.parameters | {parameter: moved})

    _agree_along_a_direction(value, gradient, with_value, random, parameter)
  for index, gradient in enumerate(result.of_inputs):
    if gradient is None:
      continue
    value = problem.inputs[index]
    assert (gradient[np.isnan(value)] == 0).all(), "padding has a gradient"

    def with_input(moved: np.ndarray, index: int = index) -> Problem:
      inputs = list(problem.inputs)
      inputs[index] = moved
      return dataclasses.replace(problem, inputs=inputs)

    _agree_along_a_direction(value, gradient, with_input, random, f"input {index}")


def _agree_along_a_direction(
  value: np.ndarray,
  gradient: np.ndarray,
  problem_with: Callable[[np.ndarray], Problem],
  random: np.random.Generator,
  what: str,
) -> None:
  """The slope along a random direction: every element takes part with a weight of its own."""
  value = value.astype(np.float64)
  direction = random.normal(size=value.shape)
  ahead, behind = (scalar(problem_with(value + sign * STEP * direction)) for sign in (1, -1))
  difference = (ahead - behind) / (2 * STEP)
  assert np.isfinite(difference), f"{what}: {difference}"
  assert_close((gradient * direction).sum(), difference, 1e-6, 1e-7, what)


def test_skipped_timesteps_repeat_or_are_zero() -> None:
  """Forward the output before is repeated, 0 before the first; of both directions together, 0."""
  mask = np.array([[False, True, False, True, False, True]])
  lengths = np.array([5])
  for merge_mode in (None, "sum"):
    network = generate.recurrent("gru", merge_mode=merge_mode, return_sequences=True)
    problem = generate.problem(network, generate.Situation(1, 6))
    problem = dataclasses.replace(problem, mask=mask, lengths=lengths)
    (y,) = solve(problem).outputs[0]
    assert (y[0] == 0).all() and (y[5] == 0).all()
    assert (y[1] != 0).all() and (y[3] != y[1]).all()
    assert (y[2] == (y[1] if merge_mode is None else 0)).all()
    assert (y[4] == (y[3] if merge_mode is None else 0)).all()


def test_pooling_by_hand() -> None:
  steps = [Tensor([value, -value]) for value in (9.0, 2.0, 5.0, 1.0, 9.0)]
  row = Row(steps, 4, [False, True, False, True, True])
  assert (layers.pooling(row, "last").value == [1, -1]).all()
  assert (layers.pooling(row, "mean").value == [1.5, -1.5]).all()
  assert (layers.pooling(row, "max").value == [2, -1]).all()
  for mode in ("last", "mean", "max"):
    assert (layers.pooling(Row(steps, 0, row.mask), mode).value == [0, 0]).all()


def test_dropout_masks_reach_what_they_name() -> None:
  """A mask of zeros on the hidden state is a recurrent product of zero, but not a state of zero."""
  for cell in generate.CELLS:
    problem = generate.problem(
      generate.recurrent(cell, return_sequences=True), generate.SITUATIONS["full"]
    )
    zero = [Masks({"layer.recurrent": np.zeros(3)})] * 4
    without_product = dataclasses.replace(
      problem,
      parameters=problem.parameters
      | {"layer.weight_hh": np.zeros_like(problem.parameters["layer.weight_hh"])},
    )
    expected = solve(without_product).outputs[0]
    assert_close(solve(problem, zero).outputs[0], expected, 1e-14, what=cell)
    zero = [Masks({"layer": np.zeros(generate.FEATURES)})] * 4
    no_input = dataclasses.replace(problem, inputs=[np.zeros_like(problem.inputs[0])])
    assert_close(solve(problem, zero).outputs[0], solve(no_input).outputs[0], 1e-14, what=cell)


# -- losses

LOSSES: dict[str, tuple[str, dict[str, object], str]] = {
  "crossentropy": ("crossentropy", {}, "classes"),
  "crossentropy_smooth_weighted": (
    "crossentropy",
    {"label_smoothing": 0.2, "class_weights": [0.5, 2.0, 1.0, 0.25], "ignore_class": 1},
    "classes",
  ),
  "crossentropy_distribution": ("crossentropy", {"label_smoothing": 0.1}, "distribution"),
  "crossentropy_probabilities": ("crossentropy", {"of": "probabilities"}, "classes"),
  "binary_crossentropy": ("binary_crossentropy", {}, "bits"),
  "binary_crossentropy_weighted": (
    "binary_crossentropy",
    {"positive_weights": [2.0, 0.5, 1.0, 3.0]},
    "bits",
  ),
  "binary_crossentropy_probabilities": ("binary_crossentropy", {"of": "probabilities"}, "bits"),
  "mse": ("mse", {}, "numbers"),
  "mae": ("mae", {}, "numbers"),
  "huber": ("huber", {"delta": 0.7}, "numbers"),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_agree_with_differences(name: str, reduction: str) -> None:
  kind, options, what = LOSSES[name]
  random = np.random.default_rng(8)
  x = random.normal(size=(6, 4))
  if options.get("of") == "probabilities":
    x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
  target = {
    "classes": np.array([0, 1, 3, 2, 2, 0]),
    "distribution": random.dirichlet(np.ones(4), 6),
    "bits": random.integers(0, 2, (6, 4)),
    "numbers": random.normal(size=(6, 4)),
  }[what]
  weights = np.array([1.0, 0.5, 2.0, 0.0, 1.5, 0.25])

  def loss(values: np.ndarray) -> tuple[Tensor, Tensor]:
    of = Tensor(values)
    found = losses.items([of[b] for b in range(6)], target, weights)
    return losses.LOSSES[kind](found, reduction=reduction, **options), of

  value, of = loss(x)
  value.backward()
  for place in np.ndindex(x.shape):
    step = np.zeros_like(x)
    step[place] = STEP
    difference = float(loss(x + step)[0].value - loss(x - step)[0].value) / (2 * STEP)
    assert_close(of.gradient[place], difference, 1e-6, 1e-8, str(place))


def test_losses_from_probabilities_equal_those_from_logits() -> None:
  random = np.random.default_rng(2)
  x = random.normal(size=(5, 4))
  classes = losses.items([Tensor(row) for row in x], np.array([0, 3, 1, 1, 2]))
  after = [dataclasses.replace(i, output=ACTIVATIONS["softmax"](i.output)) for i in classes]
  assert_close(
    losses.crossentropy(after, 0.1, of="probabilities").value,
    losses.crossentropy(classes, 0.1).value,
    1e-14,
  )
  bits = losses.items([Tensor(row) for row in x], random.integers(0, 2, x.shape))
  after = [dataclasses.replace(i, output=ACTIVATIONS["sigmoid"](i.output)) for i in bits]
  assert_close(
    losses.binary_crossentropy(after, of="probabilities").value,
    losses.binary_crossentropy(bits).value,
    1e-14,
  )


def test_items_that_weigh_nothing_do_not_exist() -> None:
  x = np.random.default_rng(4).normal(size=(3, 4))
  few = losses.items([Tensor(row) for row in x[:2]], np.array([1, 2]))
  more = losses.items([Tensor(row) for row in x], np.array([1, 2, 3]), np.array([1.0, 1.0, 0.0]))
  assert losses.crossentropy(few).value == losses.crossentropy(more).value
  assert losses.crossentropy([]).value == 0


# -- against other programs

_CONVERT: dict[str, Callable[[Any], list[tuple[Problem, Any]]]] = {
  "torch.rnn": lambda case: [torch_cases.rnn(case)],
  "torch.layer": torch_cases.layer,
  "keras.layer": lambda case: [keras_cases.layer(case)],
  "keras.model": keras_cases.model,
}


def applicable(kind: str) -> list[Any]:
  """Cases as parameters with their names; one that says so if the sets are absent."""
  found = [
    pytest.param(case, id=case.id)
    for case in conformance.cases(kind)
    if conformance.reason_to_skip(case) is None
  ]
  absent = pytest.mark.skip(f"no conformance sets in {conformance.FOLDER}: set REFRAIN_SHARED")
  return found or [pytest.param(None, id=f"{kind}-absent", marks=absent)]


@pytest.mark.parametrize("case", [case for kind in _CONVERT for case in applicable(kind)])
def test_layers_agree_with_other_programs(case: Any) -> None:
  for problem, expected in _CONVERT[case.kind](case):
    assert set(problem.parameters) == set(problem.network.shapes)
    for name, shape in problem.network.shapes.items():
      assert problem.parameters[name].shape == shape, name
    tolerance = case.tol
    assert_results(
      solve(problem),
      expected,
      tolerance["rtol_output"],
      tolerance.get("rtol_grad", 0.0),
      tolerance["atol"],
      elementwise=case.meta.get("compare") == "elementwise",
    )


@pytest.mark.parametrize("case", applicable("onnx.node"))
def test_nodes_agree_with_onnx(case: Any) -> None:
  for problem, expected in onnx_cases.problems(case):
    assert set(problem.parameters) == set(problem.network.shapes)
    assert_results(solve(problem), expected, case.tol["rtol"], 0.0, case.tol["atol"])


@pytest.mark.parametrize("case", applicable("torch.loss"))
def test_losses_agree_with_torch(case: Any) -> None:
  for problem in torch_cases.losses(case):
    x = Tensor(problem.x)
    flat = problem.x.reshape(-1, problem.x.shape[-1])
    places = [np.unravel_index(index, problem.x.shape[:-1]) for index in range(len(flat))]
    found = [losses.Item(_at(x, place), problem.target[place], 1.0) for place in places]
    value = losses.LOSSES[problem.name](found, **problem.options)
    value.backward()
    assert_close(value.value, problem.value, case.tol["rtol_output"], case.tol["atol"], "loss")
    assert_close(x.gradient, problem.gradient, case.tol["rtol_grad"], case.tol["atol"], "gradient")


def _at(x: Tensor, place: tuple[int, ...]) -> Tensor:
  for index in place:
    x = x[int(index)]
  return x


@pytest.mark.parametrize("case", applicable("torch.optim"))
def test_optimizers_agree_with_torch(case: Any) -> None:
  problem = torch_cases.optimizer(case)
  rule = OPTIMIZERS[problem.name](**problem.options)
  w = problem.start.astype(np.float64)
  for step, (gradient, expected) in enumerate(zip(problem.gradients, problem.path, strict=True)):
    w = rule.step(w, gradient.astype(np.float64))
    assert_close(w, expected, case.tol["rtol"], case.tol["atol"], f"step {step}")


@pytest.mark.parametrize("case", applicable("torch.clip"))
def test_clipping_agrees_with_torch(case: Any) -> None:
  problem = torch_cases.clip(case)
  before = {str(index): g.astype(np.float64) for index, g in enumerate(problem.before)}
  clip = {"clip_norm": clipping.by_norm, "clip_value": clipping.by_value}[problem.option]
  after = clip(before, problem.threshold)
  for name, expected in zip(after, problem.after, strict=True):
    assert_close(after[name], expected, case.tol["rtol"], case.tol["atol"], name)
  if problem.norm is not None:
    assert_close(clipping.norm(before), problem.norm, case.tol["rtol"], case.tol["atol"], "norm")


def test_clipping_by_parameter_norm() -> None:
  gradients = {"a": np.array([3.0, 4.0]), "b": np.array([0.3, 0.4])}
  clipped = clipping.by_parameter_norm(gradients, 1.0)
  assert_close(clipped["a"], [0.6, 0.8], 1e-15)
  assert_close(clipped["b"], [0.3, 0.4], 1e-15)


@pytest.mark.parametrize("case", applicable("torch.schedule"))
def test_schedules_agree_with_torch(case: Any) -> None:
  problem = torch_cases.schedule(case)
  if problem.metrics:
    plateau = schedules.ReducePlateau(**problem.options)
    factors = [1.0] + [plateau.report(metric) for metric in problem.metrics]
  else:
    make = {
      "Step": schedules.step,
      "MultiStep": schedules.multi_step,
      "Exponential": schedules.exponential,
      "Cosine": schedules.cosine,
    }[problem.name]
    factors = [make(**problem.options)(k) for k in range(len(problem.rates))]
  assert_close(problem.base * np.array(factors), problem.rates, 1e-9, 1e-12, "rates")


@pytest.mark.parametrize("case", applicable("training"))
def test_training_agrees_with_torch(case: Any) -> None:
  """Fifty updates, loss by loss."""
  problem = torch_cases.training(case)
  values = {name: value.astype(np.float64) for name, value in problem.parameters.items()}
  rules = {
    name: OPTIMIZERS["Adam"](problem.learning_rate, epsilon=problem.epsilon) for name in values
  }
  for step, rows in enumerate(problem.order):
    parameters = {name: Tensor(value) for name, value in values.items()}
    loss = losses.crossentropy(
      losses.items(_logits(problem, parameters, rows), problem.labels[rows])
    )
    loss.backward()
    gradients = {name: parameter.gradient for name, parameter in parameters.items()}
    assert_close(
      loss.value, problem.losses[step], case.tol["rtol_loss"], case.tol["atol"], f"loss {step}"
    )
    assert_close(
      clipping.norm(gradients), problem.norms[step], case.tol["rtol_grad_norm"], what=f"{step}"
    )
    clipped = clipping.by_norm(gradients, problem.clip_norm)
    values = {name: rules[name].step(value, clipped[name]) for name, value in values.items()}
  for name, expected in problem.final.items():
    assert_close(values[name], expected, 0, case.tol["atol_params"], name)
  everything = np.arange(len(problem.labels))
  logits = _logits(problem, {name: Tensor(value) for name, value in values.items()}, everything)
  assert_close(as_array(logits).value, problem.logits, 0, case.tol["atol_logits"], "logits")


def _logits(
  problem: torch_cases.TrainingProblem, parameters: dict[str, Tensor], rows: np.ndarray
) -> list[Tensor]:
  lengths = None if problem.lengths is None else problem.lengths[rows]
  return problem.network.run(parameters, [problem.tokens[rows]], lengths)[0]


def test_nothing_is_nothing() -> None:
  """The judge itself can say no."""
  with pytest.raises(AssertionError, match="found 1.1"):
    assert_close(np.array([1.0, 1.1]), np.array([1.0, 1.0]), 1e-3)
  with pytest.raises(AssertionError, match="not finite"):
    assert_close(np.array([np.nan]), np.array([1.0]), 1.0)
  with pytest.raises(AssertionError, match="shape"):
    assert_close(np.zeros(3), np.zeros((3, 1)), 1.0)
  assert tensor(1.0).shape == ()
