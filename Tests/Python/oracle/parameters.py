"""Which parameters a layer has."""

from __future__ import annotations

from .cells import CELLS, cell_of
from .layer import Layer
from .recurrent import parameter_shapes


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
