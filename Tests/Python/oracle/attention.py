"""Attention, for one sequence: every query by itself, over the keys that count for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .activations import softmax, tanh
from .layers import Value
from .row import Row
from .tape import Tensor, stack, zeros

Score = Callable[[Tensor, Tensor], Tensor]
"""A number for a query and a key."""


def _look(
  query: Tensor,
  keys: Sequence[Tensor],
  values: Sequence[Tensor],
  counted: Sequence[int],
  score: Score,
  mask: np.ndarray | float,
) -> tuple[Tensor, Tensor]:
  """The context and the weights ``[Tk]`` of one query; zeros if there is nothing to look at.

  `mask` is dropout's, ``[Tk]`` with 0 and 1/(1 − p); the weights that are given have none.
  """
  blank = zeros()
  if not counted:
    return zeros(*values[0].shape), stack([blank for _ in keys])
  weights = softmax(stack([score(query, keys[j]) for j in counted]))
  dropped = weights * np.broadcast_to(mask, len(keys))[list(counted)]
  context = dropped[0] * values[counted[0]]
  for place, j in enumerate(counted[1:], start=1):
    context = context + dropped[place] * values[j]
  places = {j: place for place, j in enumerate(counted)}
  return context, stack([weights[places[j]] if j in places else blank for j in range(len(keys))])


def _additive(own: Mapping[str, Tensor], asked: bool) -> Score:
  """v · tanh(W q + U k + b), without W q where nobody asks."""

  def score(query: Tensor, key: Tensor) -> Tensor:
    inner = own["weight_key"] @ key
    if asked:
      inner = inner + own["weight_query"] @ query
    if "bias" in own:
      inner = inner + own["bias"]
    return (own["weight_score"] * tanh(inner)).sum()

  return score


def _dot(query: Tensor, key: Tensor) -> Tensor:
  return (query * key).sum()


def attention(
  own: Mapping[str, Tensor], given: Sequence[Value], score: str, mask: np.ndarray | float
) -> tuple[Value, Value]:
  """Context and weights of ``[query, memory]``, or of one sequence and a learned query.

  `mask` is that of dropout, ``[Tq, Tk]``.
  """
  memory = given[-1]
  asked = len(given) == 2
  function = {
    "additive": _additive(own, asked),
    "dot": _dot,
    "scaled_dot": lambda q, k: _dot(q, k) * (k.shape[0] ** -0.5),
    "general": lambda q, k: (q * (own["weight_key"] @ k)).sum(),
  }[score]
  mask = np.broadcast_to(mask, (_timesteps(given[0]) if asked else 1, memory.timesteps))

  def look(query: Tensor, t: int) -> tuple[Tensor, Tensor]:
    return _look(query, memory.steps, memory.steps, memory.counted, function, mask[t])

  if not asked:
    return look(own.get("query", zeros()), 0)
  return _each(given[0], look, memory.steps[0].shape[0], memory.timesteps)


def multi_head(
  own: Mapping[str, Tensor],
  given: Sequence[Value],
  heads: int,
  causal: bool,
  mask: np.ndarray | float,
) -> tuple[Value, Value]:
  """PyTorch's nn.MultiheadAttention: the output, and the heads' mean weights.

  `mask` is that of dropout, ``[heads, Tq, Tk]``.
  """
  query, memory = given[0], given[-1]
  width = own["out_proj.weight"].shape[1]
  size = width // heads
  mask = np.broadcast_to(mask, (heads, _timesteps(query), memory.timesteps))

  def projected(x: Tensor, part: int) -> Tensor:
    rows = slice(part * width, (part + 1) * width)
    if "in_proj_weight" in own:
      weight = own["in_proj_weight"][rows]
    else:
      weight = own[f"{'qkv'[part]}_proj_weight"]
    y = weight @ x
    return y + own["in_proj_bias"][rows] if "in_proj_bias" in own else y

  blank = zeros(width)
  inside = range(memory.timesteps)
  keys = [projected(memory.steps[t], 1) if t < memory.length else blank for t in inside]
  values = [projected(memory.steps[t], 2) if t < memory.length else blank for t in inside]

  def look(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
    q = projected(x, 0)
    counted = [j for j in memory.counted if not causal or j <= t]
    output, weights = None, None
    for head in range(heads):
      part = slice(head * size, (head + 1) * size)
      context, of_head = _look(
        q[part] * size**-0.5,
        [key[part] for key in keys],
        [value[part] for value in values],
        counted,
        _dot,
        mask[head, t],
      )
      added = own["out_proj.weight"].columns(part) @ context
      output = added if output is None else output + added
      weights = of_head if weights is None else weights + of_head
    if "out_proj.bias" in own:
      output = output + own["out_proj.bias"]
    return output, weights * (1 / heads)

  return _each(query, look, own["out_proj.weight"].shape[0], memory.timesteps)


def _each(
  query: Value, look: Callable[[Tensor, int], tuple[Tensor, Tensor]], size: int, keys: int
) -> tuple[Value, Value]:
  """Contexts and weights of a vector, or of every timestep within a length."""
  if not isinstance(query, Row):
    return look(query, 0)
  found = [look(query.steps[t], t) for t in range(query.length)]
  return (
    query.filled([context for context, _ in found], size),
    query.filled([weights for _, weights in found], keys),
  )


def _timesteps(value: Value) -> int:
  return value.timesteps if isinstance(value, Row) else 1
