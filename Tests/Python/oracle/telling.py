"""Reads off what a trainer drew: the masks of dropout and zoneout of its first forward pass.

They depend on the seed, the layer's place and the sequence alone, so a layer of the same cell in
the same place with telling parameters gets the same ones. Telling: its candidate is linear, its gates are wide open or
shut, and what it computes is a sum of powers of two, in which every mask has a digit of its own.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from . import library
from .cells import cell_of
from .generate import Situation
from .layer import Masks
from .problem import Problem
from .traits import RATES, Case

# The gates' biases that make h̃ the candidate, which is the gate left out.
_TELLING_BIASES = {
  "RNN": {},
  "LSTM": {"i": 50, "f": -50, "o": 50},
  "GRU": {"r": 50, "z": -50},
  "AUGRU": {"r": 50, "z": -50},
  "MGU": {"f": 50},
  "MinGRU": {"z": 50},
  "MinLSTM": {"f": -50, "i": 50},
  "SLSTM": {"i": 0, "f": -50, "o": 50},
}
_STRUCTURE = ("projection", "go_backwards", "reset_after")


def masks_of(case: Case, problem: Problem, options: str) -> list[Masks]:
  """The masks that a trainer with these options draws for a case in its first forward pass."""
  rows: list[dict[str, np.ndarray]] = [{} for _ in range(case.situation.batch)]
  readers = {
    "dropout": _input_masks,
    "recurrent_dropout": _recurrent_masks,
    "zoneout": _zoneout,
    "zoneout_cell": _zoneout_cell,
  }
  names = {"dropout": "layer", "recurrent_dropout": "layer.recurrent"}
  for rate, reader in readers.items():
    if rate not in case.options:
      continue
    for direction, suffix in enumerate(("", "_reverse")[: case.directions]):
      for row, mask in zip(rows, reader(case, problem, direction, options), strict=True):
        row[names.get(rate, f"layer.{rate}") + suffix] = mask
  return [Masks(row) for row in rows]


def _told(
  case: Case,
  rate: str,
  ih: np.ndarray,
  hh: float | np.ndarray,
  x: np.ndarray,
  lengths: np.ndarray | None = None,
  mask: np.ndarray | None = None,
  bias: float = 0.0,
  remember: bool = False,
) -> Problem:
  """A problem with telling parameters: every unit of the candidate has the row `ih` ``[I]`` of
  weights for the inputs, `hh` ``[P]`` for the hidden state, and `bias`. All of a projection's
  outputs are unit 0.
  """
  kept = {name: value for name, value in case.options.items() if name in (*_STRUCTURE, rate)}
  case = dataclasses.replace(
    case,
    options=kept | {"activation": "linear"},
    merge_mode=None if case.merge_mode is None else "concat",
    no_timestep=False,
    situation=Situation(*x.shape[:2]),
  )
  network = case.network
  cell = cell_of(case.kind, (case.units,), case.options)
  biases = _TELLING_BIASES[case.kind] | ({"f": 50} if remember else {})
  parameters = {}
  for name, shape in network.shapes.items():
    value = parameters[name] = np.zeros(shape, np.float32)
    if "weight_hr" in name:
      value[:, 0] = 1
      continue
    gates = value.reshape(len(cell.gates), case.units, -1)
    for letter, gate in zip(cell.gates, gates, strict=True):
      if "bias_ih" in name:
        gate[...] = biases.get(letter, bias)
      elif "weight" in name and letter not in biases:
        gate[...] = ih if "weight_ih" in name else hh
  batch, timesteps, _ = x.shape
  inputs = [x]
  for item in network.inputs[1:]:
    shape = (batch, timesteps) if item.variable.time else (batch,)
    inputs.append(np.zeros((*shape, item.variable.size), np.float32))
  return Problem(network, parameters, inputs, lengths=lengths, mask=mask)


def _digits(numbers: np.ndarray, count: int) -> np.ndarray:
  """The binary digits of whole numbers, the lowest first: ``[…]`` to ``[…, count]``."""
  whole = np.rint(numbers).astype(np.int64)
  assert np.abs(numbers - whole).max(initial=0) < 0.01, "not a sum of powers of two"
  return whole[..., np.newaxis] >> np.arange(count) & 1


def _last(output: np.ndarray, width: int, direction: int) -> np.ndarray:
  """What the first unit of a direction put out in its last step, ``[B]``."""
  of_direction = output[..., direction * width]
  return of_direction[:, 0] if direction else of_direction[:, -1]


def _width(case: Case) -> int:
  return cell_of(case.kind, (case.units,), case.options).width


def _input_masks(case: Case, problem: Problem, direction: int, options: str) -> list[np.ndarray]:
  """A unit sums up the features that were kept."""
  keep = 1 - float(case.options["dropout"])
  ones = np.ones((case.situation.batch, 2, case.features), np.float32)
  asked = _told(case, "dropout", 2.0 ** np.arange(case.features), 0.0, ones)
  last = _last(library.train(asked, options).outputs[0], _width(case), direction)
  return list(_digits(last * keep, case.features) / keep)


def _recurrent_masks(
  case: Case, problem: Problem, direction: int, options: str
) -> list[np.ndarray]:
  """In the second step a unit sums up those of the first, all of them 1, that were kept."""
  keep, width = 1 - float(case.options["recurrent_dropout"]), _width(case)
  zeros = np.zeros((case.situation.batch, 2, case.features), np.float32)
  asked = _told(
    case, "recurrent_dropout", np.zeros(case.features), 2.0 ** np.arange(width), zeros, bias=1
  )
  last = _last(library.train(asked, options).outputs[0], width, direction)
  return list(_digits((last - 1) * keep, width) / keep)


def _zoneout(case: Case, problem: Problem, direction: int, options: str) -> list[np.ndarray]:
  """h̃ is another number in each timestep; where h stays, u was 0."""
  batch, timesteps = problem.inputs[0].shape[:2]
  first = np.eye(case.features)[0]
  x = np.zeros((batch, timesteps, case.features), np.float32)
  x[..., 0] = np.arange(timesteps) + 1
  asked = _told(case, "zoneout", first, 0.0, x, problem.lengths, problem.mask)
  width = _width(case)
  output = library.train(asked, options).outputs[0][
    ..., direction * width : (direction + 1) * width
  ]
  found = []
  for b in range(batch):
    counted = counted_timesteps(problem, b)
    length = timesteps if problem.lengths is None else int(problem.lengths[b])
    backwards = "go_backwards" in case.options
    u = np.full((timesteps, width), np.nan)
    before = np.zeros(width)
    for t in reversed(counted) if direction or backwards else counted:
      h = output[b, length - 1 - t if backwards else t]
      stayed, moved = np.abs(h - before) < 0.01, np.abs(h - (t + 1)) < 0.01
      assert (stayed ^ moved).all(), f"row {b}, timestep {t}: {before} → {h}"
      u[t] = moved
      before = h
    found.append(u)
  return found


def _zoneout_cell(case: Case, problem: Problem, direction: int, options: str) -> list[np.ndarray]:
  """With an open forget gate c ends as the sum of what was let in, a power of two at each time."""
  batch, timesteps = problem.inputs[0].shape[:2]
  first = np.eye(case.features)[0]
  x = np.zeros((batch, timesteps, case.features), np.float32)
  x[..., 0] = 2.0 ** np.arange(timesteps)
  asked = _told(case, "zoneout_cell", first, 0.0, x, problem.lengths, problem.mask, remember=True)
  final = library.train(asked, options).outputs[2 + 2 * direction]
  found = []
  for b in range(batch):
    u = np.full((timesteps, case.units), np.nan)
    counted = counted_timesteps(problem, b)
    u[counted] = _digits(final[b], timesteps).T[counted]
    found.append(u)
  return found


def counted_timesteps(problem: Problem, b: int) -> list[int]:
  """The timesteps of a sequence that count, in order."""
  timesteps = problem.inputs[0].shape[1]
  length = timesteps if problem.lengths is None else int(problem.lengths[b])
  return [t for t in range(length) if problem.mask is None or problem.mask[b, t]]


assert set(RATES) == {"dropout", "recurrent_dropout", "zoneout", "zoneout_cell"}
