"""ONNX Runtime's part of the comparison: its CPU kernels, with memory bound once."""

import common

options = common.begin()  # before ONNX Runtime is loaded, which counts processors then

from functools import partial

import numpy as np
import onnx
import onnxruntime

import onnx_model
from common import Cannot, Modes, Problem, Ready
from workloads import Activity


def session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
  settings = onnxruntime.SessionOptions()
  settings.intra_op_num_threads = threads
  settings.inter_op_num_threads = 1
  # Threads may spin within a run, but not into the next contestant's turn.
  settings.add_session_config_entry("session.force_spinning_stop", "1")
  return onnxruntime.InferenceSession(
    model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
  )


def running(problem: Problem) -> Ready:
  model = onnx_model.sequences(problem.workload, problem.weights)
  runtime = session(model, problem.threads)
  binding = runtime.io_binding()
  binding.bind_cpu_input("inputs", problem.data.inputs)
  binding.bind_output("outputs")

  def once() -> onnxruntime.IOBinding:
    runtime.run_with_iobinding(binding)
    return binding

  return Ready(once, onnx_model.count(model), lambda bound: bound.copy_outputs_to_cpu()[0])


def stepping(problem: Problem) -> Ready:
  """Two bindings in turn: what one step writes, the next one reads."""
  workload = problem.workload
  model = onnx_model.timesteps(workload, problem.weights)
  runtime = session(model, problem.threads)
  names = onnx_model.STATES[workload.cell]
  states = [[zeros(workload.hidden) for _ in names] for _ in range(2)]
  bindings = []
  for here, there in (states, reversed(states)):
    binding = runtime.io_binding()
    binding.bind_cpu_input("inputs", problem.data.inputs)
    for name, before, after in zip(names, here, there, strict=True):
      binding.bind_ortvalue_input(name, before)
      binding.bind_ortvalue_output(f"next_{name}", after)
    bindings.append(binding)
  turn = 0

  def once() -> onnxruntime.OrtValue:
    nonlocal turn
    runtime.run_with_iobinding(bindings[turn])
    turn = 1 - turn
    return states[turn][0]

  return Ready(once, onnx_model.count(model), onnxruntime.OrtValue.numpy)


def zeros(hidden: int) -> onnxruntime.OrtValue:
  return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, 1, hidden), np.float32))


def modes(problem: Problem) -> Modes:
  if problem.workload.activity is Activity.TRAIN:
    raise Cannot("train")
  prepare = stepping if problem.workload.activity is Activity.STEP else running
  return {"bound memory": partial(prepare, problem)}


common.run(options, modes)
