"""A cell over one sequence: which timesteps count, in which order, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .cell import Cell, Noise, Parameters, State
from .row import Row
from .tape import Tensor, concatenate, zeros


@dataclass(frozen=True)
class Direction:
  """A cell that reads one way.

  Attributes
  ----------
  parameters
      By the names that the forward direction gives them.
  given
      The state that the caller brought; without it, what is learned or zeros.
  """

  cell: Cell
  parameters: Parameters
  given: State
  noise: Noise
  reverse: bool

  def scan(self, row: Row, scores: Row | None) -> tuple[list[Tensor], State]:
    """The cell over the valid prefix, from its first timestep or from its last.

    Returns the outputs in the order in which they were computed, one for each timestep before the
    length, and the final state. A skipped timestep leaves the state and repeats the output before
    it, which is 0 until there was one.
    """
    state = self.given or self.cell.initial_state(self.parameters)
    output = zeros(self.cell.width)
    outputs = []
    order = range(row.length)
    for t in reversed(order) if self.reverse else order:
      if row.mask[t]:
        x = row.steps[t] * self.noise.input
        score = None if scores is None else scores.steps[t]
        state = self.cell.step(self.parameters, x, state, self.noise.at(t), score)
        output = state[0]
      outputs.append(output)
    return outputs, state


def parameter_shapes(cell: Cell, features: int, bidirectional: bool) -> dict[str, tuple[int, ...]]:
  """A layer's parameters; those of the reverse direction end in ``_reverse``."""
  one = cell.shapes(features)
  return one | {f"{name}_reverse": shape for name, shape in one.items()} if bidirectional else one


def of_direction(parameters: Parameters, reverse: bool) -> dict[str, Tensor]:
  """A direction's own, under the names of the forward one."""
  return {
    name.removesuffix("_reverse"): value
    for name, value in parameters.items()
    if name.endswith("_reverse") == reverse
  }


def recurrent(
  direction: Direction, row: Row, scores: Row | None, return_sequences: bool
) -> tuple[Row | Tensor, State]:
  """A recurrent layer: its output and its final state.

  With go_backwards a sequence comes out in the order in which it was computed: the first output is
  that of the last valid timestep.
  """
  outputs, final = direction.scan(row, scores)
  if not return_sequences:
    return final[0], final
  prefix, rest = row.mask[: row.length], row.mask[row.length :]
  mask = prefix[::-1] + rest if direction.reverse else row.mask
  return row.filled(outputs, direction.cell.width, mask), final


def merged(mode: str, forward: Tensor, reverse: Tensor) -> Tensor:
  """What two directions say, as one vector."""
  if mode == "concat":
    return concatenate([forward, reverse])
  if mode == "mul":
    return forward * reverse
  return (forward + reverse) * (0.5 if mode == "ave" else 1.0)


def bidirectional(
  directions: Sequence[Direction],
  row: Row,
  scores: Row | None,
  return_sequences: bool,
  merge_mode: str,
) -> tuple[Row | Tensor, State]:
  """Both directions: their merged output, and the final states of the one and then of the other.

  The reverse direction starts at the last valid timestep and is aligned with the input. The merged
  output of a skipped timestep is 0.  Schuster & Paliwal 1997.
  """
  (forward, forward_final), (reverse, reverse_final) = (
    direction.scan(row, scores) for direction in directions
  )
  last = merged(merge_mode, forward_final[0], reverse_final[0])
  if not return_sequences:
    return last, forward_final + reverse_final
  size = last.shape[0]
  reverse.reverse()
  joined = [
    merged(merge_mode, forward[t], reverse[t]) if row.mask[t] else zeros(size)
    for t in range(row.length)
  ]
  return row.filled(joined, size), forward_final + reverse_final
