"""A layer of a model as it was told to be: what flows in and out, and its options in the notation's
words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

ATTENTION = ("Attention", "MultiHeadAttention")


Axis = str | int
"""Whose timesteps: "x" or "memory", which differ, or a number that the model fixes."""


@dataclass(frozen=True)
class Variable:
  """What flows out of an input or a layer: its name in the notation, its vectors' size.

  `keys` says whose timesteps the last axis counts, for weights of attention.
  """

  name: str
  size: int
  time: bool = True
  axis: Axis = "x"
  keys: Axis | None = None


@dataclass(frozen=True)
class Input:
  """Where data enter: ids, vectors, or (time False) one vector for each sequence."""

  variable: Variable
  ids: bool

  @property
  def notation(self) -> str:
    kind = "ids" if self.ids else self.variable.size
    time = "" if self.variable.time else ", time=false"
    return f"{self.variable.name} = Input({kind}{time})"


@dataclass(frozen=True)
class Layer:
  """A layer with its options in the notation's words.

  `wrapped` is what Bidirectional was told of the layer in it.
  """

  kind: str
  name: str
  inputs: tuple[Variable, ...]
  outputs: tuple[Variable, ...]
  positional: tuple[object, ...]
  options: Mapping[str, object]
  merge_mode: str | None = None

  @property
  def notation(self) -> str:
    arguments = [spelled(value) for value in self.positional]
    arguments += [f"{name}={spelled(value)}" for name, value in self.options.items()]
    if self.merge_mode is None:
      call = f"{self.kind}({', '.join([*arguments, f'name={self.name}'])})"
    else:
      inner = f"{self.kind}({', '.join(arguments)})"
      call = f"Bidirectional({inner}, merge_mode={self.merge_mode}, name={self.name})"
    return f"{listed(self.outputs)} = {listed(self.inputs)} -> {call}"


def spelled(value: object) -> str:
  """A value in the notation."""
  return str(value).lower() if isinstance(value, bool) else str(value)


def listed(variables: Sequence[Variable]) -> str:
  names = [variable.name for variable in variables]
  return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


@dataclass
class Masks:
  """Dropout masks of one sequence, by layer: values 0 and 1/(1 − p).

  A recurrent layer has ``name`` for its inputs and ``name.recurrent`` for its hidden state, with
  ``_reverse`` behind them for the other direction; a Dropout layer has ``name``, and so have layers
  of attention, for their weights. What zoneout lets through, 0 or 1 for each timestep, is in
  ``name.zoneout`` and ``name.zoneout_cell``.
  """

  by_name: Mapping[str, np.ndarray] = field(default_factory=dict)

  def of(self, name: str, expectation: float = 1.0) -> np.ndarray | float:
    return self.by_name.get(name, expectation)
