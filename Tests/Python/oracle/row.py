"""One sequence of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .tape import Tensor, zeros


@dataclass(frozen=True)
class Row:
  """One sequence of vectors.

  Attributes
  ----------
  steps : list of Tensor
      One for each timestep of the batch. Those at and behind `length` are zero in what layers give,
      and in what they take they may be anything: nobody looks at them.
  length : int
  mask : list of bool
      False skips a timestep.
  """

  steps: list[Tensor]
  length: int
  mask: list[bool]

  @property
  def timesteps(self) -> int:
    return len(self.steps)

  @property
  def counted(self) -> list[int]:
    """The timesteps that count, in order."""
    return [t for t in range(self.length) if self.mask[t]]

  def filled(self, done: list[Tensor], size: int, mask: list[bool] | None = None) -> Row:
    """A row of `done` with zeros ``[size]`` behind the length."""
    behind = [zeros(size) for _ in range(self.timesteps - self.length)]
    return Row(done + behind, self.length, self.mask if mask is None else mask)

  def each(self, function: Callable[[Tensor], Tensor], size: int) -> Row:
    """f of every timestep before the length, where f gives vectors ``[size]``."""
    return self.filled([function(step) for step in self.steps[: self.length]], size)
