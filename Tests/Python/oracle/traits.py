"""Everything that can be said of a recurrent layer, one trait at a time, to be put together in
pairs: options of its own and of all layers, and the situations that data can bring it into.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .cells import CELLS, cell_of
from .generate import Situation, problem, single
from .layer import Masks
from .network import Network
from .problem import Problem

RATES = ("dropout", "recurrent_dropout", "zoneout", "zoneout_cell")


@dataclass(frozen=True)
class Case:
  """A recurrent layer that shows every timestep and its final states, and what it is given."""

  kind: str
  options: Mapping[str, object] = field(default_factory=dict)
  merge_mode: str | None = None
  initial_states: bool = False
  situation: Situation = Situation(3, 4)
  no_timestep: bool = False
  units: int = 6
  features: int = 5

  @property
  def is_random(self) -> bool:
    """Whether training draws masks."""
    return any(rate in self.options for rate in RATES)

  @property
  def network(self) -> Network:
    network = Network()
    inputs = [network.input(self.features)]
    if self.kind == "AUGRU":
      inputs.append(network.input(1))
    if self.initial_states:
      sizes = cell_of(self.kind, (self.units,), self.options).state_sizes
      inputs += [network.input(size, time=False) for size in sizes * self.directions]
    shown = {"return_sequences": True, "return_state": True}
    options = {name: value for name, value in (shown | self.options).items() if value is not None}
    made = network.layer(
      self.kind, inputs, self.units, name="layer", merge_mode=self.merge_mode, **options
    )
    if isinstance(made, list):
      network.outputs(*made)
    return network

  @property
  def directions(self) -> int:
    return 1 if self.merge_mode is None else 2

  def problem(self, seed: int = 1) -> Problem:
    """Numbers for it. What was summed up before the first timestep, a normaliser, is positive."""
    made = problem(self.network, self.situation, seed)
    for name, value in made.parameters.items():
      if "normalizer" in name:
        made.parameters[name] = np.abs(value) + single(np.array(0.5))
    if self.initial_states:
      first = 2 if self.kind == "AUGRU" else 1
      for index, name in enumerate(CELLS[self.kind].states * self.directions):
        if name == "normalizer":
          made.inputs[first + index] = np.abs(made.inputs[first + index]) + single(np.array(0.5))
    if self.no_timestep:
      made.lengths = np.zeros(self.situation.batch, np.int64)
      for array in made.inputs:
        if array.ndim == 3:
          array[...] = np.nan
    return made

  def random_masks(self, seed: int = 1) -> list[Masks] | None:
    """Masks as training might draw them, by the oracle's names; None where it draws none."""
    if not self.is_random:
      return None
    random = np.random.default_rng(seed)
    width, timesteps = (
      cell_of(self.kind, (self.units,), self.options).width,
      self.situation.timesteps,
    )
    shapes = {
      "dropout": ("layer", (self.features,)),
      "recurrent_dropout": ("layer.recurrent", (width,)),
      "zoneout": ("layer.zoneout", (timesteps, width)),
      "zoneout_cell": ("layer.zoneout_cell", (timesteps, self.units)),
    }
    rows = []
    for _ in range(self.situation.batch):
      row = {}
      for rate, (name, shape) in shapes.items():
        if rate in self.options:
          share = float(self.options[rate])
          for suffix in ("", "_reverse")[: self.directions]:
            kept = random.random(shape) >= share
            row[name + suffix] = kept / (1 - share if "dropout" in rate else 1.0)
      rows.append(Masks(row))
    return rows


@dataclass(frozen=True)
class Trait:
  """Something that makes a case different. Of one `group` a case can only have one."""

  group: str
  options: Mapping[str, object] = field(default_factory=dict)
  case: Mapping[str, object] = field(default_factory=dict)
  situation: Mapping[str, object] = field(default_factory=dict)

  def of(self, case: Case) -> Case:
    return dataclasses.replace(
      case,
      options=case.options | self.options,
      situation=dataclasses.replace(case.situation, **self.situation),
      **self.case,
    )


def _option(**options: object) -> Trait:
  (group,) = options
  return Trait(group, options)


# None leaves out what a case has otherwise.
_ALL: dict[str, Trait] = {
  "last": _option(return_sequences=None),
  "no_states": _option(return_state=None),
  "backwards": Trait("direction", {"go_backwards": True}),
  "bidirectional": Trait("direction", case={"merge_mode": "concat"}),
  "bidirectional_mul": Trait("direction", case={"merge_mode": "mul"}),
  "initial_states": Trait("initial", case={"initial_states": True}),
  "learned": Trait("initial", {"learn_initial_state": True}),
  "zoneout": _option(zoneout=0.3),
  "dropout": _option(dropout=0.3),
  "no_bias": Trait("bias", {"use_bias": False}),
  "lengths": Trait("lengths", situation={"batch": 5, "lengths": True}),
  "no_timestep": Trait("lengths", case={"no_timestep": True}),
  "mask": Trait("mask", situation={"mask": True}),
  "one_sequence": Trait("batch", situation={"batch": 1}),
  "one_timestep": Trait("timesteps", situation={"timesteps": 1}),
  "activation": _option(activation="softsign"),
}
_ONE_WAY = {name: trait for name, trait in _ALL.items() if "bidirectional" not in name}
_RECURRENT: dict[str, Trait] = {
  "recurrent_dropout": _option(recurrent_dropout=0.4),
  "recurrent_bias": Trait("bias", {"recurrent_bias": True}),
}
_GATED: dict[str, Trait] = {"gates": _option(recurrent_activation="hard_sigmoid")}
_CLASSIC: dict[str, Trait] = {"clip": _option(clip=0.7), "layer_norm": _option(layer_norm=True)}
_RESET: dict[str, Trait] = {
  "reset_before": _option(reset_after=False),
  "one_bias": Trait("bias", {"recurrent_bias": False}),
}

TRAITS: dict[str, dict[str, Trait]] = {
  "RNN": _ALL | _RECURRENT | _CLASSIC,
  "LSTM": _ALL
  | _RECURRENT
  | _GATED
  | _CLASSIC
  | {
    "peephole": _option(peephole=True),
    "coupled": _option(coupled=True),
    "cell_clip": _option(cell_clip=0.4),
    "projection": Trait("projection", {"projection": 2}),
    "wide_projection": Trait("projection", {"projection": 8}),
    "output_activation": _option(output_activation="elu(alpha=0.5)"),
    "zoneout_cell": _option(zoneout_cell=0.4),
  },
  "GRU": _ALL | _RECURRENT | _GATED | _CLASSIC | _RESET,
  "AUGRU": _ONE_WAY | _RECURRENT | _GATED | _RESET,
  "MGU": _ALL | _RECURRENT | _GATED,
  "MinGRU": _ALL,
  "MinLSTM": _ALL,
  "SLSTM": _ALL | _RECURRENT | _GATED | {"exponential_forget": _option(forget_gate="exponential")},
}


def singles() -> dict[str, Case]:
  """Each cell as it is, and with each trait alone, by name."""
  found = {}
  for kind, traits in TRAITS.items():
    found[kind] = Case(kind)
    found |= {f"{kind}-{name}": trait.of(Case(kind)) for name, trait in traits.items()}
  return found


def pairs() -> dict[str, Case]:
  """Each cell with every two traits that go together."""
  return {
    f"{kind}-{name}-{other_name}": other.of(trait.of(Case(kind)))
    for kind, traits in TRAITS.items()
    for (name, trait), (other_name, other) in combinations(traits.items(), 2)
    if trait.group != other.group
  }


def everything() -> dict[str, Case]:
  """Each cell with as many options as go together; where some exclude each other they take turns."""
  found = {}
  for kind, traits in TRAITS.items():
    groups: dict[str, list[Trait]] = {}
    for trait in traits.values():
      if not trait.situation and trait.group not in ("return_sequences", "return_state", "lengths"):
        groups.setdefault(trait.group, []).append(trait)
    for group in {"coupled", "forget_gate", "reset_after"} & groups.keys():
      groups[group].append(Trait(group))  # another equation, not one more
    for turn in range(max(len(group) for group in groups.values())):
      case = Case(kind, situation=Situation(5, 6, lengths=True, mask=True))
      for group in groups.values():
        case = group[turn % len(group)].of(case)
      found[f"{kind}-everything-{turn}"] = case
  return found
