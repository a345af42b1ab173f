"""The cases of PyTorch as problems of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .network import Network
from .problem import Array, Problem, Result

# -- recurrent layers


def rnn(case: Any) -> tuple[Problem, Result]:
  """nn.RNN, nn.LSTM or nn.GRU: a stack of layers, each giving its final states."""
  t, d = case.tensors, case.desc
  kind = d["module"].removeprefix("torch.nn.")
  hidden, directions = d["hidden_size"], 2 if d["bidirectional"] else 1
  has_cell = kind == "LSTM"
  width = d["proj_size"] or hidden
  to_ours = (lambda a: a) if d["batch_first"] else (lambda a: a.swapaxes(0, 1))

  network = Network()
  flow = network.input(d["input_size"])
  inputs, input_gradients = [to_ours(t["input.x"])], [to_ours(t["grad.x"])]
  states, state_values, state_weights = [], [], []
  for level in range(d["num_layers"]):
    places = range(level * directions, (level + 1) * directions)
    kinds = ("h", "c") if has_cell else ("h",)
    given = []
    if d["initial_state"]:
      for place in places:
        for kind_of_state in kinds:
          given.append(network.input(width if kind_of_state == "h" else hidden, time=False))
          inputs.append(t[f"input.{kind_of_state}0"][place])
          input_gradients.append(t[f"grad.{kind_of_state}0"][place])
    flow, *final = network.layer(
      kind,
      [flow, *given],
      hidden,
      name=f"rnn{level}",
      merge_mode="concat" if d["bidirectional"] else None,
      return_sequences=True,
      return_state=True,
      **({"use_bias": False} if not d["bias"] else {"recurrent_bias": True}),
      **({"activation": d["mode"]} if kind == "RNN" else {}),
      **({"projection": width} if d["proj_size"] else {}),
    )
    states += final
    for place in places:
      state_values += [t[f"output.{kind_of_state}_n"][place] for kind_of_state in kinds]
      state_weights += [t["loss.S" if k == "h" else "loss.S_c"][place] for k in kinds]
  network.outputs(flow, *states)
  problem = Problem(
    network,
    {name: t[torch_name(name)] for name in network.shapes},
    inputs,
    [to_ours(t["loss.R"]), *state_weights],
    lengths=t.get("input.lengths"),
  )
  expected = Result(
    [to_ours(t["output.y"]), *state_values],
    {name: t[f"grad.{torch_name(name)}"] for name in network.shapes},
    input_gradients,
  )
  return problem, expected


def torch_name(name: str) -> str:
  """rnn1.weight_ih_reverse → rnn.weight_ih_l1_reverse"""
  layer, _, parameter = name.partition(".")
  stem, reverse, _ = parameter.partition("_reverse")
  return f"rnn.{stem}_l{layer.removeprefix('rnn')}{reverse}"


# -- other layers


def layer(case: Any) -> list[tuple[Problem, Result]]:
  """nn.Embedding, nn.Linear, nn.LayerNorm, nn.MultiheadAttention, or each activation function of
  one case."""
  t, d = case.tensors, case.desc
  module = d["module"].removeprefix("torch.nn.")
  if module == "activation functions":
    return [
      _activation(t, name, notation)
      for name, notation in (
        ("tanh", "tanh"),
        ("sigmoid", "sigmoid"),
        ("relu", "relu"),
        ("softmax_lastdim", "softmax"),
      )
    ]
  if module == "MultiheadAttention":
    return [_multi_head_attention(t, d)]
  network = Network()
  if module == "Embedding":
    ids = network.input(ids=True)
    padding = {"mask_zero": True} if d["padding_idx"] == 0 else {}
    size = (d["num_embeddings"], d["embedding_dim"])
    network.layer("Embedding", ids, *size, name="emb", **padding)
    inputs = [t["input.ids"]]
  else:
    x = network.input(t["input.x"].shape[-1], time=t["input.x"].ndim == 3)
    if module == "Linear":
      network.layer("Dense", x, d["out_features"], name="fc", use_bias=d["bias"])
    else:
      network.layer("LayerNorm", x, name="ln", epsilon=d["eps"], affine=d["elementwise_affine"])
    inputs = [t["input.x"]]
  problem = Problem(network, {name: t[name] for name in network.shapes}, inputs, [t["loss.R"]])
  expected = Result(
    [t["output.y"]],
    {name: t[f"grad.{name}"] for name in network.shapes},
    [t.get("grad.x")],
  )
  return [(problem, expected)]


def _multi_head_attention(t: Mapping[str, Array], d: Mapping[str, Any]) -> tuple[Problem, Result]:
  """Self-attention. Under PyTorch's padding mask keys do not count but queries do, so there the
  sequence is given twice, once with every timestep and once with those that count; its gradient is
  that of the two together. The weights take no part in the loss."""
  network = Network()
  x, size = t["input.x"], d["embed_dim"]
  padding = t.get("input.key_padding_mask")
  inputs = [network.input(size) for _ in range(1 if padding is None else 2)]
  causal = {"causal": True} if d["causal"] else {}
  network.outputs(
    *network.layer(
      "MultiHeadAttention",
      inputs,
      d["num_heads"],
      name="mha",
      return_weights=True,
      **causal,
    )
  )
  problem = Problem(
    network,
    {name: t[name] for name in network.shapes},
    [x] * len(inputs),
    [t["loss.R"], np.zeros_like(t["output.attn"])],
    mask=None if padding is None else [None, padding == 0],
  )
  expected = Result(
    [t["output.y"], t["output.attn"]],
    {name: t[f"grad.{name}"] for name in network.shapes},
    [t["grad.x"]] if padding is None else [],
  )
  return problem, expected


def _activation(t: Mapping[str, Array], name: str, notation: str) -> tuple[Problem, Result]:
  network = Network()
  network.layer("Activation", network.input(t["input.x"].shape[-1], time=False), notation)
  problem = Problem(network, {}, [t["input.x"]], [t["loss.R"]])
  return problem, Result([t[f"output.{name}"]], {}, [t[f"grad.{name}"]])


# -- losses


@dataclass
class LossProblem:
  """A loss of outputs that are given: x ``[B, F]`` or ``[B, T, F]``.

  `name` and `options` are the notation's.
  """

  name: str
  options: dict[str, object]
  x: Array
  target: Array
  value: Array
  gradient: Array

  @property
  def notation(self) -> str:
    spelled = (f"{name}={_spelled(value)}" for name, value in self.options.items())
    return f"{self.name}({', '.join(spelled)})"


def _spelled(value: object) -> str:
  return str(value.tolist()) if isinstance(value, np.ndarray) else str(value)


def losses(case: Any) -> list[LossProblem]:
  """A loss module; several problems for unreduced losses, one for each item."""
  t, d = case.tensors, case.desc
  module = d["module"].removeprefix("torch.nn.")
  x, target, gradient = t["input.x"], t["input.target"], t["grad.x"]
  options: dict[str, object] = {}
  if d["reduction"] == "sum":
    options["reduction"] = "sum"
  if module == "CrossEntropyLoss":
    name = "crossentropy"
    if d["label_smoothing"]:
      options["label_smoothing"] = d["label_smoothing"]
    if (target == d["ignore_index"]).any():
      options["ignore_class"] = d["ignore_index"]
    if d["class_weights"]:
      options["class_weights"] = t["input.weight"]
    if x.ndim == 3:  # torch has the classes in dimension 1
      x, gradient = x.swapaxes(1, 2), gradient.swapaxes(1, 2)
  elif module == "BCEWithLogitsLoss":
    name = "binary_crossentropy"
    if d["pos_weight"]:
      options["positive_weights"] = t["input.pos_weight"]
  else:
    name = {"MSELoss": "mse", "L1Loss": "mae", "HuberLoss": "huber"}[module]
    if name == "huber":
      options["delta"] = d["delta"]
    if x.ndim == 1:
      x, target, gradient = (array[:, np.newaxis] for array in (x, target, gradient))
  if d["reduction"] == "none":
    return [
      LossProblem(
        name,
        {**options, "reduction": "sum"},
        x[b : b + 1],
        target[b : b + 1],
        t["loss.value"][b],
        gradient[b : b + 1] / t["loss.R"][b],
      )
      for b in range(len(x))
    ]
  return [LossProblem(name, options, x, target, t["loss.value"], gradient)]


# -- optimisers, clipping, schedules


@dataclass
class OptimizerProblem:
  """The path of nine numbers under given gradients ``[steps, 9]``."""

  name: str
  options: dict[str, object]
  start: Array
  gradients: Array
  path: Array

  @property
  def notation(self) -> str:
    spelled = (f"{name}={str(value).lower()}" for name, value in self.options.items())
    return f"{self.name}({', '.join(spelled)})"


def optimizer(case: Any) -> OptimizerProblem:
  t, d = case.tensors, case.desc
  given = d["hyperparameters"]
  options: dict[str, object] = {"learning_rate": given["lr"]}
  for torch_option, ours in (
    ("momentum", "momentum"),
    ("nesterov", "nesterov"),
    ("alpha", "decay"),
    ("eps", "epsilon"),
    ("weight_decay", "weight_decay"),
  ):
    if torch_option in given:
      options[ours] = given[torch_option]
  if "betas" in given:
    options["beta1"], options["beta2"] = given["betas"]
  name = d["optimiser"].removeprefix("torch.optim.")
  return OptimizerProblem(name, options, t["param.init"], t["grads"], t["params"])


@dataclass
class ClipProblem:
  """Four gradients before and after; `option` is the trainer's."""

  option: str
  threshold: float
  before: list[Array]
  after: list[Array]
  norm: Array | None


def clip(case: Any) -> ClipProblem:
  t, d = case.tensors, case.desc
  count = sum(name.startswith("grad.in.") for name in t)
  option = "clip_value" if "clip_value" in d else "clip_norm"
  return ClipProblem(
    option,
    d["clip_value"] if option == "clip_value" else d["max_norm"],
    [t[f"grad.in.{index}"] for index in range(count)],
    [t[f"grad.out.{index}"] for index in range(count)],
    t.get("total_norm"),
  )


@dataclass
class ScheduleProblem:
  """Learning rates: `rates[k]` is in force for update k; metrics are told after each update."""

  name: str
  options: dict[str, object]
  base: float
  rates: list[float]
  metrics: list[float] = field(default_factory=list)

  @property
  def notation(self) -> str:
    arguments = [f"{name}={value}" for name, value in self.options.items()]
    if self.name != "ReducePlateau":
      arguments.append("per=update")
    return f"{self.name}({', '.join(arguments)})"


def schedule(case: Any) -> ScheduleProblem:
  j = case.json
  given = j["options"]
  name, options = {
    "StepLR": ("Step", {"size": "step_size", "gamma": "gamma"}),
    "MultiStepLR": ("MultiStep", {"milestones": "milestones", "gamma": "gamma"}),
    "ExponentialLR": ("Exponential", {"gamma": "gamma"}),
    "CosineAnnealingLR": ("Cosine", {"steps": "T_max"}),
    "ReduceLROnPlateau": ("ReducePlateau", {"factor": "factor", "patience": "patience"}),
  }[j["scheduler"].rpartition(".")[2]]
  ours = {name: given[theirs] for name, theirs in options.items() if theirs in given}
  return ScheduleProblem(name, ours, j["base_lr"], j["lr"], j.get("metrics", []))


# -- training


@dataclass
class TrainingProblem:
  """Fifty steps of Embedding -> recurrent layer -> Dense, and where they lead."""

  network: Network
  parameters: dict[str, Array]
  tokens: Array
  labels: Array
  lengths: Array | None
  order: Array
  learning_rate: float
  epsilon: float
  clip_norm: float
  losses: Array
  norms: Array
  final: dict[str, Array]
  logits: Array


def training(case: Any) -> TrainingProblem:
  t, d = case.tensors, case.desc
  assert d["optimiser"] == "Adam(lr=0.01, betas=(0.9,0.999), eps=1e-8)", d["optimiser"]
  assert d["num_layers"] == 1 and not d["bidirectional"], "one layer, one direction"
  assert not d["label_smoothing"] and not d["class_weights"] and not d["dropout"], "plain loss"
  network = Network()
  padding = {"mask_zero": True} if d["padding_idx"] == 0 else {}
  flow = network.layer(
    "Embedding",
    network.input(ids=True),
    d["vocabulary"],
    d["embedding_dim"],
    name="emb",
    **padding,
  )
  flow = network.layer(d["cell"], flow, d["hidden_size"], name="rnn0", recurrent_bias=True)
  network.layer("Dense", flow, d["classes"], name="fc")

  def theirs(name: str) -> str:
    return torch_name(name) if name.startswith("rnn0.") else name

  return TrainingProblem(
    network,
    {name: t[theirs(name)] for name in network.shapes},
    t["input.tokens"],
    t["input.labels"],
    t.get("input.lengths"),
    t["input.order"],
    learning_rate=0.01,
    epsilon=1e-8,
    clip_norm=d["clip_grad_norm"],
    losses=t["output.loss"],
    norms=t["output.grad_norm"],
    final={name: t[f"final.{theirs(name)}"] for name in network.shapes},
    logits=t["output.final_logits"],
  )
