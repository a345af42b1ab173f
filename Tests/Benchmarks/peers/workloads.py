"""The workloads of ../workloads.c with their data, and weights for every framework to start from.

Arrays are time-major, `[T, B, …]`, which most of the frameworks like best; Keras, which wants the
batch first, transposes them before anything is timed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

GATES = {"lstm": 4, "gru": 3}
REVIEW_WORDS = 10000


class Activity(Enum):
  """What one repetition is."""

  TRAIN = "a training step: forward, backward, clipping by global norm, Adam"
  RUN = "a whole batch of sequences"
  STEP = "one timestep of one stream; the state is carried to the next"


@dataclass(frozen=True)
class Workload:
  """One row of the comparison. Every number is the one in ../workloads.c."""

  name: str
  activity: Activity
  cell: str  # lstm or gru
  batch: int
  timesteps: int
  input: int  # features, or the width of the embedding
  hidden: int
  classes: int = 0  # of the Dense layer with softmax; 0: there is none
  vocabulary: int = 0  # of the embedding; 0: the input is floats
  layers: int = 1
  bidirectional: bool = False
  every_step: bool = False  # outputs and targets at each timestep, else after the last
  dropout: float = 0  # of the input and of the recurrent input; a mask holds for a sequence

  @property
  def gates(self) -> int:
    return GATES[self.cell]

  @property
  def directions(self) -> int:
    return 2 if self.bidirectional else 1

  @property
  def parameters(self) -> int:
    """Refrain's count: an LSTM's gates have one bias, a GRU's have two."""
    return self.count(biases=1 if self.cell == "lstm" else 2)

  @property
  def parameters_with_two_biases(self) -> int:
    """The count of PyTorch and ONNX, where an LSTM's gates have two biases that are added."""
    return self.count(biases=2)

  def count(self, biases: int) -> int:
    """Parameters with this number of biases in each gate."""
    count = self.vocabulary * self.input
    for layer in range(self.layers):
      inputs = self.layer_input(layer) + self.hidden + biases
      count += self.directions * self.gates * self.hidden * inputs
    return count + (self.directions * self.hidden + 1) * self.classes

  def layer_input(self, layer: int) -> int:
    return self.input if layer == 0 else self.directions * self.hidden


def table() -> Iterator[Workload]:
  train, run, step = Activity.TRAIN, Activity.RUN, Activity.STEP
  both = ("lstm", "gru")
  for cell in both:
    yield Workload(f"T1-{cell}", train, cell, 32, 100, 64, 64, 3, REVIEW_WORDS)
  for cell in both:
    yield Workload(f"T1d-{cell}", train, cell, 32, 100, 64, 64, 3, REVIEW_WORDS, dropout=0.2)
  for cell in both:
    yield Workload(f"T2-{cell}", train, cell, 64, 50, 128, 512, 10, layers=2)
  yield Workload("T3", train, "lstm", 50, 50, 64, 256, 65, 65, layers=2, every_step=True)
  yield Workload("T4", train, "lstm", 16, 200, 64, 128, 9, bidirectional=True, every_step=True)
  for cell in both:
    yield Workload(f"I1-{cell}", run, cell, 1, 100, 64, 64, 3, REVIEW_WORDS)
  for cell in both:
    yield Workload(f"I2-{cell}", run, cell, 128, 100, 64, 256, every_step=True)
  for cell in both:
    for inputs, hidden in ((1, 20), (64, 64), (128, 256), (256, 512)):
      yield Workload(f"S1-{cell}-{hidden}", step, cell, 1, 1, inputs, hidden)


WORKLOADS = {workload.name: workload for workload in table()}


# ---- data ----------------------------------------------------------------------------------------


class ParkMiller:
  """Park & Miller 1988, as in ../workloads.c: the same data on every machine."""

  def __init__(self) -> None:
    self.state = 1

  def integers(self, *shape: int) -> np.ndarray:
    numbers = np.empty(shape, np.int64)
    for index in range(numbers.size):
      self.state = self.state * 48271 % 2147483647
      numbers.flat[index] = self.state
    return numbers


@dataclass(frozen=True)
class Data:
  inputs: np.ndarray  # [T, B] word ids or [T, B, I] floats
  targets: np.ndarray  # [B] or [T, B] classes; without a Dense layer they mean nothing


def data(workload: Workload) -> Data:
  """What ../workloads.c feeds to Refrain."""
  random = ParkMiller()
  shape = (workload.batch, workload.timesteps)
  if workload.vocabulary:
    inputs = (random.integers(*shape) % workload.vocabulary).astype(np.int32)
  else:
    inputs = (random.integers(*shape, workload.input) / 2**30 - 1).astype(np.float32)
  items = shape if workload.every_step else shape[:1]
  targets = (random.integers(*items) % max(workload.classes, 1)).astype(np.int32)
  return Data(np.ascontiguousarray(inputs.swapaxes(0, 1)), np.ascontiguousarray(targets.T))


# ---- weights -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Direction:
  """One direction of one recurrent layer, as PyTorch has it: gates i f g o, or r z n."""

  input: np.ndarray  # [G·H, I]
  hidden: np.ndarray  # [G·H, H]
  input_bias: np.ndarray  # [G·H]
  hidden_bias: np.ndarray  # [G·H]; zeros for an LSTM, where most frameworks have one bias


@dataclass(frozen=True)
class Weights:
  embedding: np.ndarray | None  # [V, I]
  layers: list[list[Direction]]
  dense: np.ndarray | None  # [classes, D·H]
  dense_bias: np.ndarray | None  # [classes]


class Initializer:
  """Uniform numbers, the same in every process."""

  def __init__(self) -> None:
    self.random = np.random.default_rng(1)

  def __call__(self, limit: float, *shape: int) -> np.ndarray:
    return self.random.uniform(-limit, limit, shape).astype(np.float32)


def direction_weights(workload: Workload, inputs: int, draw: Initializer) -> Direction:
  rows, limit = workload.gates * workload.hidden, workload.hidden**-0.5
  if workload.cell == "lstm":
    hidden_bias = np.zeros(rows, np.float32)
  else:
    hidden_bias = draw(limit, rows)
  return Direction(
    draw(limit, rows, inputs), draw(limit, rows, workload.hidden), draw(limit, rows), hidden_bias
  )


def weights(workload: Workload) -> Weights:
  """What every framework starts from, so that their first results can be compared."""
  draw = Initializer()
  depth = workload.directions * workload.hidden
  layers = [
    [
      direction_weights(workload, workload.layer_input(layer), draw)
      for _ in range(workload.directions)
    ]
    for layer in range(workload.layers)
  ]
  return Weights(
    draw(1.0, workload.vocabulary, workload.input) if workload.vocabulary else None,
    layers,
    draw(depth**-0.5, workload.classes, depth) if workload.classes else None,
    draw(depth**-0.5, workload.classes) if workload.classes else None,
  )
