"""Exceptions: one class for each status of the library.

Every class derives from `RefrainError` and, where Python has one of that meaning, from the builtin
that callers already catch. The message is the library's, which names the argument, what was
expected and what was found.
"""

from __future__ import annotations


class RefrainError(Exception):
  """Base of everything this package raises by itself.

  Attributes
  ----------
  status : int
      The `refrain_status` behind the exception, as in refrain.h.
  """

  status: int = 15

  def __str__(self) -> str:
    # KeyError and OSError print their arguments in ways of their own.
    return str(self.args[0]) if self.args else ""


class NullPointerError(RefrainError, ValueError):
  """A required argument is missing."""

  status = 1


class HandleError(RefrainError, ValueError):
  """The object was closed, or is of another type than the call takes."""

  status = 2


class ArgumentError(RefrainError, ValueError):
  """A value lies out of its range."""

  status = 3


class ShapeError(RefrainError, ValueError):
  """An array's type, rank or sizes do not fit."""

  status = 4


class NotationError(RefrainError, ValueError):
  """A text in the notation cannot be understood; the message points at the place."""

  status = 5


class UnknownNameError(RefrainError, KeyError):
  """No parameter, metric or role has this name."""

  status = 6


class CapacityError(RefrainError):
  """A buffer was too small. The package asks again with a larger one; callers do not see this."""

  status = 7


class OrderError(RefrainError, RuntimeError):
  """The call needs another one before it."""

  status = 8


class UnsupportedError(RefrainError, NotImplementedError):
  """Meaningful, but this model or build of the library cannot do it."""

  status = 9


class FileError(RefrainError, OSError):
  """The operating system refused a file."""

  status = 10


class FormatError(RefrainError, ValueError):
  """The bytes are no valid file of the kind that was expected."""

  status = 11


class OutOfMemoryError(RefrainError, MemoryError):
  """The memory it would take cannot be had."""

  status = 12


class NotFiniteError(RefrainError, ArithmeticError):
  """A loss, gradient or parameter became infinite or NaN."""

  status = 13


class Cancelled(RefrainError):
  """A callback asked to stop."""

  status = 14


class InternalError(RefrainError):
  """A fault of the library; please report the message."""

  status = 15


_BY_STATUS: dict[int, type[RefrainError]] = {
  error.status: error
  for error in (
    NullPointerError,
    HandleError,
    ArgumentError,
    ShapeError,
    NotationError,
    UnknownNameError,
    CapacityError,
    OrderError,
    UnsupportedError,
    FileError,
    FormatError,
    OutOfMemoryError,
    NotFiniteError,
    Cancelled,
    InternalError,
  )
}


def error_for(status: int, message: str) -> RefrainError:
  """The exception of a status; `RefrainError` itself for one that a newer library invented."""
  error = _BY_STATUS.get(status, RefrainError)(message)
  error.status = status
  return error
