"""Single RNN, LSTM and GRU nodes of ONNX as problems of ours.

Only the handful of protobuf fields that such a node has are read. Weights are ``[directions,
gates · hidden, …]`` with gates in the order i o f c and z r h; B is the input's biases followed by
the recurrent ones. Sequences are ``[T, directions, B, hidden]``, aligned with the input in both
directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from .network import Network
from .problem import Array, Problem, Result

_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}


@dataclass
class Node:
  """A node with its attributes, and the weights that are stored beside it."""

  kind: str
  inputs: list[str]
  outputs: list[str]
  attributes: dict[str, Any]
  stored: dict[str, Array]


def node(reader: ModuleType, content: bytes) -> Node:
  """The only node of a serialised ModelProto."""

  def fields(message: bytes, number: int) -> Iterator[Any]:
    return (value for field, _, value in reader._fields(message) if field == number)

  graph = next(fields(content, 7))
  (of_node,) = fields(graph, 1)
  attributes = {}
  for attribute in fields(of_node, 5):
    values = [*fields(attribute, 3), *fields(attribute, 4), *fields(attribute, 9)]
    attributes[next(fields(attribute, 1)).decode()] = [
      value.decode() if isinstance(value, bytes) else value for value in values
    ]
  stored = {}
  for initializer in fields(graph, 5):
    shape = list(fields(initializer, 1))
    raw = np.frombuffer(next(fields(initializer, 9)), "<f4")
    stored[next(fields(initializer, 8)).decode()] = raw.reshape(shape)
  return Node(
    next(fields(of_node, 4)).decode(),
    [name.decode() for name in fields(of_node, 1)],
    [name.decode() for name in fields(of_node, 2)],
    attributes,
    stored,
  )


def problems(case: Any, reader: ModuleType) -> list[tuple[Problem, Result]]:
  """A problem for each data set of a case."""
  found = node(reader, next(f for f in case.files if f.name == "model.onnx").read_bytes())
  return [_problem(found, inputs, outputs) for inputs, outputs in case.data_sets()]


def _problem(
  found: Node, inputs: dict[str, Array], outputs: dict[str, Array]
) -> tuple[Problem, Result]:
  attributes = found.attributes
  # Names in a graph are free; a node's inputs and outputs are known by their places.
  given = found.stored | inputs
  places = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c")
  at = {place: given.get(name) for place, name in zip(places, found.inputs, strict=False)}
  (batch_first,) = attributes.get("layout", [0])
  (direction,) = attributes.get("direction", ["forward"])
  (hidden,) = attributes["hidden_size"]
  suffixes = ["", "_reverse"] if direction == "bidirectional" else [""]

  parameters = {}
  for index, suffix in enumerate(suffixes):
    parameters[f"rnn.weight_ih{suffix}"] = _ours(found.kind, at["W"][index])
    parameters[f"rnn.weight_hh{suffix}"] = _ours(found.kind, at["R"][index])
    if at.get("B") is not None:
      of_input, recurrent = np.split(at["B"][index], 2)
      parameters[f"rnn.bias_ih{suffix}"] = _ours(found.kind, of_input)
      parameters[f"rnn.bias_hh{suffix}"] = _ours(found.kind, recurrent)
  options: dict[str, object] = {"return_sequences": True, "return_state": True}
  options |= {"recurrent_bias": True} if at.get("B") is not None else {"use_bias": False}
  if found.kind == "GRU":
    options["reset_after"] = attributes.get("linear_before_reset", [0]) == [1]
  if "activations" in attributes:
    assert set(attributes["activations"]) == {"Relu"} and found.kind == "RNN", attributes
    options["activation"] = "relu"
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


def _ours(kind: str, array: Array) -> Array:
  gates = np.split(array, len(_ORDER[kind]))
  return np.concatenate([gates[gate] for gate in _ORDER[kind]])


def _sequence(y: Array, batch_first: int, direction: str, lengths: Array | None) -> Array:
  """Y as ``[B, T, directions · hidden]``; going backwards in the order of computation."""
  y = y if batch_first else y.transpose(2, 0, 1, 3)
  y = y.reshape(*y.shape[:2], -1).copy()
  if direction == "reverse":
    for b, row in enumerate(y):
      length = len(row) if lengths is None else int(lengths[b])
      row[:length] = row[:length][::-1].copy()
  return y
