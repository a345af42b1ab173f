"""GRU, and AUGRU, whose update gate listens to a score from outside."""

from __future__ import annotations

from .cell import Cell, Noise, Parameters, State
from .tape import Tensor


class GRU(Cell):
  """h = (1 − z) ⊙ n + z ⊙ h₋.  Cho et al. 2014; with reset_after as in cuDNN.

  With reset_after the reset gate is applied to the recurrent product rather than to what goes into
  it. Then layer_norm is over one product of all gates; without, over r's and z's, and over n's.
  """

  gates = "rzn"

  @property
  def resets_after(self) -> bool:
    return bool(self.options.get("reset_after", True))

  @property
  def needs_recurrent_bias(self) -> bool:
    return self.resets_after

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    (previous,) = state
    into_product = previous * noise.recurrent
    a_r, a_z, a_n = self.split(self.of_input(p, x))
    b_r, b_z, b_n = self.split(self.recurrent_bias(p))
    if self.resets_after:
      s_r, s_z, s_n = self.split(self.of_hidden(p, into_product))
    else:
      both = self.of_hidden(p, into_product, slice(2 * self.units))
      s_r, s_z = both[: self.units], both[self.units :]
    r = self.gate(a_r + s_r + b_r)
    z = self.gate(a_z + s_z + b_z)
    if self.resets_after:
      n = self.new(a_n + r * (s_n + b_n))
    else:
      last = slice(2 * self.units, None)
      n = self.new(a_n + self.of_hidden(p, r * into_product, last) + b_n)
    z = self.update_gate(z, score)
    return ((1.0 - z) * n + z * previous,)

  def update_gate(self, z: Tensor, score: Tensor | None) -> Tensor:
    return z


class AUGRU(GRU):
  """z̃ = (1 − score) ⊙ z in place of z.  Zhou et al. 2019, with oneDNN's sense of z."""

  def update_gate(self, z: Tensor, score: Tensor | None) -> Tensor:
    assert score is not None, "AUGRU without scores"
    return (1.0 - score) * z
