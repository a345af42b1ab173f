"""Optimisers: objects that turn a parameter and its gradient into the next parameter.

One object serves one parameter. w is the parameter, g its gradient, η the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


@dataclass
class SGD:
  """m ← μ m + g;  w ← w − η m, or with Nesterov w ← w − η (g + μ m). PyTorch's form."""

  learning_rate: float = 0.01
  momentum: float = 0.0
  nesterov: bool = False
  weight_decay: float = 0.0
  m: Array | float = field(default=0.0, init=False)

  def step(self, w: Array, g: Array) -> Array:
    g = g + self.weight_decay * w
    self.m = self.momentum * self.m + g
    return w - self.learning_rate * (g + self.momentum * self.m if self.nesterov else self.m)


@dataclass
class RMSprop:
  """v ← ρ v + (1 − ρ) g²;  u = g / (√v + ε);  m ← μ m + u;  w ← w − η m.

  Tieleman & Hinton 2012.
  """

  learning_rate: float = 0.001
  decay: float = 0.9
  momentum: float = 0.0
  epsilon: float = 1e-7
  weight_decay: float = 0.0
  v: Array | float = field(default=0.0, init=False)
  m: Array | float = field(default=0.0, init=False)

  def step(self, w: Array, g: Array) -> Array:
    g = g + self.weight_decay * w
    self.v = self.decay * self.v + (1 - self.decay) * g**2
    self.m = self.momentum * self.m + g / (np.sqrt(self.v) + self.epsilon)
    return w - self.learning_rate * self.m


@dataclass
class Adagrad:
  """v ← v + g²;  w ← w − η g / (√v + ε).  Duchi et al. 2011."""

  learning_rate: float = 0.001
  epsilon: float = 1e-7
  weight_decay: float = 0.0
  v: Array | float = field(default=0.0, init=False)

  def step(self, w: Array, g: Array) -> Array:
    g = g + self.weight_decay * w
    self.v = self.v + g**2
    return w - self.learning_rate * g / (np.sqrt(self.v) + self.epsilon)


@dataclass
class Adam:
  """m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  both divided by 1 − βᵗ, and
  w ← w − η m̂ / (√v̂ + ε).  Kingma & Ba 2015; the decay is part of the gradient."""

  learning_rate: float = 0.001
  beta1: float = 0.9
  beta2: float = 0.999
  epsilon: float = 1e-7
  weight_decay: float = 0.0
  m: Array | float = field(default=0.0, init=False)
  v: Array | float = field(default=0.0, init=False)
  t: int = field(default=0, init=False)

  def step(self, w: Array, g: Array) -> Array:
    return self._adam(w, g + self.weight_decay * w)

  def _adam(self, w: Array, g: Array) -> Array:
    self.t += 1
    self.m = self.beta1 * self.m + (1 - self.beta1) * g
    self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
    mean = self.m / (1 - self.beta1**self.t)
    square = self.v / (1 - self.beta2**self.t)
    return w - self.learning_rate * mean / (np.sqrt(square) + self.epsilon)


@dataclass
class AdamW(Adam):
  """Adam after w ← w − η λ w; gradients know nothing of the decay. Loshchilov & Hutter 2019."""

  weight_decay: float = 0.004

  def step(self, w: Array, g: Array) -> Array:
    return self._adam(w - self.learning_rate * self.weight_decay * w, g)


OPTIMIZERS = {rule.__name__: rule for rule in (SGD, RMSprop, Adagrad, Adam, AdamW)}
