"""Generation: what a model wrote, and the inputs it begins from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._core import ModelCore
from .arrays import FloatArray, IdArray, LengthArray, id_array
from .dataset import Inputs, Lengths, prepare_inputs
from .errors import ArgumentError, ShapeError


@dataclass(frozen=True)
class Generated:
  """Sequences that a model generated.

  Attributes
  ----------
  ids : array ``[B, max_length]``
      Without prompts; behind a row's length the end id, or 0 without one.
  lengths : array ``[B]``
      How many ids each row has before its end; ``max_length`` if none came.
  scores : array ``[B]``
      The sum of the log-probabilities of each row's ids, the end included.
  """

  ids: IdArray
  lengths: LengthArray
  scores: FloatArray

  @property
  def sequences(self) -> list[list[int]]:
    """The ids of each row up to its length."""
    return [
      row[:length].tolist() for row, length in zip(self.ids, self.lengths.tolist(), strict=True)
    ]


def generation_inputs(
  core: ModelCore,
  x: Any,
  lengths: Lengths,
  mask: Any,
  start: npt.ArrayLike | None,
  feed: int | str | None,
) -> Inputs:
  """The inputs of a generation; with `start`, x has all but the one that is fed."""
  if start is None:
    return prepare_inputs(core, [x] if isinstance(x, str) else x, lengths, mask)
  index = _fed_input(core, feed)
  count = len(core.inputs) - 1
  if count == 0:
    if x is not None:
      raise ArgumentError("x is what the model is fed with, and so is start; give one of them")
    others = []
  elif count == 1:
    others = list(x) if isinstance(x, (list, tuple)) and len(x) == 1 else [x]
  else:
    if not isinstance(x, (list, tuple)) or len(x) != count:
      raise ShapeError(f"x must be a list of {count} arrays, one for each input that is not fed")
    others = list(x)
  first = id_array(start, "start")
  if first.ndim == 0:
    first = np.full(len(others[0]) if others else 1, first, np.int32)
  if first.ndim != 1:
    raise ShapeError(f"start must be an id, or an id for each row, found {list(first.shape)}")
  values = [*others[:index], first[:, np.newaxis], *others[index:]]
  return prepare_inputs(
    core,
    values if count else values[0],
    _for_others(lengths, count, index, rank=1),
    _for_others(mask, count, index, rank=2),
  )


def _fed_input(core: ModelCore, feed: int | str | None) -> int:
  if isinstance(feed, str):
    raise ArgumentError("start needs feed as an index, or the default: the last input of ids")
  if feed is not None:
    if not 0 <= feed < len(core.inputs):
      raise ArgumentError(f"feed must be 0 … {len(core.inputs) - 1}, found {feed}")
    return feed
  fed = [i for i, each in enumerate(core.inputs) if each.is_ids and each.has_timesteps]
  if not fed:
    raise ArgumentError("the model has no input of ids with timesteps to be fed")
  return fed[-1]


def _for_others(value: Any, count: int, index: int, rank: int) -> list[Any] | None:
  """Lengths or masks for all inputs but the fed one, which has none."""
  if value is None:
    return None
  is_list = isinstance(value, (list, tuple)) and len(value) == count
  if is_list and all(item is None or np.ndim(item) == rank for item in value):
    each = list(value)
  else:
    each = [value] * count
  return [*each[:index], None, *each[index:]]
