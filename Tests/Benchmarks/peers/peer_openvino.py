"""OpenVINO's part of the comparison: ONNX Runtime's models, compiled for latency in float32."""

import common

options = common.begin()  # before OpenVINO is loaded, which counts processors then

from functools import partial

import numpy as np
import onnx
import openvino

import onnx_model
from common import Cannot, Modes, Problem, Ready
from workloads import Activity


def compiled(model: onnx.ModelProto, threads: int) -> openvino.CompiledModel:
  core = openvino.Core()
  properties = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": threads,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # the whole process is tied to its processors already
  }
  return core.compile_model(core.read_model(model.SerializeToString()), "CPU", properties)


def inferred(request: openvino.InferRequest) -> openvino.InferRequest:
  """Runs a request whose tensors are set. Asynchronous requests wait for a thread to wake."""
  request.infer(share_outputs=True)
  return request


def output(request: openvino.InferRequest) -> np.ndarray:
  return request.get_output_tensor(0).data


def running(problem: Problem) -> Ready:
  model = onnx_model.sequences(problem.workload, problem.weights)
  request = compiled(model, problem.threads).create_infer_request()
  request.set_input_tensor(openvino.Tensor(problem.data.inputs, shared_memory=True))
  return Ready(partial(inferred, request), onnx_model.count(model), output)


def stepping(problem: Problem) -> Ready:
  """Two requests in turn: what one writes, the other reads.

  A state kept inside the model (MakeStateful) takes as long.
  """
  workload = problem.workload
  model = onnx_model.timesteps(workload, problem.weights)
  whole = compiled(model, problem.threads)
  names = onnx_model.STATES[workload.cell]
  states = [[zeros(workload.hidden) for _ in names] for _ in range(2)]
  requests = []
  for here, there in (states, reversed(states)):
    request = whole.create_infer_request()
    request.set_tensor("inputs", openvino.Tensor(problem.data.inputs, shared_memory=True))
    for name, before, after in zip(names, here, there, strict=True):
      request.set_tensor(name, before)
      request.set_tensor(f"next_{name}", after)
    requests.append(request)
  turn = 0

  def once() -> openvino.InferRequest:
    nonlocal turn
    turn = 1 - turn
    return inferred(requests[1 - turn])

  return Ready(once, onnx_model.count(model), output)


def zeros(hidden: int) -> openvino.Tensor:
  return openvino.Tensor(np.zeros((1, 1, hidden), np.float32))


def modes(problem: Problem) -> Modes:
  if problem.workload.activity is Activity.TRAIN:
    raise Cannot("train")
  prepare = stepping if problem.workload.activity is Activity.STEP else running
  return {"latency": partial(prepare, problem)}


common.run(options, modes)
