"""A model with numbers: what goes in, what comes out, and every gradient.

The scalar that is differentiated is Σ output · weight over all outputs, so that a gradient checks
every number of every output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .layer import Masks
from .network import ForEach, Network, as_array
from .tape import Tensor, tensor

Array = np.ndarray


@dataclass
class Problem:
  """A network with its parameters and data.

  Attributes
  ----------
  inputs : list of arrays
      One for each input: ``[B, T, F]``, ``[B, F]``, or ids ``[B, T]`` as integers.
  output_gradients : list of arrays or None
      The weights of the scalar, shaped as the outputs; None where a case has no gradients. What
      lies behind a length may be NaN: there the outputs are 0 whatever happens.
  lengths : array ``[B]``, or a list with one for each input, optional
  mask : array ``[B, T]``, or a list with one for each input, optional
  """

  network: Network
  parameters: dict[str, Array]
  inputs: list[Array]
  output_gradients: list[Array] | None = None
  lengths: ForEach = None
  mask: ForEach = None


@dataclass
class Result:
  """Outputs, and the gradients of Σ output · weight; an expectation may leave some out."""

  outputs: list[Array]
  of_parameters: dict[str, Array] = field(default_factory=dict)
  of_inputs: list[Array | None] = field(default_factory=list)

  def named(self) -> dict[str, Array]:
    """Everything under a name that says what it is."""
    found = {f"output {index}": output for index, output in enumerate(self.outputs)}
    found |= {f"gradient {name}": value for name, value in self.of_parameters.items()}
    return found | {
      f"gradient of input {index}": value
      for index, value in enumerate(self.of_inputs)
      if value is not None
    }


def solve(problem: Problem, dropout: Sequence[Masks] | None = None) -> Result:
  """The oracle's answer."""
  parameters = {name: Tensor(value) for name, value in problem.parameters.items()}
  inputs = [
    array if np.issubdtype(array.dtype, np.integer) else Tensor(array) for array in problem.inputs
  ]
  values = problem.network.run(parameters, inputs, problem.lengths, problem.mask, dropout)
  outputs = [as_array(value) for value in values]
  result = Result([output.value for output in outputs])
  if problem.output_gradients is not None:
    total = tensor(0.0)
    for output, weight in zip(outputs, problem.output_gradients, strict=True):
      total = total + (output * np.nan_to_num(weight)).sum()
    total.backward()
    result.of_parameters = {name: gradient_of(p) for name, p in parameters.items()}
    result.of_inputs = [gradient_of(x) if isinstance(x, Tensor) else None for x in inputs]
  return result


def gradient_of(value: Tensor) -> Array:
  """A tensor's gradient, 0 where nothing flowed."""
  return np.zeros(value.shape) if value.gradient is None else value.gradient


def scalar(problem: Problem, dropout: Sequence[Masks] | None = None) -> float:
  """Σ output · weight."""
  outputs = solve(dataclasses.replace(problem, output_gradients=None), dropout).outputs
  return sum(
    float((output * np.nan_to_num(weight)).sum())
    for output, weight in zip(outputs, problem.output_gradients, strict=True)
  )
