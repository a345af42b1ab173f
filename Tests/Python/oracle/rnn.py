"""RNN."""

from __future__ import annotations

from .cell import Cell, Noise, Parameters, State
from .tape import Tensor


class RNN(Cell):
  """h = τ(W x + b_ih + U h₋ + b_hh).  Elman 1990."""

  gates = "n"

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    (a,) = self.sums(p, x, state[0] * noise.recurrent)
    return (self.new(a),)
