"""One timestep of a recurrent cell, for one sequence.

I input features, H hidden units. Weights are stacked gate by gate: weight_ih ``[G·H, I]``,
weight_hh ``[G·H, H]``, biases ``[G·H]``. The state is a tuple: ``(h,)``, or ``(h, c)`` for LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import activations
from .activations import Activation
from .tape import Tensor, zeros

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Weights:
  """The parameters of one direction; a bias that does not exist counts as 0."""

  ih: Tensor
  hh: Tensor
  bias_ih: Tensor
  bias_hh: Tensor

  @classmethod
  def named(cls, parameters: dict[str, Tensor], suffix: str = "") -> Weights:
    """From a layer's parameters; `suffix` is ``_reverse`` for the other direction."""
    ih = parameters[f"weight_ih{suffix}"]
    none = zeros(ih.shape[0])
    return cls(
      ih,
      parameters[f"weight_hh{suffix}"],
      parameters.get(f"bias_ih{suffix}", none),
      parameters.get(f"bias_hh{suffix}", none),
    )

  def gates(self, count: int) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The same cut into gates: (W, U, b_ih, b_hh) of each."""
    size = self.hh.shape[1]
    cuts = [slice(gate * size, (gate + 1) * size) for gate in range(count)]
    return [(self.ih[cut], self.hh[cut], self.bias_ih[cut], self.bias_hh[cut]) for cut in cuts]


@dataclass(frozen=True)
class Cell:
  """A cell with its activations.

  Attributes
  ----------
  kind : "RNN", "LSTM" or "GRU"
  activation
      Of the state: the candidate and, in LSTM, the cell on its way out.
  recurrent_activation
      Of the gates.
  reset_after
      GRU only: the reset gate is applied to the recurrent product rather than to what goes into it.
  """

  kind: str
  activation: Activation = activations.tanh
  recurrent_activation: Activation = activations.sigmoid
  reset_after: bool = True

  @property
  def gate_count(self) -> int:
    return {"RNN": 1, "LSTM": 4, "GRU": 3}[self.kind]

  @property
  def state_count(self) -> int:
    return 2 if self.kind == "LSTM" else 1

  def step(
    self, weights: Weights, x: Tensor, state: State, recurrent_mask: np.ndarray | float = 1.0
  ) -> State:
    """The state after x ``[I]``.

    `recurrent_mask` multiplies the hidden state on its way into the products, and only there: what
    a GRU carries over, z ⊙ h₋, is the state itself. Gal & Ghahramani 2016.
    """
    return _STEPS[self.kind](self, weights, x, state, recurrent_mask)


def rnn_step(
  cell: Cell, weights: Weights, x: Tensor, state: State, mask: np.ndarray | float
) -> State:
  """h = φ(W x + b_ih + U h₋ + b_hh).  Elman 1990."""
  (previous,) = state
  ((w, u, b, c),) = weights.gates(1)
  return (cell.activation(w @ x + b + u @ (previous * mask) + c),)


def lstm_step(
  cell: Cell, weights: Weights, x: Tensor, state: State, mask: np.ndarray | float
) -> State:
  """c = f ⊙ c₋ + i ⊙ g;  h = o ⊙ φ(c).  Hochreiter & Schmidhuber 1997, Gers et al. 2000."""
  previous, cell_before = state
  into_product = previous * mask
  i, f, g, o = (w @ x + b + u @ into_product + c for w, u, b, c in weights.gates(4))
  i, f, o = (cell.recurrent_activation(gate) for gate in (i, f, o))
  cell_now = f * cell_before + i * cell.activation(g)
  return (o * cell.activation(cell_now), cell_now)


def gru_step(
  cell: Cell, weights: Weights, x: Tensor, state: State, mask: np.ndarray | float
) -> State:
  """h = (1 − z) ⊙ n + z ⊙ h₋.  Cho et al. 2014; with reset_after as in cuDNN."""
  (previous,) = state
  into_product = previous * mask
  of_r, of_z, (w, u, b, c) = weights.gates(3)
  r, z = (
    cell.recurrent_activation(w @ x + b + u @ into_product + c) for w, u, b, c in (of_r, of_z)
  )
  if cell.reset_after:
    n = cell.activation(w @ x + b + r * (u @ into_product + c))
  else:
    n = cell.activation(w @ x + b + u @ (r * into_product) + c)
  return ((1.0 - z) * n + z * previous,)


_STEPS: dict[str, Callable[..., State]] = {"RNN": rnn_step, "LSTM": lstm_step, "GRU": gru_step}
