"""The course of a fit, epoch by epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from .progress import Progress

_SERIES = (
  "loss",
  "accuracy",
  "val_loss",
  "val_accuracy",
  "learning_rate",
  "gradient_norm",
  "seconds",
)


class History(Mapping[str, list[float]]):
  """What a fit measured: a dictionary from name to one number for each finished epoch.

  Names are loss, accuracy, val_loss, val_accuracy, learning_rate (of the epoch's last update),
  gradient_norm (of the same, before clipping) and seconds (the epoch's own duration). Those that
  did not apply, such as the accuracy of a regression, are absent.

  Attributes
  ----------
  interrupted : bool
      A callback or Ctrl-C stopped the fit.
  stopped_early : bool
      Patience was over.
  """

  def __init__(self) -> None:
    self._series: dict[str, list[float]] = {name: [] for name in _SERIES}
    self._seconds = 0.0
    self.interrupted = False
    self.stopped_early = False

  def add(self, progress: Progress) -> None:
    """Note the end of an epoch."""
    for name in _SERIES[:-1]:
      self._series[name].append(getattr(progress, name))
    self._series["seconds"].append(progress.seconds - self._seconds)
    self._seconds = progress.seconds
    self.stopped_early = progress.stopping

  def _applies(self, name: str) -> bool:
    return any(not math.isnan(value) for value in self._series[name])

  def __getitem__(self, name: str) -> list[float]:
    if name not in self._series or not self._applies(name):
      raise KeyError(name)
    return self._series[name]

  def __iter__(self) -> Iterator[str]:
    return (name for name in self._series if self._applies(name))

  def __len__(self) -> int:
    return sum(1 for _ in self)

  @property
  def epochs(self) -> int:
    """How many epochs were finished."""
    return len(self._series["loss"])

  @property
  def best_epoch(self) -> int | None:
    """The epoch, from 0, of the lowest val_loss; of the lowest loss without validation.

    None before the first epoch has ended.
    """
    losses = self.get("val_loss") or self.get("loss")
    if not losses:
      return None
    return min(range(len(losses)), key=lambda epoch: (math.isnan(losses[epoch]), losses[epoch]))

  def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
    """Draw loss and accuracy over the epochs, with matplotlib.

    Parameters
    ----------
    path : path, optional
        Where to save the picture; its ending chooses the format. Without a path the figure is left
        open, to be shown.

    Returns
    -------
    matplotlib.figure.Figure
    """
    try:
      from matplotlib.figure import Figure
      from matplotlib.ticker import MaxNLocator
    except ImportError as error:
      raise ImportError(
        "History.plot needs matplotlib: pip install matplotlib, or refrain[plot]"
      ) from error
    panels = [name for name in ("loss", "accuracy") if name in self]
    size = (5.0 * max(len(panels), 1), 3.6)
    if path is None:
      from matplotlib import pyplot

      figure = pyplot.figure(figsize=size, layout="constrained")
    else:
      figure = Figure(figsize=size, layout="constrained")
    epochs = range(1, self.epochs + 1)
    for position, name in enumerate(panels, start=1):
      axes = figure.add_subplot(1, len(panels), position)
      for series, label in ((name, "training"), (f"val_{name}", "validation")):
        if series in self:
          axes.plot(epochs, self[series], marker="o", markersize=3, label=label)
      axes.set(title=name, xlabel="epoch")
      axes.xaxis.set_major_locator(MaxNLocator(integer=True))
      axes.grid(alpha=0.3)
      axes.legend()
    if path is not None:
      figure.savefig(os.fspath(path), dpi=120)
    return figure

  def __repr__(self) -> str:
    last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.items())
    end = ", interrupted" if self.interrupted else ", stopped early" if self.stopped_early else ""
    return f"History({self.epochs} epochs{end}{': ' + last if last else ''})"
