"""Processes that repeat one workload when they are told to: `bench --serve`, and the peers.

Each says "ready", with the mode it chose, and answers each line, a number of repetitions, with the
seconds of one.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tqdm import tqdm

SECONDS_PER_TURN = 0.2
REPETITIONS_AT_LEAST = 2
SECONDS_BETWEEN_TURNS = 0.02  # in which threads that spin for more work give up
SECONDS_TO_LEAVE = 10


class LeftOut(Exception):
  """Which contestant does not take part, and why."""


class Contestant:
  """A process that repeats one workload when it is told to."""

  def __init__(self, name: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
    self.name, self.process, self.errors = name, process, errors
    self.mode = ""
    self.repetitions = REPETITIONS_AT_LEAST

  def wait_until_ready(self) -> None:
    for line in map(str.strip, self.process.stdout):
      if line.startswith("ready"):
        self.mode = line.removeprefix("ready").strip()
        return
      if line.startswith("cannot"):
        raise LeftOut(f"{self.name} {line}")
      if line.startswith("left out:"):
        tqdm.write(f"{self.name}, {line}")
    raise LeftOut(f"{self.name}: {self.last_words()}")

  def last_words(self) -> str:
    """Ends the process, if it has not ended itself, and returns its last line of errors."""
    self.process.kill()
    self.process.wait()
    self.errors.seek(0)
    lines = self.errors.read().split("\n")
    return next((line for line in reversed(lines) if line.strip()), "ended without a word")

  def seconds(self, repetitions: int) -> float:
    """Of one repetition, on average."""
    try:
      self.process.stdin.write(f"{repetitions}\n")
      self.process.stdin.flush()
      return float(self.process.stdout.readline())
    except (BrokenPipeError, ValueError):
      raise LeftOut(f"{self.name}: {self.last_words()}") from None

  def warm_up(self) -> None:
    """Finds the number of repetitions that fill a turn."""
    repetitions, seconds = 1, self.seconds(1)
    while repetitions * seconds < SECONDS_PER_TURN / 2:
      repetitions *= 4
      seconds = self.seconds(repetitions)
    self.repetitions = max(REPETITIONS_AT_LEAST, round(SECONDS_PER_TURN / seconds))

  def turn(self) -> float:
    time.sleep(SECONDS_BETWEEN_TURNS)
    return self.seconds(self.repetitions)


@contextmanager
def started(
  name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> Iterator[Contestant]:
  """A contestant that is ready; its process ends with the block. Raises LeftOut if it cannot be."""
  with tempfile.TemporaryFile("w+") as errors:
    process = subprocess.Popen(
      command,
      env=environment,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=errors,
      text=True,
    )
    try:
      result = Contestant(name, process, errors)
      result.wait_until_ready()
      yield result
    finally:
      end(process)


def end(process: subprocess.Popen[str]) -> None:
  """Lets it leave by the end of its input, so that it can end what it started itself."""
  try:
    process.communicate(timeout=SECONDS_TO_LEAVE)
  except subprocess.TimeoutExpired:
    process.kill()
    process.communicate()
