#!/usr/bin/env python3
"""Where a workload's time goes, by sampling its processor: needs Linux's perf, binutils, tqdm and a build.

    where_time_goes.py NAME … [--seconds 10] [--processor 1]

A sample within the loop of a tile counts as that tile's products, any other of a step's function as its
gates. The rate is that of the operations which the workload needs there, over the time of all samples there,
as a part of the peak of multiply-adds in the same seconds; of both the best of 40 slices, because a shared
machine takes processor time away.
"""

import argparse
import bisect
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/KernelTests"), str(ROOT / "Tests/Benchmarks/peers")]

from check_loops import functions, product_loops
from contestant import Contestant, LeftOut, started
from workloads import WORKLOADS, Activity, Workload

LIBRARY = ROOT / ".build/release/librefrain.so"  # not stripped
BENCH = ROOT / "build/bench/bench"
FORWARD, BACKWARD, PRODUCTS = "steps forward", "steps backward", "products outside steps"
OTHER = "everything else"
SLICES = 40
REST = [
  ("Adam and the norm", re.compile(r"\badam\b|sumOfSquares")),
  ("packing", re.compile(r"\bpack")),
  ("rows gathered, copied, added, cleared, asked for", re.compile(
    r"memmove|memcpy|EmbeddingRun|prefetch|\.add\(|\.fill\(|clear_page")),
]  # fmt: skip


@dataclass(frozen=True)
class Piece:
  """Instructions from one address on, up to the next piece."""

  start: int
  kind: str


def kind_of(name: str) -> str:
  """What a function does, from its demangled name."""
  if re.search(r"run(Full)?Tile|(forward|backward)(LSTM|GRU|RNN)\b", name):
    return BACKWARD if re.search(r"Gradient|backward", name) else FORWARD
  if re.search(r"multiply(Tile|Strip|Block)", name):
    return PRODUCTS
  return next((kind for kind, pattern in REST if pattern.search(name)), OTHER)


def pieces() -> list[Piece]:
  """The library's instructions by what they do, in the order of their addresses."""
  found = [(name, body) for name, body in functions(str(LIBRARY)) if name and body]
  names = demangled([name for name, _ in found])
  result = []
  for name, (_, body) in zip(names, found, strict=True):
    kind = kind_of(name)
    is_step = kind in (FORWARD, BACKWARD)
    result.append(Piece(body[0][0], f"{kind}: gates" if is_step else kind))
    for loop in product_loops(body) if is_step else ():
      following = next((address for address, _ in body if address > loop[-1][0]), None)
      result.append(Piece(loop[0][0], f"{kind}: products"))
      if following is not None:
        result.append(Piece(following, f"{kind}: gates"))
  return sorted(result, key=lambda piece: piece.start)


def demangled(names: list[str]) -> list[str]:
  text = subprocess.run(
    ["swift", "demangle", "--compact"], input="\n".join(names), capture_output=True, text=True,
    check=True).stdout  # fmt: skip
  return text.splitlines()


def gigaflops(workload: Workload) -> dict[str, float]:
  """10⁹ operations of a repetition by kind, those of recurrent layers and the last layer."""
  counts = Counter()
  steps = workload.batch * workload.timesteps * workload.directions
  trains = workload.activity is Activity.TRAIN
  for layer in range(workload.layers):
    inputs, hidden = workload.layer_input(layer), workload.hidden
    gates = workload.gates * hidden
    # Few rows have their inputs' product computed ahead of the steps.
    outside = 0 if workload.batch >= 8 else inputs
    counts[FORWARD] += steps * gates * (inputs + hidden - outside)
    counts[PRODUCTS] += steps * gates * outside
    if trains:
      counts[BACKWARD] += steps * gates * hidden
      goes_on = layer > 0 or workload.vocabulary > 0
      counts[PRODUCTS] += steps * gates * (inputs + hidden + (inputs if goes_on else 0))
  items = workload.batch * (workload.timesteps if workload.every_step else 1)
  last = items * workload.directions * workload.hidden * workload.classes
  counts[PRODUCTS] += last * (3 if trains else 1)
  return {kind: 2e-9 * count for kind, count in counts.items()}


@contextmanager
def bench(name: str, folder: str, processor: int) -> Iterator[Contestant]:
  """A workload, or the peak, in a process of its own, with the library that has its symbols."""
  link = Path(folder) / "librefrain.so.1"
  if not link.exists():
    link.symlink_to(LIBRARY)
  command = ["taskset", "-c", str(processor), BENCH, "--serve", name]
  try:
    with started(name, command, {"LD_LIBRARY_PATH": folder}) as contestant:
      yield contestant
  except LeftOut as reason:
    sys.exit(str(reason))


def offset_in(process: int) -> int:
  """Between addresses in a process and in the library's file."""
  maps = Path(f"/proc/{process}/maps").read_text()
  return int(re.search(rf"^([0-9a-f]+)-.* 00000000 .*{LIBRARY.name}$", maps, re.MULTILINE)[1], 16)


@dataclass(frozen=True)
class Sampling:
  seconds: float  # of a repetition, the least
  peak: float  # GFLOP/s, the highest
  taken: list[tuple[int, str]]  # of each sample its address and symbol


def sample(workload: Contestant, peak: Contestant, repetitions: int, folder: str) -> Sampling:
  data = f"{folder}/perf.data"
  perf = subprocess.Popen(
    ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", data, "-p",
     str(workload.process.pid)], stderr=subprocess.DEVNULL)  # fmt: skip
  times, peaks = [], []
  for _ in range(min(SLICES, repetitions)):
    peaks.append(1 / peak.seconds(1))
    times.append(workload.seconds(max(1, repetitions // SLICES)))
  perf.send_signal(signal.SIGINT)
  perf.wait()
  script = subprocess.run(
    ["perf", "script", "-i", data, "-F", "ip,sym"], capture_output=True, text=True, check=True
  ).stdout
  lines = (line.strip().partition(" ") for line in script.splitlines())
  taken = [(int(address, 16), symbol) for address, _, symbol in lines]
  return Sampling(min(times), max(peaks), taken)


def show(name: str, found: list[Piece], options: argparse.Namespace) -> None:
  with (
    tempfile.TemporaryDirectory() as folder,
    bench(name, folder, options.processor) as workload,
    bench("peak", folder, options.processor) as peak,
  ):
    repetitions = max(3, round(options.seconds / workload.seconds(1)))
    offset = offset_in(workload.process.pid)
    sampling = sample(workload, peak, repetitions, folder)
  starts = [piece.start for piece in found]
  counts, others = Counter(), Counter()
  for address, symbol in sampling.taken:
    index = bisect.bisect(starts, address - offset) - 1
    inside = index >= 0 and address - offset < starts[-1] + 4096
    kind = found[index].kind if inside else kind_of(symbol)
    counts[kind] += 1
    others[symbol] += kind == OTHER
  print(
    f"\n{name}: {sampling.seconds * 1e3:.3g} ms, peak {sampling.peak:.0f} GFLOP/s, "
    f"{len(sampling.taken)} samples")  # fmt: skip
  shares = {kind: count / len(sampling.taken) for kind, count in sorted(counts.items())}
  for kind, share in shares.items():
    print(f"  {kind:52} {share:6.1%} {share * sampling.seconds * 1e3:9.3g} ms")
  for symbol, count in others.most_common(3):
    print(f"    {symbol[:50]:50} {count / len(sampling.taken):6.1%}")
  for kind, work in gigaflops(WORKLOADS[name]).items():
    everything = sum(share for each, share in shares.items() if each.startswith(kind))
    if work and everything:
      loops = shares.get(f"{kind}: products", everything)
      rate, inside = (
        work / (share * sampling.seconds) / sampling.peak for share in (everything, loops)
      )
      print(f"  {kind:52} {rate:6.2f} of the peak, {inside:.2f} in the loops")


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("names", nargs="+", metavar="NAME", choices=WORKLOADS)
  parser.add_argument("--seconds", type=float, default=10)
  parser.add_argument("--processor", type=int, default=1)
  options = parser.parse_args()
  if not shutil.which("perf"):
    sys.exit("perf is not installed: linux-perf has it")
  if not (LIBRARY.exists() and BENCH.exists()):
    sys.exit(f"{LIBRARY} or {BENCH} is not there: `make bench` builds them")
  found = pieces()
  for name in options.names:
    show(name, found, options)


if __name__ == "__main__":
  main()
