"""Numbers that remember how they were made: reverse-mode differentiation on NumPy arrays.

Every operation makes a `Tensor` that knows its parents and what to add to their gradients. Tensors
are numbered as they are made, so walking the numbers downwards visits every result before what it
was made from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

_numbers = itertools.count()


class Tensor:
  """A float64 array, its gradient, and where it came from.

  Attributes
  ----------
  value : array
  gradient : array or None
      Of what `backward` was called on; None if nothing flowed here.
  """

  __slots__ = ("value", "gradient", "_number", "_parents", "_spread")
  __array_priority__ = 1000  # so that array + Tensor is a Tensor

  def __init__(
    self,
    value: np.typing.ArrayLike,
    parents: Sequence[Tensor] = (),
    spread: Callable[[np.ndarray], None] | None = None,
  ) -> None:
    self.value = np.asarray(value, dtype=np.float64)
    self.gradient: np.ndarray | None = None
    self._number = next(_numbers)
    self._parents = tuple(parents)
    self._spread = spread

  @property
  def shape(self) -> tuple[int, ...]:
    return self.value.shape

  def receive(self, gradient: np.ndarray) -> None:
    """Add to this tensor's gradient, summed over axes that were broadcast."""
    extra = gradient.ndim - self.value.ndim
    gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(
      axis for axis, size in enumerate(self.shape) if size == 1 and gradient.shape[axis] != 1
    )
    if stretched:
      gradient = gradient.sum(axis=stretched, keepdims=True)
    if self.gradient is None:
      self.gradient = np.zeros_like(self.value)
    self.gradient += gradient

  def backward(self) -> None:
    """Give every tensor that this single number was made from its gradient."""
    self.receive(np.ones(self.shape))
    reached = {self._number: self}
    unseen = [self]
    while unseen:
      for parent in unseen.pop()._parents:
        if parent._number not in reached:
          reached[parent._number] = parent
          unseen.append(parent)
    for number in sorted(reached, reverse=True):
      tensor = reached[number]
      if tensor._spread is not None and tensor.gradient is not None:
        tensor._spread(tensor.gradient)

  def __add__(self, other: Operand) -> Tensor:
    other = tensor(other)

    def spread(gradient: np.ndarray) -> None:
      self.receive(gradient)
      other.receive(gradient)

    return Tensor(self.value + other.value, (self, other), spread)

  def __mul__(self, other: Operand) -> Tensor:
    other = tensor(other)

    def spread(gradient: np.ndarray) -> None:
      self.receive(gradient * other.value)
      other.receive(gradient * self.value)

    return Tensor(self.value * other.value, (self, other), spread)

  def __truediv__(self, other: Operand) -> Tensor:
    other = tensor(other)

    def spread(gradient: np.ndarray) -> None:
      self.receive(gradient / other.value)
      other.receive(-gradient * self.value / other.value**2)

    return Tensor(self.value / other.value, (self, other), spread)

  def __neg__(self) -> Tensor:
    return self * -1.0

  def __sub__(self, other: Operand) -> Tensor:
    return self + -tensor(other)

  def __rsub__(self, other: Operand) -> Tensor:
    return tensor(other) - self

  __radd__ = __add__
  __rmul__ = __mul__

  def __matmul__(self, vector: Tensor) -> Tensor:
    """A matrix ``[m, n]`` times a vector ``[n]``."""

    def spread(gradient: np.ndarray) -> None:
      self.receive(np.outer(gradient, vector.value))
      vector.receive(gradient @ self.value)

    return Tensor(self.value @ vector.value, (self, vector), spread)

  def __getitem__(self, index: int | slice) -> Tensor:
    def spread(gradient: np.ndarray) -> None:
      if self.gradient is None:
        self.gradient = np.zeros_like(self.value)
      self.gradient[index] += gradient

    return Tensor(self.value[index], (self,), spread)

  def columns(self, part: slice) -> Tensor:
    """Some columns of a matrix."""

    def spread(gradient: np.ndarray) -> None:
      whole = np.zeros_like(self.value)
      whole[:, part] = gradient
      self.receive(whole)

    return Tensor(self.value[:, part], (self,), spread)

  def sum(self) -> Tensor:
    return Tensor(self.value.sum(), (self,), self.receive_everywhere)

  def receive_everywhere(self, gradient: np.ndarray) -> None:
    """The gradient of a sum of all elements."""
    self.receive(np.broadcast_to(gradient, self.shape))

  def mean(self) -> Tensor:
    return self.sum() * (1 / self.value.size)

  def elementwise(
    self, function: Callable[[np.ndarray], np.ndarray], slope: Callable[..., np.ndarray]
  ) -> Tensor:
    """f of every element; `slope` gives f′ from x and f(x)."""
    result = function(self.value)
    return Tensor(
      result, (self,), lambda gradient: self.receive(gradient * slope(self.value, result))
    )

  def exp(self) -> Tensor:
    return self.elementwise(np.exp, lambda x, y: y)

  def log(self) -> Tensor:
    return self.elementwise(np.log, lambda x, y: 1 / x)

  def sqrt(self) -> Tensor:
    return self.elementwise(np.sqrt, lambda x, y: 0.5 / y)

  def abs(self) -> Tensor:
    return self.elementwise(np.abs, lambda x, y: np.sign(x))


Operand = Tensor | float | np.ndarray


def tensor(value: Operand) -> Tensor:
  """The value itself, or a constant."""
  return value if isinstance(value, Tensor) else Tensor(value)


def zeros(*shape: int) -> Tensor:
  return Tensor(np.zeros(shape))


def concatenate(parts: Sequence[Tensor]) -> Tensor:
  """Vectors one behind the other."""
  edges = np.cumsum([0] + [part.shape[0] for part in parts])

  def spread(gradient: np.ndarray) -> None:
    for part, start, stop in zip(parts, edges[:-1], edges[1:], strict=True):
      part.receive(gradient[start:stop])

  return Tensor(np.concatenate([part.value for part in parts]), parts, spread)


def stack(parts: Sequence[Tensor]) -> Tensor:
  """Arrays of one shape along a new first axis."""

  def spread(gradient: np.ndarray) -> None:
    for part, of_part in zip(parts, gradient, strict=True):
      part.receive(of_part)

  return Tensor(np.stack([part.value for part in parts]), parts, spread)


def largest(parts: Sequence[Tensor]) -> Tensor:
  """Element by element the largest; the gradient goes to the first that has it."""
  values = np.stack([part.value for part in parts])
  winners = values.argmax(axis=0)

  def spread(gradient: np.ndarray) -> None:
    for index, part in enumerate(parts):
      part.receive(np.where(winners == index, gradient, 0.0))

  return Tensor(values.max(axis=0), parts, spread)
