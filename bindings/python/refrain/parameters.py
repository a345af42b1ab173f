"""Parameters and gradients by name, as NumPy arrays over the library's own memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy.typing as npt

from . import _abi
from ._core import ModelCore
from .arrays import FloatArray, float_array
from .errors import ShapeError


class Parameters(Mapping[str, FloatArray]):
  """The parameters of a model, in the order of the layers.

  ``parameters["lstm.weight_hh"]`` is an array over the model's memory: reading costs nothing and
  writing changes the model. Sessions and trainers of this package notice such writes at their next
  call; a session that is running in another thread meanwhile may see half of them. Names and
  layouts are PyTorch's, gates in the order i f g o and r z n.

  ``parameters["lstm.weight_hh"] = values`` copies, and refuses values that are not finite.

  As long as an array of parameters lives, sessions prepare the parameters afresh for each call.
  Drop it, or `copy` it, before streaming.
  """

  def __init__(self, core: ModelCore) -> None:
    self._core = core

  def __getitem__(self, name: str) -> FloatArray:
    return self._core.parameter_view(name)

  def __setitem__(self, name: str, values: npt.ArrayLike) -> None:
    shape = self._core.parameter_shape(name)
    array = float_array(values, name)
    if array.shape != shape:
      raise ShapeError(f"{name} has the shape {list(shape)}, found {list(array.shape)}")
    _abi.library().refrain_model_set_parameter(
      self._core.handle, _abi.c_text(name, "name"), array.ctypes.data, array.size
    )

  def __contains__(self, name: object) -> bool:
    return name in self._core.parameters

  def __iter__(self) -> Iterator[str]:
    return iter(self._core.parameters)

  def __len__(self) -> int:
    return len(self._core.parameters)

  def __repr__(self) -> str:
    return _listing("Parameters", self._core)


class Gradients(Mapping[str, FloatArray]):
  """The gradients of a trainer, named and shaped as the parameters.

  The arrays look into the trainer's memory, which backward passes add to and an update sets to
  zero. Write through them to change what the next update sees, for example the result of an
  all-reduce.
  """

  def __init__(self, core: ModelCore, view: Callable[[str], FloatArray]) -> None:
    self._core = core
    self._view = view

  def __getitem__(self, name: str) -> FloatArray:
    return self._view(name)

  def __contains__(self, name: object) -> bool:
    return name in self._core.parameters

  def __iter__(self) -> Iterator[str]:
    return iter(self._core.parameters)

  def __len__(self) -> int:
    return len(self._core.parameters)

  def __repr__(self) -> str:
    return _listing("Gradients", self._core)


def _listing(title: str, core: ModelCore) -> str:
  rows = (f"  {name}: {list(core.parameter_shape(name))}" for name in core.parameters)
  return "\n".join([title, *rows])
