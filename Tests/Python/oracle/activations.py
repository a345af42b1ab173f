"""Activations: functions of one number under the notation's names, and softmax over a vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .tape import Tensor


def linear(x: Tensor) -> Tensor:
  return x


def tanh(x: Tensor) -> Tensor:
  return x.elementwise(np.tanh, lambda x, y: 1 - y**2)


def sigmoid(x: Tensor) -> Tensor:
  """1 / (1 + e⁻ˣ), written with tanh so that no exponential overflows."""
  return x.elementwise(lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), lambda x, y: y * (1 - y))


def relu(x: Tensor) -> Tensor:
  return x.elementwise(lambda x: np.maximum(x, 0), lambda x, y: (x > 0) * 1.0)


def hard_sigmoid(x: Tensor, alpha: float = 1 / 6, beta: float = 0.5) -> Tensor:
  """max(0, min(1, α x + β)), by itself as Keras 3; Keras 2 and ONNX have x/5."""
  return x.elementwise(
    lambda x: np.clip(alpha * x + beta, 0, 1),
    lambda x, y: alpha * ((alpha * x + beta > 0) & (alpha * x + beta < 1)),
  )


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
  return x.elementwise(
    lambda x: np.where(x >= 0, x, slope * x), lambda x, y: np.where(x >= 0, 1.0, slope)
  )


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
  return x.elementwise(
    lambda x: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
    lambda x, y: np.where(x >= 0, 1.0, y + alpha),
  )


def softplus(x: Tensor) -> Tensor:
  """log(1 + eˣ)"""
  return x.elementwise(lambda x: np.logaddexp(0, x), lambda x, y: 0.5 + 0.5 * np.tanh(0.5 * x))


def softsign(x: Tensor) -> Tensor:
  return x.elementwise(lambda x: x / (1 + np.abs(x)), lambda x, y: 1 / (1 + np.abs(x)) ** 2)


def exponential(x: Tensor) -> Tensor:
  return x.exp()


def affine(x: Tensor, alpha: float = 1.0, beta: float = 0.0) -> Tensor:
  return x * alpha + beta


def thresholded_relu(x: Tensor, alpha: float = 1.0) -> Tensor:
  """x above α, 0 elsewhere."""
  return x.elementwise(lambda x: np.where(x > alpha, x, 0), lambda x, y: (x > alpha) * 1.0)


def scaled_tanh(x: Tensor, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
  """α tanh(β x)"""
  return x.elementwise(
    lambda x: alpha * np.tanh(beta * x), lambda x, y: alpha * beta * (1 - np.tanh(beta * x) ** 2)
  )


def clip(x: Tensor, limit: float) -> Tensor:
  """x, but no further from 0 than the limit. Not in the notation."""
  return x.elementwise(lambda x: np.clip(x, -limit, limit), lambda x, y: (np.abs(x) < limit) * 1.0)


def softmax(x: Tensor) -> Tensor:
  """eˣ / Σ eˣ over a vector. Its largest element is taken off first, which changes nothing."""
  shifted = np.exp(x.value - x.value.max())
  y = shifted / shifted.sum()
  return Tensor(y, (x,), lambda gradient: x.receive(y * (gradient - (gradient * y).sum())))


def log_softmax(x: Tensor) -> Tensor:
  shifted = x.value - x.value.max()
  y = shifted - np.log(np.exp(shifted).sum())
  return Tensor(y, (x,), lambda gradient: x.receive(gradient - np.exp(y) * gradient.sum()))


Activation = Callable[[Tensor], Tensor]

POINTWISE: dict[str, Activation] = {
  function.__name__: function
  for function in (
    linear,
    tanh,
    sigmoid,
    relu,
    hard_sigmoid,
    leaky_relu,
    elu,
    softplus,
    softsign,
    exponential,
    affine,
    thresholded_relu,
    scaled_tanh,
  )
}
ACTIVATIONS: dict[str, Activation] = {**POINTWISE, "softmax": softmax}


def named(notation: str) -> Activation:
  """The function that the notation means: ``tanh``, ``elu(alpha=0.5)``."""
  name, _, rest = notation.partition("(")
  pairs = (pair.split("=") for pair in rest.rstrip(")").split(",") if pair)
  options = {key.strip(): float(value) for key, value in pairs}
  return partial(ACTIVATIONS[name], **options) if options else ACTIVATIONS[name]
