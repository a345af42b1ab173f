"""SLSTM."""

from __future__ import annotations

from .activations import softplus
from .cell import Cell, Noise, Parameters, State
from .tape import Tensor, largest


class SLSTM(Cell):
  """An LSTM with an exponential input gate and a normaliser.  Beck et al. 2024, the scalar cell.

      c = f c₋ + i g   n = f n₋ + i   h = o ⊙ c / n

  Its i and f are only known up to the factor eᵐ, with a stabiliser m that keeps them below 1. Where
  n₋ = 0 there is nothing to forget: f is 0, and m what i alone wants.
  """

  gates = "ifgo"
  states = ("hidden", "cell", "normalizer", "stabilizer")

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    previous, c, n, m_before = state
    a_i, a_f, a_g, a_o = self.sums(p, x, previous * noise.recurrent)
    forget = a_f if self.options.get("forget_gate") == "exponential" else -softplus(-a_f)
    begun = (n.value != 0) * 1.0
    kept = forget + m_before
    m = largest([kept, a_i]) * begun + a_i * (1.0 - begun)
    i = (a_i - m).exp()
    f = ((kept - m) * begun).exp() * begun  # no exponential of what is not kept: it might overflow
    c = f * c + i * self.activation(a_g)
    n = f * n + i
    return (self.recurrent_activation(a_o) * c / n, c, n, m)
