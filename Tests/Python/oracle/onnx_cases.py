"""Single RNN, LSTM and GRU nodes of ONNX as problems of ours.

The onnx package reads them. Weights are ``[directions, gates · hidden, …]`` with gates in the order
i o f c and z r h; B is the input's biases followed by the recurrent ones, P an LSTM's peepholes in
the order i o f. Sequences are ``[T, directions, B, hidden]``, aligned with the input in both
directions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from .network import Network
from .problem import Array, Problem, Result

_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}
_PEEPHOLE_ORDER = [0, 2, 1]

# With input_forget onnxruntime takes 1 − i for f and leaves f's weights alone. We have f without i:
# f is its i negated, as σ(−x) = 1 − σ(x).
_COUPLED_ORDER = {0: -1.0, 3: 1.0, 1: 1.0}
_COUPLED_PEEPHOLE_ORDER = {0: -1.0, 1: 1.0}

# What each function's alpha and beta are called here.
_FUNCTIONS = {
  "Relu": ("relu",),
  "Tanh": ("tanh",),
  "Sigmoid": ("sigmoid",),
  "Softsign": ("softsign",),
  "Softplus": ("softplus",),
  "Affine": ("affine", "alpha", "beta"),
  "LeakyRelu": ("leaky_relu", "slope"),
  "ThresholdedRelu": ("thresholded_relu", "alpha"),
  "ScaledTanh": ("scaled_tanh", "alpha", "beta"),
  "Elu": ("elu", "alpha"),
  "HardSigmoid": ("hard_sigmoid", "alpha", "beta"),
}
_PLACES = {
  "RNN": ("activation",),
  "GRU": ("recurrent_activation", "activation"),
  "LSTM": ("recurrent_activation", "activation", "output_activation"),
}


@dataclass
class Node:
  """A node with its attributes, and the weights that are stored beside it."""

  kind: str
  inputs: list[str]
  outputs: list[str]
  attributes: dict[str, Any]
  stored: dict[str, Array]


def node(path: Path) -> Node:
  """The only node of a model's file."""
  graph = onnx.load_model(path).graph
  (of_node,) = graph.node
  attributes = {}
  for attribute in of_node.attribute:
    value = onnx.helper.get_attribute_value(attribute)
    values = list(value) if isinstance(value, list | tuple) else [value]
    attributes[attribute.name] = [
      value.decode() if isinstance(value, bytes) else value for value in values
    ]
  return Node(
    of_node.op_type,
    list(of_node.input),
    list(of_node.output),
    attributes,
    {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer},
  )


def data_sets(folder: Path) -> list[list[dict[str, Array]]]:
  """What goes in and what comes out, for each data set of a case."""

  def read(file: Path) -> tuple[str, Array]:
    tensor = onnx.load_tensor(file)
    return tensor.name, numpy_helper.to_array(tensor)

  return [
    [dict(map(read, data_set.glob(f"{part}_*.pb"))) for part in ("input", "output")]
    for data_set in sorted(folder.glob("test_data_set_*"))
  ]


def problems(case: Any) -> list[tuple[Problem, Result]]:
  """A problem for each data set of a case."""
  path = next(file for file in case.files if file.name == "model.onnx")
  found = node(path)
  return [problem(found, inputs, outputs) for inputs, outputs in data_sets(path.parent)]


def problem(
  found: Node, inputs: dict[str, Array], outputs: dict[str, Array]
) -> tuple[Problem, Result]:
  """A node with what goes in, and what is to come out."""
  attributes = found.attributes
  # Names in a graph are free; a node's inputs and outputs are known by their places.
  given = found.stored | inputs
  places = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
  at = {place: given.get(name) for place, name in zip(places, found.inputs, strict=False)}
  (batch_first,) = attributes.get("layout", [0])
  (direction,) = attributes.get("direction", ["forward"])
  (hidden,) = attributes["hidden_size"]
  suffixes = ["", "_reverse"] if direction == "bidirectional" else [""]

  parameters = {}
  for index, suffix in enumerate(suffixes):
    parameters[f"rnn.weight_ih{suffix}"] = _ours(found, at["W"][index])
    parameters[f"rnn.weight_hh{suffix}"] = _ours(found, at["R"][index])
    if at.get("B") is not None:
      of_input, recurrent = np.split(at["B"][index], 2)
      parameters[f"rnn.bias_ih{suffix}"] = _ours(found, of_input)
      parameters[f"rnn.bias_hh{suffix}"] = _ours(found, recurrent)
    if at.get("P") is not None:
      parameters[f"rnn.weight_peephole{suffix}"] = _our_peepholes(found, at["P"][index])
  options: dict[str, object] = {"return_sequences": True, "return_state": True}
  options |= {"recurrent_bias": True} if at.get("B") is not None else {"use_bias": False}
  options |= _options(found, at.get("P") is not None)
  if direction == "reverse":
    options["go_backwards"] = True

  x = at["X"] if batch_first else at["X"].swapaxes(0, 1)
  arrays = [x]
  network = Network()
  flow = [network.input(x.shape[-1])]
  for index in range(len(suffixes)):
    for place in ("initial_h", "initial_c"):
      if at.get(place) is not None:
        flow.append(network.input(hidden, time=False))
        arrays.append(at[place][:, index] if batch_first else at[place][index])
  merge = "concat" if len(suffixes) == 2 else None
  y, *states = network.layer(found.kind, flow, hidden, name="rnn", merge_mode=merge, **options)

  lengths = at.get("sequence_lens")
  wanted, expected = [], []
  for place, name in zip(("Y", "Y_h", "Y_c"), found.outputs, strict=False):
    if name not in outputs:
      continue
    if place == "Y":
      wanted.append(y)
      expected.append(_sequence(outputs[name], batch_first, direction, lengths))
    else:
      wanted += states[0 if place == "Y_h" else 1 :: len(states) // len(suffixes)]
      expected += list(outputs[name].swapaxes(0, 1) if batch_first else outputs[name])
  network.outputs(*wanted)
  return Problem(network, parameters, arrays, lengths=lengths), Result(expected)


def _options(found: Node, has_peepholes: bool) -> dict[str, object]:
  """Of the cell."""
  attributes = found.attributes
  options: dict[str, object] = {}
  if found.kind == "GRU":
    options["reset_after"] = attributes.get("linear_before_reset", [0]) == [1]
  if has_peepholes:
    options["peephole"] = True
  if _is_coupled(found):
    options["coupled"] = True
  if "clip" in attributes:
    (options["clip"],) = attributes["clip"]
  if "activations" in attributes:
    places = _PLACES[found.kind]
    functions = _functions(attributes)
    assert functions == functions[: len(places)] * (len(functions) // len(places)), functions
    options |= dict(zip(places, functions, strict=False))
  return options


def _functions(attributes: dict[str, Any]) -> list[str]:
  """The activations in our notation; each takes as many of the constants as it has."""
  constants = {
    "alpha": iter(attributes.get("activation_alpha", [])),
    "beta": iter(attributes.get("activation_beta", [])),
  }
  functions = []
  for theirs in attributes["activations"]:
    ours, *names = _FUNCTIONS[theirs]
    given = [f"{name}={next(constants['beta' if name == 'beta' else 'alpha'])}" for name in names]
    functions.append(f"{ours}({', '.join(given)})" if given else ours)
  return functions


def _is_coupled(found: Node) -> bool:
  return found.attributes.get("input_forget", [0]) == [1]


def _ours(found: Node, array: Array) -> Array:
  order = _ORDER[found.kind]
  gates = np.split(array, len(order))
  if _is_coupled(found):
    return np.concatenate([gates[gate] * sign for gate, sign in _COUPLED_ORDER.items()])
  return np.concatenate([gates[gate] for gate in order])


def _our_peepholes(found: Node, array: Array) -> Array:
  gates = np.split(array, 3)
  if _is_coupled(found):
    return np.concatenate([gates[gate] * sign for gate, sign in _COUPLED_PEEPHOLE_ORDER.items()])
  return np.concatenate([gates[gate] for gate in _PEEPHOLE_ORDER])


def _sequence(y: Array, batch_first: int, direction: str, lengths: Array | None) -> Array:
  """Y as ``[B, T, directions · hidden]``; going backwards in the order of computation."""
  y = y if batch_first else y.transpose(2, 0, 1, 3)
  y = y.reshape(*y.shape[:2], -1).copy()
  if direction == "reverse":
    for b, row in enumerate(y):
      length = len(row) if lengths is None else int(lengths[b])
      row[:length] = row[:length][::-1].copy()
  return y


FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "onnx_nodes.npz"


def fixtures() -> dict[str, tuple[Problem, Result]]:
  """The nodes that `fixtures/make_onnx_nodes.py` made, by name."""
  found: dict[str, dict[str, dict[str, Array]]] = {}
  nodes: dict[str, dict[str, Any]] = {}
  with np.load(FIXTURES) as file:
    for path in file.files:
      case, role, *name = path.split("/")
      if role == "node":
        nodes[case] = json.loads(str(file[path]))
      else:
        found.setdefault(case, {"input": {}, "stored": {}, "output": {}})[role][name[0]] = file[
          path
        ]
  return {
    case: problem(Node(**nodes[case], stored=arrays["stored"]), arrays["input"], arrays["output"])
    for case, arrays in found.items()
  }
