"""The C interface: refrain.h in the words of ctypes, and nothing else.

`PROTOTYPES` mirrors the header function by function; a test compares the two in both directions.
Every pointer type of the header has a class of its own here, so that the comparison is exact; all
but the structs take what `ctypes.c_void_p` takes: an address, `byref(...)`, bytes, None, or an
object with `_as_parameter_`.

Functions that return a status raise the exception of that status by themselves.
"""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from collections.abc import Callable, Iterable
from ctypes import (
  POINTER,
  Structure,
  c_char_p,
  c_double,
  c_int,
  c_int32,
  c_int64,
  c_uint64,
  c_void_p,
)
from pathlib import Path
from typing import Any

from .errors import ArgumentError, CapacityError, FormatError, HandleError, error_for

FLOAT32 = 1
INT32 = 2
MAX_RANK = 8
ALL_LANES = -1
BATCH_END = 1
EPOCH_END = 2

MAJOR_VERSION = 0
"""REFRAIN_VERSION_MAJOR of the header that this file mirrors."""


class FloatPointer(c_void_p):
  """float *"""


class DoublePointer(c_void_p):
  """double *"""


class Int32Pointer(c_void_p):
  """int32_t *"""


class Int64Pointer(c_void_p):
  """int64_t *"""


class TextPointer(c_void_p):
  """char *, written"""


class ModelPointer(c_void_p):
  """refrain_model *"""


class SessionPointer(c_void_p):
  """refrain_session *"""


class TrainerPointer(c_void_p):
  """refrain_trainer *"""


class TokenizerPointer(c_void_p):
  """refrain_tokenizer *"""


class ScalerPointer(c_void_p):
  """refrain_scaler *"""


class MetricsPointer(c_void_p):
  """refrain_metrics *"""


class Status(c_int32):
  """refrain_status; a subclass, so that only functions declared with it are checked."""


class Tensor(Structure):
  """refrain_tensor"""

  _fields_ = [
    ("struct_size", c_int64),
    ("data", c_void_p),
    ("type", c_int32),
    ("rank", c_int32),
    ("shape", c_int64 * MAX_RANK),
    ("lengths", c_void_p),
    ("mask", c_void_p),
  ]


class Dataset(Structure):
  """refrain_dataset"""


BatchCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64, c_int64, POINTER(Dataset))

Dataset._fields_ = [
  ("struct_size", c_int64),
  ("inputs", POINTER(Tensor)),
  ("input_count", c_int64),
  ("targets", POINTER(Tensor)),
  ("target_count", c_int64),
  ("sample_weights", POINTER(Tensor)),
  ("next_batch", BatchCallback),
  ("user", c_void_p),
]


class ProgressStruct(Structure):
  """refrain_progress"""

  _fields_ = [
    ("struct_size", c_int64),
    ("event", c_int32),
    ("stopping", c_int32),
    ("epoch", c_int64),
    ("epochs", c_int64),
    ("batch", c_int64),
    ("batches", c_int64),
    ("sequences", c_int64),
    ("updates", c_int64),
    ("loss", c_double),
    ("accuracy", c_double),
    ("valid_loss", c_double),
    ("valid_accuracy", c_double),
    ("learning_rate", c_double),
    ("gradient_norm", c_double),
    ("seconds", c_double),
    ("sequences_per_second", c_double),
  ]


ProgressCallback = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(ProgressStruct))

_Tensors = POINTER(Tensor)
_Data = POINTER(Dataset)
_Texts = POINTER(c_char_p)
_TEXT_OUT = [TextPointer, c_int64, Int64Pointer]
_BYTES_OUT = [c_void_p, c_int64, Int64Pointer]

PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
  # Statuses and messages
  "refrain_last_error": (c_char_p, []),
  "refrain_status_name": (c_char_p, [Status]),
  "refrain_version": (c_char_p, []),
  "refrain_build_info": (c_char_p, []),
  "refrain_describe": (Status, [c_char_p, *_TEXT_OUT]),
  # Models
  "refrain_model_create": (Status, [c_char_p, c_uint64, POINTER(ModelPointer)]),
  "refrain_model_load": (Status, [c_char_p, POINTER(ModelPointer)]),
  "refrain_model_load_memory": (Status, [c_void_p, c_int64, POINTER(ModelPointer)]),
  "refrain_model_save": (Status, [ModelPointer, c_char_p]),
  "refrain_model_save_memory": (Status, [ModelPointer, *_BYTES_OUT]),
  "refrain_model_retain": (Status, [ModelPointer]),
  "refrain_model_release": (None, [ModelPointer]),
  "refrain_model_notation": (Status, [ModelPointer, *_TEXT_OUT]),
  "refrain_model_summary": (Status, [ModelPointer, *_TEXT_OUT]),
  "refrain_model_counts": (Status, [ModelPointer, Int64Pointer, Int64Pointer]),
  "refrain_model_input": (Status, [ModelPointer, c_int64, _Tensors]),
  "refrain_model_output": (Status, [ModelPointer, c_int64, _Tensors]),
  "refrain_model_output_for": (
    Status,
    [ModelPointer, c_int64, _Tensors, c_int64, _Tensors],
  ),
  "refrain_model_parameter_counts": (Status, [ModelPointer, Int64Pointer, Int64Pointer]),
  "refrain_model_parameter": (Status, [ModelPointer, c_int64, *_TEXT_OUT, _Tensors]),
  "refrain_model_get_parameter": (Status, [ModelPointer, c_char_p, FloatPointer, c_int64]),
  "refrain_model_set_parameter": (Status, [ModelPointer, c_char_p, FloatPointer, c_int64]),
  "refrain_model_parameter_data": (
    Status,
    [ModelPointer, c_char_p, POINTER(FloatPointer), Int64Pointer],
  ),
  "refrain_model_parameters_changed": (Status, [ModelPointer]),
  "refrain_model_set_tokenizer": (Status, [ModelPointer, TokenizerPointer]),
  "refrain_model_tokenizer": (Status, [ModelPointer, POINTER(TokenizerPointer)]),
  "refrain_model_set_scaler": (Status, [ModelPointer, c_char_p, ScalerPointer]),
  "refrain_model_scaler": (Status, [ModelPointer, c_char_p, POINTER(ScalerPointer)]),
  "refrain_model_set_labels": (Status, [ModelPointer, _Texts, c_int64]),
  "refrain_model_label_count": (Status, [ModelPointer, Int64Pointer]),
  "refrain_model_label": (Status, [ModelPointer, c_int64, *_TEXT_OUT]),
  # Sessions
  "refrain_session_create": (Status, [ModelPointer, c_char_p, POINTER(SessionPointer)]),
  "refrain_session_release": (None, [SessionPointer]),
  "refrain_session_run": (Status, [SessionPointer, _Tensors, c_int64, _Tensors, c_int64]),
  "refrain_session_generate": (
    Status,
    [SessionPointer, _Tensors, c_int64, c_char_p, Int32Pointer, Int64Pointer, FloatPointer],
  ),
  "refrain_session_step": (Status, [SessionPointer, FloatPointer, FloatPointer]),
  "refrain_session_step_ids": (Status, [SessionPointer, Int32Pointer, FloatPointer]),
  "refrain_session_step_tensors": (Status, [SessionPointer, _Tensors, c_int64, _Tensors, c_int64]),
  "refrain_session_reset": (Status, [SessionPointer, c_int64]),
  "refrain_session_clone": (Status, [SessionPointer, POINTER(SessionPointer)]),
  "refrain_session_save_state": (Status, [SessionPointer, *_BYTES_OUT]),
  "refrain_session_load_state": (Status, [SessionPointer, c_void_p, c_int64]),
  "refrain_session_evaluate": (Status, [SessionPointer, _Data, c_char_p, POINTER(MetricsPointer)]),
  # Trainers
  "refrain_trainer_create": (Status, [ModelPointer, c_char_p, POINTER(TrainerPointer)]),
  "refrain_trainer_release": (None, [TrainerPointer]),
  "refrain_trainer_fit": (
    Status,
    [TrainerPointer, _Data, _Data, c_char_p, ProgressCallback, c_void_p],
  ),
  "refrain_trainer_forward": (Status, [TrainerPointer, _Tensors, c_int64, _Tensors, c_int64]),
  "refrain_trainer_backward": (Status, [TrainerPointer, _Tensors, c_int64, _Tensors, c_int64]),
  "refrain_trainer_backward_loss": (
    Status,
    [TrainerPointer, _Tensors, c_int64, _Tensors, DoublePointer, _Tensors, c_int64],
  ),
  "refrain_trainer_update": (Status, [TrainerPointer, DoublePointer]),
  "refrain_trainer_zero_gradients": (Status, [TrainerPointer]),
  "refrain_trainer_gradient_data": (
    Status,
    [TrainerPointer, c_char_p, POINTER(FloatPointer), Int64Pointer],
  ),
  "refrain_trainer_learning_rate": (Status, [TrainerPointer, DoublePointer]),
  "refrain_trainer_set_learning_rate": (Status, [TrainerPointer, c_double]),
  "refrain_trainer_updates": (Status, [TrainerPointer, Int64Pointer]),
  "refrain_trainer_report": (Status, [TrainerPointer, c_double]),
  "refrain_trainer_notation": (Status, [TrainerPointer, *_TEXT_OUT]),
  "refrain_trainer_save": (Status, [TrainerPointer, c_char_p]),
  "refrain_trainer_load": (Status, [TrainerPointer, c_char_p]),
  # Metrics
  "refrain_metrics_classes": (
    Status,
    [
      Int32Pointer,
      Int32Pointer,
      FloatPointer,
      FloatPointer,
      c_int64,
      c_int64,
      POINTER(MetricsPointer),
    ],
  ),
  "refrain_metrics_numbers": (
    Status,
    [FloatPointer, FloatPointer, FloatPointer, c_int64, POINTER(MetricsPointer)],
  ),
  "refrain_metrics_release": (None, [MetricsPointer]),
  "refrain_metrics_value": (Status, [MetricsPointer, c_char_p, c_int64, DoublePointer]),
  "refrain_metrics_confusion": (Status, [MetricsPointer, DoublePointer, c_int64, Int64Pointer]),
  # Text
  "refrain_tokenizer_create": (Status, [c_char_p, POINTER(TokenizerPointer)]),
  "refrain_tokenizer_release": (None, [TokenizerPointer]),
  "refrain_tokenizer_fit": (Status, [TokenizerPointer, _Texts, c_int64]),
  "refrain_tokenizer_encode": (
    Status,
    [TokenizerPointer, c_char_p, Int32Pointer, c_int64, Int64Pointer],
  ),
  "refrain_tokenizer_encode_batch": (
    Status,
    [TokenizerPointer, _Texts, c_int64, Int32Pointer, c_int64, Int64Pointer],
  ),
  "refrain_tokenizer_decode": (Status, [TokenizerPointer, Int32Pointer, c_int64, *_TEXT_OUT]),
  "refrain_tokenizer_size": (Status, [TokenizerPointer, Int64Pointer]),
  "refrain_tokenizer_maxlen": (Status, [TokenizerPointer, Int64Pointer]),
  "refrain_tokenizer_id": (Status, [TokenizerPointer, c_char_p, Int32Pointer]),
  "refrain_tokenizer_word": (Status, [TokenizerPointer, c_int32, *_TEXT_OUT]),
  "refrain_tokenizer_matrix": (
    Status,
    [TokenizerPointer, _Texts, c_int64, c_char_p, DoublePointer, c_int64],
  ),
  "refrain_tokenizer_json": (Status, [TokenizerPointer, *_TEXT_OUT]),
  "refrain_tokenizer_from_json": (Status, [c_char_p, POINTER(TokenizerPointer)]),
  # Series
  "refrain_pad_sequences": (
    Status,
    [c_int32, c_void_p, Int64Pointer, c_int64, c_char_p, c_void_p, c_int64],
  ),
  "refrain_windows": (
    Status,
    [FloatPointer, c_int64, c_int64, c_char_p, FloatPointer, FloatPointer, Int64Pointer],
  ),
  "refrain_scaler_create": (Status, [c_char_p, POINTER(ScalerPointer)]),
  "refrain_scaler_release": (None, [ScalerPointer]),
  "refrain_scaler_fit": (Status, [ScalerPointer, FloatPointer, c_int64, c_int64]),
  "refrain_scaler_transform": (
    Status,
    [ScalerPointer, FloatPointer, c_int64, c_int64, FloatPointer],
  ),
  "refrain_scaler_inverse": (
    Status,
    [ScalerPointer, FloatPointer, c_int64, c_int64, FloatPointer],
  ),
}


def _open() -> ctypes.CDLL:
  """The library named by REFRAIN_LIBRARY, else the package's own, else the system's."""
  named = os.environ.get("REFRAIN_LIBRARY")
  if named:
    return ctypes.CDLL(named)
  packaged = Path(__file__).with_name("librefrain.so")
  if packaged.is_file():
    return ctypes.CDLL(str(packaged))
  try:
    return ctypes.CDLL("librefrain.so.1")
  except OSError as error:
    raise ImportError(
      f"librefrain.so was not found: the environment variable REFRAIN_LIBRARY is not set, "
      f"{packaged} does not exist, and the system has none ({error})"
    ) from error


def _raise_status(status: Any, function: Any, arguments: Any) -> None:
  """ctypes' errcheck: turns a status into nothing or an exception."""
  if status.value:
    raise error_for(status.value, library().refrain_last_error().decode("utf-8", "replace"))


@functools.cache
def library() -> ctypes.CDLL:
  """The library, opened once, with every prototype set.

  Raises
  ------
  ImportError
      If it is not found, is of another major version, or lacks a function of this package.
  """
  opened = _open()
  for name, (result, arguments) in PROTOTYPES.items():
    try:
      function = getattr(opened, name)
    except AttributeError:
      raise ImportError(
        f"{opened._name} has no {name}: it is older than this package, or not librefrain"
      ) from None
    function.restype = result
    function.argtypes = arguments
    if result is Status:
      function.errcheck = _raise_status
  version = opened.refrain_version().decode()
  if version.split(".")[0] != str(MAJOR_VERSION):
    raise ImportError(
      f"{opened._name} is version {version}; this package speaks version {MAJOR_VERSION}.x"
    )
  return opened


class Handle:
  """Ownership of one object of the library; given up when nothing refers to this any more.

  Everything that lends out the object's memory keeps the handle, so closing a model while an array
  still looks into it is harmless.

  Parameters
  ----------
  pointer : c_void_p
      What a create, load or clone function wrote.
  release : str
      The function that gives it up.
  """

  __slots__ = ("_as_parameter_", "__weakref__")

  def __init__(self, pointer: c_void_p, release: str) -> None:
    self._as_parameter_ = pointer.value
    finalizer = weakref.finalize(self, getattr(library(), release), pointer.value)
    # At exit the process's memory goes anyway, and daemon threads may still be in a call.
    finalizer.atexit = False


class Owner:
  """An object of this package that owns one of the library's: `close`, `with`, and its handle."""

  _handle: Handle | None = None

  @property
  def _pointer(self) -> Handle:
    if self._handle is None:
      raise HandleError(f"this {type(self).__name__} is closed")
    return self._handle

  def close(self) -> None:
    """Give up the object now rather than when it is collected. Closing twice is harmless."""
    self._handle = None

  def __enter__(self) -> Any:
    return self

  def __exit__(self, *_: object) -> None:
    self.close()


def c_text(text: str, name: str) -> bytes:
  """UTF-8 for the library. Raises `ArgumentError` if it holds a NUL or half a surrogate pair."""
  if not isinstance(text, str):
    raise ArgumentError(f"{name} must be a str, found {type(text).__name__}")
  if "\0" in text:
    raise ArgumentError(f"{name} holds a NUL character at {text.index(chr(0))}")
  try:
    return text.encode("utf-8")
  except UnicodeEncodeError as error:
    raise ArgumentError(f"{name} is no valid Unicode text: {error}") from None


def c_texts(texts: Iterable[str], name: str) -> tuple[Any, int]:
  """An array of `const char *` and its count; the array keeps the bytes alive."""
  encoded = [c_text(text, f"{name}[{index}]") for index, text in enumerate(texts)]
  return (c_char_p * len(encoded))(*encoded), len(encoded)


def c_path(path: str | os.PathLike[str] | bytes) -> bytes:
  """A path as the file system spells it."""
  encoded = os.fsencode(path)
  if b"\0" in encoded:
    raise ArgumentError("path holds a NUL byte")
  return encoded


def read_bytes(function: Callable[..., object], *arguments: object) -> bytes:
  """What a function that ends in (bytes, capacity, size) has to say."""
  size = c_int64()
  try:
    function(*arguments, None, 0, ctypes.byref(size))
  except CapacityError:
    buffer = ctypes.create_string_buffer(size.value)
    function(*arguments, buffer, size.value, ctypes.byref(size))
    return buffer.raw[: size.value]
  return b""


_USUAL_TEXT = 512  # bytes; longer texts take a second call


def read_text(
  function: Callable[..., object], *arguments: object, after: tuple[object, ...] = ()
) -> str:
  """What a function with (text, capacity, length) behind `arguments` has to say."""
  length = c_int64(_USUAL_TEXT)
  try:
    buffer = ctypes.create_string_buffer(_USUAL_TEXT)
    function(*arguments, buffer, _USUAL_TEXT, ctypes.byref(length), *after)
  except CapacityError:
    buffer = ctypes.create_string_buffer(length.value + 1)
    function(*arguments, buffer, length.value + 1, ctypes.byref(length), *after)
  try:
    return buffer.raw[: length.value].decode("utf-8")
  except UnicodeDecodeError as error:
    raise FormatError(f"the library returned a text that is not UTF-8: {error}") from None


def read_integer(function: Callable[..., object], *arguments: object) -> int:
  """What a function that ends in `int64_t *` writes there."""
  value = c_int64()
  function(*arguments, ctypes.byref(value))
  return value.value
