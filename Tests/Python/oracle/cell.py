"""What all recurrent cells have in common: sizes, parameters, products of gates, zoneout.

I input features, H units, P the width of the hidden state (H, but for an LSTM with projection), G
gates. Weights are stacked gate by gate: weight_ih ``[G·H, I]``, weight_hh ``[G·H, P]``, biases
``[G·H]``. What one timestep computes is for each cell to say; the names of the options and of the
parameters are the notation's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .activations import clip, named
from .layers import normalized
from .tape import Tensor, zeros

Mask = np.ndarray | float
Parameters = Mapping[str, Tensor]
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Noise:
  """What training draws at random for one sequence in one direction.

  Attributes
  ----------
  input, recurrent
      Dropout masks ``[I]`` and ``[P]``: values 0 and 1/(1 − p), the same at every timestep.
      `recurrent` multiplies the hidden state on its way into the products, and only there: what a
      cell carries over is the state itself. Gal & Ghahramani 2016.
  zoneout, zoneout_cell
      u of zoneout, ``[T, P]`` and ``[T, H]``, values 0 and 1; or their expectation, a number.
  """

  input: Mask = 1.0
  recurrent: Mask = 1.0
  zoneout: Mask = 1.0
  zoneout_cell: Mask = 1.0

  def at(self, t: int) -> Noise:
    """That of one timestep."""
    u, u_cell = (
      of_all[t] if isinstance(of_all, np.ndarray) else of_all
      for of_all in (self.zoneout, self.zoneout_cell)
    )
    return Noise(self.input, self.recurrent, u, u_cell)


class Cell:
  """A cell with its size and options.

  Attributes
  ----------
  gates : str
      A letter for each, in the order of the weights' rows.
  states : tuple of str
      What is carried from timestep to timestep, by the names that ``initial_…`` parameters have.
  """

  gates = ""
  states: tuple[str, ...] = ("hidden",)
  default_activation = "tanh"
  has_recurrent_weight = True

  def __init__(self, units: int, options: Mapping[str, object]) -> None:
    self.units = units
    self.options = options
    self.activation = named(str(options.get("activation", self.default_activation)))
    self.recurrent_activation = named(str(options.get("recurrent_activation", "sigmoid")))

  def has(self, option: str) -> bool:
    return bool(self.options.get(option, False))

  @property
  def width(self) -> int:
    """P, the size of the hidden state and of the output."""
    return self.units

  @property
  def state_sizes(self) -> tuple[int, ...]:
    return (self.width,) + (self.units,) * (len(self.states) - 1)

  @property
  def needs_recurrent_bias(self) -> bool:
    """Whether bias_hh is there unless it is declined."""
    return False

  # -- parameters

  def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
    """The parameters of one direction."""
    rows = len(self.gates) * self.units
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features)}
    if self.has_recurrent_weight:
      shapes["weight_hh"] = (rows, self.width)
    if self.options.get("use_bias", True):
      shapes["bias_ih"] = (rows,)
      if self.options.get("recurrent_bias", self.needs_recurrent_bias):
        shapes["bias_hh"] = (rows,)
    if self.has("layer_norm"):
      shapes |= {"norm_ih_weight": (rows,), "norm_hh_weight": (rows,)}
    if self.has("learn_initial_state"):
      for name, size in zip(self.states, self.state_sizes, strict=True):
        shapes[f"initial_{name}"] = (size,)
    return shapes

  def initial_state(self, p: Parameters) -> State:
    """What is learned, or zeros."""
    if self.has("learn_initial_state"):
      return tuple(p[f"initial_{name}"] for name in self.states)
    return tuple(zeros(size) for size in self.state_sizes)

  # -- one timestep

  def step(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None = None
  ) -> State:
    """The state after x ``[I]``: what the cell computes, with zoneout.

    Krueger et al. 2016, without zoneout of a cell's other memories than an LSTM's c.
    """
    hidden, *rest = self.candidate(p, x, state, noise, score)
    if rest:
      rest[0] = zoned(state[1], rest[0], noise.zoneout_cell)
    return (zoned(state[0], hidden, noise.zoneout), *rest)

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    """The same before zoneout; `score` is a further input that some cells take."""
    raise NotImplementedError

  # -- parts of a timestep

  def split(self, rows: Tensor) -> list[Tensor]:
    """``[G·H]`` cut into gates."""
    return [rows[gate * self.units : (gate + 1) * self.units] for gate in range(len(self.gates))]

  def of_input(self, p: Parameters, x: Tensor) -> Tensor:
    """W x + b_ih; with layer_norm LN(W x) ⊙ norm_ih_weight + b_ih."""
    product = p["weight_ih"] @ x
    if self.has("layer_norm"):
      product = normalized(product) * p["norm_ih_weight"]
    return product + p["bias_ih"] if "bias_ih" in p else product

  def of_hidden(self, p: Parameters, hidden: Tensor, rows: slice = slice(None)) -> Tensor:
    """U h₋ with some rows of U, without a bias; with layer_norm LN(U h₋) ⊙ norm_hh_weight."""
    product = p["weight_hh"][rows] @ hidden
    if self.has("layer_norm"):
      product = normalized(product) * p["norm_hh_weight"][rows]
    return product

  def recurrent_bias(self, p: Parameters) -> Tensor:
    return p["bias_hh"] if "bias_hh" in p else zeros(len(self.gates) * self.units)

  def sums(self, p: Parameters, x: Tensor, hidden: Tensor) -> list[Tensor]:
    """What goes into each gate: both products with their biases."""
    return self.split(self.of_input(p, x) + self.of_hidden(p, hidden) + self.recurrent_bias(p))

  def gate(self, a: Tensor) -> Tensor:
    """σ(a), of what `clip` lets through."""
    return self.recurrent_activation(self.clipped(a))

  def new(self, a: Tensor) -> Tensor:
    """τ(a), of what `clip` lets through."""
    return self.activation(self.clipped(a))

  def clipped(self, a: Tensor) -> Tensor:
    limit = self.options.get("clip")
    return a if limit is None else clip(a, float(limit))


def zoned(before: Tensor, after: Tensor, u: Mask) -> Tensor:
  """before + u ⊙ (after − before)"""
  if isinstance(u, float) and u == 1.0:
    return after
  return before + (after - before) * u
