"""NumPy arrays as the library's tensors, without copies where the array is right already.

Sizes in comments: B sequences in a batch, T timesteps, I features.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi
from .errors import ArgumentError, ShapeError

FloatArray = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int32]
LengthArray = npt.NDArray[np.int64]
MaskArray = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]

_ID_RANGE = np.iinfo(np.int32)


def _as_array(value: npt.ArrayLike, name: str) -> Array:
  try:
    array = np.asarray(value)
  except ValueError as error:  # rows of different lengths
    raise ShapeError(f"{name} is no rectangular array ({error}); see pad_sequences()") from None
  if array.dtype == object:
    raise ShapeError(f"{name} has elements of different kinds or lengths; see pad_sequences()")
  return array


def float_array(value: npt.ArrayLike, name: str) -> FloatArray:
  """Contiguous float32; a copy only of what is not. Integers and booleans become numbers."""
  array = _as_array(value, name)
  if array.dtype.kind not in "fiub":
    raise ShapeError(f"{name} must hold numbers, found {array.dtype}")
  return np.asarray(array, dtype=np.float32, order="C")


def id_array(value: npt.ArrayLike, name: str) -> IdArray:
  """Contiguous int32 from integers of any width.

  Raises `ArgumentError` for integers that int32 cannot hold, `ShapeError` for other elements.
  """
  array = _as_array(value, name)
  if array.dtype == np.int32:
    return np.asarray(array, order="C")
  if array.dtype.kind not in "iub":
    if array.size:
      raise ShapeError(f"{name} must hold integers, found {array.dtype}")
  elif array.size and not np.can_cast(array.dtype, np.int32):
    smallest, largest = int(array.min()), int(array.max())
    if smallest < _ID_RANGE.min or largest > _ID_RANGE.max:
      wrong = smallest if smallest < _ID_RANGE.min else largest
      raise ArgumentError(f"{name} holds {wrong}, which is no 32-bit integer")
  return np.asarray(array, dtype=np.int32, order="C")


def length_array(value: npt.ArrayLike, batch: int, name: str) -> LengthArray:
  """Contiguous int64 ``[B]``."""
  array = _as_array(value, name)
  if array.dtype.kind not in "iu" and array.size:
    raise ShapeError(f"{name} must hold integers, found {array.dtype}")
  if array.shape != (batch,):
    raise ShapeError(f"{name} must have the shape [{batch}], found {list(array.shape)}")
  return np.asarray(array, dtype=np.int64, order="C")


def mask_array(value: npt.ArrayLike, batch: int, timesteps: int, name: str) -> MaskArray:
  """Contiguous uint8 ``[B, T]`` of zeros and ones."""
  array = _as_array(value, name)
  if array.shape != (batch, timesteps):
    raise ShapeError(
      f"{name} must have the shape [{batch}, {timesteps}], found {list(array.shape)}"
    )
  return np.asarray(array != 0, dtype=np.uint8, order="C")


@dataclass(frozen=True)
class Description:
  """What an input, output or parameter looks like.

  Attributes
  ----------
  dtype : numpy.dtype
      float32, or int32 for ids.
  shape : tuple
      None stands for the sizes that each call chooses: batch, timesteps, and the keys of attention's
      weights.
  """

  dtype: np.dtype[Any]
  shape: tuple[int | None, ...]

  @cached_property
  def is_ids(self) -> bool:
    return self.dtype == np.int32

  @property
  def rank(self) -> int:
    return len(self.shape)

  @cached_property
  def has_timesteps(self) -> bool:
    """Whether the second size is that of time."""
    return self.rank > 1 and self.shape[1] is None

  @cached_property
  def step_shape(self) -> tuple[int, ...]:
    """The sizes of one timestep of one sequence."""
    rest = self.shape[2:] if self.has_timesteps else self.shape[1:]
    return tuple(size or 0 for size in rest)

  def sized(self, batch: int, timesteps: int) -> tuple[int, ...]:
    """The shape for a call with these sizes, in which every sequence has as many timesteps."""
    return (batch, *(timesteps if size is None else size for size in self.shape[1:]))

  def array(self, value: npt.ArrayLike, name: str) -> Array:
    """A value for this input or output, in the right type. The library compares the sizes."""
    array: Array = id_array(value, name) if self.is_ids else float_array(value, name)
    if array.ndim == 0:
      raise ShapeError(f"{name} must be an array of rank {self.rank}, found a single number")
    return array


def description_of(tensor: _abi.Tensor) -> Description:
  """What the library wrote into a tensor as a description."""
  dtype = np.dtype(np.int32 if tensor.type == _abi.INT32 else np.float32)
  sizes = tensor.shape[: tensor.rank]
  return Description(dtype, tuple(None if size < 0 else size for size in sizes))


def empty_tensor() -> _abi.Tensor:
  """A tensor with nothing but its size, for the library to describe something in."""
  return _abi.Tensor(struct_size=ctypes.sizeof(_abi.Tensor))


class Tensors:
  """An array of `refrain_tensor` over NumPy arrays, which it keeps alive.

  Parameters
  ----------
  arrays
      Contiguous, float32 or int32.
  lengths, masks
      One per array, or None.
  unwanted
      Positions whose memory the library shall not touch: their `data` is NULL.
  """

  def __init__(
    self,
    arrays: Sequence[Array],
    lengths: Sequence[LengthArray | None] | None = None,
    masks: Sequence[MaskArray | None] | None = None,
    unwanted: Sequence[int] = (),
  ) -> None:
    self.arrays = list(arrays)
    self._kept = (lengths, masks)
    self.count = len(self.arrays)
    self.pointer = (_abi.Tensor * self.count)()
    for index, (tensor, array) in enumerate(zip(self.pointer, self.arrays, strict=True)):
      if array.ndim > _abi.MAX_RANK:
        raise ShapeError(f"an array of rank {array.ndim}; {_abi.MAX_RANK} is the most")
      tensor.struct_size = ctypes.sizeof(_abi.Tensor)
      tensor.data = None if index in unwanted else array.ctypes.data
      tensor.type = _abi.INT32 if array.dtype == np.int32 else _abi.FLOAT32
      tensor.rank = array.ndim
      tensor.shape[: array.ndim] = array.shape
      length = lengths[index] if lengths else None
      mask = masks[index] if masks else None
      tensor.lengths = None if length is None else length.ctypes.data
      tensor.mask = None if mask is None else mask.ctypes.data


def memory_view(address: int, shape: tuple[int, ...], owner: object) -> FloatArray:
  """An array over the library's own memory that keeps `owner` alive as long as it is used."""
  count = int(np.prod(shape, dtype=np.int64))
  memory: Any = (ctypes.c_float * count).from_address(address)
  memory.owner = owner
  view: FloatArray = np.frombuffer(memory, dtype=np.float32, count=count)
  return view.reshape(shape)
