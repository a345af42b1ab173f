"""Figures of how well predictions meet the truth."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from . import _abi
from .arrays import float_array, id_array
from .errors import CapacityError, ShapeError, UnknownNameError

_COMMON = ("loss", "count")
_CLASSES = (
  "accuracy",
  "precision_macro",
  "recall_macro",
  "f1_macro",
  "precision_micro",
  "recall_micro",
  "f1_micro",
  "precision_weighted",
  "recall_weighted",
  "f1_weighted",
  "log_loss",
  "roc_auc",
)
_NUMBERS = ("mse", "rmse", "mae", "r2")


class Metrics(Mapping[str, float]):
  """The figures of an evaluation, by name; printing it gives a table.

  For classes: accuracy, precision, recall and f1 each with _macro, _micro or _weighted, log_loss
  and roc_auc; for numbers: mse, rmse, mae, r2; for both: loss and count. Only those that the data
  could have are there. A ratio with an empty denominator is 0.

  Attributes
  ----------
  labels : list of str
      The names of the classes, where they are known.
  """

  def __init__(self, pointer: _abi.MetricsPointer, labels: Sequence[str] = ()) -> None:
    self._handle = _abi.Handle(pointer, "refrain_metrics_release")
    self.labels = list(labels)
    self._confusion = self._read_confusion()
    self._figures: dict[str, float] = {}
    for name in _COMMON + (_CLASSES if self.classes else _NUMBERS):
      try:
        self._figures[name] = self.value(name)
      except UnknownNameError:  # this evaluation has no such figure, as metrics without a loss
        continue

  def value(self, name: str, index: int = -1) -> float:
    """One figure.

    Parameters
    ----------
    name : str
        Also precision, recall, f1 and support.
    index : int
        The class that these four are of; −1 is the positive class where there are two.
    """
    found = ctypes.c_double()
    _abi.library().refrain_metrics_value(
      self._handle, _abi.c_text(name, "name"), index, ctypes.byref(found)
    )
    return found.value

  def per_class(self, name: str) -> npt.NDArray[np.float64]:
    """precision, recall, f1 or support of every class ``[classes]``."""
    return np.array([self.value(name, index) for index in range(self.classes)])

  def _read_confusion(self) -> npt.NDArray[np.float64]:
    read = _abi.library().refrain_metrics_confusion
    classes = ctypes.c_int64()
    with contextlib.suppress(CapacityError):
      read(self._handle, None, 0, ctypes.byref(classes))
    counts = np.zeros((classes.value, classes.value))
    if counts.size:
      read(self._handle, counts.ctypes.data, counts.size, ctypes.byref(classes))
    return counts

  @property
  def classes(self) -> int:
    """The number of classes; 0 for numbers."""
    return len(self._confusion)

  @property
  def confusion(self) -> npt.NDArray[np.float64]:
    """Weighted counts ``[classes, classes]``: row the truth, column the prediction."""
    return self._confusion

  @property
  def loss(self) -> float:
    return self["loss"]

  @property
  def accuracy(self) -> float:
    return self["accuracy"]

  @property
  def precision(self) -> float:
    """The mean over the classes (macro), as recall and f1."""
    return self["precision_macro"]

  @property
  def recall(self) -> float:
    return self["recall_macro"]

  @property
  def f1(self) -> float:
    return self["f1_macro"]

  def __getitem__(self, name: str) -> float:
    if name not in self._figures:
      raise UnknownNameError(f"no figure {name!r} here; there are {', '.join(self._figures)}")
    return self._figures[name]

  def __iter__(self) -> Iterator[str]:
    return iter(self._figures)

  def __len__(self) -> int:
    return len(self._figures)

  def __repr__(self) -> str:
    shown = ("loss", "accuracy", "f1_macro") if self.classes else ("loss", "rmse", "mae", "r2")
    figures = ", ".join(f"{name}={self[name]:.4f}" for name in shown if name in self)
    return f"Metrics({figures})"

  def __str__(self) -> str:
    if not self.classes:
      return "\n".join(f"{name:8}{value:12.6g}" for name, value in self.items())
    names = [
      self.labels[index] if index < len(self.labels) else str(index)
      for index in range(self.classes)
    ]
    width = max(len("weighted"), *map(len, names))
    columns = ("precision", "recall", "f1", "support")
    head = " " * width + "".join(f"{column:>11}" for column in columns)
    lines = [f"{name} {self[name]:.4f}" for name in ("loss", "accuracy") if name in self]
    lines += ["", head]
    for index, name in enumerate(names):
      figures = [self.value(column, index) for column in columns]
      cells = "".join(f"{figure:11.4f}" for figure in figures[:3])
      lines.append(f"{name:>{width}}{cells}{figures[3]:11g}")
    total = self._confusion.sum()
    for mean in ("macro", "weighted"):
      cells = "".join(f"{self[f'{column}_{mean}']:11.4f}" for column in columns[:3])
      lines.append(f"{mean:>{width}}{cells}{total:11g}")
    cell = max(7, *(len(f"{count:g}") + 2 for count in self._confusion.flat))
    cell = max(cell, *(len(name) + 2 for name in names))
    lines += ["", " " * width + "".join(f"{name:>{cell}}" for name in names) + "   predicted"]
    for name, row in zip(names, self._confusion, strict=True):
      lines.append(f"{name:>{width}}" + "".join(f"{count:>{cell}g}" for count in row))
    return "\n".join(lines)


def classification_metrics(
  truth: npt.ArrayLike,
  predicted: npt.ArrayLike,
  *,
  classes: int | None = None,
  weights: npt.ArrayLike | None = None,
  probabilities: npt.ArrayLike | None = None,
  labels: Sequence[str] = (),
) -> Metrics:
  """Measure predicted classes against true ones.

  Parameters
  ----------
  truth, predicted : array of int ``[n]``
      From 0.
  classes : int, optional
      How many there are; by default what labels, probabilities or the ids say.
  weights : array ``[n]``, optional
  probabilities : array ``[n, classes]``, optional
      For log_loss and roc_auc.
  """
  true_ids, predicted_ids = id_array(truth, "truth"), id_array(predicted, "predicted")
  count = true_ids.size
  if true_ids.shape != (count,) or predicted_ids.shape != (count,):
    raise ShapeError(
      f"truth and predicted must have one and the same dimension, found {list(true_ids.shape)} "
      f"and {list(predicted_ids.shape)}"
    )
  weight_array = None if weights is None else _column(weights, count, "weights")
  chances = None if probabilities is None else float_array(probabilities, "probabilities")
  if classes is None:
    largest = int(max(true_ids.max(initial=0), predicted_ids.max(initial=0)))
    classes = len(labels) or (chances.shape[-1] if chances is not None else largest + 1)
  if chances is not None and chances.shape != (count, classes):
    raise ShapeError(
      f"probabilities must have the shape [{count}, {classes}], found {list(chances.shape)}"
    )
  metrics = _abi.MetricsPointer()
  _abi.library().refrain_metrics_classes(
    true_ids.ctypes.data,
    predicted_ids.ctypes.data,
    None if weight_array is None else weight_array.ctypes.data,
    None if chances is None else chances.ctypes.data,
    count,
    classes,
    ctypes.byref(metrics),
  )
  return Metrics(metrics, labels)


def regression_metrics(
  truth: npt.ArrayLike, predicted: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> Metrics:
  """Measure predicted numbers against true ones, arrays of the same shape."""
  true_values = float_array(truth, "truth").ravel()
  values = _column(np.ravel(predicted), true_values.size, "predicted")
  weight_array = None
  if weights is not None:
    weight_array = _column(np.ravel(weights), true_values.size, "weights")
  metrics = _abi.MetricsPointer()
  _abi.library().refrain_metrics_numbers(
    true_values.ctypes.data,
    values.ctypes.data,
    None if weight_array is None else weight_array.ctypes.data,
    true_values.size,
    ctypes.byref(metrics),
  )
  return Metrics(metrics)


def _column(value: npt.ArrayLike, count: int, name: str) -> npt.NDArray[np.float32]:
  array = float_array(value, name)
  if array.shape != (count,):
    raise ShapeError(f"{name} must have the shape [{count}], found {list(array.shape)}")
  return array
