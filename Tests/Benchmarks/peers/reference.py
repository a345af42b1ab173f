"""What a workload's first results must be: the forward pass in float64 and plain loops of NumPy.

It shares no code with what it checks. Dropout is left out.
"""

import numpy as np

from workloads import Activity, Data, Direction, Weights, Workload


def sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


def lstm(weights: Direction, inputs: np.ndarray) -> np.ndarray:
  """All hidden states, `[T, B, H]`, from zeros."""
  hidden = cell = np.zeros((inputs.shape[1], weights.hidden.shape[1]))
  states = []
  for x in inputs:
    gates = x @ weights.input.T + hidden @ weights.hidden.T
    i, f, g, o = np.split(gates + weights.input_bias + weights.hidden_bias, 4, axis=1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
    states.append(hidden)
  return np.stack(states)


def gru(weights: Direction, inputs: np.ndarray) -> np.ndarray:
  """All hidden states, `[T, B, H]`, from zeros; r is applied after the product, as in cuDNN."""
  hidden = np.zeros((inputs.shape[1], weights.hidden.shape[1]))
  states = []
  for x in inputs:
    from_input = np.split(x @ weights.input.T + weights.input_bias, 3, axis=1)
    from_hidden = np.split(hidden @ weights.hidden.T + weights.hidden_bias, 3, axis=1)
    r, z = (sigmoid(a + b) for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
    n = np.tanh(from_input[2] + r * from_hidden[2])
    hidden = (1 - z) * n + z * hidden
    states.append(hidden)
  return np.stack(states)


def layer(workload: Workload, directions: list[Direction], inputs: np.ndarray) -> np.ndarray:
  cell = {"lstm": lstm, "gru": gru}[workload.cell]
  outputs = [cell(directions[0], inputs)]
  if workload.bidirectional:
    outputs.append(cell(directions[1], inputs[::-1])[::-1])
  return np.concatenate(outputs, axis=2)


def softmax(logits: np.ndarray) -> np.ndarray:
  exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return exponentials / exponentials.sum(axis=-1, keepdims=True)


def outputs(workload: Workload, weights: Weights, inputs: np.ndarray) -> np.ndarray:
  """Probabilities, or hidden states where there is no Dense layer."""
  values = inputs if weights.embedding is None else weights.embedding[inputs]
  values = values.astype(np.float64)
  for directions in weights.layers:
    values = layer(workload, directions, values)
  if not workload.every_step:
    values = values[-1]
  if weights.dense is None:
    return values
  return softmax(values @ weights.dense.T + weights.dense_bias)


def expected(workload: Workload, weights: Weights, data: Data, steps: int = 1) -> np.ndarray:
  """The loss before the first update, the outputs of a run, or those of a stream's last step.

  Each of the `steps` steps has the same input.
  """
  inputs = np.repeat(data.inputs, steps, axis=0)
  probabilities = outputs(workload, weights, inputs)
  if workload.activity is not Activity.TRAIN:
    return probabilities
  chosen = np.take_along_axis(probabilities, data.targets[..., None], axis=-1)
  return -np.log(chosen).mean()
