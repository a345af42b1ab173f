"""Windows over a series, and scalers of its features."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from . import _abi
from .arrays import FloatArray, float_array
from .errors import ShapeError
from .notation import arguments


def windows(
  series: npt.ArrayLike, length: int, horizon: int = 1, stride: int = 1
) -> tuple[FloatArray, FloatArray]:
  """Cut a series into windows with the values that follow them.

  Parameters
  ----------
  series : array ``[timesteps, features]``, or ``[timesteps]`` for one feature
  length : int
      Timesteps of a window.
  horizon : int
      Timesteps behind it that are its target.
  stride : int
      Timesteps from one window's start to the next.

  Returns
  -------
  x : array ``[windows, length, features]``
  y : array ``[windows, horizon, features]``
      No windows at all if the series is too short.
  """
  rows = _rows(series, "series")
  options = _abi.c_text(
    arguments({"length": length, "horizon": horizon, "stride": stride}), "options"
  )
  timesteps, features = rows.shape
  library = _abi.library()
  found = ctypes.c_int64()
  library.refrain_windows(
    rows.ctypes.data, timesteps, features, options, None, None, ctypes.byref(found)
  )
  x = np.empty((found.value, length, features), np.float32)
  y = np.empty((found.value, horizon, features), np.float32)
  library.refrain_windows(
    rows.ctypes.data,
    timesteps,
    features,
    options,
    x.ctypes.data,
    y.ctypes.data,
    ctypes.byref(found),
  )
  return x, y


def _rows(x: npt.ArrayLike, name: str) -> FloatArray:
  """``[…, features]`` as ``[rows, features]``; one dimension is rows of one feature."""
  array = float_array(x, name)
  if array.ndim == 0:
    raise ShapeError(f"{name} must have at least one dimension, found a single number")
  return array.reshape(-1, 1) if array.ndim == 1 else array.reshape(-1, array.shape[-1])


class Scaler(_abi.Owner):
  """Brings each feature, the last axis of an array, to a common scale and back.

  One-dimensional arrays are values of one feature. What a model carries as `Model.input_scaler` is
  of this class, whatever made it.
  """

  def __init__(self, notation: str) -> None:
    created = _abi.ScalerPointer()
    _abi.library().refrain_scaler_create(_abi.c_text(notation, "notation"), ctypes.byref(created))
    self._handle = _abi.Handle(created, "refrain_scaler_release")

  @classmethod
  def _wrap(cls, handle: _abi.Handle) -> Scaler:
    scaler = cls.__new__(cls)
    scaler._handle = handle
    return scaler

  def fit(self, x: npt.ArrayLike) -> Scaler:
    """Learn the scale of x ``[…, features]``; replaces what was learned before."""
    rows = _rows(x, "x")
    _abi.library().refrain_scaler_fit(self._pointer, rows.ctypes.data, *rows.shape)
    return self

  def transform(self, x: npt.ArrayLike) -> FloatArray:
    """x on the common scale. Raises `OrderError` before a fit."""
    return self._apply("refrain_scaler_transform", x)

  def inverse_transform(self, x: npt.ArrayLike) -> FloatArray:
    """x on its own scale again."""
    return self._apply("refrain_scaler_inverse", x)

  def fit_transform(self, x: npt.ArrayLike) -> FloatArray:
    return self.fit(x).transform(x)

  def _apply(self, function: str, x: npt.ArrayLike) -> FloatArray:
    rows = _rows(x, "x")
    out = np.empty_like(rows)
    getattr(_abi.library(), function)(self._pointer, rows.ctypes.data, *rows.shape, out.ctypes.data)
    return out.reshape(np.shape(x))


class StandardScaler(Scaler):
  """Each feature to mean 0 and deviation 1; one that never changes is only shifted."""

  def __init__(self) -> None:
    super().__init__("StandardScaler()")


class MinMaxScaler(Scaler):
  """The smallest value of each feature to `minimum`, the largest to `maximum`."""

  def __init__(self, minimum: float = 0.0, maximum: float = 1.0) -> None:
    options = arguments({"minimum": minimum, "maximum": maximum})
    super().__init__(f"MinMaxScaler({options})")
