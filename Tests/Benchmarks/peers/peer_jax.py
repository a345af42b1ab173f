"""JAX's part of the comparison.

A repetition is one jitted function: lax.scan over timesteps, as it is or unrolled by a few, with
the buffers of parameters, moments and states donated. Clipping and Adam are written out, since
Optax is a package of its own.
"""

import os

import common

options = common.begin()  # before JAX is loaded, which counts processors then
os.environ["JAX_PLATFORMS"] = "cpu"
if options.threads == 1:
  os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from common import Modes, Problem, Ready
from workloads import Activity, Direction, Weights, Workload

UNROLLS = (1, 5)  # ten were slower in nearly every workload

Parameters = Any  # a tree of arrays
State = tuple[Array, ...]


# ---- cells ---------------------------------------------------------------------------------------


def lstm(p: Parameters, state: State, projected: Array, mask: Array | None) -> State:
  """One timestep; `projected` `[B, 4H]` has the input's part of the gates."""
  hidden, cell = state
  recurrent_input = hidden if mask is None else hidden * mask
  i, f, g, o = jnp.split(projected + recurrent_input @ p["hidden"], 4, axis=-1)
  cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
  return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def gru(p: Parameters, state: State, projected: Array, mask: Array | None) -> State:
  """One timestep; `projected` `[B, 3H]` has the input's part of the gates."""
  (hidden,) = state
  recurrent_input = hidden if mask is None else hidden * mask
  input_r, input_z, input_n = jnp.split(projected, 3, axis=-1)
  from_hidden = recurrent_input @ p["hidden"] + p["hidden_bias"]
  hidden_r, hidden_z, hidden_n = jnp.split(from_hidden, 3, axis=-1)
  r, z = jax.nn.sigmoid(input_r + hidden_r), jax.nn.sigmoid(input_z + hidden_z)
  n = jnp.tanh(input_n + r * hidden_n)
  return (n + z * (hidden - n),)


CELLS = {"lstm": lstm, "gru": gru}


def zero_state(workload: Workload) -> State:
  count = 2 if workload.cell == "lstm" else 1
  return tuple(jnp.zeros((workload.batch, workload.hidden)) for _ in range(count))


# ---- networks ------------------------------------------------------------------------------------


def direction_parameters(workload: Workload, direction: Direction) -> Parameters:
  """Transposed, as XLA likes its products best."""
  parameters = {
    "input": jnp.asarray(direction.input.T),
    "hidden": jnp.asarray(direction.hidden.T),
    "input_bias": jnp.asarray(direction.input_bias),
  }
  if workload.cell == "gru":
    parameters["hidden_bias"] = jnp.asarray(direction.hidden_bias)
  return parameters


def network_parameters(workload: Workload, weights: Weights) -> Parameters:
  parameters: Parameters = {
    "layers": [
      [direction_parameters(workload, direction) for direction in layer]
      for layer in weights.layers
    ]
  }
  if weights.embedding is not None:
    parameters["embedding"] = jnp.asarray(weights.embedding)
  if weights.dense is not None:
    parameters["dense"] = jnp.asarray(weights.dense.T)
    parameters["dense_bias"] = jnp.asarray(weights.dense_bias)
  return parameters


def count(parameters: Parameters) -> int:
  return sum(array.size for array in jax.tree.leaves(parameters))


def dropout_mask(workload: Workload, key: Array, size: int) -> Array:
  """One mask for all timesteps of a sequence."""
  kept = jax.random.bernoulli(key, 1 - workload.dropout, (workload.batch, size))
  return kept / (1 - workload.dropout)


def run_direction(
  workload: Workload, unroll: int, p: Parameters, inputs: Array, key: Array, reverse: bool
) -> Array:
  """All hidden states, `[T, B, H]`."""
  mask = None
  if workload.dropout:
    input_key, hidden_key = jax.random.split(key)
    inputs = inputs * dropout_mask(workload, input_key, inputs.shape[2])
    mask = dropout_mask(workload, hidden_key, workload.hidden)

  def step(state: State, projected: Array) -> tuple[State, Array]:
    state = CELLS[workload.cell](p, state, projected, mask)
    return state, state[0]

  projected = inputs @ p["input"] + p["input_bias"]
  _, outputs = jax.lax.scan(
    step, zero_state(workload), projected, reverse=reverse, unroll=unroll
  )
  return outputs


def run_network(
  workload: Workload, unroll: int, parameters: Parameters, inputs: Array, key: Array
) -> Array:
  """Logits, or hidden states where there is no Dense layer."""
  values = parameters["embedding"][inputs] if workload.vocabulary else inputs
  for layer in parameters["layers"]:
    directions = [
      run_direction(workload, unroll, p, values, key, reverse=index == 1)
      for index, p in enumerate(layer)
    ]
    values = jnp.concatenate(directions, axis=2)
  if not workload.every_step:
    values = values[-1]
  return values @ parameters["dense"] + parameters["dense_bias"] if workload.classes else values


# ---- training ------------------------------------------------------------------------------------


def clipped(gradients: Parameters, limit: float) -> Parameters:
  norm = jnp.sqrt(sum(jnp.sum(jnp.square(array)) for array in jax.tree.leaves(gradients)))
  factor = jnp.minimum(1, limit / (norm + 1e-6))
  return jax.tree.map(lambda array: array * factor, gradients)


def adam(training: Parameters, gradients: Parameters) -> Parameters:
  """Kingma & Ba 2015, with a learning rate of 0.001."""
  steps = training["steps"] + 1
  mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, training["mean"], gradients)
  square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, training["square"], gradients)
  rate, correction = 0.001 / (1 - 0.9**steps), 1 / (1 - 0.999**steps)
  parameters = jax.tree.map(
    lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + 1e-8),
    training["parameters"],
    mean,
    square,
  )
  return {"parameters": parameters, "mean": mean, "square": square, "steps": steps}


def training(problem: Problem, unroll: int) -> Ready:
  workload = problem.workload
  inputs, targets = jnp.asarray(problem.data.inputs), jnp.asarray(problem.data.targets)

  def loss(parameters: Parameters, key: Array) -> Array:
    logits = run_network(workload, unroll, parameters, inputs, key)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)
    return -chosen.mean()

  @partial(jax.jit, donate_argnums=0)
  def step(state: Parameters) -> tuple[Parameters, Array]:
    key = jax.random.key(state["steps"].astype(jnp.int32))
    value, gradients = jax.value_and_grad(loss)(state["parameters"], key)
    return adam(state, clipped(gradients, 5)), value

  parameters = network_parameters(workload, problem.weights)
  state = {
    "parameters": parameters,
    "mean": jax.tree.map(jnp.zeros_like, parameters),
    "square": jax.tree.map(jnp.zeros_like, parameters),
    "steps": jnp.float32(0),
  }

  def once() -> Array:
    nonlocal state
    state, value = step(state)
    return value.block_until_ready()

  return Ready(once, count(parameters))


# ---- inference -----------------------------------------------------------------------------------


def running(problem: Problem, unroll: int) -> Ready:
  workload = problem.workload
  parameters = network_parameters(workload, problem.weights)
  inputs, no_key = jnp.asarray(problem.data.inputs), jax.random.key(0)

  @jax.jit
  def outputs(parameters: Parameters, inputs: Array) -> Array:
    values = run_network(workload, unroll, parameters, inputs, no_key)
    return jax.nn.softmax(values) if workload.classes else values

  return Ready(lambda: outputs(parameters, inputs).block_until_ready(), count(parameters))


def stepping(problem: Problem) -> Ready:
  workload = problem.workload
  parameters = direction_parameters(workload, problem.weights.layers[0][0])
  inputs = jnp.asarray(problem.data.inputs[0])
  state = zero_state(workload)

  @partial(jax.jit, donate_argnums=2)
  def step(p: Parameters, inputs: Array, state: State) -> State:
    projected = inputs @ p["input"] + p["input_bias"]
    return CELLS[workload.cell](p, state, projected, None)

  def once() -> Array:
    nonlocal state
    state = step(parameters, inputs, state)
    return state[0].block_until_ready()

  return Ready(once, count(parameters))


def modes(problem: Problem) -> Modes:
  if problem.workload.activity is Activity.STEP:
    return {"jit": partial(stepping, problem)}
  prepare = training if problem.workload.activity is Activity.TRAIN else running
  return {
    "scan" if unroll == 1 else f"scan, unroll={unroll}": partial(prepare, problem, unroll)
    for unroll in UNROLLS
  }


common.run(options, modes)
