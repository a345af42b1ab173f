"""PyTorch's part of the comparison.

An LSTM without dropout is nn.LSTM, which calls oneDNN. PyTorch has no such kernel for a GRU, and
nothing with recurrent dropout, so there a loop over timesteps is measured too, as it stands and
compiled by Inductor. Compiled as a whole it would take minutes; pieces of some timesteps are as
fast. A stream is nn.LSTMCell or nn.GRUCell, as it stands and compiled.
"""

import common

options = common.begin()  # before PyTorch is loaded, which counts processors then

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from common import Modes, Problem, Ready
from workloads import Activity, Direction, Weights, Workload

TIMESTEPS_COMPILED_TOGETHER = 25

State = tuple[Tensor, ...]


# ---- loops ---------------------------------------------------------------------------------------


def lstm_piece(
  projected: Tensor, state: State, weight: Tensor, bias: Tensor, mask: Tensor | None
) -> tuple[Tensor, State]:
  """Some timesteps of an LSTM: hidden states `[T, B, H]` and the last state.

  `projected` `[T, B, 4H]` has the input's part of the gates, with both biases.
  """
  hidden, cell = state
  outputs = []
  for gates in projected.unbind(0):
    recurrent_input = hidden if mask is None else hidden * mask
    i, f, g, o = torch.addmm(gates, recurrent_input, weight.t()).chunk(4, 1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    hidden = o.sigmoid() * cell.tanh()
    outputs.append(hidden)
  return torch.stack(outputs), (hidden, cell)


def gru_piece(
  projected: Tensor, state: State, weight: Tensor, bias: Tensor, mask: Tensor | None
) -> tuple[Tensor, State]:
  """Some timesteps of a GRU: hidden states `[T, B, H]` and the last state.

  `projected` `[T, B, 3H]` has the input's part of the gates, with the input's bias.
  """
  (hidden,) = state
  outputs = []
  for from_input in projected.unbind(0):
    recurrent_input = hidden if mask is None else hidden * mask
    from_hidden = torch.addmm(bias, recurrent_input, weight.t())
    input_r, input_z, input_n = from_input.chunk(3, 1)
    hidden_r, hidden_z, hidden_n = from_hidden.chunk(3, 1)
    r, z = (input_r + hidden_r).sigmoid(), (input_z + hidden_z).sigmoid()
    n = (input_n + r * hidden_n).tanh()
    hidden = n + z * (hidden - n)
    outputs.append(hidden)
  return torch.stack(outputs), (hidden,)


PIECES = {"lstm": lstm_piece, "gru": gru_piece}


class Loop:
  """Runs the layers of an nn.LSTM or nn.GRU in Python, with dropout of inputs and states."""

  def __init__(self, workload: Workload, compiled: bool) -> None:
    self.workload = workload
    self.piece = PIECES[workload.cell]
    if compiled:
      self.piece = torch.compile(self.piece, dynamic=False)

  def __call__(self, recurrent: nn.RNNBase, inputs: Tensor) -> Tensor:
    for layer in range(self.workload.layers):
      inputs = self.layer(inputs, *(getattr(recurrent, name) for name in names(layer)))
    return inputs

  def layer(
    self, inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
  ) -> Tensor:
    lstm, batch = self.workload.cell == "lstm", inputs.shape[1]
    mask = self.mask(batch, weight_hh.shape[1])
    input_mask = self.mask(batch, inputs.shape[2])
    if input_mask is not None:
      inputs = inputs * input_mask
    projected = functional.linear(inputs, weight_ih, bias_ih + bias_hh if lstm else bias_ih)
    state: State = tuple(inputs.new_zeros(batch, weight_hh.shape[1]) for _ in range(1 + lstm))
    outputs = []
    for some in projected.split(TIMESTEPS_COMPILED_TOGETHER):
      hidden, state = self.piece(some, state, weight_hh, bias_hh, mask)
      outputs.append(hidden)
    return torch.cat(outputs)

  def mask(self, batch: int, size: int) -> Tensor | None:
    """One mask for all timesteps of a sequence."""
    rate = self.workload.dropout
    return functional.dropout(torch.ones(batch, size), rate) if rate else None


def library(recurrent: nn.RNNBase, inputs: Tensor) -> Tensor:
  """Runs an nn.LSTM or nn.GRU as it is."""
  return recurrent(inputs)[0]


# ---- networks ------------------------------------------------------------------------------------


def names(layer: int, reverse: bool = False) -> list[str]:
  """PyTorch's names for the parameters of one direction."""
  ending = f"_l{layer}" + ("_reverse" if reverse else "")
  return [name + ending for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


class Network(nn.Module):
  """Time-major inputs to logits, or to hidden states where there is no Dense layer."""

  def __init__(self, workload: Workload, layers: Callable[[nn.RNNBase, Tensor], Tensor]) -> None:
    super().__init__()
    self.workload, self.layers = workload, layers
    if workload.vocabulary:
      self.embedding = nn.Embedding(workload.vocabulary, workload.input)
    self.recurrent = getattr(nn, workload.cell.upper())(
      workload.input, workload.hidden, workload.layers, bidirectional=workload.bidirectional
    )
    if workload.classes:
      self.dense = nn.Linear(workload.directions * workload.hidden, workload.classes)

  def forward(self, inputs: Tensor) -> Tensor:
    values = self.embedding(inputs) if self.workload.vocabulary else inputs
    values = self.layers(self.recurrent, values)
    if not self.workload.every_step:
      values = values[-1]
    return self.dense(values) if self.workload.classes else values


def arrays(direction: Direction) -> tuple[np.ndarray, ...]:
  """In the order of `names`."""
  return direction.input, direction.hidden, direction.input_bias, direction.hidden_bias


@torch.no_grad()
def load(network: Network, weights: Weights) -> None:
  for layer, directions in enumerate(weights.layers):
    for reverse, direction in enumerate(directions):
      for name, array in zip(names(layer, bool(reverse)), arrays(direction), strict=True):
        getattr(network.recurrent, name).copy_(torch.from_numpy(array))
  if weights.embedding is not None:
    network.embedding.weight.copy_(torch.from_numpy(weights.embedding))
  if weights.dense is not None:
    network.dense.weight.copy_(torch.from_numpy(weights.dense))
    network.dense.bias.copy_(torch.from_numpy(weights.dense_bias))


def count(module: nn.Module) -> int:
  return sum(parameter.numel() for parameter in module.parameters())


# ---- activities ----------------------------------------------------------------------------------


def training(problem: Problem, layers: Callable[[nn.RNNBase, Tensor], Tensor]) -> Ready:
  network = Network(problem.workload, layers)
  load(network, problem.weights)
  parameters = list(network.parameters())
  optimizer = torch.optim.Adam(parameters, lr=0.001, fused=True)
  inputs = torch.from_numpy(problem.data.inputs)
  targets = torch.from_numpy(problem.data.targets).long().flatten()

  def once() -> Tensor:
    loss = functional.cross_entropy(network(inputs).flatten(0, -2), targets)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 5)
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()

  return Ready(once, count(network))


def running(problem: Problem, layers: Callable[[nn.RNNBase, Tensor], Tensor]) -> Ready:
  network = Network(problem.workload, layers)
  load(network, problem.weights)
  inputs = torch.from_numpy(problem.data.inputs)

  @torch.inference_mode()
  def once() -> Tensor:
    outputs = network(inputs)
    return outputs.softmax(-1) if problem.workload.classes else outputs

  return Ready(once, count(network))


def stepping(problem: Problem, compiled: bool) -> Ready:
  workload = problem.workload
  cell = getattr(nn, workload.cell.upper() + "Cell")(workload.input, workload.hidden)
  cell.load_state_dict(cell_weights(problem.weights))
  inputs = torch.from_numpy(problem.data.inputs[0])
  zeros = torch.zeros(1, workload.hidden)
  state = (zeros, zeros) if workload.cell == "lstm" else zeros
  step = torch.compile(cell, dynamic=False) if compiled else cell

  @torch.inference_mode()
  def once() -> Tensor:
    nonlocal state
    state = step(inputs, state)
    return state[0]

  return Ready(once, count(cell))


def cell_weights(weights: Weights) -> dict[str, Tensor]:
  direction = weights.layers[0][0]
  return {
    name.removesuffix("_l0"): torch.from_numpy(array)
    for name, array in zip(names(0), arrays(direction), strict=True)
  }


def modes(problem: Problem) -> Modes:
  workload = problem.workload
  if workload.activity is Activity.STEP:
    return {
      f"nn.{workload.cell.upper()}Cell": partial(stepping, problem, compiled=False),
      "compiled cell": partial(stepping, problem, compiled=True),
    }
  prepare = training if workload.activity is Activity.TRAIN else running
  found: Modes = {}
  if not workload.dropout:
    found[f"nn.{workload.cell.upper()}"] = partial(prepare, problem, library)
  if workload.dropout or workload.cell == "gru":
    found["loop"] = partial(prepare, problem, Loop(workload, compiled=False))
    found["compiled loop"] = partial(prepare, problem, Loop(workload, compiled=True))
  return found


torch.set_num_threads(options.threads)
torch.set_num_interop_threads(1)
common.run(options, modes)
