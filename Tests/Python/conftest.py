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


@pytest.fixture
def classifier():
  import refrain

  from problems import CLASSIFIER

  return refrain.Model(CLASSIFIER, seed=3)
