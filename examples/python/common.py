"""What the example programs share: options, reading files, simple baselines, and the last word.

Each program is meant to be copied together with this file.
"""

import csv
import io
import multiprocessing
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import refrain


class DataError(Exception):
  """A file that is not what it should be. The message names it, and the line if there is one."""


# Options and errors


def add_training_options(parser, epochs):
  """The options that every program has; `epochs` says what happens without the first."""
  parser.add_argument("--epochs", type=positive, help=f"passes over the data ({epochs})")
  parser.add_argument("--threads", type=positive, default=1, help="no result depends on it (1)")
  parser.add_argument("--seed", type=int, default=42, help="of all random numbers (42)")


def positive(text):
  """For argparse: a number from 1."""
  number = int(text)
  if number < 1:
    raise ValueError
  return number


positive.__name__ = "number from 1"  # what argparse calls it in a message


def run(work):
  """Do the program's work. What users can get wrong ends it with a message, not a traceback."""
  try:
    work()
  except (refrain.RefrainError, DataError, OSError) as error:
    sys.exit(str(error))
  except KeyboardInterrupt:
    sys.exit("interrupted")


def expect(holds, claim):
  """The program's own check of its result: status 1 if it is not as it should be."""
  if not holds:
    sys.exit(f"not as it should be: {claim}")
  print(f"As it should be: {claim}.")


# Reading


def read_text(path):
  """A file of UTF-8 text."""
  content = Path(path).read_bytes()
  try:
    text = content.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    line = content.count(b"\n", 0, error.start) + 1
    raise DataError(f"{path}:{line}: byte {error.start + 1} of the file is not UTF-8") from None
  if "\0" in text:
    line = text.count("\n", 0, text.index("\0")) + 1
    raise DataError(f"{path}:{line}: there is a NUL character; this is no text")
  return text


def load(path):
  """A saved model. What is wrong with the bytes of a file does not name the file; this does."""
  try:
    return refrain.load(path)
  except refrain.FormatError as error:
    raise DataError(f"{path}: {error}") from None


@dataclass
class Labelled:
  """Labelled texts, and the lines of the file that they stood on."""

  path: str
  labels: list[str] = field(default_factory=list)
  texts: list[str] = field(default_factory=list)
  lines: list[int] = field(default_factory=list)


def read_labelled(path):
  """Read label<TAB>text lines; a first line whose label is `label` is a header."""
  data = Labelled(str(path))
  lines = read_text(path).split("\n")
  if lines[-1] == "":
    lines.pop()  # behind the last line break
  for number, line in enumerate(lines, start=1):
    label, tab, text = line.rstrip("\r").partition("\t")
    if number == 1 and tab and label == "label":
      continue
    if not tab or not label:
      raise DataError(f"{path}:{number}: expected label<TAB>text, found {line[:60]!r}")
    data.labels.append(label)
    data.texts.append(text)
    data.lines.append(number)
  if not data.texts:
    raise DataError(f"{path}: there are no labelled texts in this file")
  return data


@dataclass
class Series:
  """Labelled series of different lengths.

  Attributes
  ----------
  x : float32 [B, T, I]
      Zero behind the end of each.
  lengths : int64 [B]
  labels : list of str [B]
  lines : list of int [B]
      Where each begins in the file.
  """

  path: str
  x: np.ndarray
  lengths: np.ndarray
  labels: list[str]
  lines: list[int]


def read_series(path):
  """Read a CSV file with the columns seq, label, t and one for each feature.

  A row is a timestep. Those of a series follow each other, with t = 0, 1, 2 …
  """
  rows = csv.reader(io.StringIO(read_text(path)))
  header = next(rows, [])
  if header[:3] != ["seq", "label", "t"] or len(header) < 4:
    raise DataError(f"{path}:1: expected seq,label,t and the features, found {','.join(header)!r}")
  series, labels, lines, last = [], [], [], None
  for row in rows:
    place = f"{path}:{rows.line_num}"
    if len(row) != len(header):
      raise DataError(f"{place}: expected {len(header)} values, found {len(row)}")
    name, label, t = row[:3]
    if name != last:
      series.append([])
      labels.append(label)
      lines.append(rows.line_num)
      last = name
    if t != str(len(series[-1])) or label != labels[-1]:
      raise DataError(f"{place}: series {name} goes on with t = {len(series[-1])} and the label "
                      f"{labels[-1]!r}, found t = {t} and {label!r}")
    series[-1].append(numbers(row[3:], place))
  if not series:
    raise DataError(f"{path}: there are no series in this file")
  lengths = np.array([len(steps) for steps in series])
  x = np.zeros((len(series), lengths.max(), len(header) - 3), np.float32)
  for padded, steps in zip(x, series, strict=True):
    padded[: len(steps)] = steps
  return Series(str(path), x, lengths, labels, lines)


def numbers(fields, place):
  """Fields of a row as finite numbers."""
  try:
    values = [float(value) for value in fields]
  except ValueError as error:
    raise DataError(f"{place}: {error}") from None
  if not np.isfinite(values).all():
    raise DataError(f"{place}: a value is not finite")
  return values


def class_ids(data, classes):
  """The numbers of the labels, [B] int32. A label that is no class is an error."""
  ids = {label: number for number, label in enumerate(classes)}
  for label, line in zip(data.labels, data.lines, strict=True):
    if label not in ids:
      raise DataError(f"{data.path}:{line}: the label {label!r} is not one of {classes}")
  return np.array([ids[label] for label in data.labels], np.int32)


# Simple baselines


def majority_accuracy(train_y, valid_y):
  """Of always saying the most frequent class of the training data."""
  return float(np.mean(valid_y == np.bincount(train_y).argmax()))


def summaries(x, lengths):
  """Mean, deviation, first, middle and last timestep of each series, [B, 5 I]."""
  rows = []
  for steps, length in zip(x, lengths, strict=True):
    valid = steps[:length]
    rows.append([valid.mean(0), valid.std(0), valid[0], valid[length // 2], valid[-1]])
  return np.array(rows, np.float32).reshape(len(x), -1)


def logistic_regression(x, y, valid_x, valid_y, classes, seed):
  """Accuracy on the validation data of a linear model of features, [B, F] both."""
  scaler = refrain.StandardScaler().fit(x)
  model = refrain.Model(
    f"Input({x.shape[-1]}) -> Pooling(last) -> Dense({classes}, activation=softmax)", seed=seed
  )
  x, valid_x = (scaler.transform(part)[:, np.newaxis] for part in (x, valid_x))  # one timestep
  model.fit(x, y, optimizer="Adam(0.02)", epochs=100, l2=0.001, seed=seed, verbose=0)
  return model.evaluate(valid_x, valid_y)["accuracy"]


# Processes


def in_child(work, *arguments):
  """What `work` returns in a process of its own, and that process's peak memory in megabytes.

  The memory is all that the operating system counts for it: program, library and data included.
  """

  def answer(sender):
    try:
      result = work(*arguments)
      # ru_maxrss is in kibibytes on Linux.
      peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
      sender.send((result, peak))
    except (refrain.RefrainError, DataError, OSError) as error:
      sender.send(str(error))
    except KeyboardInterrupt:
      sender.send("interrupted")

  context = multiprocessing.get_context("fork")
  receiver, sender = context.Pipe(duplex=False)
  child = context.Process(target=answer, args=(sender,))
  child.start()
  sender.close()
  try:
    received = receiver.recv()
  except EOFError:
    received = "the training process ended unexpectedly"
  child.join()
  if isinstance(received, str):
    sys.exit(received)
  return received
