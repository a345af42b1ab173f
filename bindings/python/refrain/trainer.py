"""Trainers: fitting a model, or single forward, backward and update calls."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from . import _abi
from ._core import Lease, ModelCore
from .arrays import Array, FloatArray, Tensors, float_array, memory_view
from .dataset import (
  ArrayData,
  BatchFeed,
  ClassWeight,
  Data,
  Lengths,
  Preparation,
  ValidationData,
  as_data,
  outputs_with_losses,
  prepare_inputs,
  prepare_target,
)
from .errors import ArgumentError, Cancelled, ShapeError
from .history import History
from .notation import argument, arguments, as_notation, joined, listed
from .parameters import Gradients
from .progress import Guard, Monitor, ProgressFunction, Verbosity
from .session import Outputs, alone_or_list, source_of

InputGradients: TypeAlias = FloatArray | None | list[FloatArray | None]


class Trainer(_abi.Owner):
  """The one writer of a model; made by `Model.trainer`. One thread at a time.

  Parameters
  ----------
  core
      The model's.
  options : str
      Such as ``"loss=crossentropy, optimizer=SGD(0.1), clip_norm=1, threads=2"``.
  **more
      The same as keyword arguments; strings are notation.

  Attributes
  ----------
  history : History or None
      Of the last fit, also while it runs and after it failed or was interrupted.
  """

  def __init__(self, core: ModelCore, options: str = "", **more: object) -> None:
    text = joined(options, arguments({name: as_notation(value) for name, value in more.items()}))
    core.synchronise()
    created = _abi.TrainerPointer()
    _abi.library().refrain_trainer_create(
      core.handle, _abi.c_text(text, "options"), ctypes.byref(created)
    )
    self._handle = _abi.Handle(created, "refrain_trainer_release")
    self._core = core
    self._last_inputs: list[Array] | None = None
    self.history: History | None = None
    loss = argument(self.notation, "loss")
    self._losses = [""] if loss is None else listed(loss)

  @property
  def notation(self) -> str:
    """The options in canonical notation."""
    return _abi.read_text(_abi.library().refrain_trainer_notation, self._pointer)

  # Fitting

  def fit(
    self,
    x: Any,
    y: Any = None,
    *,
    validation_data: ValidationData = None,
    validation_split: float = 0.0,
    validation_lengths: Lengths = None,
    lengths: Lengths = None,
    mask: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: ClassWeight = None,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    patience: int | None = None,
    restore_best: bool | None = None,
    on_progress: ProgressFunction | None = None,
    verbose: Verbosity = "auto",
    **options: object,
  ) -> History:
    """Train; see `Model.fit`, which explains the arguments."""
    guard = Guard()
    prepare = Preparation(self._core, self._losses, class_weight)
    train = source_of(Data(x, y, lengths, mask, sample_weight), prepare, guard)
    valid: ArrayData | BatchFeed | None = None
    if validation_data is not None:
      valid = self._validation(validation_data, validation_lengths, guard)
    elif validation_split:
      train, held_out = _split(train, validation_split)
      if class_weight is not None:  # which is for training alone
        held_out.weights = _tail(sample_weight, held_out.count)
      valid = held_out
    text = arguments(
      {
        "epochs": epochs,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "patience": patience,
        "restore_best": restore_best,
      }
      | {name: as_notation(value) for name, value in options.items()}
    )
    history = self.history = History()
    monitor = Monitor(guard, history, verbose, on_progress)
    train_struct = train.struct()
    valid_struct = None if valid is None else valid.struct()
    self._core.synchronise()
    with guard:
      try:
        _abi.library().refrain_trainer_fit(
          self._pointer,
          ctypes.byref(train_struct),
          None if valid_struct is None else ctypes.byref(valid_struct),
          _abi.c_text(text, "options"),
          monitor.callback,
          None,
        )
      except Cancelled:
        history.interrupted = True
      finally:
        monitor.close()
        self._last_inputs = None
    guard.raise_kept()
    return history

  def _validation(
    self, value: ValidationData, lengths: Lengths, guard: Guard
  ) -> ArrayData | BatchFeed:
    prepare = Preparation(self._core, self._losses)
    if callable(value):
      return BatchFeed(value, prepare, guard)
    data = as_data(value, "validation_data")  # type: ignore[arg-type]
    if lengths is not None:
      data = Data(data.x, data.y, lengths, data.mask, data.sample_weight)
    return prepare(data)

  # Single calls

  def forward(self, x: Any, lengths: Lengths = None, mask: Any = None) -> Outputs:
    """The forward pass in training mode (dropout is on), remembered for a backward pass.

    Takes and returns what `Session.run` does.
    """
    self._core.synchronise()
    inputs = prepare_inputs(self._core, x, lengths, mask)
    outputs = self._core.output_arrays(inputs.arrays)
    given, received = inputs.tensors(), Tensors(outputs)
    _abi.library().refrain_trainer_forward(
      self._pointer, given.pointer, given.count, received.pointer, received.count
    )
    self._last_inputs = inputs.arrays
    return alone_or_list(outputs)

  def backward(self, dy: Any) -> InputGradients:
    """Backpropagate through the last forward pass; gradients add up until the next update.

    Parameters
    ----------
    dy : array shaped as the output, or a list of them
        The derivative of any loss with respect to the output.

    Returns
    -------
    array shaped as the input, None for ids; a list of these for several inputs
    """
    values = [dy] if len(self._core.outputs) == 1 else list(dy)
    given = Tensors([float_array(value, "dy") for value in values])
    gradients, pointer, count = self._input_gradients(wanted=True)
    _abi.library().refrain_trainer_backward(
      self._pointer, given.pointer, given.count, pointer, count
    )
    return gradients[0] if len(gradients) == 1 else gradients

  @overload
  def backward_loss(
    self,
    y: Any,
    sample_weight: npt.ArrayLike | None = ...,
    *,
    input_gradients: Literal[False] = ...,
  ) -> float: ...

  @overload
  def backward_loss(
    self, y: Any, sample_weight: npt.ArrayLike | None = ..., *, input_gradients: Literal[True]
  ) -> tuple[float, InputGradients]: ...

  def backward_loss(
    self,
    y: Any,
    sample_weight: npt.ArrayLike | None = None,
    *,
    input_gradients: bool = False,
  ) -> float | tuple[float, InputGradients]:
    """The trainer's own loss of the last forward pass, and the backward pass from it.

    Parameters
    ----------
    y : array or list of arrays
        Targets as for `Model.fit`.
    sample_weight : array ``[B]`` or ``[B, T]``, optional
    input_gradients : bool
        Whether to return the gradients of the inputs as well, as `backward` does.
    """
    outputs, losses = outputs_with_losses(self._core.outputs, self._losses)
    values = [y] if len(outputs) == 1 else list(y)
    if len(values) != len(outputs):
      raise ShapeError(f"y must be a list of {len(outputs)} arrays, found {len(values)}")
    targets = Tensors(
      [
        prepare_target(output, value, loss, self._core.labels)
        for output, value, loss in zip(outputs, values, losses, strict=True)
      ]
    )
    weights = None
    if sample_weight is not None:
      weights = Tensors([float_array(sample_weight, "sample_weight")])
    gradients, pointer, count = self._input_gradients(wanted=input_gradients)
    loss = ctypes.c_double()
    _abi.library().refrain_trainer_backward_loss(
      self._pointer,
      targets.pointer,
      targets.count,
      None if weights is None else weights.pointer,
      ctypes.byref(loss),
      pointer,
      count,
    )
    if not input_gradients:
      return loss.value
    return loss.value, gradients[0] if len(gradients) == 1 else gradients

  def _input_gradients(self, wanted: bool) -> tuple[list[FloatArray | None], Any, int]:
    """Memory for the inputs' gradients: the arrays, and the tensors and count for the library."""
    inputs = self._last_inputs or []
    if not wanted:
      return [], None, 0
    arrays = [None if array.dtype == np.int32 else np.empty_like(array) for array in inputs]
    if not any(array is not None for array in arrays):
      return list(arrays), None, 0
    memory = [
      given if array is None else array for given, array in zip(inputs, arrays, strict=True)
    ]
    ids = [index for index, array in enumerate(arrays) if array is None]
    tensors = Tensors(memory, unwanted=ids)
    return list(arrays), tensors.pointer, tensors.count

  def update(self) -> float:
    """Clip, let the optimiser change the parameters, advance the schedule, zero the gradients.

    Returns
    -------
    float
        The global norm of the gradients before clipping.
    """
    self._core.synchronise()
    norm = ctypes.c_double()
    _abi.library().refrain_trainer_update(self._pointer, ctypes.byref(norm))
    return norm.value

  def zero_gradients(self) -> None:
    """Forget the gradients collected so far."""
    _abi.library().refrain_trainer_zero_gradients(self._pointer)

  @property
  def gradients(self) -> Gradients:
    """The gradients by parameter name, as arrays over the trainer's memory."""
    return Gradients(self._core, self._gradient)

  def _gradient(self, name: str) -> FloatArray:
    shape = self._core.parameter_shape(name)
    data = _abi.FloatPointer()
    _abi.library().refrain_trainer_gradient_data(
      self._pointer, _abi.c_text(name, "name"), ctypes.byref(data), None
    )
    return memory_view(data.value or 0, shape, Lease(self._pointer))

  @property
  def learning_rate(self) -> float:
    """Of the next update. Setting it replaces the base rate, which a schedule goes on to scale."""
    rate = ctypes.c_double()
    _abi.library().refrain_trainer_learning_rate(self._pointer, ctypes.byref(rate))
    return rate.value

  @learning_rate.setter
  def learning_rate(self, rate: float) -> None:
    _abi.library().refrain_trainer_set_learning_rate(self._pointer, rate)

  @property
  def updates(self) -> int:
    """Updates made since the trainer was created."""
    return _abi.read_integer(_abi.library().refrain_trainer_updates, self._pointer)

  def report(self, metric: float) -> None:
    """Tell the schedule a validation metric, lower is better; `fit` does it by itself."""
    _abi.library().refrain_trainer_report(self._pointer, metric)

  # Checkpoints

  def save(self, path: str | os.PathLike[str]) -> None:
    """Save a checkpoint: parameters, moments, counters, and the position in an interrupted fit.

    Models are what to keep; a checkpoint is for the same version of the library.
    """
    self._core.synchronise()
    _abi.library().refrain_trainer_save(self._pointer, _abi.c_path(path))

  def load(self, path: str | os.PathLike[str]) -> None:
    """Go on from a checkpoint that a trainer with the same model and options saved.

    ``fit(…, resume=True)`` continues an interrupted fit with the same bits.
    """
    _abi.library().refrain_trainer_load(self._pointer, _abi.c_path(path))

  def __repr__(self) -> str:
    return "Trainer(closed)" if self._handle is None else f"Trainer({self.notation})"


def _split(train: Any, fraction: float) -> tuple[ArrayData, ArrayData]:
  """The first sequences for training, the last `fraction` of them for validation, as in Keras."""
  if not isinstance(train, ArrayData):
    raise ArgumentError("validation_split needs arrays; give validation_data instead")
  if not 0 < fraction < 1:
    raise ArgumentError(f"validation_split must lie between 0 and 1, found {fraction}")
  count = train.count - int(train.count * fraction)
  if count in (0, train.count):
    raise ArgumentError(f"validation_split={fraction} of {train.count} sequences leaves none")
  return train.rows(0, count), train.rows(count, train.count)


def _tail(weights: npt.ArrayLike | None, count: int) -> FloatArray | None:
  """The sample weights of the last sequences."""
  return None if weights is None else float_array(weights, "sample_weight")[-count:]
