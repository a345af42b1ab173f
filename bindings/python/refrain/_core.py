"""What a model, its sessions and its trainers have in common.

The core owns the model's handle and knows its inputs and outputs. It also watches the arrays that
look into the model's parameters: the library wants to be told when something was written through
them, and nobody can see a write to a NumPy array. So the core tells it before every call that uses
the parameters, as long as such an array lives and once after the last has gone.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Sequence

import numpy as np

from . import _abi
from .arrays import (
  Array,
  Description,
  FloatArray,
  Tensors,
  description_of,
  empty_tensor,
  memory_view,
)
from .errors import OrderError, ShapeError, UnknownNameError


class Lease:
  """One array's interest in a handle: kept by the array, seen by the core."""

  __slots__ = ("handle", "__weakref__")

  def __init__(self, handle: _abi.Handle) -> None:
    self.handle = handle


class ModelCore:
  """The shared part of a model. It lives as long as the model or anything made from it."""

  def __init__(self, handle: _abi.Handle) -> None:
    self.handle = handle
    self._leases: weakref.WeakSet[Lease] = weakref.WeakSet()
    self._maybe_changed = False

  @functools.cached_property
  def inputs(self) -> tuple[Description, ...]:
    return self._descriptions("input", self._counts[0])

  @functools.cached_property
  def outputs(self) -> tuple[Description, ...]:
    return self._descriptions("output", self._counts[1])

  @functools.cached_property
  def _counts(self) -> tuple[int, int]:
    inputs, outputs = ctypes.c_int64(), ctypes.c_int64()
    _abi.library().refrain_model_counts(self.handle, ctypes.byref(inputs), ctypes.byref(outputs))
    return inputs.value, outputs.value

  def _descriptions(self, side: str, count: int) -> tuple[Description, ...]:
    describe = getattr(_abi.library(), f"refrain_model_{side}")
    described = []
    for index in range(count):
      tensor = empty_tensor()
      describe(self.handle, index, ctypes.byref(tensor))
      described.append(description_of(tensor))
    return tuple(described)

  @functools.cached_property
  def parameters(self) -> dict[str, Description]:
    """Names and shapes, in the order of the layers."""
    library = _abi.library()
    count = ctypes.c_int64()
    library.refrain_model_parameter_counts(self.handle, ctypes.byref(count), None)
    described = {}
    for index in range(count.value):
      tensor = empty_tensor()
      name = _abi.read_text(
        library.refrain_model_parameter, self.handle, index, after=(ctypes.byref(tensor),)
      )
      described[name] = description_of(tensor)
    return described

  def parameter_shape(self, name: str) -> tuple[int, ...]:
    if name not in self.parameters:
      known = ", ".join(self.parameters)
      raise UnknownNameError(f"no parameter is called {name!r}; there are {known}")
    return tuple(size or 0 for size in self.parameters[name].shape)

  def parameter_view(self, name: str) -> FloatArray:
    """A parameter's own memory. Writes are noticed by `synchronise`."""
    shape = self.parameter_shape(name)
    data = _abi.FloatPointer()
    _abi.library().refrain_model_parameter_data(
      self.handle, _abi.c_text(name, "name"), ctypes.byref(data), None
    )
    lease = Lease(self.handle)
    self._leases.add(lease)
    self._maybe_changed = True
    return memory_view(data.value or 0, shape, lease)

  def synchronise(self) -> None:
    """Tell the library that parameters may have been written, if they may. Call before use."""
    if self._maybe_changed:
      self._maybe_changed = len(self._leases) > 0
      _abi.library().refrain_model_parameters_changed(self.handle)

  @functools.cached_property
  def labels(self) -> list[str]:
    """The names of the classes; empty if there are none. Delete to have them read again."""
    library = _abi.library()
    count = _abi.read_integer(library.refrain_model_label_count, self.handle)
    read = library.refrain_model_label
    return [_abi.read_text(read, self.handle, index) for index in range(count)]

  def object_of(
    self, function: str, pointer: type[ctypes.c_void_p], release: str, *arguments: object
  ) -> _abi.Handle | None:
    """An object that travels with the model, as a copy; None if the model has none."""
    received = pointer()
    try:
      getattr(_abi.library(), function)(self.handle, *arguments, ctypes.byref(received))
    except OrderError:
      return None
    return _abi.Handle(received, release)

  def output_arrays(self, inputs: Sequence[Array], batch: int | None = None) -> list[FloatArray]:
    """Memory for every output of a run over these inputs; `batch` overrides their rows."""
    if len(inputs) != len(self.inputs):
      raise ShapeError(f"the model has {len(self.inputs)} inputs, found {len(inputs)}")
    if batch is None:
      batch = inputs[0].shape[0]
    timesteps = {
      array.shape[1]
      for array, description in zip(inputs, self.inputs, strict=True)
      if description.has_timesteps and array.ndim > 1
    }
    if len(timesteps) > 1:
      return [np.empty((batch, *sizes[1:]), np.float32) for sizes in self._output_sizes(inputs)]
    length = next(iter(timesteps), 1)
    return [np.empty(output.sized(batch, length), np.float32) for output in self.outputs]

  def _output_sizes(self, inputs: Sequence[Array]) -> list[tuple[int, ...]]:
    """The sizes of every output where inputs have different numbers of timesteps."""
    given = Tensors(inputs)
    found = []
    for index in range(len(self.outputs)):
      tensor = empty_tensor()
      _abi.library().refrain_model_output_for(
        self.handle, index, given.pointer, given.count, ctypes.byref(tensor)
      )
      found.append(tuple(tensor.shape[: tensor.rank]))
    return found

  def step_arrays(self, lanes: int) -> list[FloatArray]:
    """Memory for every output of one timestep."""
    return [np.empty((lanes, *output.step_shape), np.float32) for output in self.outputs]
