"""What `fit` and `evaluate` are given, brought into the form of the library's data sets.

Inputs may be arrays, a list of arrays for models with several inputs, texts for models with a
tokenizer, or a function that makes an iterator of batches for data that does not fit in memory.
Targets may be class ids, labels, probabilities or numbers. Sizes: B sequences, T timesteps.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _abi
from ._core import ModelCore
from .arrays import (
  Array,
  Description,
  FloatArray,
  LengthArray,
  MaskArray,
  Tensors,
  float_array,
  id_array,
  length_array,
  mask_array,
)
from .errors import ArgumentError, OrderError, ShapeError
from .text import Tokenizer

Lengths: TypeAlias = npt.ArrayLike | Sequence[npt.ArrayLike | None] | None
ClassWeight: TypeAlias = Mapping[Any, float] | Sequence[float] | None
Losses: TypeAlias = str | Sequence[str | None]
"""A loss, or one for each output, None for an output that has none."""


@dataclass(frozen=True)
class Data:
  """Inputs with their targets, and what is known about them.

  Attributes
  ----------
  x : array, list of arrays, or list of str
      ``[B, T, features]``, or ids ``[B, T]``; one array for each input of the model.
  y : array or list of arrays
      Class ids ``[B]`` or ``[B, T]``, labels, or numbers shaped as the output.
  lengths : array ``[B]``, optional
      Valid timesteps of each sequence; a list with one entry for each input if they differ.
  mask : array ``[B, T]``, optional
      0 skips a timestep; a list as for lengths.
  sample_weight : array ``[B]`` or ``[B, T]``, optional
      How much each item counts.
  """

  x: Any
  y: Any = None
  lengths: Any = None
  mask: Any = None
  sample_weight: Any = None


BatchFactory: TypeAlias = Callable[[], Iterable[Data | tuple[Any, ...]]]
ValidationData: TypeAlias = Data | tuple[Any, ...] | BatchFactory | None


def as_data(value: Data | tuple[Any, ...] | list[Any], name: str) -> Data:
  """`Data`, or the tuples ``(x, y)`` and ``(x, y, sample_weight)``."""
  if isinstance(value, Data):
    return value
  if isinstance(value, (tuple, list)) and len(value) in (2, 3):
    return Data(value[0], value[1], sample_weight=value[2] if len(value) == 3 else None)
  raise ArgumentError(f"{name} must be (x, y), (x, y, sample_weight) or refrain.Data")


def is_texts(x: object) -> bool:
  """Whether x is a list or array of str."""
  if isinstance(x, np.ndarray):
    return x.dtype.kind == "U" or (x.dtype == object and x.size > 0 and isinstance(x.flat[0], str))
  return isinstance(x, (list, tuple)) and len(x) > 0 and isinstance(x[0], str)


def is_crossentropy(loss: str) -> bool:
  """Whether a loss compares probabilities, whose targets may be class ids."""
  return "crossentropy" in loss.partition("(")[0].lower()


@dataclass
class Inputs:
  """The inputs of a run: arrays in the right types, with lengths and masks for each."""

  arrays: list[Array]
  lengths: list[LengthArray | None]
  masks: list[MaskArray | None]

  @property
  def count(self) -> int:
    return int(self.arrays[0].shape[0])

  def rows(self, start: int, stop: int) -> Inputs:
    """Some of the sequences, without copying."""
    return Inputs(
      [array[start:stop] for array in self.arrays],
      [None if length is None else length[start:stop] for length in self.lengths],
      [None if mask is None else mask[start:stop] for mask in self.masks],
    )

  def tensors(self) -> Tensors:
    return Tensors(self.arrays, self.lengths, self.masks)


def prepare_inputs(core: ModelCore, x: Any, lengths: Lengths = None, mask: Any = None) -> Inputs:
  """Arrays for every input of the model from whatever the caller has.

  Texts go through the model's tokenizer. Where it pads behind the text, the lengths go along; where
  it pads in front, the model sees the padding as id 0, as in Keras.
  """
  if is_texts(x):
    if lengths is not None or mask is not None:
      raise ArgumentError("texts bring their own lengths; leave out lengths and mask")
    if len(core.inputs) != 1 or not core.inputs[0].is_ids:
      raise ShapeError("texts are for models whose one input is ids")
    ids, found = _tokenizer_of(core).encode_for_model(list(x))
    return Inputs([ids], [found], [None])
  values = _one_for_each(x, len(core.inputs), "x")
  names = ["x"] if len(values) == 1 else [f"x[{index}]" for index in range(len(values))]
  arrays = [
    description.array(value, name)
    for description, value, name in zip(core.inputs, values, names, strict=True)
  ]
  for array, name in zip(arrays, names, strict=True):
    if array.shape[0] != arrays[0].shape[0]:
      raise ShapeError(f"x[0] has {arrays[0].shape[0]} sequences, {name} has {array.shape[0]}")
  batch = arrays[0].shape[0]
  prepared_lengths = [
    None if length is None else length_array(length, batch, "lengths")
    for length in _shared_or_each(lengths, arrays, rank=1)
  ]
  prepared_masks = [
    None
    if row_mask is None
    else mask_array(row_mask, batch, array.shape[1] if array.ndim > 1 else 1, "mask")
    for row_mask, array in zip(_shared_or_each(mask, arrays, rank=2), arrays, strict=True)
  ]
  return Inputs(arrays, prepared_lengths, prepared_masks)


def _tokenizer_of(core: ModelCore) -> Tokenizer:
  handle = core.object_of(
    "refrain_model_tokenizer", _abi.TokenizerPointer, "refrain_tokenizer_release"
  )
  if handle is None:
    raise OrderError("x is text and the model has no tokenizer: set model.tokenizer first")
  return Tokenizer._wrap(handle)


def _one_for_each(value: Any, count: int, name: str) -> list[Any]:
  """A value for each of `count` inputs or outputs; a lone one need not be in a list."""
  if count == 1:
    in_list = isinstance(value, (list, tuple)) and len(value) == 1
    return list(value) if in_list and isinstance(value[0], np.ndarray) else [value]
  if not isinstance(value, (list, tuple)) or len(value) != count:
    found = len(value) if isinstance(value, (list, tuple)) else type(value).__name__
    raise ShapeError(f"{name} must be a list of {count} arrays, found {found}")
  return list(value)


def _shared_or_each(value: Any, arrays: list[Array], rank: int) -> list[Any]:
  """Lengths or a mask for every input: a list names them one by one, an array is for all."""
  if isinstance(value, (list, tuple)) and len(value) == len(arrays):
    names_each = all(item is None or np.ndim(item) == rank for item in value)
    return list(value) if names_each else [value] * len(arrays)
  return [value] * len(arrays)


def _class_ids(y: Any, labels: list[str]) -> npt.NDArray[np.int32]:
  numbers = {label: index for index, label in enumerate(labels)}
  names = np.asarray(y, dtype=object)
  if not labels:
    raise OrderError("y holds labels and the model has none: set model.labels first")
  unknown = sorted({str(name) for name in names.flat if name not in numbers})
  if unknown:
    raise ArgumentError(f"y holds the label {unknown[0]!r}; the model knows {', '.join(labels)}")
  ids = np.array([numbers[name] for name in names.flat], dtype=np.int32)
  return ids.reshape(names.shape)


def outputs_with_losses(
  outputs: Sequence[Description], losses: Sequence[str]
) -> tuple[list[Description], list[str]]:
  """The outputs that have a loss, which are those that have targets, and their losses.

  A single loss will do for several outputs here; the library knows better.
  """
  chosen = list(losses) * (len(outputs) if len(losses) == 1 else 1)
  if len(chosen) != len(outputs):
    raise ArgumentError(f"{len(chosen)} losses for {len(outputs)} outputs")
  pairs = [pair for pair in zip(outputs, chosen, strict=True) if pair[1] != "none"]
  return [output for output, _ in pairs], [loss for _, loss in pairs]


def prepare_target(
  output: Description, y: Any, loss: str, labels: list[str], name: str = "y"
) -> Array:
  """A target in the type and shape that a loss takes.

  Class ids stay integers for a cross-entropy, also as a column ``[B, 1]``; integers become numbers
  for any other loss; numbers ``[B]`` fit an output ``[B, 1]``.
  """
  if is_texts(y):
    return _class_ids(y, labels)
  array = np.asarray(y)
  width = output.step_shape[-1] if output.step_shape else 1
  if array.dtype.kind in "iub" and is_crossentropy(loss):
    if array.ndim == output.rank and array.shape[-1] == 1 and width > 1:
      array = array[..., 0]
    if array.ndim == output.rank - 1:
      return id_array(array, name)
  numbers = float_array(y, name)
  if numbers.ndim == output.rank - 1 and width == 1:
    numbers = numbers[..., np.newaxis]
  return numbers


def _class_table(class_weight: ClassWeight, classes: int, labels: list[str]) -> FloatArray:
  """One weight for each class; 1 for those that a dictionary leaves out."""
  table = np.ones(classes, np.float32)
  assert class_weight is not None
  if isinstance(class_weight, Mapping):
    for key, weight in class_weight.items():
      index = labels.index(key) if isinstance(key, str) and key in labels else key
      if not isinstance(index, (int, np.integer)) or not 0 <= index < classes:
        raise ArgumentError(f"class_weight names the class {key!r}; there are {classes} classes")
      table[index] = weight
    return table
  if len(class_weight) != classes:
    raise ArgumentError(f"class_weight has {len(class_weight)} weights for {classes} classes")
  table[:] = class_weight
  return table


def _apply_class_weight(
  targets: list[Array],
  weights: FloatArray | None,
  class_weight: ClassWeight,
  outputs: Sequence[Description],
  labels: list[str],
) -> FloatArray:
  """Sample weights in which every item also counts as much as its class.

  The loss is an average over weighted items, so this is the weighted cross-entropy of PyTorch.
  """
  if len(targets) != 1:
    raise ArgumentError("class_weight is for models with one output")
  target = targets[0]
  width = outputs[0].step_shape[-1] if outputs[0].step_shape else 1
  table = _class_table(class_weight, max(width, 2), labels)
  if target.dtype == np.int32:
    classes = target
  elif width > 1:
    classes = target.argmax(axis=-1)
  else:
    classes = (target[..., 0] > 0.5).astype(np.int32)
  # Ids behind a row's length may be anything; they have no weight to look up and need none.
  known = (classes >= 0) & (classes < len(table))
  found = np.where(known, table[np.where(known, classes, 0)], np.float32(1))
  if weights is not None:
    found = found * weights.reshape(weights.shape + (1,) * (found.ndim - weights.ndim))
  return np.asarray(found, dtype=np.float32, order="C")


@dataclass
class ArrayData:
  """A data set in memory, ready for the library."""

  inputs: Inputs
  targets: list[Array]
  weights: FloatArray | None = None
  _kept: list[Tensors] = field(default_factory=list, repr=False)

  @property
  def count(self) -> int:
    return self.inputs.count

  def rows(self, start: int, stop: int) -> ArrayData:
    """Some of the sequences, without copying."""
    return ArrayData(
      self.inputs.rows(start, stop),
      [target[start:stop] for target in self.targets],
      None if self.weights is None else self.weights[start:stop],
    )

  def fill(self, struct: Any) -> None:
    """Point a `refrain_dataset` at these arrays; valid as long as this object lives."""
    inputs, targets = self.inputs.tensors(), Tensors(self.targets)
    struct.inputs, struct.input_count = inputs.pointer, inputs.count
    struct.targets, struct.target_count = targets.pointer, targets.count
    self._kept = [inputs, targets]
    if self.weights is not None:
      weights = Tensors([self.weights])
      struct.sample_weights = weights.pointer
      self._kept.append(weights)

  def struct(self) -> _abi.Dataset:
    """A `refrain_dataset`; valid as long as this object lives."""
    struct = _abi.Dataset(struct_size=ctypes.sizeof(_abi.Dataset))
    self.fill(struct)
    return struct


@dataclass(frozen=True)
class Preparation:
  """How the data of one call become the library's: for which model, losses and class weights."""

  core: ModelCore
  losses: Sequence[str]
  class_weight: ClassWeight = None

  def __call__(self, data: Data) -> ArrayData:
    inputs = prepare_inputs(self.core, data.x, data.lengths, data.mask)
    if data.y is None:
      raise ArgumentError("y is missing")
    outputs, losses = outputs_with_losses(self.core.outputs, self.losses)
    values = _one_for_each(data.y, len(outputs), "y")
    targets = [
      prepare_target(output, value, loss, self.core.labels)
      for output, value, loss in zip(outputs, values, losses, strict=True)
    ]
    for target in targets:
      if target.ndim == 0 or target.shape[0] != inputs.count:
        found = target.shape[0] if target.ndim else "a single value"
        raise ShapeError(f"x has {inputs.count} sequences, y has {found}")
    weights = None
    if data.sample_weight is not None:
      weights = float_array(data.sample_weight, "sample_weight")
    if self.class_weight is not None:
      weights = _apply_class_weight(targets, weights, self.class_weight, outputs, self.core.labels)
    return ArrayData(inputs, targets, weights)


class BatchFeed:
  """Hands the batches of an iterator to the library, one call at a time.

  Parameters
  ----------
  factory
      Called at the start of every epoch; gives the epoch's batches.
  prepare
      Makes arrays of each.
  guard
      Runs what it is given, keeps an exception for later, and says whether to cancel.
  """

  def __init__(
    self,
    factory: BatchFactory,
    prepare: Preparation,
    guard: Callable[[Callable[[], object]], int],
  ) -> None:
    self._factory = factory
    self._prepare = prepare
    self._guard = guard
    self._batches: Iterator[Any] | None = None
    self._current: ArrayData | None = None
    self._callback = _abi.BatchCallback(self._next_batch)

  def _next_batch(self, user: int | None, epoch: int, batch: int, received: Any) -> int:
    def advance() -> None:
      if batch == 0 or self._batches is None:
        self._batches = iter(self._factory())
        # A fit that is resumed begins in the middle of an epoch.
        next(itertools.islice(self._batches, batch, batch), None)
      item = next(self._batches, None)
      if item is None:
        return
      self._current = self._prepare(as_data(item, "a batch"))
      self._current.fill(received.contents)

    return self._guard(advance)

  def struct(self) -> _abi.Dataset:
    """A `refrain_dataset`; valid as long as this object lives."""
    struct = _abi.Dataset(struct_size=ctypes.sizeof(_abi.Dataset))
    struct.next_batch = self._callback
    return struct
