"""The inference workloads as ONNX models, for ONNX Runtime and OpenVINO.

Built node by node rather than exported, so that the LSTM and GRU operators are what is timed:

    sequences   inputs [T, B] or [T, B, I] → outputs [T, B, H], or probabilities [B, classes]
    timesteps   inputs [1, 1, I], hidden (and cell) [1, 1, H] → next_hidden (and next_cell)
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workloads import Direction, Weights, Workload

STATES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}


def gates_reordered(workload: Workload, rows: np.ndarray) -> np.ndarray:
  """Blocks of rows from i f g o to ONNX's i o f c, or from r z n to z r h."""
  order = (0, 3, 1, 2) if workload.cell == "lstm" else (1, 0, 2)
  blocks = np.split(rows, workload.gates)
  return np.concatenate([blocks[index] for index in order])


def recurrent_arrays(workload: Workload, direction: Direction) -> dict[str, np.ndarray]:
  """With the leading axis of directions."""
  biases = [
    gates_reordered(workload, bias) for bias in (direction.input_bias, direction.hidden_bias)
  ]
  return {
    "weight_ih": gates_reordered(workload, direction.input)[None],
    "weight_hh": gates_reordered(workload, direction.hidden)[None],
    "biases": np.concatenate(biases)[None],
  }


def recurrent_node(workload: Workload, inputs: str, states: list[str], outputs: list[str]):
  attributes = {"linear_before_reset": 1} if workload.cell == "gru" else {}
  no_lengths = ""
  return helper.make_node(
    workload.cell.upper(),
    [inputs, "weight_ih", "weight_hh", "biases", no_lengths, *states],
    outputs,
    hidden_size=workload.hidden,
    **attributes,
  )


def finished(
  nodes: list[onnx.NodeProto],
  inputs: dict[str, tuple[int, list[int]]],
  outputs: dict[str, list[int]],
  arrays: dict[str, np.ndarray],
) -> onnx.ModelProto:
  graph = helper.make_graph(
    nodes,
    "workload",
    [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
    [
      helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
      for name, shape in outputs.items()
    ],
    [
      numpy_helper.from_array(np.ascontiguousarray(array), name)
      for name, array in arrays.items()
    ],
  )
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
  onnx.checker.check_model(model, full_check=True)
  return model


def sequences(workload: Workload, weights: Weights) -> onnx.ModelProto:
  """One layer over whole sequences, with what stands before and behind it."""
  arrays = recurrent_arrays(workload, weights.layers[0][0])
  shape, nodes, values = [workload.timesteps, workload.batch], [], "inputs"
  inputs = {"inputs": (TensorProto.FLOAT, [*shape, workload.input])}
  if weights.embedding is not None:
    arrays["embedding"] = weights.embedding
    inputs = {"inputs": (TensorProto.INT32, shape)}
    nodes.append(helper.make_node("Gather", ["embedding", "inputs"], ["embedded"]))
    values = "embedded"
  # The first output is [T, directions, B, H]; the second, the last hidden state, lacks the T.
  every, last = ("directed", "") if workload.every_step else ("", "directed")
  nodes.append(recurrent_node(workload, values, [], [every, last]))
  arrays["directions"] = np.array([1 if workload.every_step else 0], np.int64)
  if weights.dense is None:
    nodes.append(helper.make_node("Squeeze", ["directed", "directions"], ["outputs"]))
    return finished(nodes, inputs, {"outputs": [*shape, workload.hidden]}, arrays)
  arrays |= {"dense": weights.dense.T, "dense_bias": weights.dense_bias}
  nodes += [
    helper.make_node("Squeeze", ["directed", "directions"], ["hidden"]),
    helper.make_node("Gemm", ["hidden", "dense", "dense_bias"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["outputs"]),
  ]
  return finished(nodes, inputs, {"outputs": [workload.batch, workload.classes]}, arrays)


def timesteps(workload: Workload, weights: Weights) -> onnx.ModelProto:
  """One timestep of one stream, from a state to the next."""
  states = STATES[workload.cell]
  following = [f"next_{state}" for state in states]
  node = recurrent_node(workload, "inputs", list(states), ["", *following])
  shape = [1, 1, workload.hidden]
  inputs = {"inputs": (TensorProto.FLOAT, [1, 1, workload.input])}
  inputs |= {state: (TensorProto.FLOAT, shape) for state in states}
  arrays = recurrent_arrays(workload, weights.layers[0][0])
  return finished([node], inputs, {state: shape for state in following}, arrays)


def count(model: onnx.ModelProto) -> int:
  """Of floats: the rest are axes."""
  return sum(
    int(np.prod(array.dims))
    for array in model.graph.initializer
    if array.data_type == TensorProto.FLOAT
  )
