"""Tags the wheel: any Python 3, but only this platform, because it carries librefrain.so.

Everything else about the package is in pyproject.toml.
"""

from pathlib import Path

from setuptools import Distribution, setup

try:  # setuptools brings the command itself since 70.1
  from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
  from wheel.bdist_wheel import bdist_wheel

LIBRARY = Path(__file__).parent / "refrain" / "librefrain.so"


class BinaryDistribution(Distribution):
  """A distribution with compiled code, although setuptools did not compile it."""

  def has_ext_modules(self):
    return True


class PlatformWheel(bdist_wheel):
  """A wheel tagged py3-none-<platform>: ctypes does not care which Python it runs in."""

  def run(self):
    if not LIBRARY.is_file():
      raise FileNotFoundError(f"{LIBRARY} is missing; build the library and copy it there first")
    super().run()

  def get_tag(self):
    return "py3", "none", super().get_tag()[2]


setup(distclass=BinaryDistribution, cmdclass={"bdist_wheel": PlatformWheel})
