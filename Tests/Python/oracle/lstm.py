"""LSTM with everything that can be added to it or taken from it."""

from __future__ import annotations

from collections.abc import Mapping

from .activations import clip, named
from .cell import Cell, Noise, Parameters, State
from .layers import normalized
from .tape import Tensor


class LSTM(Cell):
  """c = f ⊙ c₋ + i ⊙ g;  h = o ⊙ ω(c).  Hochreiter & Schmidhuber 1997, Gers et al. 2000.

  - peephole: the gates see the cell, i and f the one before, o the new one. Gers & Schmidhuber
    2000.
  - coupled: i = 1 − f, and there is no gate i.
  - cell_clip: c is clipped before anything is made of it.
  - projection: h = weight_hr · (o ⊙ ω(c)).  Sak et al. 2014.
  - layer_norm: of both products, and of c on its way out.  Ba et al. 2016.
  """

  states = ("hidden", "cell")

  def __init__(self, units: int, options: Mapping[str, object]) -> None:
    super().__init__(units, options)
    self.gates = "fgo" if self.has("coupled") else "ifgo"
    self.output_activation = (
      named(str(options["output_activation"]))
      if "output_activation" in options
      else self.activation
    )

  @property
  def width(self) -> int:
    return int(self.options.get("projection", self.units))

  @property
  def seeing(self) -> str:
    """The gates with peepholes, in the order of weight_peephole."""
    return "fo" if self.has("coupled") else "ifo"

  def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
    shapes = super().shapes(features)
    if self.has("peephole"):
      shapes["weight_peephole"] = (len(self.seeing) * self.units,)
    if "projection" in self.options:
      shapes["weight_hr"] = (self.width, self.units)
    if self.has("layer_norm"):
      shapes |= {"norm_cell_weight": (self.units,), "norm_cell_bias": (self.units,)}
    return shapes

  def peek(self, p: Parameters, gate: str, cell: Tensor) -> Tensor | float:
    """What a gate sees of the cell."""
    if not self.has("peephole"):
      return 0.0
    place = self.seeing.index(gate)
    return p["weight_peephole"][place * self.units : (place + 1) * self.units] * cell

  def candidate(
    self, p: Parameters, x: Tensor, state: State, noise: Noise, score: Tensor | None
  ) -> State:
    previous, cell_before = state
    a = dict(zip(self.gates, self.sums(p, x, previous * noise.recurrent), strict=True))
    f = self.gate(a["f"] + self.peek(p, "f", cell_before))
    if self.has("coupled"):
      i = 1.0 - f
    else:
      i = self.gate(a["i"] + self.peek(p, "i", cell_before))
    cell = f * cell_before + i * self.new(a["g"])
    if "cell_clip" in self.options:
      cell = clip(cell, float(self.options["cell_clip"]))
    o = self.gate(a["o"] + self.peek(p, "o", cell))
    hidden = o * self.output_activation(self.shown(p, cell))
    return (p["weight_hr"] @ hidden if "projection" in self.options else hidden, cell)

  def shown(self, p: Parameters, cell: Tensor) -> Tensor:
    """The cell as the output sees it."""
    if not self.has("layer_norm"):
      return cell
    return normalized(cell) * p["norm_cell_weight"] + p["norm_cell_bias"]
