"""What the peers share: arguments, threads, the check of their results, and the serving of times.

    peer_….py --serve NAME --threads N   speaks as `bench --serve` does: says "ready" and the mode
                                         it chose, then answers each line on standard input, a
                                         number of repetitions, with the seconds of one
    peer_….py --check NAME --threads N   prints each mode's parameter count, results and time

A peer offers one or more modes of its framework for a workload. Each is compared with the float64
reference; the fastest of those that agree is served. What cannot be done is answered with "cannot"
and the reason.
"""

import argparse
import ctypes
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import reference
from workloads import WORKLOADS, Activity, Data, Weights, Workload, data, weights

CHECKED_REPETITIONS = 11
TOLERANCE = 2e-4  # of float32 against float64; the half-width formats miss it by far
DROPOUT_TOLERANCE = 0.2  # of a loss whose masks nobody else has drawn
SECONDS_TO_CHOOSE = 0.3
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


class Cannot(Exception):
  """Why a workload, or one mode of a framework, is left out."""


@dataclass
class Problem:
  """A workload with all that a framework needs to set it up."""

  workload: Workload
  data: Data
  weights: Weights
  threads: int


@dataclass
class Ready:
  """A workload in one mode of a framework, ready to be repeated."""

  once: Callable[[], object]  # one repetition; returns the loss before its update, or the outputs
  parameters: int
  read: Callable[[object], np.ndarray] = np.asarray  # the result in NumPy, time-major


Modes = dict[str, Callable[[], Ready]]


# ---- starting ------------------------------------------------------------------------------------


def confine(threads: int) -> None:
  """Ties the process, and those it starts, to as many processors as it may have threads."""
  processors = sorted(os.sched_getaffinity(0))
  if not 1 <= threads <= len(processors):
    sys.exit(f"threads are 1 to {len(processors)}, the processors at hand")
  os.sched_setaffinity(0, processors[-threads:])


def keep_freed_memory() -> None:
  """Has the C library keep what is freed instead of returning it to the system.

  A framework that makes its temporaries anew in each repetition may otherwise, depending on where
  its heap happens to end, spend more time on page faults than on the work.
  """
  library = ctypes.CDLL(None)
  library.mallopt(M_MMAP_MAX, 0)  # large blocks come from the heap, too
  library.mallopt(M_TRIM_THRESHOLD, 1 << 30)
  library.mallopt(M_ARENA_MAX, 1)  # the heaps of further threads are returned regardless


def begin() -> argparse.Namespace:
  """Reads the arguments and limits the threads. To be called before a framework is imported."""
  parser = argparse.ArgumentParser(description="One framework's part of the comparison.")
  what = parser.add_mutually_exclusive_group(required=True)
  what.add_argument("--serve", metavar="NAME", choices=WORKLOADS, help="a workload to time")
  what.add_argument("--check", metavar="NAME", choices=WORKLOADS, help="a workload to compare")
  parser.add_argument("--threads", type=int, default=1)
  options = parser.parse_args()
  confine(options.threads)
  keep_freed_memory()
  for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
  return options


def run(options: argparse.Namespace, modes: Callable[[Problem], Modes]) -> None:
  """Checks or serves the workload that the arguments name."""
  workload = WORKLOADS[options.check or options.serve]
  problem = Problem(workload, data(workload), weights(workload), options.threads)
  try:
    if options.check:
      check(problem, modes(problem))
    else:
      serve(problem, modes(problem))
  except Cannot as reason:
    answer(f"cannot {reason}")


def answer(line: str) -> None:
  print(line, flush=True)


# ---- the same work -------------------------------------------------------------------------------


@dataclass
class Results:
  """Of the first repetitions."""

  first: np.ndarray
  last: np.ndarray


def first_results(problem: Problem, ready: Ready) -> Results:
  """Repeats a few times from the initial weights.

  Raises Cannot where the parameters, the loss or the outputs are not those of the workload, or
  where training does not reduce the loss.
  """
  workload = problem.workload
  # PyTorch and ONNX have a second bias in an LSTM, which changes nothing but the count.
  if ready.parameters not in (workload.parameters, workload.parameters_with_two_biases):
    raise Cannot(f"has {ready.parameters} parameters instead of {workload.parameters}")
  values = [np.squeeze(ready.read(ready.once())).copy() for _ in range(CHECKED_REPETITIONS)]
  results = Results(values[0], values[-1])
  if workload.activity is Activity.TRAIN:
    tolerance = DROPOUT_TOLERANCE if workload.dropout else TOLERANCE
    compare(results.first, expected(problem), tolerance)
    if not results.last < results.first:
      raise Cannot(f"does not learn: the loss goes from {results.first} to {results.last}")
  else:
    compare(results.last, expected(problem), TOLERANCE)
  return results


def expected(problem: Problem) -> np.ndarray:
  """What a training step returns first, and the other activities last."""
  steps = CHECKED_REPETITIONS if problem.workload.activity is Activity.STEP else 1
  return np.squeeze(reference.expected(problem.workload, problem.weights, problem.data, steps))


def compare(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
  if found.shape != wanted.shape:
    raise Cannot(f"has results of shape {found.shape} instead of {wanted.shape}")
  difference = np.abs(found - wanted).max()
  if not difference <= tolerance:
    raise Cannot(f"differs from the reference by {difference:.2g}")


def agreeing(problem: Problem, modes: Modes) -> Iterator[tuple[str, Ready, Results]]:
  """The modes that do the workload's work; says of the others why not."""
  for mode, prepare in modes.items():
    try:
      ready = prepare()
      results = first_results(problem, ready)
    except Cannot as reason:
      answer(f"left out: {mode} {reason}")
    except Exception as error:  # a framework's own, such as for want of a compiler
      answer(f"left out: {mode} ends with {type(error).__name__}")
      traceback.print_exc()
    else:
      yield mode, ready, results


def check(problem: Problem, modes: Modes) -> None:
  answer(f"{problem.workload.name}: Refrain has {problem.workload.parameters} parameters")
  for mode, ready, results in agreeing(problem, modes):
    answer(
      f"{mode}: {ready.parameters} parameters, results of shape {results.first.shape}, "
      f"root mean square {root_mean_square(results.first):.6f} at first and "
      f"{root_mean_square(results.last):.6f} in the end; {least_seconds(ready):.3g} s each"
    )


def root_mean_square(values: np.ndarray) -> float:
  return float(np.sqrt(np.mean(np.square(values))))


# ---- times ---------------------------------------------------------------------------------------


def seconds_each(once: Callable[[], object], repetitions: int) -> float:
  start = time.perf_counter()
  for _ in range(repetitions):
    once()
  return (time.perf_counter() - start) / repetitions


def least_seconds(ready: Ready) -> float:
  """Of a short while, in which others may have made the rest take longer."""
  samples = [seconds_each(ready.once, 1)]
  together = max(1, int(0.01 / samples[0]))
  end = time.perf_counter() + SECONDS_TO_CHOOSE
  while time.perf_counter() < end or len(samples) < 3:
    samples.append(seconds_each(ready.once, together))
  return min(samples[1:])


def serve(problem: Problem, modes: Modes) -> None:
  times = [(least_seconds(ready), mode, ready) for mode, ready, _ in agreeing(problem, modes)]
  if not times:
    raise Cannot("do it in any mode")
  _, mode, ready = min(times, key=lambda entry: entry[0])
  answer(f"ready {mode}")
  for line in sys.stdin:
    answer(f"{seconds_each(ready.once, int(line)):.9f}")
