"""Recurrent neural networks on the CPU: train, save, load, run and stream them.

>>> import refrain
>>> model = refrain.Model("Embedding(10000, 64) -> GRU(64) -> Dense(3, activation=softmax)")
>>> model.fit(x, y, validation_split=0.1, epochs=5)
>>> model.save("reviews.refrain")
>>> refrain.load("reviews.refrain").predict(x)
"""

from . import _abi
from .dataset import Data
from .errors import (
  ArgumentError,
  Cancelled,
  FileError,
  FormatError,
  HandleError,
  InternalError,
  NotationError,
  NotFiniteError,
  NullPointerError,
  OrderError,
  OutOfMemoryError,
  RefrainError,
  ShapeError,
  UnknownNameError,
  UnsupportedError,
)
from .generation import Generated
from .history import History
from .metrics import Metrics, classification_metrics, regression_metrics
from .model import Model, load
from .notation import Entry, Notation, Option, describe_all, describe_one
from .progress import Progress
from .series import MinMaxScaler, Scaler, StandardScaler, windows
from .session import Session
from .text import Tokenizer, pad_sequences
from .trainer import Trainer

version: str = _abi.library().refrain_version().decode()
"""The version of the library that was loaded."""

__version__ = version


def build_info() -> str:
  """How the library was built and what it runs on, in a line, for logs and bug reports."""
  text: bytes = _abi.library().refrain_build_info()
  return text.decode()


def describe(name: str | None = None) -> Entry | list[Entry]:
  """What the notation knows.

  Parameters
  ----------
  name : str, optional
      A layer, loss, optimizer, schedule, initializer, or the option text of a call, such as
      "LSTM", "Adam" or "fit". Printing what is returned gives a table of its options.

  Returns
  -------
  Entry, or a list of all entries without their options if no name is given
  """
  return describe_one(name) if name else describe_all()


__all__ = [
  "ArgumentError",
  "Cancelled",
  "Data",
  "Entry",
  "FileError",
  "FormatError",
  "Generated",
  "HandleError",
  "History",
  "InternalError",
  "Metrics",
  "MinMaxScaler",
  "Model",
  "NotFiniteError",
  "Notation",
  "NotationError",
  "NullPointerError",
  "Option",
  "OrderError",
  "OutOfMemoryError",
  "Progress",
  "RefrainError",
  "Scaler",
  "Session",
  "ShapeError",
  "StandardScaler",
  "Tokenizer",
  "Trainer",
  "UnknownNameError",
  "UnsupportedError",
  "build_info",
  "classification_metrics",
  "describe",
  "load",
  "pad_sequences",
  "regression_metrics",
  "version",
  "windows",
]
