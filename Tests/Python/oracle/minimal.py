"""Cells with fewer gates: MGU, and MinGRU and MinLSTM, whose gates see the input alone."""

from __future__ import annotations

from .activations import sigmoid, softplus
from .cell import Cell, Noise, Parameters, State
from .tape import Tensor


class MGU(Cell):
  """h = (1 − f) ⊙ h₋ + f ⊙ n, where f also is the reset gate.  Zhou et al. 2016."""

  gates = "fn"

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    (previous,) = state
    into_product = previous * noise.recurrent
    a_f, a_n = self.split(self.of_input(p, x) + self.recurrent_bias(p))
    f = self.gate(a_f + self.of_hidden(p, into_product, slice(self.units)))
    n = self.new(a_n + self.of_hidden(p, f * into_product, slice(self.units, None)))
    return ((1.0 - f) * previous + f * n,)


class MinGRU(Cell):
  """h = (1 − z) ⊙ h₋ + z ⊙ n, with z and n of x alone.  Feng et al. 2024."""

  gates = "zn"
  default_activation = "linear"
  has_recurrent_weight = False

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    (previous,) = state
    z, n = self.split(self.of_input(p, x))
    z = sigmoid(z)
    return ((1.0 - z) * previous + z * self.activation(n),)


class MinLSTM(Cell):
  """h = (f ⊙ h₋ + i ⊙ n) / (f + i), with f, i and n of x alone.  Feng et al. 2024.

  f / (f + i) is written as σ(log f − log i), which bears gates that are both almost shut.
  """

  gates = "fin"
  default_activation = "linear"
  has_recurrent_weight = False

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    (previous,) = state
    f, i, n = self.split(self.of_input(p, x))
    kept = sigmoid(softplus(-i) - softplus(-f))
    return (kept * previous + (1.0 - kept) * self.activation(n),)
