"""Problems to hold two implementations against each other: every layer and option, in every
situation that lengths and masks can make. All sizes of a problem differ, so that nothing that was
transposed can hide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .activations import ACTIVATIONS, POINTWISE
from .cells import cell_of
from .layer import Variable
from .network import Network
from .problem import Problem

FEATURES = 5
VOCABULARY = 11

# Functions with constants of their own, by the names of their tests.
ARGUMENTS = {
  "affine": "affine(alpha=0.7, beta=-0.3)",
  "thresholded_relu": "thresholded_relu(alpha=0.4)",
  "scaled_tanh": "scaled_tanh(alpha=1.7, beta=0.6)",
  "hard_sigmoid_steep": "hard_sigmoid(alpha=0.4, beta=0.3)",
  "elu_half": "elu(alpha=0.5)",
  "leaky_relu_steep": "leaky_relu(slope=0.3)",
}


def functions(names: Iterable[str]) -> dict[str, str]:
  """Activations in the notation, by names for tests; with their constants where they have some."""
  return {name: name for name in names if name not in ARGUMENTS} | ARGUMENTS


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
  sizes = cell_of(kind, (hidden,), own | options).state_sizes * (2 if merge_mode else 1)
  states = [network.input(size, time=False) for size in sizes] if initial_states else []
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


def _attention(network: Network) -> None:
  """An encoder and a decoder of other lengths, with every attention between them."""
  source = network.layer("LSTM", network.input(4, axis="memory"), 3, return_sequences=True)
  target = network.layer("GRU", network.input(FEATURES), 3, return_sequences=True)
  context, weights = network.layer(
    "Attention", [target, source], score="general", return_weights=True
  )
  both = network.layer("Concat", [target, context])
  attended = network.layer("MultiHeadAttention", [both, source], 2)
  residual = network.layer("Add", [both, attended])
  network.outputs(
    network.layer("LayerNorm", residual), weights, network.layer("Attention", residual, 2)
  )


def _residual(network: Network) -> None:
  """A transformer's block: each step is added to what went into it."""
  x = network.layer("Dense", network.input(FEATURES), 6)
  for _ in range(2):
    y = network.layer("MultiHeadAttention", network.layer("LayerNorm", x), 3, causal=True)
    x = network.layer("Add", [x, y])
    y = network.layer("Dense", network.layer("LayerNorm", x), 7, activation="tanh")
    x = network.layer("Add", [x, network.layer("Dense", y, 6)])


def _repeated(network: Network) -> None:
  """A sequence to a vector and back to a sequence, of the same and of another length."""
  x = network.input(FEATURES)
  vector = network.layer("GRU", x, 4)
  fixed = network.layer("RepeatVector", vector, 3)
  back = network.layer("LSTM", fixed, 2, go_backwards=True, return_sequences=True)
  like = network.layer("RepeatVector", [vector, x])
  network.outputs(
    network.layer("Concat", [x, like]),
    back,
    network.layer("Attention", [x, fixed], score="additive"),
    network.layer("Attention", back, score="dot"),
  )


def _gated(network: Network) -> None:
  """A gate for every feature, and one for each timestep."""
  x = network.input(FEATURES)
  gate = network.layer("Dense", x, FEATURES, activation="sigmoid")
  weight = network.layer("Dense", x, 1, activation="sigmoid")
  network.layer("Multiply", [weight, x, gate, x])


def attention(
  query: str, *positional: object, size: int = 5, memory: int = 3, **options: object
) -> Network:
  """One layer of attention: `query` is "itself", "vector" or "sequence", the kind an option."""
  network = Network()
  kind = str(options.pop("kind"))
  if query == "itself":
    inputs = [network.input(size)]
  else:
    inputs = [
      network.input(size, time=query == "sequence"),
      network.input(memory, axis="memory"),
    ]
  made = network.layer(kind, inputs, *positional, name="layer", **options)
  if isinstance(made, list):
    network.outputs(*made)
  return network


def attentions() -> dict[str, Callable[[], Network]]:
  """Every query with every score, and with the other options so that each pair of their values
  meets."""
  found: dict[str, Callable[[], Network]] = {}

  def add(name: str, query: str, *positional: object, **options: object) -> None:
    found[name] = lambda: attention(query, *positional, **options)

  for query in ("itself", "vector", "sequence"):
    for score in ("additive", "dot", "general", "scaled_dot"):
      if (query, score) == ("itself", "general"):
        continue
      same = {"memory": 5} if "dot" in score else {}
      for weights in (False, True):
        name = f"attention-{query}-{score}{'-weights' if weights else ''}"
        shown = {"return_weights": True} if weights else {}
        add(name, query, kind="Attention", score=score, **same, **shown)
        if score == "additive":
          add(f"{name}-units", query, 4, kind="Attention", use_bias=weights, **shown)
          add(f"{name}-no_bias", query, kind="Attention", use_bias=False, **shown)
  rows: list[tuple[str, int, dict[str, object]]] = [
    ("itself", 1, {}),
    ("itself", 2, {"causal": True, "return_weights": True}),
    ("itself", 3, {"use_bias": False, "return_weights": True}),
    ("itself", 2, {"key_size": 4, "causal": True, "use_bias": False}),
    ("itself", 1, {"causal": True, "key_size": 2}),
    ("sequence", 1, {"use_bias": False, "return_weights": True}),
    ("sequence", 2, {"return_weights": True}),
    ("sequence", 3, {"key_size": 4}),
    ("sequence", 2, {"memory": 6}),
    ("sequence", 1, {"memory": 6, "key_size": 5, "use_bias": False, "return_weights": True}),
    ("vector", 1, {"key_size": 3}),
    ("vector", 2, {"use_bias": False}),
    ("vector", 3, {"memory": 6, "return_weights": True}),
  ]
  for query, heads, options in rows:
    words = [f"{name}_{value}".lower() for name, value in options.items()]
    name = "-".join(["multi_head", query, str(heads), *words])
    add(name, query, heads, kind="MultiHeadAttention", size=6, **options)
  return found


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
  "multiply": _merge("Multiply", True, 3, 3, 3),
  "multiply_vectors": _merge("Multiply", False, 4, 1),
  "multiply_one_feature": _merge("Multiply", True, 1, 1),
  "gated": _gated,
  "repeat_vector": _on_input("RepeatVector", 4, time=False),
  "repeated": _repeated,
  "attention_between": _attention,
  "residual": _residual,
}
for _mode in ("last", "mean", "max"):
  LAYERS[f"pooling_{_mode}"] = _on_input("Pooling", _mode)
for _name, _notation in functions(ACTIVATIONS).items():
  LAYERS[f"dense_{_name}"] = _on_input("Dense", 7, activation=_notation)
  LAYERS[f"dense_{_name}_vector"] = _on_input("Dense", 7, time=False, activation=_notation)
  LAYERS[f"activation_{_name}"] = _on_input("Activation", _notation)


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
      for name, activation in functions(POINTWISE).items():
        if name != "exponential":
          add(f"{cell}-state_{name}", recurrent, cell, activation=activation, **_SEQUENCES)
      gates = ("hard_sigmoid", "softsign", "linear", "affine(alpha=0.2, beta=0.5)")
      for activation in gates:
        add(
          f"{cell}-gates_{activation.partition('(')[0]}",
          recurrent,
          cell,
          recurrent_activation=activation,
          **_SEQUENCES,
        )
  for activation in ("linear", "softsign", "leaky_relu", "elu", "hard_sigmoid", "softplus"):
    add(f"rnn-{activation}", recurrent, "rnn", activation=activation, **_SEQUENCES)
  for name, build in LAYERS.items():
    add(name, from_layers, build)
  return found | attentions()


@dataclass(frozen=True)
class Situation:
  """How many sequences and timesteps, and which of them count.

  `lengths` run from 0 to all timesteps; `mask` has holes at the start, in between and at the end.
  A memory has `memory` timesteps, with lengths and a mask of its own.
  """

  batch: int
  timesteps: int
  lengths: bool = False
  mask: bool = False
  memory: int = 4


SITUATIONS: dict[str, Situation] = {
  "full": Situation(4, 6),
  "lengths": Situation(7, 6, lengths=True),
  "mask": Situation(4, 6, mask=True),
  "lengths_mask": Situation(8, 9, lengths=True, mask=True),
  "one_sequence": Situation(1, 6),
  "one_timestep": Situation(4, 1),
  "one_of_each": Situation(1, 1, memory=1),
}


def problem(network: Network, situation: Situation, seed: int = 1) -> Problem:
  """Numbers for a network. What must not matter is NaN: inputs behind a length and under a mask,
  and the weights of outputs behind a length.
  """
  random = np.random.default_rng(seed)
  axes = {"x": Times(random, situation, situation.timesteps)}
  if any(item.variable.axis == "memory" for item in network.inputs):
    axes["memory"] = Times(random, situation, situation.memory)
  parameters = {
    name: single(random.normal(size=shape) * (0.5 if len(shape) == 1 else shape[1] ** -0.5))
    for name, shape in network.shapes.items()
  }
  inputs = []
  for item in network.inputs:
    times = axes[str(item.variable.axis)]
    if item.ids:
      inputs.append(random.integers(0, VOCABULARY, times.valid.shape).astype(np.int32))
    else:
      inputs.append(_values(random, item.variable, times.counted, axes))
  outputs = [_values(random, variable, None, axes) for variable in network.given]
  of_inputs = [axes[str(item.variable.axis)] for item in network.inputs]
  lengths, mask = axes["x"].lengths, axes["x"].mask
  if len(axes) > 1:
    lengths = [times.lengths for times in of_inputs] if situation.lengths else None
    mask = [times.mask for times in of_inputs] if situation.mask else None
  return Problem(network, parameters, inputs, outputs, lengths, mask)


class Times:
  """Which timesteps of some sequences count.

  Attributes
  ----------
  lengths : array ``[B]``, or None
      From none to all, each where there are enough sequences, in no order.
  mask : array ``[B, T]``, or None
  valid : array ``[B, T]``
      What lies within a length.
  """

  def __init__(self, random: np.random.Generator, situation: Situation, timesteps: int) -> None:
    batch = situation.batch
    self.lengths = self.mask = None
    if situation.lengths:
      spread = np.linspace(0, timesteps, batch).round().astype(np.int64)
      self.lengths = random.permutation(spread)
    if situation.mask:
      self.mask = random.random((batch, timesteps)) < 0.6
      self.mask[0, : timesteps // 2] = False
      self.mask[1:2, timesteps // 2 :] = False
      self.mask[2:3, :] = False
    ends = np.full(batch, timesteps) if self.lengths is None else self.lengths
    self.valid = np.arange(timesteps) < ends[:, np.newaxis]

  @property
  def counted(self) -> np.ndarray:
    return self.valid if self.mask is None else self.valid & self.mask


def _values(
  random: np.random.Generator,
  variable: Variable,
  counted: np.ndarray | None,
  axes: dict[str, Times],
) -> np.ndarray:
  """Numbers shaped as a variable, NaN where a timestep does not count: within the length, if
  `counted` does not say."""
  fixed = isinstance(variable.axis, int)
  valid = axes["x"].valid if fixed else axes[str(variable.axis)].valid
  if fixed:
    valid = np.ones((len(valid), int(variable.axis)), bool)
  time = valid.shape[1:] if variable.time else ()
  size = variable.size
  if variable.keys is not None:
    keys = variable.keys
    size = keys if isinstance(keys, int) else axes[keys].valid.shape[1]
  values = random.normal(size=(len(valid), *time, size))
  if variable.time:
    values[~(valid if counted is None else counted)] = np.nan
  return single(values)


def single(values: np.ndarray) -> np.ndarray:
  """The nearest numbers that float32 has, so that both sides start from the same."""
  return values.astype(np.float32)
