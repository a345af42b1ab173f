"""The library's answers to the same problems, through the Python package."""

from __future__ import annotations

import re

import numpy as np
import refrain

from .network import ForEach, of_input
from .problem import Array, Problem, Result

# Layers whose masks are drawn for every call.
RANDOM = re.compile("dropout|zoneout", re.IGNORECASE)


def model_of(problem: Problem) -> refrain.Model:
  """The problem's network with the problem's parameters; there may be no others."""
  model = refrain.Model(problem.network.notation)
  assert {name: model.parameters[name].shape for name in model.parameters} == problem.network.shapes
  for name, value in problem.parameters.items():
    model.parameters[name] = value
  return model


def data_of(problem: Problem) -> dict[str, object]:
  """The arguments of forward calls: lengths and mask belong to the inputs that have timesteps."""
  timed = [item.variable.time for item in problem.network.inputs]
  return {
    "x": problem.inputs if len(problem.inputs) > 1 else problem.inputs[0],
    "lengths": _for_each(problem.lengths, timed),
    "mask": _for_each(problem.mask, timed),
  }


def _for_each(value: ForEach, timed: list[bool]) -> list[Array | None] | None:
  if value is None:
    return None
  return [of_input(value, index) if time else None for index, time in enumerate(timed)]


def as_list(value: object) -> list[Array]:
  return value if isinstance(value, list) else [value]


def worst_inputs(problem: Problem) -> Array | list[Array]:
  """Of the same shapes, all valid, and NaN where they are numbers.

  A call with them leaves NaN in the memory for intermediate values. What then lies behind a length must
  not be read by the next; zeros there would hide it.
  """
  inputs = [
    np.ones_like(x) if np.issubdtype(x.dtype, np.integer) else np.full_like(x, np.nan)
    for x in problem.inputs
  ]
  return inputs if len(inputs) > 1 else inputs[0]


def run(problem: Problem, threads: int = 1) -> Result:
  """The outputs in inference."""
  session = model_of(problem).session(threads=threads)
  session.run(worst_inputs(problem))
  return Result(as_list(session.run(**data_of(problem))))


def train(problem: Problem, options: str = "") -> Result:
  """The outputs in training, and every gradient."""
  trainer = model_of(problem).trainer(options)
  if not RANDOM.search(problem.network.notation):  # which masks there are depends on the calls before
    outputs = as_list(trainer.forward(worst_inputs(problem)))
    if problem.output_gradients is not None:
      nowhere = [np.full_like(output, np.nan) for output in outputs]
      trainer.backward(nowhere if len(nowhere) > 1 else nowhere[0])
      trainer.zero_gradients()
  outputs = as_list(trainer.forward(**data_of(problem)))
  result = Result(outputs)
  if problem.output_gradients is not None:
    weights = problem.output_gradients
    result.of_inputs = as_list(trainer.backward(weights if len(weights) > 1 else weights[0]))
    result.of_parameters = {name: trainer.gradients[name].copy() for name in problem.parameters}
  return result


def learn(problem: Problem, threads: int) -> Result:
  """The loss of a fit's only step, which adds gradients shard by shard, and the parameters after it."""
  model = model_of(problem)
  data = data_of(problem)
  targets = [np.zeros_like(output) for output in as_list(model.predict(**data))]
  single = len(targets) == 1
  history = model.fit(
    **data, y=targets[0] if single else targets, loss="mse" if single else ["mse"] * len(targets),
    optimizer="SGD(0.1)", epochs=1, batch_size=len(targets[0]), shuffle=False, seed=3, threads=threads,
    verbose=0
  )  # fmt: skip
  parameters = {name: model.parameters[name].copy() for name in problem.parameters}
  return Result([np.array(history["loss"])], parameters)


def assert_same_bits(first: Result, second: Result) -> None:
  expected = second.named()
  for name, value in first.named().items():
    assert np.array_equal(value, expected[name]), f"{name} differs"
