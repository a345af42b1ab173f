"""Keeping gradients small. Each takes the gradients of all parameters and gives new ones."""

from __future__ import annotations

import numpy as np

Gradients = dict[str, np.ndarray]


def norm(gradients: Gradients) -> float:
  """√Σ g² over everything."""
  return float(np.sqrt(sum((gradient**2).sum() for gradient in gradients.values())))


def scaled_to(gradients: Gradients, threshold: float) -> Gradients:
  """Brought to the threshold where their norm is larger, else as they are."""
  size = norm(gradients)
  factor = threshold / size if size > threshold else 1.0
  return {name: gradient * factor for name, gradient in gradients.items()}


def by_norm(gradients: Gradients, threshold: float) -> Gradients:
  """All together.  Pascanu et al. 2013."""
  return scaled_to(gradients, threshold)


def by_parameter_norm(gradients: Gradients, threshold: float) -> Gradients:
  """Each parameter by itself, as Keras's clipnorm."""
  clipped: Gradients = {}
  for name, gradient in gradients.items():
    clipped |= scaled_to({name: gradient}, threshold)
  return clipped


def by_value(gradients: Gradients, threshold: float) -> Gradients:
  """Each element."""
  return {name: np.clip(gradient, -threshold, threshold) for name, gradient in gradients.items()}
