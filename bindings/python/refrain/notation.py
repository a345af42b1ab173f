"""Python values as texts in the notation, and what the notation knows.

Arguments of the notation are written as `name=value`: numbers, `true` and `false`, texts in quotes,
lists in brackets, and words and calls such as `Adam(0.001)` as they are.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import SupportsFloat, SupportsIndex

from . import _abi
from .errors import ArgumentError


class Notation(str):
  """A piece of notation, such as ``Adam(0.001)``, that is written without quotes."""


_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t"}


def quoted(text: str) -> str:
  """A text as a literal: ``it's`` becomes ``'it\\'s'``."""
  pieces = []
  for character in text:
    escaped = _ESCAPES.get(character)
    if escaped is None:
      unprintable = ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0
      escaped = f"\\u{{{ord(character):x}}}" if unprintable else character
    pieces.append(escaped)
  return "'" + "".join(pieces) + "'"


def literal(value: object) -> str:
  """A Python value in the notation.

  Strings are quoted, `Notation` is not. Raises `ArgumentError` for what has no spelling there.
  """
  if isinstance(value, Notation):
    return str(value)
  if isinstance(value, str):
    return quoted(value)
  if isinstance(value, (list, tuple)):
    return "[" + ", ".join(literal(item) for item in value) + "]"
  item = getattr(value, "item", None)
  if item is not None and getattr(value, "ndim", 0) == 0:
    return literal(item())  # a NumPy scalar
  if isinstance(value, bool):
    return "true" if value else "false"
  if isinstance(value, SupportsIndex):
    return str(operator.index(value))
  if isinstance(value, SupportsFloat):
    return repr(float(value))
  raise ArgumentError(f"{value!r} cannot be written as an argument of the notation")


def arguments(values: Mapping[str, object]) -> str:
  """``epochs=5, shuffle=true``. Values that are None are left to the library's defaults."""
  given = {name: value for name, value in values.items() if value is not None}
  return ", ".join(f"{name}={literal(value)}" for name, value in given.items())


def joined(*texts: str) -> str:
  """Option texts, some perhaps empty, as one."""
  return ", ".join(text.strip().rstrip(",") for text in texts if text.strip())


def as_notation(value: object) -> object:
  """`value` with its strings, also those in a list, taken as notation rather than as texts.

  None in a list is the notation's none.
  """
  if isinstance(value, str):
    return Notation(value)
  if isinstance(value, (list, tuple)):
    return [Notation("none") if item is None else as_notation(item) for item in value]
  return value


_OPENING = {"(": ")", "[": "]", "{": "}"}


def split_arguments(text: str) -> list[str]:
  """The arguments of a list, cut at its outermost commas: ``a=1, b=f(2, 3)`` gives two."""
  pieces: list[str] = []
  piece = ""
  closing: list[str] = []
  quote = ""
  escaped = False
  for character in text:
    if quote:
      if character == quote and not escaped:
        quote = ""
      escaped = character == "\\" and not escaped
    elif character in "'\"":
      quote = character
    elif character in _OPENING:
      closing.append(_OPENING[character])
    elif closing and character == closing[-1]:
      closing.pop()
    elif character == "," and not closing:
      pieces.append(piece.strip())
      piece = ""
      continue
    piece += character
  pieces.append(piece.strip())
  return [piece for piece in pieces if piece]


def argument(text: str, name: str) -> str | None:
  """The value of `name` in a list of arguments, as it is written; None if it is not there."""
  for piece in split_arguments(text):
    key, equals, value = piece.partition("=")
    if equals and key.strip() == name:
      return value.strip()
  return None


def listed(text: str) -> list[str]:
  """The items of ``[a, b]``, or the one item that is no list."""
  if text.startswith("[") and text.endswith("]"):
    return split_arguments(text[1:-1])
  return [text]


@dataclass(frozen=True)
class Option:
  """An option of a layer, loss, optimizer, schedule, initializer or option text."""

  name: str
  type: str
  default: str
  meaning: str


@dataclass(frozen=True)
class Entry:
  """Something the notation knows; printing it gives a table of its options."""

  kind: str
  name: str
  meaning: str
  options: tuple[Option, ...] = field(default=(), repr=False)

  def __str__(self) -> str:
    lines = [f"{self.name} ({self.kind}): {self.meaning}"]
    if self.options:
      rows = [(option.name, option.type, option.default) for option in self.options]
      widths = [max(len(row[column]) for row in rows) for column in range(3)]
      for row, option in zip(rows, self.options, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {cells}  {option.meaning}")
    return "\n".join(lines)


def _fields(line: str, count: int) -> list[str]:
  cells = line.split("\t", count - 1)
  return cells + [""] * (count - len(cells))


def _entry(line: str, options: tuple[Option, ...] = ()) -> Entry:
  kind, name, meaning = _fields(line, 3)
  return Entry(kind, name, meaning, options)


def describe_all() -> list[Entry]:
  """Every name the notation knows, without options."""
  text = _abi.read_text(_abi.library().refrain_describe, None)
  return [_entry(line) for line in text.splitlines() if line]


def describe_one(name: str) -> Entry:
  """One name with its options. Raises `UnknownNameError`."""
  text = _abi.read_text(_abi.library().refrain_describe, _abi.c_text(name, "name"))
  lines = [line for line in text.splitlines() if line]
  options = tuple(Option(*_fields(line, 4)) for line in lines[1:])
  return _entry(lines[0], options)


@functools.cache
def option_names(name: str) -> frozenset[str]:
  """The options that an option text, such as "trainer" or "fit", takes."""
  return frozenset(option.name for option in describe_one(name).options)
