"""The wheel, and what happens without a library."""

import ctypes.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import refrain


def test_the_wheel_carries_the_library_and_is_tagged_for_this_platform(tmp_path):
  pytest.importorskip("setuptools")
  pytest.importorskip("wheel")
  source = Path(refrain.__file__).parents[1]
  if not (source / "pyproject.toml").is_file():
    pytest.skip("the package under test is an installed one")
  ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "*.so")
  project = shutil.copytree(source, tmp_path / "project", ignore=ignored)
  command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
  command += ["-w", tmp_path, project]
  without = subprocess.run(command, capture_output=True, text=True)
  assert without.returncode != 0 and "librefrain.so is missing" in without.stdout + without.stderr
  shutil.copy(os.environ["REFRAIN_LIBRARY"], project / "refrain" / "librefrain.so")
  subprocess.run(command, check=True, capture_output=True)
  (wheel,) = tmp_path.glob("*.whl")
  assert wheel.name.startswith(f"refrain-{refrain.version}-py3-none-linux_")
  names = zipfile.ZipFile(wheel).namelist()
  assert {"refrain/librefrain.so", "refrain/py.typed", "refrain/model.py"} <= set(names)

  installed = tmp_path / "installed"
  zipfile.ZipFile(wheel).extractall(installed)
  environment = os.environ | {"PYTHONPATH": str(installed)}
  del environment["REFRAIN_LIBRARY"]
  program = "import refrain; print(refrain.__file__); refrain.Model('Input(2) -> GRU(3)')"
  ran = subprocess.run(
    [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
  )
  assert str(installed) in ran.stdout


def test_a_missing_or_foreign_library_is_explained(tmp_path):
  libc = ctypes.util.find_library("c")
  for library, said in ((libc, "has no refrain_"), (str(tmp_path / "no.so"), "no.so")):
    environment = os.environ | {"REFRAIN_LIBRARY": library}
    ran = subprocess.run(
      [sys.executable, "-c", "import refrain"], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 1 and said in ran.stderr
