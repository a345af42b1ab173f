"""A model as a list of layers, which can be read in two ways: spelled in the notation for the
library, or computed here.

    network = Network()
    x = network.input(5)
    y, h = network.layer("GRU", x, 17, return_sequences=True, return_state=True)
    network.outputs(y, h)

    network.notation                      # x = Input(5)  ⏎  [y, h] = x -> GRU(17, …
    network.run(parameters, inputs)       # one result per output
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .cells import CELLS, cell_of
from .compute import compute
from .layer import ATTENTION, Axis, Input, Layer, Masks, Variable, listed
from .layers import Value
from .parameters import shapes_of
from .row import Row
from .tape import Tensor, stack, zeros

ForEach = np.ndarray | Sequence[np.ndarray | None] | None
"""An array for all inputs, or one for each."""


def of_input(value: ForEach, index: int) -> np.ndarray | None:
  return value[index] if isinstance(value, list) else value


class Network:
  """A model under construction; layers are given in the order in which data flow.

  Attributes
  ----------
  inputs, layers
      In the order in which they were added.
  given : tuple of Variable
      The model's outputs.
  shapes : dict
      The parameters, by the library's names.
  """

  def __init__(self) -> None:
    self.inputs: list[Input] = []
    self.layers: list[Layer] = []
    self.shapes: dict[str, tuple[int, ...]] = {}
    self.given: tuple[Variable, ...] = ()

  # -- construction

  def input(
    self, size: int = 0, time: bool = True, ids: bool = False, axis: Axis = "x"
  ) -> Variable:
    variable = Variable(f"x{len(self.inputs)}", size, time, axis)
    self.inputs.append(Input(variable, ids))
    return variable

  def outputs(self, *variables: Variable) -> None:
    """What the model gives; without a call, what its last layer gives."""
    self.given = variables

  def layer(
    self,
    kind: str,
    inputs: Variable | Sequence[Variable],
    *positional: object,
    name: str | None = None,
    merge_mode: str | None = None,
    **options: object,
  ) -> Variable | list[Variable]:
    """Add a layer; `merge_mode` makes a recurrent one bidirectional.

    Returns its output, or the list of the outputs of a recurrent layer with return_state and of
    attention with return_weights.
    """
    inputs = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    name = name or f"{kind.lower()}{len(self.layers)}"
    sizes = self._output_sizes(kind, inputs, positional, merge_mode, options)
    has_time = kind != "Pooling" and inputs[0].time
    if kind in CELLS:
      has_time = bool(options.get("return_sequences"))
    axis = inputs[0].axis
    if kind == "RepeatVector":
      has_time, axis = True, inputs[1].axis if len(inputs) == 2 else int(positional[0])
    if kind == "Attention":
      has_time = len(inputs) == 2 and inputs[0].time
    outputs = tuple(
      Variable(f"{name}_{index}", size, has_time and index == 0, axis)
      for index, size in enumerate(sizes)
    )
    if kind in ATTENTION and options.get("return_weights"):
      outputs += (Variable(f"{name}_1", 0, has_time, axis, keys=inputs[-1].axis),)
    layer = Layer(kind, name, inputs, outputs, positional, options, merge_mode)
    self.layers.append(layer)
    for parameter, shape in shapes_of(layer).items():
      self.shapes[f"{name}.{parameter}"] = shape
    self.given = outputs[:1]
    return outputs[0] if len(outputs) == 1 else list(outputs)

  @staticmethod
  def _output_sizes(
    kind: str,
    inputs: tuple[Variable, ...],
    positional: tuple[object, ...],
    merge_mode: str | None,
    options: Mapping[str, object],
  ) -> list[int]:
    if kind in CELLS:
      cell = cell_of(kind, positional, options)
      directions = 1 if merge_mode is None else 2
      first = cell.width * 2 if merge_mode == "concat" else cell.width
      return [first, *(cell.state_sizes * directions if options.get("return_state") else ())]
    if kind == "Embedding":
      return [int(positional[1])]
    if kind == "Dense":
      return [int(positional[0])]
    if kind == "Concat":
      return [sum(variable.size for variable in inputs)]
    if kind == "Multiply":
      return [max(variable.size for variable in inputs)]
    if kind == "Attention":
      return [inputs[-1].size]
    return [inputs[0].size]

  # -- first reading: the notation

  @property
  def notation(self) -> str:
    lines = [item.notation for item in self.inputs] + [layer.notation for layer in self.layers]
    if len(self.given) > 1 or self.given != self.layers[-1].outputs:
      lines.append(listed(self.given))
    return "\n".join(lines)

  # -- second reading: the numbers

  def run(
    self,
    parameters: Mapping[str, Tensor],
    inputs: Sequence[Tensor | np.ndarray],
    lengths: ForEach = None,
    mask: ForEach = None,
    dropout: Sequence[Masks] | None = None,
  ) -> list[list[Value]]:
    """Every output for every sequence: ``result[output][b]``.

    Parameters
    ----------
    parameters
        By the library's names.
    inputs
        One for each input: Tensor ``[B, T, F]`` or ``[B, F]``, or ids ``[B, T]``.
    lengths, mask
        ``[B]`` and ``[B, T]`` for all inputs, or a list with those of each; None: everything
        counts.
    dropout
        The masks of each sequence, or None: inference.
    """
    batch = inputs[0].shape[0]
    results: list[list[Value]] = [[] for _ in self.given]
    for b in range(batch):
      values: dict[str, object] = {}
      for index, (item, array) in enumerate(zip(self.inputs, inputs, strict=True)):
        values[item.variable.name] = self._enter(
          item, array, b, of_input(lengths, index), of_input(mask, index)
        )
      masks = Masks() if dropout is None else dropout[b]
      for layer in self.layers:
        own = {
          name.removeprefix(layer.name + "."): value
          for name, value in parameters.items()
          if name.startswith(layer.name + ".")
        }
        given = [values[variable.name] for variable in layer.inputs]
        for variable, value in zip(layer.outputs, compute(layer, own, given, masks), strict=True):
          values[variable.name] = value
      for result, variable in zip(results, self.given, strict=True):
        result.append(values[variable.name])
    return results

  @staticmethod
  def _enter(
    item: Input, array: Tensor | np.ndarray, b: int, lengths: object, mask: object
  ) -> object:
    """What the layers see of sequence b: a vector, a row, or ids with their length and mask.

    Skipped timesteps enter as zeros, so that layers that look at each timestep by itself see
    nothing of what lies under a mask.
    """
    of_row = array[b]
    if not item.variable.time:
      return of_row
    timesteps = array.shape[1]
    length = timesteps if lengths is None else int(lengths[b])
    valid = [True] * timesteps if mask is None else [bool(value) for value in mask[b]]
    if item.ids:
      return np.where(valid, of_row, 0), length, valid
    blank = zeros(item.variable.size)
    return Row([of_row[t] if valid[t] else blank for t in range(timesteps)], length, valid)


def as_array(values: Sequence[Value]) -> Tensor:
  """One output for all sequences: ``[B, T, F]`` or ``[B, F]``."""
  return stack([stack(value.steps) if isinstance(value, Row) else value for value in values])
