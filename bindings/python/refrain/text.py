"""Text to ids and back, as Keras's Tokenizer and pad_sequences do it."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi
from .arrays import Array, IdArray, LengthArray, float_array, id_array
from .errors import ArgumentError, CapacityError
from .notation import Notation, arguments


def _word(name: str, value: str | None) -> Notation | None:
  """A word of the notation, such as ``pre``."""
  if value is not None and not (isinstance(value, str) and value.isidentifier()):
    raise ArgumentError(f"{name} must be 'pre' or 'post', found {value!r}")
  return None if value is None else Notation(value)


class Tokenizer(_abi.Owner):
  """Words (or characters) to ids: the most frequent is 1, ties in order of first appearance.

  Parameters
  ----------
  num_words : int, optional
      Only ids below this are used.
  filters : str, optional
      Characters that separate words and are dropped; Keras's by default.
  lower : bool
      Whether to make all letters small.
  split : str
      What separates words.
  char_level : bool
      Whether every character is a word.
  oov_token : str, optional
      What unknown words become, with the id 1. Without it they are left out.
  maxlen : int, optional
      The length that `encode` cuts and pads to; by default that of the longest text.
  padding, truncating : {"pre", "post"}
      Which end of a short text is filled with 0, which end of a long one is cut off.
  """

  def __init__(
    self,
    num_words: int | None = None,
    filters: str | None = None,
    lower: bool = True,
    split: str = " ",
    char_level: bool = False,
    oov_token: str | None = None,
    maxlen: int | None = None,
    padding: str = "pre",
    truncating: str = "pre",
  ) -> None:
    options = arguments(
      {
        "num_words": num_words,
        "filters": filters,
        "lower": lower,
        "split": split,
        "char_level": char_level,
        "oov_token": oov_token,
        "maxlen": maxlen,
        "padding": _word("padding", padding),
        "truncating": _word("truncating", truncating),
      }
    )
    created = _abi.TokenizerPointer()
    _abi.library().refrain_tokenizer_create(_abi.c_text(options, "options"), ctypes.byref(created))
    self._handle = _abi.Handle(created, "refrain_tokenizer_release")
    self._state: dict[str, Any] | None = None

  @classmethod
  def _wrap(cls, handle: _abi.Handle) -> Tokenizer:
    tokenizer = cls.__new__(cls)
    tokenizer._handle = handle
    tokenizer._state = None
    return tokenizer

  def fit_on_texts(self, texts: Iterable[str]) -> None:
    """Count the words of more texts and number all words anew."""
    pointers, count = _abi.c_texts(texts, "texts")
    _abi.library().refrain_tokenizer_fit(self._pointer, pointers, count)
    self._state = None

  def texts_to_sequences(self, texts: Iterable[str]) -> list[list[int]]:
    """The ids of each text, without padding."""
    return [self._ids(text).tolist() for text in texts]

  def _ids(self, text: str) -> IdArray:
    encoded = _abi.c_text(text, "text")
    count = ctypes.c_int64(len(encoded) + 1)
    while True:
      ids = np.empty(count.value, np.int32)
      try:
        _abi.library().refrain_tokenizer_encode(
          self._pointer, encoded, ids.ctypes.data, ids.size, ctypes.byref(count)
        )
      except CapacityError:
        continue
      return ids[: count.value]

  def encode(self, texts: Iterable[str], maxlen: int | None = None) -> tuple[IdArray, LengthArray]:
    """The ids of texts ``[B, maxlen]``, cut and padded, and how many each has ``[B]``.

    Pass the lengths to a model only with ``padding="post"``: they count from the first timestep.
    """
    listed = list(texts)
    pointers, count = _abi.c_texts(listed, "texts")
    lengths = np.zeros(count, np.int64)
    width = maxlen or self.maxlen or max((len(self._ids(text)) for text in listed), default=0)
    ids = np.zeros((count, width), np.int32)
    _abi.library().refrain_tokenizer_encode_batch(
      self._pointer, pointers, count, ids.ctypes.data, width, lengths.ctypes.data
    )
    return ids, lengths

  def encode_for_model(self, texts: Sequence[str]) -> tuple[IdArray, LengthArray | None]:
    """Ids, and lengths where these say which timesteps are valid: where padding is behind."""
    ids, lengths = self.encode(texts)
    return ids, lengths if self.padding == "post" else None

  def sequences_to_texts(self, sequences: Iterable[npt.ArrayLike]) -> list[str]:
    """Known words joined by blanks; ids without a word are left out."""
    texts = []
    for sequence in sequences:
      ids = id_array(sequence, "sequence")
      texts.append(
        _abi.read_text(
          _abi.library().refrain_tokenizer_decode, self._pointer, ids.ctypes.data, ids.size
        )
      )
    return texts

  def texts_to_matrix(self, texts: Iterable[str], mode: str = "binary") -> npt.NDArray[np.float64]:
    """One row for each text, one column for each id.

    Parameters
    ----------
    mode : {"binary", "count", "freq", "tfidf"}
    """
    pointers, count = _abi.c_texts(texts, "texts")
    matrix = np.zeros((count, self.size))
    _abi.library().refrain_tokenizer_matrix(
      self._pointer, pointers, count, _abi.c_text(mode, "mode"), matrix.ctypes.data, matrix.size
    )
    return matrix

  def word_id(self, word: str) -> int:
    """The id of a word, 0 if it has none."""
    found = ctypes.c_int32()
    _abi.library().refrain_tokenizer_id(
      self._pointer, _abi.c_text(word, "word"), ctypes.byref(found)
    )
    return found.value

  def id_word(self, id: int) -> str:
    """The word of an id. Raises `UnknownNameError`."""
    return _abi.read_text(_abi.library().refrain_tokenizer_word, self._pointer, id)

  @property
  def size(self) -> int:
    """One more than the largest id that encoding can give: the first argument of Embedding."""
    return _abi.read_integer(_abi.library().refrain_tokenizer_size, self._pointer)

  @property
  def maxlen(self) -> int | None:
    return _abi.read_integer(_abi.library().refrain_tokenizer_maxlen, self._pointer) or None

  @property
  def padding(self) -> str:
    return str(self._content["padding"])

  @property
  def document_count(self) -> int:
    """How many texts it was fitted on."""
    return int(self._content["document_count"])

  @property
  def word_counts(self) -> dict[str, int]:
    """How often each word occurred, in order of first appearance."""
    return {word: occurrences for word, occurrences, _ in self._content["words"]}

  @property
  def word_docs(self) -> dict[str, int]:
    """In how many texts each word occurred."""
    return {word: documents for word, _, documents in self._content["words"]}

  @property
  def word_index(self) -> dict[str, int]:
    """The number of every word, also of those that ``num_words`` keeps from being used."""
    counts = self.word_counts
    ranked = sorted(counts, key=lambda word: -counts[word])  # stable: ties by appearance
    oov = self._content["oov_token"]
    words = ranked if oov is None else [oov, *ranked]
    return {word: number for number, word in enumerate(words, start=1)}

  @property
  def index_word(self) -> dict[int, str]:
    return {number: word for word, number in self.word_index.items()}

  @property
  def _content(self) -> dict[str, Any]:
    if self._state is None:
      self._state = json.loads(self.to_json())
    return self._state

  def to_json(self) -> str:
    """Options and counts; `from_json` makes the same tokenizer of it."""
    return _abi.read_text(_abi.library().refrain_tokenizer_json, self._pointer)

  @classmethod
  def from_json(cls, text: str) -> Tokenizer:
    """The tokenizer that `to_json` described."""
    created = _abi.TokenizerPointer()
    _abi.library().refrain_tokenizer_from_json(_abi.c_text(text, "json"), ctypes.byref(created))
    return cls._wrap(_abi.Handle(created, "refrain_tokenizer_release"))

  def __reduce__(self) -> tuple[Any, ...]:
    return Tokenizer.from_json, (self.to_json(),)

  def __repr__(self) -> str:
    return "Tokenizer(closed)" if self._handle is None else f"Tokenizer(size={self.size})"


def pad_sequences(
  sequences: Sequence[npt.ArrayLike],
  maxlen: int | None = None,
  dtype: npt.DTypeLike = "int32",
  padding: str = "pre",
  truncating: str = "pre",
  value: float = 0.0,
) -> Array:
  """Cut and pad sequences to one length, as Keras's function of this name.

  Parameters
  ----------
  sequences
      Of numbers, each of its own length.
  maxlen : int, optional
      The length of the longest sequence by default.
  dtype : int32 or float32
  padding, truncating : {"pre", "post"}
      Which end of a short sequence is filled, which end of a long one is cut off.
  value : float
      What is filled in.

  Returns
  -------
  array ``[B, maxlen]``
  """
  if np.dtype(dtype) not in (np.dtype(np.int32), np.dtype(np.float32)):
    raise ArgumentError(f"dtype must be int32 or float32, found {np.dtype(dtype)}")
  is_ids = np.dtype(dtype) == np.int32
  convert = id_array if is_ids else float_array
  rows = [convert(row, f"sequences[{index}]").ravel() for index, row in enumerate(sequences)]
  lengths = np.array([row.size for row in rows], dtype=np.int64)
  width = int(lengths.max(initial=0)) if maxlen is None else maxlen
  values = np.concatenate(rows) if rows else np.empty(0, dtype)
  padded: Array = np.empty((len(rows), max(width, 0)), dtype)
  options = arguments(
    {
      "padding": _word("padding", padding),
      "truncating": _word("truncating", truncating),
      "value": value,
    }
  )
  _abi.library().refrain_pad_sequences(
    _abi.INT32 if is_ids else _abi.FLOAT32,
    values.ctypes.data,
    lengths.ctypes.data,
    len(rows),
    _abi.c_text(options, "options"),
    padded.ctypes.data,
    width,
  )
  return padded
