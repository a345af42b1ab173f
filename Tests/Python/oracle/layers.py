"""The layers that are not recurrent, for one sequence or one vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .activations import named
from .row import Row
from .tape import Tensor, concatenate, largest, zeros

Value = Row | Tensor
"""What flows between layers: a sequence of vectors, or one vector."""


def per_vector(value: Value, function: Callable[[Tensor], Tensor], size: int) -> Value:
  """f of a vector, or of every timestep of a sequence."""
  return value.each(function, size) if isinstance(value, Row) else function(value)


def embedding(
  weight: Tensor, ids: Sequence[int], length: int, mask: list[bool], mask_zero: bool
) -> Row:
  """Row id of the matrix ``[V, E]`` for each id.

  With mask_zero the timesteps of id 0 are skipped by the layers that follow, and row 0, looked up
  like any other, does not learn.
  """
  steps = []
  for t in range(length):
    vector = weight[int(ids[t])]
    steps.append(Tensor(vector.value) if mask_zero and ids[t] == 0 else vector)
  if mask_zero:
    mask = [valid and (t >= length or ids[t] != 0) for t, valid in enumerate(mask)]
  blank = [zeros(weight.shape[1]) for _ in range(len(ids) - length)]
  return Row(steps + blank, length, mask)


def dense(weight: Tensor, bias: Tensor | None, value: Value, activation: str = "linear") -> Value:
  """φ(W x + b) of each vector; W is ``[out, in]``."""
  function = named(activation)

  def apply(x: Tensor) -> Tensor:
    y = weight @ x
    return function(y if bias is None else y + bias)

  return per_vector(value, apply, weight.shape[0])


def activation(value: Value, name: str) -> Value:
  return per_vector(value, named(name), _size(value))


def normalized(x: Tensor, epsilon: float = 1e-5) -> Tensor:
  """(x − mean) / √(variance + ε), with the variance over F, not F − 1.  Ba et al. 2016."""
  centred = x - x.mean()
  return centred / ((centred * centred).mean() + epsilon).sqrt()


def layer_norm(
  weight: Tensor | None, bias: Tensor | None, value: Value, epsilon: float = 1e-5
) -> Value:
  """Each vector normalised · w + b."""

  def apply(x: Tensor) -> Tensor:
    normal = normalized(x, epsilon)
    return normal if weight is None else normal * weight + bias

  return per_vector(value, apply, _size(value))


def dropout(value: Value, mask: np.ndarray | float) -> Value:
  """Times a given mask of 0 and 1/(1 − p): ``[T, F]`` for a sequence, ``[F]`` for a vector."""
  if not isinstance(value, Row):
    return value * mask
  each = np.broadcast_to(mask, (value.timesteps, _size(value)))
  return value.filled([value.steps[t] * each[t] for t in range(value.length)], _size(value))


def pooling(row: Row, mode: str) -> Tensor:
  """The last, the mean or the largest of the timesteps that count; 0 if there are none."""
  counted = [row.steps[t] for t in row.counted]
  if not counted:
    return zeros(_size(row))
  if mode == "last":
    return counted[-1]
  if mode == "max":
    return largest(counted)
  total = counted[0]
  for step in counted[1:]:
    total = total + step
  return total * (1 / len(counted))


def concat(values: Sequence[Value]) -> Value:
  """Vectors side by side; sequences timestep by timestep."""
  if not isinstance(values[0], Row):
    return concatenate(values)
  return _together(values, concatenate, sum(_size(value) for value in values))


def add(values: Sequence[Value]) -> Value:
  if not isinstance(values[0], Row):
    return _sum(values)
  return _together(values, _sum, _size(values[0]))


def multiply(values: Sequence[Value]) -> Value:
  """Element by element; vectors of one feature are stretched."""
  size = max(_size(value) for value in values)
  if not isinstance(values[0], Row):
    return _product(values)
  return _together(values, _product, size)


def repeat(vector: Tensor, like: Row | int) -> Row:
  """The vector at each of so many timesteps, or at those of a row."""
  if isinstance(like, int):
    return Row([vector] * like, like, [True] * like)
  return like.filled([vector] * like.length, vector.shape[0])


def _product(parts: Sequence[Tensor]) -> Tensor:
  total = parts[0]
  for part in parts[1:]:
    total = total * part
  return total


def _sum(parts: Sequence[Tensor]) -> Tensor:
  total = parts[0]
  for part in parts[1:]:
    total = total + part
  return total


def _together(
  rows: Sequence[Row], function: Callable[[Sequence[Tensor]], Tensor], size: int
) -> Row:
  """f of the rows' vectors at each timestep. What one of them skips is skipped."""
  first = rows[0]
  mask = [all(valid) for valid in zip(*(row.mask for row in rows), strict=True)]
  done = [function([row.steps[t] for row in rows]) for t in range(first.length)]
  return first.filled(done, size, mask)


def _size(value: Value) -> int:
  return (value.steps[0] if isinstance(value, Row) else value).shape[0]
