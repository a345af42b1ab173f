"""TensorFlow's part of the comparison: a Keras model in a tf.function.

The function is run as a graph, as a graph with the loop over timesteps unrolled, and compiled by
XLA. (XLA takes minutes over an unrolled loop, and the result is slower.)
"""

import os

import common

options = common.begin()  # before TensorFlow is loaded, which counts processors then
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from common import Modes, Problem, Ready
from workloads import Activity, Data, Direction, Weights, Workload


@dataclass(frozen=True)
class Mode:
  unroll: bool = False
  xla: bool = False


MODES = {"graph": Mode(), "graph, unrolled": Mode(unroll=True), "XLA": Mode(xla=True)}


# ---- models --------------------------------------------------------------------------------------


def recurrent_layer(workload: Workload, every_step: bool, unroll: bool) -> keras.Layer:
  layer = getattr(keras.layers, workload.cell.upper())(
    workload.hidden,
    return_sequences=every_step,
    dropout=workload.dropout,
    recurrent_dropout=workload.dropout,
    unroll=unroll,
  )
  return keras.layers.Bidirectional(layer) if workload.bidirectional else layer


def model(problem: Problem, unroll: bool) -> keras.Model:
  """Batch-first inputs to logits, or to hidden states where there is no Dense layer."""
  workload, layers = problem.workload, []
  if workload.vocabulary:
    layers.append(keras.layers.Embedding(workload.vocabulary, workload.input))
  for index in range(workload.layers):
    every_step = workload.every_step or index < workload.layers - 1
    layers.append(recurrent_layer(workload, every_step, unroll))
  if workload.classes:
    layers.append(keras.layers.Dense(workload.classes))
  inputs = batch_first(problem.data.inputs)
  result = keras.Sequential(
    [keras.Input(inputs.shape[1:], batch_size=workload.batch, dtype=inputs.dtype), *layers]
  )
  result.set_weights(list(keras_weights(workload, problem.weights)))
  return result


def keras_weights(workload: Workload, weights: Weights) -> list[np.ndarray]:
  arrays = [] if weights.embedding is None else [weights.embedding]
  for directions in weights.layers:
    for direction in directions:
      arrays += cell_weights(workload, direction)
  if weights.dense is not None:
    arrays += [weights.dense.T, weights.dense_bias]
  return arrays


def cell_weights(workload: Workload, direction: Direction) -> list[np.ndarray]:
  """Transposed; a GRU's gates are z r n."""
  if workload.cell == "lstm":
    return [direction.input.T, direction.hidden.T, direction.input_bias]
  biases = np.stack([direction.input_bias, direction.hidden_bias])
  return [z_before_r(array) for array in (direction.input.T, direction.hidden.T, biases)]


def z_before_r(array: np.ndarray) -> np.ndarray:
  r, z, n = np.split(array, 3, axis=1)
  return np.concatenate([z, r, n], axis=1)


def batch_first(array: np.ndarray) -> np.ndarray:
  return array.swapaxes(0, 1) if array.ndim > 1 else array


# ---- activities ----------------------------------------------------------------------------------


def training(problem: Problem, mode: Mode) -> Ready:
  network = model(problem, mode.unroll)
  variables = network.trainable_variables
  optimizer = keras.optimizers.Adam(0.001, epsilon=1e-8)
  optimizer.build(variables)
  inputs = tf.constant(batch_first(problem.data.inputs))
  targets = tf.constant(batch_first(problem.data.targets))

  @tf.function(jit_compile=mode.xla)
  def step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=targets, logits=network(inputs, training=True)
      )
      loss = tf.reduce_mean(losses)
    # The embedding's gradient, too, as a whole: rows that occur twice count once in the norm.
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
    optimizer.apply(tf.clip_by_global_norm(gradients, 5)[0], variables)
    return loss

  return Ready(partial(step, inputs, targets), network.count_params())


def running(problem: Problem, mode: Mode) -> Ready:
  network = model(problem, mode.unroll)
  inputs = tf.constant(batch_first(problem.data.inputs))

  @tf.function(jit_compile=mode.xla)
  def outputs(inputs: tf.Tensor) -> tf.Tensor:
    values = network(inputs, training=False)
    return tf.nn.softmax(values) if problem.workload.classes else values

  read = time_major if problem.workload.every_step else np.asarray
  # Asked for once, the function of these shapes is called in half the time.
  outputs_of_shape = outputs.get_concrete_function(inputs)
  return Ready(partial(outputs_of_shape, inputs), network.count_params(), read)


def time_major(outputs: tf.Tensor) -> np.ndarray:
  return np.asarray(outputs).swapaxes(0, 1)


def stepping(problem: Problem, mode: Mode) -> Ready:
  workload = problem.workload
  cell = getattr(keras.layers, workload.cell.upper() + "Cell")(workload.hidden)
  cell.build((1, workload.input))
  cell.set_weights(cell_weights(workload, problem.weights.layers[0][0]))
  inputs = tf.constant(problem.data.inputs[0])
  state = [tf.zeros((1, workload.hidden))] * (2 if workload.cell == "lstm" else 1)

  @tf.function(jit_compile=mode.xla)
  def step(inputs: tf.Tensor, state: list[tf.Tensor]) -> list[tf.Tensor]:
    return cell(inputs, state)[1]

  step_of_shape = step.get_concrete_function(inputs, state)

  def once() -> tf.Tensor:
    nonlocal state
    state = step_of_shape(inputs, state)
    return state[0]

  return Ready(once, cell.count_params())


def modes(problem: Problem) -> Modes:
  prepare: dict[Activity, Callable[[Problem, Mode], Ready]] = {
    Activity.TRAIN: training,
    Activity.RUN: running,
    Activity.STEP: stepping,
  }
  return {
    name: partial(prepare[problem.workload.activity], problem, mode)
    for name, mode in MODES.items()
    if not (mode.unroll and problem.workload.activity is Activity.STEP)
  }


tf.config.threading.set_intra_op_parallelism_threads(options.threads)
tf.config.threading.set_inter_op_parallelism_threads(options.threads)
common.run(options, modes)
