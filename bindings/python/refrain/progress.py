"""What happens while a fit runs: its progress on the terminal, callbacks, and Ctrl-C.

The library knows how to be cancelled and nothing of Python's exceptions. `Guard` stands between the
two: it keeps whatever a callback raised, makes the library stop, and raises it when the call has
returned and everything is in order.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from . import _abi
from .errors import ArgumentError
from .history import History

Verbosity: TypeAlias = int | str


@dataclass(frozen=True)
class Progress:
  """Where a fit stands, after a batch or at the end of an epoch. What does not apply is NaN.

  Attributes
  ----------
  epoch_end : bool
      The end of an epoch; otherwise of a batch.
  stopping : bool
      At the end of an epoch: early stopping ends the fit.
  epoch, batch : int
      From 0.
  epochs, batches : int
      How many there are; 0 batches while the first epoch of a batch factory runs.
  sequences : int
      Seen in this epoch.
  updates : int
      Of the parameters, since the trainer was made.
  loss, accuracy : float
      Means over the epoch so far.
  val_loss, val_accuracy : float
      At the end of an epoch with validation data.
  learning_rate, gradient_norm : float
      Of the last update; the norm is that before clipping.
  seconds : float
      Since this fit began.
  sequences_per_second : float
      In this epoch, validation not included.
  """

  epoch_end: bool
  stopping: bool
  epoch: int
  epochs: int
  batch: int
  batches: int
  sequences: int
  updates: int
  loss: float
  accuracy: float
  val_loss: float
  val_accuracy: float
  learning_rate: float
  gradient_norm: float
  seconds: float
  sequences_per_second: float

  @classmethod
  def of(cls, struct: _abi.ProgressStruct) -> Progress:
    return cls(
      epoch_end=struct.event == _abi.EPOCH_END,
      stopping=bool(struct.stopping),
      epoch=struct.epoch,
      epochs=struct.epochs,
      batch=struct.batch,
      batches=struct.batches,
      sequences=struct.sequences,
      updates=struct.updates,
      loss=struct.loss,
      accuracy=struct.accuracy,
      val_loss=struct.valid_loss,
      val_accuracy=struct.valid_accuracy,
      learning_rate=struct.learning_rate,
      gradient_norm=struct.gradient_norm,
      seconds=struct.seconds,
      sequences_per_second=struct.sequences_per_second,
    )

  def figures(self) -> dict[str, str]:
    """Losses and accuracies that apply, for people."""
    named = {
      "loss": self.loss,
      "accuracy": self.accuracy,
      "val_loss": self.val_loss,
      "val_accuracy": self.val_accuracy,
    }
    return {name: f"{value:.4f}" for name, value in named.items() if not math.isnan(value)}


ProgressFunction: TypeAlias = Callable[[Progress], object]


class Guard:
  """Runs callbacks for the library, and turns exceptions and Ctrl-C into a clean stop.

  Inside ``with guard:`` the first Ctrl-C only makes a note, if Python's own handler is installed
  and this is the main thread; the fit stops at its next callback. A second one is raised at once,
  for callbacks that never return. `raise_kept` then raises what was noted or kept.
  """

  def __init__(self) -> None:
    self._kept: BaseException | None = None
    self._interrupted = False
    self._handler: Any = None

  def __enter__(self) -> Guard:
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
      self._handler = signal.signal(signal.SIGINT, self._note)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    if self._handler is not None:
      signal.signal(signal.SIGINT, self._handler)

  def _note(self, number: int, frame: FrameType | None) -> None:
    if self._interrupted:
      signal.default_int_handler(number, frame)
    self._interrupted = True

  def __call__(self, function: Callable[[], object]) -> int:
    """1, which cancels, if the function raises or returns something true, or after Ctrl-C."""
    try:
      if self._interrupted or self._kept is not None:
        return 1
      return 1 if function() or self._interrupted else 0
    except BaseException as error:  # noqa: BLE001 - it is raised again by raise_kept
      self._kept = error
      return 1

  def raise_kept(self) -> None:
    """Raise what stopped the call, if anything did."""
    kept, self._kept = self._kept, None
    if kept is not None:
      raise kept
    if self._interrupted:
      raise KeyboardInterrupt


class _Silent:
  """No display."""

  def show(self, progress: Progress) -> None: ...

  def close(self) -> None: ...


class _Lines(_Silent):
  """A line for each epoch, on standard error."""

  def __init__(self) -> None:
    self._seconds = 0.0

  def show(self, progress: Progress) -> None:
    if not progress.epoch_end:
      return
    figures = "  ".join(f"{name} {value}" for name, value in progress.figures().items())
    duration, self._seconds = progress.seconds - self._seconds, progress.seconds
    speed = f"{progress.sequences_per_second:.0f} sequences/s"
    count = f"epoch {progress.epoch + 1}/{progress.epochs}"
    stopping = "  stopping early" if progress.stopping else ""
    print(f"{count}  {figures}  {duration:.1f} s  {speed}{stopping}", file=sys.stderr, flush=True)


class _Bars(_Silent):
  """A bar for each epoch, with tqdm, on standard error."""

  def __init__(self) -> None:
    self._bar: Any = None

  def show(self, progress: Progress) -> None:
    if self._bar is None:
      from tqdm import tqdm

      self._bar = tqdm(
        desc=f"epoch {progress.epoch + 1}/{progress.epochs}",
        total=progress.batches or None,
        unit="batch",
        file=sys.stderr,
        dynamic_ncols=True,
      )
    figures = progress.figures()
    figures["sequences/s"] = f"{progress.sequences_per_second:.0f}"
    self._bar.set_postfix(figures, refresh=progress.epoch_end)
    if progress.epoch_end:
      self.close()
    else:
      self._bar.update(progress.batch + 1 - self._bar.n)

  def close(self) -> None:
    if self._bar is not None:
      self._bar.close()
      self._bar = None


def _display(verbose: Verbosity) -> _Silent:
  if verbose == "auto":
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return _Bars() if is_terminal else _Lines()
  displays: dict[Verbosity, type[_Silent]] = {0: _Silent, 1: _Bars, 2: _Lines}
  if verbose not in displays:
    raise ArgumentError(f"verbose must be 'auto', 0, 1 or 2, found {verbose!r}")
  return displays[verbose]()


class Monitor:
  """Receives the library's progress: writes the history, shows it, and asks the caller's function.

  Parameters
  ----------
  history
      Receives each epoch as it ends.
  verbose
      "auto" for bars on a terminal and lines elsewhere, 0 for silence, 1 for bars, 2 for lines.
  on_progress
      Called with every `Progress`; something true stops the fit.
  """

  def __init__(
    self, guard: Guard, history: History, verbose: Verbosity, on_progress: ProgressFunction | None
  ) -> None:
    self._guard = guard
    self._history = history
    self._display = _display(verbose)
    self._on_progress = on_progress
    self.callback = _abi.ProgressCallback(self._receive)

  def _receive(self, user: int | None, received: Any) -> int:
    def process() -> bool:
      progress = Progress.of(received.contents)
      if progress.epoch_end:
        self._history.add(progress)
      self._display.show(progress)
      return bool(self._on_progress(progress)) if self._on_progress else False

    return self._guard(process)

  def close(self) -> None:
    self._display.close()
