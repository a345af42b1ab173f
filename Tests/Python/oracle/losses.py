"""Losses: weighted averages over the items that count.

An item is a sequence, or a timestep that counts; its weight is its sample weight, times the weight
of its class where the target is a class id. The average divides by the sum of the weights, the sum
does not divide. Where targets are numbers, an item's loss is the mean over its features (for the
sum: their sum).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .activations import log_softmax
from .layers import Value
from .row import Row
from .tape import Tensor, tensor


@dataclass(frozen=True)
class Item:
  """Something that is predicted: what the model said, what was right, and how much it counts."""

  output: Tensor
  target: np.ndarray | int
  weight: float


def items(
  values: Sequence[Value], targets: np.ndarray, weights: np.ndarray | None = None
) -> list[Item]:
  """The items of an output: targets ``[B, …]`` or ``[B, T, …]``, weights ``[B]`` or ``[B, T]``."""
  found = []
  for b, value in enumerate(values):
    weight = 1.0 if weights is None else weights[b]
    if isinstance(value, Row):
      found += [
        Item(value.steps[t], targets[b][t], float(weight[t] if np.ndim(weight) else weight))
        for t in value.counted
      ]
    else:
      found.append(Item(value, targets[b], float(weight)))
  return found


def reduced(terms: Sequence[tuple[Tensor, float]], reduction: str) -> Tensor:
  """Σ loss / Σ weight of (loss, weight), in which losses are weighted already; 0 of nothing."""
  total = tensor(0.0)
  for loss, _ in terms:
    total = total + loss
  weight = sum(weight for _, weight in terms)
  if reduction == "sum":
    return total
  return total * (1 / weight) if weight > 0 else tensor(0.0)


def crossentropy(
  found: Sequence[Item],
  label_smoothing: float = 0.0,
  ignore_class: int | None = None,
  class_weights: Sequence[float] | None = None,
  reduction: str = "mean",
  of: str = "logits",
) -> Tensor:
  """−Σ q log p, with q the target after smoothing: (1 − ε) target + ε / C. Szegedy et al. 2016.

  `of` says whether outputs are logits or probabilities. Class weights multiply each class's term;
  with class ids the item weighs as much as its class, with probabilities as target 1 (PyTorch).
  """
  terms = []
  for item in found:
    log_p = log_softmax(item.output) if of == "logits" else item.output.log()
    classes = log_p.shape[0]
    importance = np.ones(classes) if class_weights is None else np.asarray(class_weights, float)
    weight = item.weight
    if np.ndim(item.target) == 0:
      if item.target == ignore_class:
        continue
      target = np.eye(classes)[int(item.target)]
      weight *= importance[int(item.target)]
    else:
      target = np.asarray(item.target, np.float64)
    target = (1 - label_smoothing) * target + label_smoothing / classes
    terms.append(((log_p * (-item.weight * target * importance)).sum(), weight))
  return reduced(terms, reduction)


def binary_crossentropy(
  found: Sequence[Item],
  positive_weights: Sequence[float] | None = None,
  reduction: str = "mean",
  of: str = "logits",
) -> Tensor:
  """−w t log p − (1 − t) log(1 − p) for each output, w the weight of its positives."""

  def loss(x: Tensor, target: np.ndarray) -> Tensor:
    positive = np.ones(x.shape) if positive_weights is None else np.asarray(positive_weights)
    if of == "probabilities":
      return -(x.log() * (positive * target) + (1.0 - x).log() * (1 - target))
    # log σ(x) = −log(1 + e⁻ˣ), log(1 − σ(x)) = −log(1 + eˣ)
    return _softplus(-x) * (positive * target) + _softplus(x) * (1 - target)

  return _per_feature(found, loss, reduction)


def _softplus(x: Tensor) -> Tensor:
  return x.elementwise(lambda x: np.logaddexp(0, x), lambda x, y: 0.5 + 0.5 * np.tanh(0.5 * x))


def mse(found: Sequence[Item], reduction: str = "mean") -> Tensor:
  return _per_feature(found, lambda x, target: (x - target) * (x - target), reduction)


def mae(found: Sequence[Item], reduction: str = "mean") -> Tensor:
  return _per_feature(found, lambda x, target: (x - target).abs(), reduction)


def huber(found: Sequence[Item], delta: float = 1.0, reduction: str = "mean") -> Tensor:
  """e²/2 where |e| ≤ δ, δ (|e| − δ/2) beyond.  Huber 1964."""

  def loss(x: Tensor, target: np.ndarray) -> Tensor:
    return (x - target).elementwise(
      lambda e: np.where(np.abs(e) <= delta, e**2 / 2, delta * (np.abs(e) - delta / 2)),
      lambda e, _: np.clip(e, -delta, delta),
    )

  return _per_feature(found, loss, reduction)


def _per_feature(
  found: Sequence[Item], loss: Callable[[Tensor, np.ndarray], Tensor], reduction: str
) -> Tensor:
  terms = []
  for item in found:
    each = loss(item.output, np.asarray(item.target, np.float64))
    of_item = each.sum() if reduction == "sum" else each.mean()
    terms.append((of_item * item.weight, item.weight))
  return reduced(terms, reduction)


LOSSES: dict[str, Callable[..., Tensor]] = {
  function.__name__: function for function in (crossentropy, binary_crossentropy, mse, mae, huber)
}
