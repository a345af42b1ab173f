"""Judging numbers: errors are measured against the largest expected number of an array."""

from __future__ import annotations

import numpy as np

from .problem import Result


def assert_close(
  found: np.ndarray,
  expected: np.ndarray,
  relative: float,
  absolute: float = 0.0,
  what: str = "",
  elementwise: bool = False,
) -> None:
  """|found − expected| ≤ absolute + relative · max |expected|, and everything finite.

  Elementwise the limit is relative to each expected number instead of the largest.
  """
  found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
  assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
  if not expected.size:
    return
  assert np.isfinite(expected).all(), f"{what}: the expectation itself is not finite"
  wrong = ~np.isfinite(found)
  assert not wrong.any(), f"{what}: {wrong.sum()} numbers are not finite, first at {_first(wrong)}"
  error = np.abs(found - expected)
  size = np.abs(expected) if elementwise else np.abs(expected).max()
  excess = error - (absolute + relative * size)
  worst = np.unravel_index(excess.argmax(), excess.shape)
  assert excess[worst] <= 0, (
    f"{what}: at {[int(index) for index in worst]} found {found[worst]:.8g}, "
    f"expected {expected[worst]:.8g}: off by {error[worst]:.3g}, "
    f"allowed {error[worst] - excess[worst]:.3g}"
  )


def _first(where: np.ndarray) -> list[int]:
  return [int(index) for index in np.argwhere(where)[0]]


def assert_results(
  found: Result,
  expected: Result,
  outputs: float,
  gradients: float,
  absolute: float = 0.0,
  elementwise: bool = False,
) -> None:
  """Everything that is expected was found; the two numbers are relative tolerances."""
  have = found.named()
  for name, value in expected.named().items():
    assert name in have, f"{name} is missing"
    relative = gradients if name.startswith("gradient") else outputs
    assert_close(have[name], value, relative, absolute, name, elementwise)
