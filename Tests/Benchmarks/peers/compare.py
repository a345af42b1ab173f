"""Measures the benchmark's workloads in other frameworks, in turn with Refrain.

    python compare.py [--threads N] [--rounds N] [--markdown FILE] [NAME …]

Every workload whose name starts with NAME, or every one. Each contestant is a process that waits
for its turn: build/bench/bench for Refrain, peer_….py for a framework. In a round each of them in
turn repeats the workload for about a fifth of a second. A ratio is formed within a round, so that
it compares what lay next to each other in time: it is the framework's time over Refrain's, with
the median and the lowest and highest of all rounds. Above 1, Refrain is ahead.

All contestants are tied to the same processors, as many as there are threads. A peer's work is
compared with a reference before it is timed, and the fastest of its modes is the one that counts.
Peers keep the memory that they free (common.py); without that some take half as long again or more.
"""

import argparse
import ctypes
import datetime
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median

from tqdm import tqdm

from common import confine
from contestant import LeftOut, started
from workloads import WORKLOADS, Activity, Workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BENCH = ROOT / "build" / "bench" / "bench"
LIBRARY = ROOT / "build" / "lib" / "librefrain.so.1"

OURS = "Refrain"

LEGEND = "A framework's median time (its ratio to Refrain's: median, lowest–highest)."


@dataclass(frozen=True)
class Framework:
  name: str
  script: str
  packages: tuple[str, ...]  # any of them provides it

  def version(self) -> str | None:
    """None if it is not installed."""
    for package in self.packages:
      try:
        return metadata.version(package)
      except metadata.PackageNotFoundError:
        continue
    return None


FRAMEWORKS = (
  Framework("PyTorch", "peer_torch.py", ("torch",)),
  Framework("TensorFlow", "peer_tensorflow.py", ("tensorflow-cpu", "tensorflow")),
  Framework("JAX", "peer_jax.py", ("jax",)),
  Framework("ONNX Runtime", "peer_onnxruntime.py", ("onnxruntime",)),
  Framework("OpenVINO", "peer_openvino.py", ("openvino",)),
)


def command(contestant: str, workload: Workload, threads: int) -> list[str]:
  arguments = ["--serve", workload.name, "--threads", str(threads)]
  for framework in FRAMEWORKS:
    if framework.name == contestant:
      return [sys.executable, str(HERE / framework.script), *arguments]
  return [str(BENCH), *arguments]


# ---- comparing -----------------------------------------------------------------------------------


@dataclass
class Row:
  """One workload: of each contestant its mode and its times, one a round."""

  workload: Workload
  modes: dict[str, str] = field(default_factory=dict)
  times: dict[str, list[float]] = field(default_factory=dict)

  def ratios(self, contestant: str) -> list[float]:
    pairs = zip(self.times[contestant], self.times[OURS], strict=True)
    return [theirs / ours for theirs, ours in pairs]


def compare(workload: Workload, names: list[str], threads: int, rounds: int, bar: tqdm) -> Row:
  row = Row(workload)
  with ExitStack() as stack:
    contestants = []
    for name in names:
      bar.set_description(f"{workload.name}: {name} starts")
      try:
        contestant = stack.enter_context(started(name, command(name, workload, threads)))
        contestant.warm_up()
        contestants.append(contestant)
      except LeftOut as reason:
        if name == OURS:
          raise
        tqdm.write(f"{workload.name:12} {reason}")
      bar.update()
    bar.set_description(f"{workload.name}: {rounds} rounds")
    for _ in range(rounds):
      for contestant in contestants:
        row.times.setdefault(contestant.name, []).append(contestant.turn())
    row.modes = {contestant.name: contestant.mode for contestant in contestants}
  for name, mode in row.modes.items():
    tqdm.write(f"{workload.name:12} {name:13} {entry(row, name):34} {mode}".rstrip())
  return row


# ---- showing -------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
  """With three digits and a unit."""
  value, unit = (seconds * 1e6, "µs") if seconds < 1e-3 else (seconds * 1e3, "ms")
  return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def entry(row: Row, contestant: str) -> str:
  if contestant not in row.times:
    return "–"
  time_of_one = duration(median(row.times[contestant]))
  if contestant == OURS:
    return time_of_one
  ratios = row.ratios(contestant)
  return f"{time_of_one} ({median(ratios):.2f}, {min(ratios):.2f}–{max(ratios):.2f})"


def heading(threads: int) -> str:
  library = ctypes.CDLL(str(LIBRARY))
  library.refrain_build_info.restype = ctypes.c_char_p
  versions = [
    f"{framework.name} {framework.version() or 'not installed'}" for framework in FRAMEWORKS
  ]
  parts = [
    datetime.date.today().isoformat(),
    processor(),
    f"{threads} thread{'s' if threads > 1 else ''}",
    library.refrain_build_info().decode(),
    *versions,
    f"Python {sys.version.split()[0]}",
  ]
  return "; ".join(parts)


def processor() -> str:
  model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
  return model[1] if model else "unknown processor"


def table(rows: list[Row]) -> list[list[str]]:
  names = [OURS, *(framework.name for framework in FRAMEWORKS)]
  lines = [[row.workload.name, *(entry(row, name) for name in names)] for row in rows]
  return [["", *names], *lines]


def aligned(lines: list[list[str]]) -> str:
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return "\n".join(
    "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
    for line in lines
  )


def markdown(rows: list[Row], threads: int) -> str:
  head, *lines = table(rows)
  return "\n".join(
    [
      heading(threads),
      "",
      LEGEND,
      "",
      markdown_line(head),
      markdown_line(["---"] * len(head)),
      *map(markdown_line, lines),
      "",
      "Modes that were fastest:",
      "",
      *(f"- {line}" for line in modes_kept(rows)),
      "",
    ]
  )


def markdown_line(texts: list[str]) -> str:
  return f"| {' | '.join(texts)} |"


def modes_kept(rows: list[Row]) -> list[str]:
  """A line per framework and mode, with the workloads where it was the fastest."""
  found: dict[tuple[str, str], list[str]] = {}
  for framework in FRAMEWORKS:
    for row in rows:
      if framework.name in row.modes:
        key = (framework.name, row.modes[framework.name])
        found.setdefault(key, []).append(row.workload.name)
  return [f"{name}, {mode}: {', '.join(workloads)}" for (name, mode), workloads in found.items()]


# ---- the program ---------------------------------------------------------------------------------


def chosen(names: list[str], threads: int) -> list[Workload]:
  """A single timestep has no work for a second thread."""
  return [
    workload
    for workload in WORKLOADS.values()
    if any(workload.name.startswith(name) for name in names or [""])
    and not (workload.activity is Activity.STEP and threads > 1)
  ]


def main() -> None:
  parser = argparse.ArgumentParser(description="Refrain and other frameworks at the same work.")
  parser.add_argument("names", nargs="*", metavar="NAME", help="how a workload's name starts")
  parser.add_argument("--threads", type=int, default=1)
  parser.add_argument("--rounds", type=int, default=7)
  parser.add_argument("--markdown", type=Path, metavar="FILE", help="to write the table to")
  options = parser.parse_args()
  if options.rounds < 1:
    parser.error("there is at least one round")
  for file in (BENCH, LIBRARY):
    if not file.exists():
      sys.exit(f"{file.relative_to(ROOT)} is missing: build the benchmark first")
  confine(options.threads)

  workloads = chosen(options.names, options.threads)
  if not workloads:
    sys.exit("no workload is called so; with several threads there are no single timesteps")
  names = [OURS, *(framework.name for framework in FRAMEWORKS if framework.version())]
  print(heading(options.threads))
  try:
    with tqdm(total=len(workloads) * len(names), unit="start", disable=None) as bar:
      rows = [
        compare(workload, names, options.threads, options.rounds, bar) for workload in workloads
      ]
  except LeftOut as reason:
    sys.exit(str(reason))
  print(f"\n{LEGEND}\n")
  print(aligned(table(rows)))
  if options.markdown:
    options.markdown.write_text(markdown(rows, options.threads))


if __name__ == "__main__":
  main()
