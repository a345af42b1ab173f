"""A cell over one sequence: which timesteps count, in which order, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cells import Cell, State, Weights
from .row import Row
from .tape import Tensor, concatenate, zeros

Mask = np.ndarray | float


def scan(
  cell: Cell,
  weights: Weights,
  row: Row,
  initial: State,
  reverse: bool,
  input_mask: Mask,
  recurrent_mask: Mask,
) -> tuple[list[Tensor], State]:
  """The cell over the valid prefix, from its first timestep or from its last.

  Returns the outputs in the order in which they were computed, one for each timestep before the
  length, and the final state. A skipped timestep leaves the state and repeats the output before it,
  which is 0 until there was one.
  """
  state = initial
  output = zeros(weights.hh.shape[1])
  outputs = []
  order = range(row.length)
  for t in reversed(order) if reverse else order:
    if row.mask[t]:
      state = cell.step(weights, row.steps[t] * input_mask, state, recurrent_mask)
      output = state[0]
    outputs.append(output)
  return outputs, state


def initial_state(cell: Cell, weights: Weights, given: Sequence[Tensor]) -> State:
  """What the caller brought, or zeros."""
  return tuple(given) or (zeros(weights.hh.shape[1]),) * cell.state_count


def recurrent(
  cell: Cell,
  parameters: dict[str, Tensor],
  row: Row,
  states: Sequence[Tensor] = (),
  return_sequences: bool = False,
  go_backwards: bool = False,
  input_mask: Mask = 1.0,
  recurrent_mask: Mask = 1.0,
) -> tuple[Row | Tensor, State]:
  """A recurrent layer: its output and its final state.

  With go_backwards a sequence comes out in the order in which it was computed: the first output is
  that of the last valid timestep. Dropout masks are given: one for the whole sequence.
  """
  weights = Weights.named(parameters)
  outputs, final = scan(
    cell,
    weights,
    row,
    initial_state(cell, weights, states),
    go_backwards,
    input_mask,
    recurrent_mask,
  )
  if not return_sequences:
    return final[0], final
  prefix, rest = row.mask[: row.length], row.mask[row.length :]
  mask = prefix[::-1] + rest if go_backwards else row.mask
  return row.filled(outputs, weights.hh.shape[1], mask), final


def merged(mode: str, forward: Tensor, reverse: Tensor) -> Tensor:
  """What two directions say, as one vector."""
  if mode == "concat":
    return concatenate([forward, reverse])
  if mode == "mul":
    return forward * reverse
  return (forward + reverse) * (0.5 if mode == "ave" else 1.0)


def bidirectional(
  cell: Cell,
  parameters: dict[str, Tensor],
  row: Row,
  states: Sequence[Tensor] = (),
  return_sequences: bool = False,
  merge_mode: str = "concat",
  input_masks: tuple[Mask, Mask] = (1.0, 1.0),
  recurrent_masks: tuple[Mask, Mask] = (1.0, 1.0),
) -> tuple[Row | Tensor, State]:
  """Both directions: their merged output, and the final states of the one and then of the other.

  The reverse direction starts at the last valid timestep and is aligned with the input. The merged
  output of a skipped timestep is 0.  Schuster & Paliwal 1997.
  """
  outputs, finals = [], []
  for direction, suffix in enumerate(("", "_reverse")):
    weights = Weights.named(parameters, suffix)
    given = states[direction * cell.state_count : (direction + 1) * cell.state_count]
    done, final = scan(
      cell,
      weights,
      row,
      initial_state(cell, weights, given),
      direction == 1,
      input_masks[direction],
      recurrent_masks[direction],
    )
    outputs.append(done[::-1] if direction == 1 else done)
    finals.append(final)
  last = merged(merge_mode, finals[0][0], finals[1][0])
  if not return_sequences:
    return last, finals[0] + finals[1]
  size = last.shape[0]
  joined = [
    merged(merge_mode, outputs[0][t], outputs[1][t]) if row.mask[t] else zeros(size)
    for t in range(row.length)
  ]
  return row.filled(joined, size), finals[0] + finals[1]
