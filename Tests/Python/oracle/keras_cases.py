"""The cases of Keras as problems of ours.

Keras keeps kernels as ``[in, gates · units]`` and orders gates i f c o and z r h; a GRU with
reset_after has both biases in one array of two rows. Gradients are converted like their parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .layer import Variable
from .network import Network
from .problem import Array, Problem, Result

KINDS = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}


def our_gates(kind: str, array: Array) -> Array:
  """The last axis in our order of gates."""
  if kind != "GRU":
    return array
  z, r, h = np.split(array, 3, axis=-1)
  return np.concatenate([r, z, h], axis=-1)


def recurrent(kind: str, arrays: Mapping[str, Array], suffix: str = "") -> dict[str, Array]:
  """A cell's kernel, recurrent_kernel and bias in our layout and names."""
  ours = {
    f"weight_ih{suffix}": our_gates(kind, arrays["kernel"]).T,
    f"weight_hh{suffix}": our_gates(kind, arrays["recurrent_kernel"]).T,
  }
  if "bias" in arrays:
    bias = our_gates(kind, arrays["bias"])
    if bias.ndim == 2:
      ours[f"bias_ih{suffix}"], ours[f"bias_hh{suffix}"] = bias
    else:
      ours[f"bias_ih{suffix}"] = bias
  return ours


def converted(
  kind: str, tensors: Mapping[str, Array], paths: list[str], prefix: str = ""
) -> dict[str, Array]:
  """All weights at `paths`, under our layers' names; `prefix` is ``grad.`` for their gradients."""
  cells: dict[tuple[str, str], dict[str, Array]] = {}
  ours: dict[str, Array] = {}
  for path in paths:
    *folders, leaf = path.removeprefix("model/").split("/")
    array = tensors[prefix + path]
    if leaf == "embeddings":
      ours["embedding.weight"] = array
    elif folders[0] == "dense":
      ours["dense.weight" if leaf == "kernel" else "dense.bias"] = array.T
    else:
      level = folders[0].partition("_")[2] if folders[0][-1].isdigit() else "0"
      backward = len(folders) > 1 and folders[1].startswith("backward")
      cells.setdefault((f"rnn{level}", "_reverse" if backward else ""), {})[leaf] = array
  for (name, suffix), arrays in cells.items():
    of_cell = recurrent(kind, arrays, suffix)
    ours |= {f"{name}.{parameter}": array for parameter, array in of_cell.items()}
  return ours


def add_recurrent(
  network: Network, d: Mapping[str, Any], flow: list[Variable], name: str, **options: object
) -> list[Variable]:
  """The described recurrent layer on top of `flow`; its outputs."""
  kind = KINDS.get(d.get("layer", ""), d.get("cell"))
  if kind == "GRU" and not d["reset_after"]:
    options["reset_after"] = False
  made = network.layer(
    kind,
    flow,
    d["units"],
    name=name,
    merge_mode=d["merge_mode"] if d["bidirectional"] else None,
    **options,
  )
  return made if isinstance(made, list) else [made]


def layer(case: Any) -> tuple[Problem, Result]:
  """One recurrent layer, perhaps behind an embedding, perhaps with initial states."""
  t, d = case.tensors, case.desc
  assert d["stacked"] == 1 and d["use_bias"], "one layer with biases"
  kind = KINDS[d["layer"]]
  network = Network()
  if d["embedding"]:
    ids = network.input(ids=True)
    size = (d["embedding"], d["input_dim"])
    flow = network.layer("Embedding", ids, *size, name="embedding", mask_zero=True)
    inputs, gradients, mask = [t["input.ids"]], [None], None
  else:
    flow = network.input(d["input_dim"])
    inputs, gradients, mask = [t["input.x"]], [t["grad.x"]], t.get("input.mask")
  states = []
  while f"input.state{len(states)}" in t:
    name = f"state{len(states)}"
    states.append(network.input(d["units"], time=False))
    inputs.append(t[f"input.{name}"])
    gradients.append(t[f"grad.{name}"])
  options = {name: True for name in ("return_sequences", "return_state", "go_backwards") if d[name]}
  if d["activation"] != "tanh":
    options["activation"] = d["activation"]
  outputs = add_recurrent(network, d, [flow, *states], "rnn0", **options)
  network.outputs(*outputs)
  places = range(len(outputs))
  problem = Problem(
    network,
    converted(kind, t, d["weights"]),
    inputs,
    [t[f"loss.R{index}"] for index in places],
    mask=mask,
  )
  expected = Result(
    [t[f"output.{index}"] for index in places],
    converted(kind, t, d["weights"], "grad."),
    gradients,
  )
  return problem, expected


def model(case: Any) -> list[tuple[Problem, Result]]:
  """A whole model, Embedding -> recurrent layers -> Dense, for each of its inputs."""
  t, d = case.tensors, case.desc
  assert not d["hidden_dense"] and not d["go_backwards"], "no hidden Dense, forward"
  network = Network()
  padding = {"mask_zero": True} if d["mask_zero"] else {}
  ids = network.input(ids=True)
  size = (d["vocabulary"], d["embedding_dim"])
  flow = [network.layer("Embedding", ids, *size, name="embedding", **padding)]
  for level in range(d["recurrent_layers"]):
    sequences = d["sequence_output"] or level < d["recurrent_layers"] - 1
    options = {"return_sequences": True} if sequences else {}
    flow = add_recurrent(network, d, flow, f"rnn{level}", **options)
  network.layer("Dense", flow[0], d["outputs"], name="dense", activation=d["dense_activation"])
  parameters = converted(d["cell"], t, d["weights"])
  count = sum(name.startswith("input.") for name in t)
  return [
    (Problem(network, parameters, [t[f"input.{index}"]]), Result([t[f"output.{index}"]]))
    for index in range(count)
  ]
