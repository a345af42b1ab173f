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
from dataclasses import dataclass, field

import numpy as np

from . import attention, layers
from .cell import Noise
from .cells import CELLS, cell_of
from .layers import Value
from .recurrent import Direction, bidirectional, of_direction, parameter_shapes, recurrent
from .row import Row
from .tape import Tensor, stack, zeros

ATTENTION = ("Attention", "MultiHeadAttention")


Axis = str | int
"""Whose timesteps: "x" or "memory", which differ, or a number that the model fixes."""


@dataclass(frozen=True)
class Variable:
  """What flows out of an input or a layer: its name in the notation, its vectors' size.

  `keys` says whose timesteps the last axis counts, for weights of attention.
  """

  name: str
  size: int
  time: bool = True
  axis: Axis = "x"
  keys: Axis | None = None


@dataclass(frozen=True)
class Input:
  """Where data enter: ids, vectors, or (time False) one vector for each sequence."""

  variable: Variable
  ids: bool

  @property
  def notation(self) -> str:
    kind = "ids" if self.ids else self.variable.size
    time = "" if self.variable.time else ", time=false"
    return f"{self.variable.name} = Input({kind}{time})"


@dataclass(frozen=True)
class Layer:
  """A layer with its options in the notation's words.

  `wrapped` is what Bidirectional was told of the layer in it.
  """

  kind: str
  name: str
  inputs: tuple[Variable, ...]
  outputs: tuple[Variable, ...]
  positional: tuple[object, ...]
  options: Mapping[str, object]
  merge_mode: str | None = None

  @property
  def notation(self) -> str:
    arguments = [spelled(value) for value in self.positional]
    arguments += [f"{name}={spelled(value)}" for name, value in self.options.items()]
    if self.merge_mode is None:
      call = f"{self.kind}({', '.join([*arguments, f'name={self.name}'])})"
    else:
      inner = f"{self.kind}({', '.join(arguments)})"
      call = f"Bidirectional({inner}, merge_mode={self.merge_mode}, name={self.name})"
    return f"{listed(self.outputs)} = {listed(self.inputs)} -> {call}"


def spelled(value: object) -> str:
  """A value in the notation."""
  return str(value).lower() if isinstance(value, bool) else str(value)


def listed(variables: Sequence[Variable]) -> str:
  names = [variable.name for variable in variables]
  return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


@dataclass
class Masks:
  """Dropout masks of one sequence, by layer: values 0 and 1/(1 − p).

  A recurrent layer has ``name`` for its inputs and ``name.recurrent`` for its hidden state, with
  ``_reverse`` behind them for the other direction; a Dropout layer has ``name``, and so have layers
  of attention, for their weights. What zoneout lets through, 0 or 1 for each timestep, is in
  ``name.zoneout`` and ``name.zoneout_cell``.
  """

  by_name: Mapping[str, np.ndarray] = field(default_factory=dict)

  def of(self, name: str, expectation: float = 1.0) -> np.ndarray | float:
    return self.by_name.get(name, expectation)


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


ForEach = np.ndarray | Sequence[np.ndarray | None] | None
"""An array for all inputs, or one for each."""


def of_input(value: ForEach, index: int) -> np.ndarray | None:
  return value[index] if isinstance(value, list) else value


def shapes_of(layer: Layer) -> dict[str, tuple[int, ...]]:
  """The shapes of a layer's parameters, by the end of their names."""
  size = layer.inputs[0].size
  options = layer.options
  if layer.kind in CELLS:
    cell = cell_of(layer.kind, layer.positional, options)
    return parameter_shapes(cell, size, layer.merge_mode is not None)
  if layer.kind == "Embedding":
    return {"weight": (int(layer.positional[0]), int(layer.positional[1]))}
  if layer.kind == "Dense":
    units = int(layer.positional[0])
    bias = {"bias": (units,)} if options.get("use_bias", True) else {}
    return {"weight": (units, size)} | bias
  if layer.kind == "LayerNorm" and options.get("affine", True):
    return {"weight": (size,), "bias": (size,)}
  if layer.kind == "Attention":
    return _attention_shapes(layer)
  if layer.kind == "MultiHeadAttention":
    return _multi_head_shapes(layer)
  return {}


def _attention_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
  query, memory = layer.inputs[0].size, layer.inputs[-1].size
  asked = len(layer.inputs) == 2
  score = layer.options.get("score", "additive")
  if score == "general":
    return {"weight_key": (query, memory)}
  if score != "additive":
    return {} if asked else {"query": (memory,)}
  units = int(layer.positional[0]) if layer.positional else query
  shapes = {"weight_query": (units, query)} if asked else {}
  shapes |= {"weight_key": (units, memory)}
  if layer.options.get("use_bias", True):
    shapes["bias"] = (units,)
  return shapes | {"weight_score": (units,)}


def _multi_head_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
  query, memory = layer.inputs[0].size, layer.inputs[-1].size
  heads = int(layer.positional[0])
  width = heads * int(layer.options.get("key_size", query // heads))
  if query == memory:
    shapes: dict[str, tuple[int, ...]] = {"in_proj_weight": (3 * width, query)}
  else:
    shapes = {
      "q_proj_weight": (width, query),
      "k_proj_weight": (width, memory),
      "v_proj_weight": (width, memory),
    }
  biased = layer.options.get("use_bias", True)
  if biased:
    shapes["in_proj_bias"] = (3 * width,)
  shapes["out_proj.weight"] = (query, width)
  if biased:
    shapes["out_proj.bias"] = (query,)
  return shapes


def compute(
  layer: Layer, own: dict[str, Tensor], given: list[object], masks: Masks
) -> Sequence[Value]:
  """A layer's outputs for one sequence."""
  options = layer.options
  first = given[0]
  if layer.kind in CELLS:
    return compute_recurrent(layer, own, given, masks)
  if layer.kind == "Embedding":
    ids, length, valid = first
    return [layers.embedding(own["weight"], ids, length, valid, bool(options.get("mask_zero")))]
  if layer.kind == "Dense":
    activation = str(options.get("activation", "linear"))
    return [layers.dense(own["weight"], own.get("bias"), first, activation)]
  if layer.kind == "LayerNorm":
    epsilon = float(options.get("epsilon", 1e-5))
    return [layers.layer_norm(own.get("weight"), own.get("bias"), first, epsilon)]
  if layer.kind == "Activation":
    return [layers.activation(first, str(layer.positional[0]))]
  if layer.kind == "Dropout":
    return [layers.dropout(first, masks.of(layer.name))]
  if layer.kind == "Pooling":
    return [layers.pooling(first, str(layer.positional[0]))]
  if layer.kind == "Concat":
    return [layers.concat(given)]
  if layer.kind == "Add":
    return [layers.add(given)]
  if layer.kind == "Multiply":
    return [layers.multiply(given)]
  if layer.kind == "RepeatVector":
    return [layers.repeat(first, given[1] if len(given) == 2 else int(layer.positional[0]))]
  if layer.kind in ATTENTION:
    mask = masks.of(layer.name)
    if layer.kind == "Attention":
      both = attention.attention(own, given, str(options.get("score", "additive")), mask)
    else:
      heads, causal = int(layer.positional[0]), bool(options.get("causal"))
      both = attention.multi_head(own, given, heads, causal, mask)
    return both if options.get("return_weights") else both[:1]
  raise ValueError(f"the oracle has no layer {layer.kind}")


def compute_recurrent(
  layer: Layer, own: dict[str, Tensor], given: list[object], masks: Masks
) -> Sequence[Value]:
  """The same of a recurrent one, whose inputs are a sequence, perhaps scores, perhaps states."""
  options, name = layer.options, layer.name
  cell = cell_of(layer.kind, layer.positional, options)
  row, *states = given
  scores = states.pop(0) if layer.kind == "AUGRU" else None
  count = len(cell.states)
  directions = []
  for index in range(1 if layer.merge_mode is None else 2):
    suffix = "_reverse" if index else ""
    noise = Noise(
      masks.of(f"{name}{suffix}"),
      masks.of(f"{name}.recurrent{suffix}"),
      masks.of(f"{name}.zoneout{suffix}", 1.0 - float(options.get("zoneout", 0.0))),
      masks.of(f"{name}.zoneout_cell{suffix}", 1.0 - float(options.get("zoneout_cell", 0.0))),
    )
    own_states = tuple(states[index * count : (index + 1) * count])
    reverse = index == 1 or bool(options.get("go_backwards"))
    directions.append(Direction(cell, of_direction(own, index == 1), own_states, noise, reverse))
  sequences = bool(options.get("return_sequences"))
  if layer.merge_mode is None:
    output, final = recurrent(directions[0], row, scores, sequences)
  else:
    output, final = bidirectional(directions, row, scores, sequences, layer.merge_mode)
  return [output, *final] if options.get("return_state") else [output]


def as_array(values: Sequence[Value]) -> Tensor:
  """One output for all sequences: ``[B, T, F]`` or ``[B, F]``."""
  return stack([stack(value.steps) if isinstance(value, Row) else value for value in values])
