"""Schedules: the factor on the base learning rate after k updates or epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def step(size: int, gamma: float = 0.1) -> Callable[[int], float]:
  return lambda k: gamma ** (k // size)


def multi_step(milestones: Sequence[int], gamma: float = 0.1) -> Callable[[int], float]:
  return lambda k: gamma ** sum(milestone <= k for milestone in milestones)


def exponential(gamma: float) -> Callable[[int], float]:
  return lambda k: gamma**k


def cosine(steps: int) -> Callable[[int], float]:
  """Half a cosine from 1 to 0, then 0.  Loshchilov & Hutter 2017."""
  return lambda k: 0.5 * (1 + math.cos(math.pi * min(k, steps) / steps))


@dataclass
class ReducePlateau:
  """Times `factor` when a metric was not better than the best for more than `patience` reports.

  Better means by a share of `threshold`, as in PyTorch.
  """

  factor: float = 0.1
  patience: int = 10
  threshold: float = 1e-4
  best: float = field(default=math.inf, init=False)
  waited: int = field(default=0, init=False)
  value: float = field(default=1.0, init=False)

  def report(self, metric: float) -> float:
    """Tell it a metric; returns the factor from now on."""
    if metric < self.best * (1 - self.threshold):
      self.best, self.waited = metric, 0
    else:
      self.waited += 1
    if self.waited > self.patience:
      self.value, self.waited = self.value * self.factor, 0
    return self.value
