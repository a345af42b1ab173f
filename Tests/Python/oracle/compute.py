"""What a layer gives for one sequence."""

from __future__ import annotations

from collections.abc import Sequence

from . import attention, layers
from .cell import Noise
from .cells import CELLS, cell_of
from .layer import ATTENTION, Layer, Masks
from .layers import Value
from .recurrent import Direction, bidirectional, of_direction, recurrent
from .tape import Tensor


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
