"""Problems to hold two implementations against each other: every layer and option, in every
situation that lengths and masks can make. All sizes of a problem differ, so that nothing that was
transposed can hide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .activations import ACTIVATIONS, POINTWISE
from .network import Network, Variable
from .problem import Problem

FEATURES = 5
VOCABULARY = 11

CELLS: dict[str, tuple[str, dict[str, object]]] = {
  "rnn": ("RNN", {}),
  "rnn_relu": ("RNN", {"activation": "relu"}),
  "lstm": ("LSTM", {}),
  "gru": ("GRU", {}),
  "gru_reset_before": ("GRU", {"reset_after": False}),
}

OPTIONS: dict[str, dict[str, object]] = {
  "last": {},
  "sequences": {"return_sequences": True},
  "state": {"return_state": True},
  "sequences_state": {"return_sequences": True, "return_state": True},
  "backwards": {"go_backwards": True, "return_state": True},
  "backwards_sequences": {"go_backwards": True, "return_sequences": True, "return_state": True},
  "no_bias": {"use_bias": False, "return_sequences": True},
  "recurrent_bias": {"recurrent_bias": True, "return_sequences": True},
  "one_bias": {"recurrent_bias": False, "return_sequences": True},
}

BIDIRECTIONAL: dict[str, tuple[str, dict[str, object]]] = {
  "concat": ("concat", {}),
  "sum": ("sum", {}),
  "mul": ("mul", {}),
  "ave": ("ave", {}),
  "concat_sequences": ("concat", {"return_sequences": True}),
  "sum_sequences": ("sum", {"return_sequences": True}),
  "mul_sequences": ("mul", {"return_sequences": True}),
  "ave_sequences_state": ("ave", {"return_sequences": True, "return_state": True}),
}


def recurrent(
  cell: str,
  hidden: int = 3,
  initial_states: bool = False,
  merge_mode: str | None = None,
  **options: object,
) -> Network:
  """One recurrent layer; with return_state its states are outputs, too."""
  kind, own = CELLS[cell]
  network = Network()
  x = network.input(FEATURES)
  count = (2 if kind == "LSTM" else 1) * (2 if merge_mode else 1)
  states = [network.input(hidden, time=False) for _ in range(count if initial_states else 0)]
  made = network.layer(
    kind, [x, *states], hidden, name="layer", merge_mode=merge_mode, **own, **options
  )
  if isinstance(made, list):
    network.outputs(*made)
  return network


def _stacked(network: Network) -> None:
  x = network.input(FEATURES)
  x = network.layer("LSTM", x, 4, return_sequences=True)
  x = network.layer("GRU", x, 7, merge_mode="concat", return_sequences=True)
  x = network.layer("RNN", x, 6, return_sequences=True)
  network.layer("Dense", x, 3)


def _backwards(network: Network) -> None:
  """What a reversed sequence skips is skipped by the layers behind it."""
  x = network.input(FEATURES)
  y = network.layer("GRU", x, 4, go_backwards=True, return_sequences=True)
  z = network.layer("LSTM", y, 3, go_backwards=True, return_sequences=True)
  network.outputs(z, network.layer("Pooling", z, "mean"), network.layer("RNN", y, 6))


def _branches(network: Network) -> None:
  """A value that is used twice, and two outputs."""
  x = network.input(FEATURES)
  a = network.layer("GRU", x, 4, return_sequences=True)
  b = network.layer("LSTM", a, 4, return_sequences=True)
  both = network.layer("Add", [a, b])
  wide = network.layer("Concat", [both, x, a])
  pooled = network.layer("Pooling", wide, "mean")
  network.outputs(wide, network.layer("Dense", pooled, 3, activation="tanh"))


def _states_between_layers(network: Network) -> None:
  """An encoder's final states are a decoder's first."""
  x, y = network.input(FEATURES), network.input(4)
  _, h, c = network.layer("LSTM", x, 7, return_state=True)
  network.layer("LSTM", [y, h, c], 7, return_sequences=True)


def _embedded(mask_zero: bool, *rest: tuple[object, ...]) -> Callable[[Network], None]:
  def build(network: Network) -> None:
    options = {"mask_zero": True} if mask_zero else {}
    x = network.layer("Embedding", network.input(ids=True), VOCABULARY, 4, **options)
    for kind, *arguments in rest:
      last = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
      x = network.layer(kind, x, *arguments, **last)

  return build


def _on_input(
  kind: str, *arguments: object, time: bool = True, **options: object
) -> Callable[[Network], None]:
  def build(network: Network) -> None:
    network.layer(kind, network.input(FEATURES, time=time), *arguments, **options)

  return build


def _merge(kind: str, time: bool, *sizes: int) -> Callable[[Network], None]:
  def build(network: Network) -> None:
    network.layer(kind, [network.input(size, time=time) for size in sizes])

  return build


_SEQUENCES = {"return_sequences": True}

LAYERS: dict[str, Callable[[Network], None]] = {
  "stacked": _stacked,
  "backwards": _backwards,
  "branches": _branches,
  "states_between_layers": _states_between_layers,
  "embedding": _embedded(False),
  "embedding_mask_zero": _embedded(True),
  "embedding_lstm": _embedded(False, ("LSTM", 3)),
  "embedding_mask_zero_lstm": _embedded(True, ("LSTM", 3)),
  "embedding_mask_zero_gru_gru": _embedded(True, ("GRU", 3, _SEQUENCES), ("GRU", 6)),
  "embedding_mask_zero_dense_rnn": _embedded(True, ("Dense", 7), ("RNN", 3)),
  "embedding_mask_zero_pooling": _embedded(True, ("Pooling", "mean"), ("Dense", 3)),
  "layer_norm": _on_input("LayerNorm"),
  "layer_norm_vector": _on_input("LayerNorm", time=False, epsilon=0.01),
  "layer_norm_plain": _on_input("LayerNorm", affine=False),
  "dense_no_bias": _on_input("Dense", 3, use_bias=False),
  "dropout": _on_input("Dropout", 0.5),
  "dropout_vector": _on_input("Dropout", 0.5, time=False),
  "concat": _merge("Concat", True, 2, 5, 3),
  "concat_vectors": _merge("Concat", False, 2, 5),
  "add": _merge("Add", True, 3, 3, 3),
  "add_vectors": _merge("Add", False, 4, 4),
}
for _mode in ("last", "mean", "max"):
  LAYERS[f"pooling_{_mode}"] = _on_input("Pooling", _mode)
for _name in ACTIVATIONS:
  LAYERS[f"dense_{_name}"] = _on_input("Dense", 7, activation=_name)
  LAYERS[f"dense_{_name}_vector"] = _on_input("Dense", 7, time=False, activation=_name)
  LAYERS[f"activation_{_name}"] = _on_input("Activation", _name)


def networks() -> dict[str, Callable[[], Network]]:
  """Every network that is worth holding against the oracle, by name."""

  def from_layers(build: Callable[[Network], None]) -> Network:
    network = Network()
    build(network)
    return network

  found: dict[str, Callable[[], Network]] = {}

  def add(name: str, build: Callable[..., Network], *arguments: object, **options: object) -> None:
    found[name] = lambda: build(*arguments, **options)

  for cell, (kind, _) in CELLS.items():
    for name, options in OPTIONS.items():
      add(f"{cell}-{name}", recurrent, cell, **options)
    for name, (merge, options) in BIDIRECTIONAL.items():
      add(f"bidirectional-{cell}-{name}", recurrent, cell, merge_mode=merge, **options)
    for merge in (None, "concat"):
      name = f"{'bidirectional-' if merge else ''}{cell}-initial_states"
      add(name, recurrent, cell, 4, True, merge, return_sequences=True, return_state=True)
    if kind != "RNN":
      for activation in POINTWISE:
        if activation != "exponential":
          add(f"{cell}-state_{activation}", recurrent, cell, activation=activation, **_SEQUENCES)
      for activation in ("hard_sigmoid", "softsign", "linear"):
        add(
          f"{cell}-gates_{activation}",
          recurrent,
          cell,
          recurrent_activation=activation,
          **_SEQUENCES,
        )
  for activation in ("linear", "softsign", "leaky_relu", "elu", "hard_sigmoid", "softplus"):
    add(f"rnn-{activation}", recurrent, "rnn", activation=activation, **_SEQUENCES)
  for name, build in LAYERS.items():
    add(name, from_layers, build)
  return found


@dataclass(frozen=True)
class Situation:
  """How many sequences and timesteps, and which of them count.

  `lengths` run from 0 to all timesteps; `mask` has holes at the start, in between and at the end.
  """

  batch: int
  timesteps: int
  lengths: bool = False
  mask: bool = False


SITUATIONS: dict[str, Situation] = {
  "full": Situation(4, 6),
  "lengths": Situation(7, 6, lengths=True),
  "mask": Situation(4, 6, mask=True),
  "lengths_mask": Situation(8, 9, lengths=True, mask=True),
  "one_sequence": Situation(1, 6),
  "one_timestep": Situation(4, 1),
  "one_of_each": Situation(1, 1),
}


def problem(network: Network, situation: Situation, seed: int = 1) -> Problem:
  """Numbers for a network. What must not matter is NaN: inputs behind a length and under a mask,
  and the weights of outputs behind a length.
  """
  random = np.random.default_rng(seed)
  batch, timesteps = situation.batch, situation.timesteps
  lengths = mask = None
  if situation.lengths:
    # From none to all, each where there are enough sequences, in no order.
    lengths = random.permutation(np.linspace(0, timesteps, batch).round().astype(np.int64))
  if situation.mask:
    mask = random.random((batch, timesteps)) < 0.6
    mask[0, : timesteps // 2] = False
    mask[1, timesteps // 2 :] = False
    mask[2, :] = False
  valid = np.arange(timesteps) < (
    np.full((batch, 1), timesteps) if lengths is None else lengths[:, np.newaxis]
  )
  parameters = {
    name: single(random.normal(size=shape) * (0.5 if len(shape) == 1 else shape[1] ** -0.5))
    for name, shape in network.shapes.items()
  }
  inputs = []
  for item in network.inputs:
    if item.ids:
      inputs.append(random.integers(0, VOCABULARY, (batch, timesteps)).astype(np.int32))
    else:
      counted = valid if mask is None else valid & mask
      inputs.append(_values(random, item.variable, counted))
  outputs = [_values(random, variable, valid) for variable in network.given]
  return Problem(network, parameters, inputs, outputs, lengths, mask)


def _values(random: np.random.Generator, variable: Variable, valid: np.ndarray) -> np.ndarray:
  time = valid.shape[1:] if variable.time else ()
  values = random.normal(size=(len(valid), *time, variable.size))
  if variable.time:
    values[~valid] = np.nan
  return single(values)


def single(values: np.ndarray) -> np.ndarray:
  """The nearest numbers that float32 has, so that both sides start from the same."""
  return values.astype(np.float32)
