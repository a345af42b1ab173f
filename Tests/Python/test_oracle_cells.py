"""The oracle's recurrent cells by themselves: their gradients against differences, with every
option alone and every two options together; their numbers against onnxruntime, against each other
where one is a special case of another, and against the formulas as they are published.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from oracle import onnx_cases, traits
from oracle.compare import assert_close, assert_results
from oracle.layer import Masks
from oracle.problem import Problem, Result, scalar, solve
from oracle.traits import Case

STEP = 1e-6
SINGLES = traits.singles()
PAIRS = traits.pairs() | traits.everything()


@pytest.mark.parametrize("name", SINGLES)
def test_each_gradient_agrees_with_differences(name: str) -> None:
  """Each parameter and each input on its own."""
  case = SINGLES[name]
  problem, masks = case.problem(len(name)), case.random_masks()
  result = solve(problem, masks)
  random = np.random.default_rng(5)
  for parameter, gradient in result.of_parameters.items():
    start = problem.parameters[parameter].astype(np.float64)
    direction = random.normal(size=start.shape)
    ahead, behind = (
      scalar(
        dataclasses.replace(
          problem,
          parameters=problem.parameters | {parameter: start + sign * STEP * direction},
        ),
        masks,
      )
      for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * STEP)
    assert_close((gradient * direction).sum(), slope, 1e-6, 1e-7, parameter)
  for index, gradient in enumerate(result.of_inputs):
    start = problem.inputs[index].astype(np.float64)
    assert (gradient[np.isnan(start)] == 0).all(), "padding has a gradient"
    direction = random.normal(size=start.shape)
    ahead, behind = (
      scalar(
        dataclasses.replace(
          problem,
          inputs=[
            start + sign * STEP * direction if place == index else array
            for place, array in enumerate(problem.inputs)
          ],
        ),
        masks,
      )
      for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * STEP)
    assert_close((gradient * direction).sum(), slope, 1e-6, 1e-7, f"input {index}")


@pytest.mark.parametrize("name", PAIRS)
def test_all_gradients_together_agree_with_differences(name: str) -> None:
  """The slope along one direction of all parameters and inputs at once."""
  case = PAIRS[name]
  problem, masks = case.problem(len(name)), case.random_masks()
  result = solve(problem, masks)
  random = np.random.default_rng(5)
  of_parameters = {key: random.normal(size=v.shape) for key, v in problem.parameters.items()}
  of_inputs = [random.normal(size=array.shape) for array in problem.inputs]
  ahead, behind = (
    scalar(
      dataclasses.replace(
        problem,
        parameters={
          key: value + sign * STEP * of_parameters[key] for key, value in problem.parameters.items()
        },
        inputs=[
          array + sign * STEP * direction
          for array, direction in zip(problem.inputs, of_inputs, strict=True)
        ],
      ),
      masks,
    )
    for sign in (1, -1)
  )
  expected = sum(
    float((gradient * of_parameters[key]).sum()) for key, gradient in result.of_parameters.items()
  ) + sum(
    float((gradient * direction).sum())
    for gradient, direction in zip(result.of_inputs, of_inputs, strict=True)
  )
  assert_close(expected, (ahead - behind) / (2 * STEP), 1e-6, 1e-6, name)


# -- against other programs

NODES = onnx_cases.fixtures()


@pytest.mark.parametrize("name", NODES)
def test_nodes_agree_with_onnxruntime(name: str) -> None:
  problem, expected = NODES[name]
  assert set(problem.parameters) == set(problem.network.shapes)
  assert_results(solve(problem), expected, 1e-5, 0.0, 2e-6)


# -- against each other


def told(case: Case, parameters: dict[str, np.ndarray], inputs: list[np.ndarray]) -> Result:
  """The outputs of a case with these numbers."""
  parameters = {f"layer.{name}": value for name, value in parameters.items()}
  assert {name: v.shape for name, v in parameters.items()} == case.network.shapes
  return Result(solve(Problem(case.network, parameters, inputs)).outputs)


def numbers(case: Case) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
  problem = case.problem(3)
  own = {
    name.removeprefix("layer."): v.astype(np.float64) for name, v in problem.parameters.items()
  }
  return own, problem.inputs


def assert_same(found: Result, expected: Result) -> None:
  assert_results(found, expected, 1e-12, 0.0, 1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_options_that_do_nothing(kind: str) -> None:
  plain = Case(kind)
  parameters, inputs = numbers(plain)
  expected = told(plain, parameters, inputs)
  idle: dict[str, object] = {"clip": 100.0, "zoneout": 0.0, "learn_initial_state": True}
  zero = np.zeros(6)
  more = {"initial_hidden": zero}
  if kind == "LSTM":
    idle |= {"peephole": True, "cell_clip": 100.0, "projection": 6, "output_activation": "tanh"}
    more |= {"initial_cell": zero, "weight_peephole": np.zeros(18), "weight_hr": np.eye(6)}
  assert_same(told(Case(kind, idle), parameters | more, inputs), expected)


def test_a_coupled_gate_is_one_that_is_tied() -> None:
  """i = 1 − f = σ(−a_f), with peepholes as well."""
  coupled = Case("LSTM", {"coupled": True, "peephole": True, "recurrent_bias": True})
  parameters, inputs = numbers(coupled)
  tied = {name: np.concatenate([-value[:6], value]) for name, value in parameters.items()}
  full = Case("LSTM", {"peephole": True, "recurrent_bias": True})
  assert_same(told(coupled, parameters, inputs), told(full, tied, inputs))


def test_scores_move_the_update_gate() -> None:
  """A score of 0 leaves a GRU; with 1 nothing is carried over."""
  for options in ({}, {"reset_after": False}):
    plain, listening = Case("GRU", options), Case("AUGRU", options)
    parameters, inputs = numbers(plain)
    score = np.zeros((3, 4, 1))
    found = told(listening, parameters, [*inputs, score])
    assert_same(found, told(plain, parameters, inputs))
    shut = {name: value.copy() for name, value in parameters.items()}
    for name, value in shut.items():
      value[6:12] = -1e3 if name == "bias_ih" else 0.0
    found = told(listening, parameters, [*inputs, score + 1])
    assert_same(found, told(plain, shut, inputs))


def test_mgu_is_a_gru_with_one_gate() -> None:
  """r = f and z = 1 − f = σ(−a_f), with the reset before the product."""
  minimal = Case("MGU", {"recurrent_bias": True})
  parameters, inputs = numbers(minimal)
  tied = {
    name: np.concatenate([value[:6], -value[:6], value[6:]]) for name, value in parameters.items()
  }
  full = Case("GRU", {"reset_after": False, "recurrent_bias": True})
  assert_same(told(minimal, parameters, inputs), told(full, tied, inputs))


# -- against the formulas


def sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])
def test_slstm_without_its_stabiliser(forget_gate: str) -> None:
  """c and n grow as they like; h and the true c and n, eᵐ times those kept, are the same."""
  case = Case("SLSTM", {"forget_gate": forget_gate})
  p, (x,) = numbers(case)
  y, h_n, c_n, n_n, m_n = told(case, p, [x]).outputs
  for b, row in enumerate(x.astype(np.float64)):
    h = c = n = np.zeros(6)
    for t, now in enumerate(row):
      i, f, g, o = np.split(p["weight_ih"] @ now + p["weight_hh"] @ h + p["bias_ih"], 4)
      forget = np.exp(f) if forget_gate == "exponential" else sigmoid(f)
      c = forget * c + np.exp(i) * np.tanh(g)
      n = forget * n + np.exp(i)
      h = sigmoid(o) * c / n
      assert_close(y[b, t], h, 1e-12, what=f"h of timestep {t}")
    assert_close(h_n[b], h, 1e-12, what="h")
    assert_close(c_n[b] * np.exp(m_n[b]), c, 1e-12, what="c")
    assert_close(n_n[b] * np.exp(m_n[b]), n, 1e-12, what="n")
    assert (n_n[b] >= 1).all(), "what is let in last, or all that was, counts as 1"


def test_slstm_that_has_not_begun_forgets_nothing() -> None:
  """Where n₋ = 0 the cell and the stabiliser before do not matter, however large."""
  case = Case("SLSTM", initial_states=True)
  p, inputs = numbers(case)
  begun = told(Case("SLSTM"), p, inputs[:1])
  nothing, huge = np.zeros((3, 6)), np.full((3, 6), 1e4)
  assert_same(told(case, p, [inputs[0], nothing, huge, nothing, huge]), begun)


def test_minlstm_divides_by_the_sum_of_its_gates() -> None:
  p, (x,) = numbers(Case("MinLSTM"))
  (y, _) = told(Case("MinLSTM"), p, [x]).outputs
  for b, row in enumerate(x.astype(np.float64)):
    h = np.zeros(6)
    for t, now in enumerate(row):
      f, i, n = np.split(p["weight_ih"] @ now + p["bias_ih"], 3)
      f, i = sigmoid(f), sigmoid(i)
      h = (f * h + i * n) / (f + i)
      assert_close(y[b, t], h, 1e-12, what=f"h of timestep {t}")


def layer_normalized(x: np.ndarray) -> np.ndarray:
  return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def test_layer_norm_of_an_lstm() -> None:
  """One timestep from given states, as Ba et al. write it, but with biases behind the norms."""
  case = Case("LSTM", {"layer_norm": True, "projection": 2}, initial_states=True)
  p, (x, h, c) = numbers(case)
  y = told(case, p, [x[:, :1], h, c]).outputs[0][:, 0]
  for b in range(3):
    a = (
      layer_normalized(p["weight_ih"] @ x[b, 0].astype(np.float64)) * p["norm_ih_weight"]
      + layer_normalized(p["weight_hh"] @ h[b].astype(np.float64)) * p["norm_hh_weight"]
      + p["bias_ih"]
    )
    i, f, g, o = np.split(a, 4)
    new = sigmoid(f) * c[b] + sigmoid(i) * np.tanh(g)
    shown = layer_normalized(new) * p["norm_cell_weight"] + p["norm_cell_bias"]
    assert_close(y[b], p["weight_hr"] @ (sigmoid(o) * np.tanh(shown)), 1e-12)


def test_zoneout_keeps_and_lets_pass() -> None:
  """u of 0 leaves h and c as they were, u of 1 is a cell without zoneout."""
  plain, zoned = Case("LSTM"), Case("LSTM", {"zoneout": 0.3, "zoneout_cell": 0.4})
  parameters, inputs = numbers(plain)
  problem = Problem(
    zoned.network, {f"layer.{name}": value for name, value in parameters.items()}, inputs
  )
  for u in (0.0, 1.0):
    kept = np.full((4, 6), u)
    masks = [Masks({"layer.zoneout": kept, "layer.zoneout_cell": kept})] * 3
    outputs = solve(problem, masks).outputs
    if u == 0:
      assert all((output == 0).all() for output in outputs)
    else:
      assert_same(Result(outputs), told(plain, parameters, inputs))
