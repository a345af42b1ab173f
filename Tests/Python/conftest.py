"""Finds the package and the library in the repository, unless the environment names others.

REFRAIN_LIBRARY names the library. Without it the build folders are searched; without any library
the run ends at once, because a suite that skipped everything would look like one that passed.
"""

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "bindings" / "python"


def _library():
  named = os.environ.get("REFRAIN_LIBRARY")
  if named:
    return Path(named)
  candidates = [
    REPOSITORY / "build" / "librefrain.so",
    REPOSITORY / ".build" / "release" / "librefrain.so",
    PACKAGE / "refrain" / "librefrain.so",
  ]
  return next((path for path in candidates if path.is_file()), None)


def pytest_configure(config):
  library = _library()
  if library is None or not library.is_file():
    pytest.exit(f"no librefrain.so ({library or 'build it, or set REFRAIN_LIBRARY'})", returncode=2)
  os.environ["REFRAIN_LIBRARY"] = str(library.resolve())
  sys.path.insert(0, str(PACKAGE))
  paths = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]
  os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
  _check_level()


def _check_level():
  """Ends the run if the library computes at another level than one asked for that there is."""
  import refrain

  level = os.environ.get("REFRAIN_ISA")
  needed = {"x86-64-v3": " avx2 ", "x86-64-v4": " avx512f "}.get(level)
  if needed and needed not in Path("/proc/cpuinfo").read_text():
    return
  if level and f"kernels {level}," not in refrain.build_info():
    pytest.exit(f"REFRAIN_ISA={level}, but the library is {refrain.build_info()}", returncode=2)


@pytest.fixture
def classifier():
  import refrain

  from problems import CLASSIFIER

  return refrain.Model(CLASSIFIER, seed=3)
