"""The library's recurrent cells against the float64 oracle: each option alone and every two
together, in every situation, forward and backward.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from oracle import generate, library, onnx_cases, traits
from oracle.compare import assert_close, assert_results
from oracle.generate import Situation
from oracle.network import Network
from oracle.problem import Problem, Result, solve
from oracle.telling import masks_of
from oracle.traits import Case

OUTPUT = 1e-5
GRADIENT = 5e-5
ABSOLUTE = 2e-6  # for gradients that are small because large terms cancel

SINGLES = traits.singles()
PAIRS = traits.pairs()
EVERYTHING = traits.everything()
ALONE_AND_WITH_EVERYTHING = {kind: Case(kind) for kind in traits.TRAITS} | EVERYTHING


def assert_agrees(case: Case, problem: Problem, options: str = "seed=5") -> None:
  """Inference, training and all gradients are the oracle's; nothing is NaN.

  Masks that training draws are read off the library's own outputs beforehand.
  """
  masks = masks_of(case, problem, options) if case.is_random else None
  expected = solve(problem, masks)
  inferred = Result(solve(problem).outputs if case.is_random else expected.outputs)
  assert_results(library.run(problem), inferred, OUTPUT, GRADIENT, ABSOLUTE)
  assert_results(library.train(problem, options), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("name", SINGLES | PAIRS | EVERYTHING)
def test_options(name: str) -> None:
  case = (SINGLES | PAIRS | EVERYTHING)[name]
  assert_agrees(case, case.problem(len(name)))


def deterministic(case: Case) -> Case:
  """The same without masks."""
  kept = {name: value for name, value in case.options.items() if name not in traits.RATES}
  return dataclasses.replace(case, options=kept)


@pytest.mark.parametrize("units", [1, 8, 16, 17, 35])
@pytest.mark.parametrize(
  "name", [name for name, case in SINGLES.items() if case.options and not case.is_random]
)
def test_sizes(name: str, units: int) -> None:
  """Sizes below, at and above those of vector registers."""
  case = dataclasses.replace(SINGLES[name], units=units, situation=Situation(2, 3))
  assert_agrees(case, case.problem(units))


@pytest.mark.parametrize("batch", [1, 9, 33, 70])
@pytest.mark.parametrize("name", ALONE_AND_WITH_EVERYTHING)
def test_batches(name: str, batch: int) -> None:
  """Also such as span several shards; lengths make every shard different."""
  situation = Situation(batch, 3, lengths=True)
  case = dataclasses.replace(ALONE_AND_WITH_EVERYTHING[name], units=3, situation=situation)
  assert_agrees(case, case.problem(batch))


@pytest.mark.parametrize("name", EVERYTHING)
def test_many_timesteps(name: str) -> None:
  case = deterministic(
    dataclasses.replace(EVERYTHING[name], situation=Situation(2, 60, lengths=True))
  )
  assert_agrees(case, case.problem(2))


@pytest.mark.parametrize("name", ALONE_AND_WITH_EVERYTHING)
def test_large_batches_are_worked_off_in_pieces(name: str) -> None:
  """More than is projected at once: training, inference and single sequences agree."""
  case = dataclasses.replace(
    deterministic(ALONE_AND_WITH_EVERYTHING[name]),
    units=100,
    situation=Situation(70, 20, lengths=True),
  )
  problem = case.problem(1)
  inferred = library.run(problem)
  trained = Result(library.train(problem).outputs)
  assert_results(inferred, trained, OUTPUT, 0.0, ABSOLUTE)
  rows = [0, 17, 69]
  some = dataclasses.replace(
    problem,
    inputs=[x[rows] for x in problem.inputs],
    lengths=problem.lengths[rows],
    output_gradients=None,
  )
  shown = Result([output[rows] for output in inferred.outputs])
  assert_results(shown, Result(solve(some).outputs), OUTPUT, 0.0, ABSOLUTE)


@pytest.mark.parametrize("name", ALONE_AND_WITH_EVERYTHING)
def test_threads_do_not_change_a_bit(name: str) -> None:
  situation = Situation(131, 5, lengths=True, mask=True)
  problem = dataclasses.replace(ALONE_AND_WITH_EVERYTHING[name], situation=situation).problem(1)
  library.assert_same_bits(library.run(problem, threads=1), library.run(problem, threads=2))
  one, two = (library.train(problem, f"seed=3, threads={threads}") for threads in (1, 2))
  library.assert_same_bits(one, two)
  library.assert_same_bits(library.learn(problem, 1), library.learn(problem, 2))


WINDOWED = {
  name: Case(
    case.kind, deterministic(case).options, situation=Situation(4, 7, lengths=True, mask=True)
  )
  for name, case in (SINGLES | EVERYTHING).items()
  if "go_backwards" not in case.options and (name in traits.TRAITS or deterministic(case).options)
}


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("name", WINDOWED)
def test_windows(name: str, window: int) -> None:
  """What is computed again in windows has the gradients of the whole."""
  problem = WINDOWED[name].problem(3)
  found = library.train(problem, f"recompute={window}")
  assert_results(found, solve(problem), OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("name", WINDOWED)
def test_truncation(name: str, window: int) -> None:
  """Gradients stop where a window begins: the oracle takes one window after the other, each from
  the states in which the one before ended, as if they were given.
  """
  case = WINDOWED[name]
  problem = case.problem(3)
  shown = dataclasses.replace(case, options=case.options | {"return_state": True})
  no_gradients = [np.zeros((4, variable.size)) for variable in shown.network.given[1:]]
  of_states = problem.output_gradients[1:] or no_gradients
  options = {key: value for key, value in shown.options.items() if "initial" not in key}
  given = dataclasses.replace(shown, options=options, initial_states=True)
  expected = {key: np.zeros(value.shape) for key, value in problem.parameters.items()}
  of_inputs = [np.zeros(x.shape) for x in problem.inputs]
  states: list[np.ndarray] = []
  for start in range(0, 7, window):
    part, is_last = slice(start, start + window), start + window >= 7
    of_output = problem.output_gradients[0]
    of_output = of_output[:, part] if of_output.ndim == 3 else of_output * is_last
    network, inputs = shown.network, [x[:, part] for x in problem.inputs]
    if start > 0:
      network, inputs = given.network, inputs + states
    of_window = solve(
      Problem(
        network,
        {key: problem.parameters[key] for key in network.shapes},
        inputs,
        [of_output, *(weight * is_last for weight in of_states)],
        lengths=np.clip(problem.lengths - start, 0, min(window, 7 - start)),
        mask=problem.mask[:, part],
      )
    )
    states = of_window.outputs[1:]
    for key, gradient in of_window.of_parameters.items():
      expected[key] += gradient
    for gradient, of_part in zip(of_inputs, of_window.of_inputs, strict=False):
      gradient[:, part] = of_part
  found = library.train(problem, f"truncate={window}")
  outputs = solve(problem).outputs
  assert_results(found, Result(outputs, expected, of_inputs), OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("name", EVERYTHING)
def test_backward_passes_add_up(name: str) -> None:
  case = deterministic(EVERYTHING[name])
  problem = case.problem(4)
  trainer = library.model_of(problem).trainer()
  expected = solve(problem).of_parameters
  for _ in range(2):
    trainer.forward(**library.data_of(problem))
    trainer.backward(problem.output_gradients)
  for key, gradient in expected.items():
    assert_close(trainer.gradients[key], 2 * gradient, GRADIENT, ABSOLUTE, key)


# -- in company


def test_cells_on_top_of_each_other() -> None:
  """What one cell gives or ends in is another one's input and state; ids, a mask, and scores."""
  network = Network()
  x = network.layer("Embedding", network.input(ids=True), generate.VOCABULARY, 4, mask_zero=True)
  x, h, c = network.layer(
    "LSTM", x, 6, projection=3, peephole=True, return_sequences=True, return_state=True
  )
  scores = network.layer("Dense", x, 1, activation="sigmoid")
  y = network.layer("AUGRU", [x, scores, h], 3, return_sequences=True)
  y = network.layer("MinLSTM", y, 5, merge_mode="concat", return_sequences=True)
  y = network.layer("SLSTM", y, 2, go_backwards=True, return_sequences=True)
  y = network.layer("MGU", y, 4, learn_initial_state=True, return_sequences=True)
  last = network.layer("MinGRU", [y, network.layer("Dense", c, 7)], 7)
  network.outputs(y, last)
  for situation in ("lengths", "full", "one_of_each"):
    problem = generate.problem(network, generate.SITUATIONS[situation])
    expected = solve(problem)
    inferred = Result(expected.outputs)
    assert_results(library.run(problem), inferred, OUTPUT, GRADIENT, ABSOLUTE)
    assert_results(library.train(problem), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize(
  "function",
  [
    "affine(alpha=0, beta=0.5)",
    "affine(alpha=-2)",
    "thresholded_relu(alpha=0)",
    "thresholded_relu",
    "scaled_tanh(alpha=-1.3, beta=0.6)",
    "scaled_tanh(beta=-2)",
    "scaled_tanh(alpha=0)",
    "scaled_tanh(beta=0)",
    "scaled_tanh(alpha=30, beta=40)",
    "hard_sigmoid(alpha=-0.7, beta=0.3)",
    "hard_sigmoid(alpha=0)",
    "hard_sigmoid(beta=2)",
  ],
)
def test_functions_with_unusual_constants(function: str) -> None:
  """By itself, with both zeros and what lies between among its numbers, and in a cell."""
  network = Network()
  x = network.input(6)
  network.outputs(
    network.layer("Activation", x, function),
    network.layer("LSTM", x, 4, activation=function, return_sequences=True),
    network.layer("MinGRU", x, 4, activation=function, return_sequences=True),
  )
  problem = generate.problem(network, generate.SITUATIONS["lengths"])
  problem.inputs[0][0, :, 1:] = [0.0, -0.0, 1e-30, -0.25, 0.75]
  expected = solve(problem)
  inferred = Result(expected.outputs)
  assert_results(library.run(problem), inferred, OUTPUT, GRADIENT, ABSOLUTE)
  assert_results(library.train(problem), expected, OUTPUT, GRADIENT, ABSOLUTE)


@pytest.mark.parametrize("of_scores", [False, True])
def test_what_scores_or_sequence_skip_is_skipped(of_scores: bool) -> None:
  """A timestep counts where it does for both; what lies behind either's length may be NaN."""
  for situation in (Situation(4, 5, lengths=True), Situation(4, 5, mask=True)):
    problem = Case("AUGRU", situation=situation).problem(1)
    data = library.data_of(problem)
    for key in ("lengths", "mask"):
      if data[key] is not None:
        data[key] = [None, data[key][1]] if of_scores else [data[key][0], None]
    full = 0 if of_scores else 1
    data["x"] = list(problem.inputs)
    data["x"][full] = np.nan_to_num(problem.inputs[full])
    session = library.model_of(problem).session()
    assert_results(
      Result(library.as_list(session.run(**data))), Result(solve(problem).outputs), OUTPUT, 0.0
    )


NODES = onnx_cases.fixtures()


@pytest.mark.parametrize("name", NODES)
def test_nodes_agree_with_onnxruntime(name: str) -> None:
  problem, expected = NODES[name]
  assert_results(library.run(problem), expected, OUTPUT, 0.0, ABSOLUTE)


# -- at the edge


def numbers(case: Case, seed: int = 3) -> Problem:
  return case.problem(seed)


def test_slstm_bears_what_exponentials_do_not() -> None:
  """Gates of ±200: eˣ of them is nothing that a number can hold."""
  for forget_gate in ("sigmoid", "exponential"):
    case = Case("SLSTM", {"forget_gate": forget_gate}, situation=Situation(4, 7))
    problem = numbers(case)
    problem.parameters["layer.weight_ih"] *= np.float32(60)
    assert np.abs(problem.inputs[0] @ problem.parameters["layer.weight_ih"].T).max() > 150
    expected = solve(problem)
    assert_results(library.run(problem), Result(expected.outputs), 1e-4, 0.0, ABSOLUTE)
    found = library.train(problem)
    for value in found.named().values():
      assert np.isfinite(value).all()


def test_slstm_begins_where_its_normaliser_is_zero() -> None:
  """Unit by unit, and whatever the states beside it."""
  case = Case("SLSTM", initial_states=True)
  problem = numbers(case)
  normalizer = problem.inputs[3]
  normalizer[0] = 0
  normalizer[1, 2:4] = 0
  problem.inputs[2][0] = problem.inputs[4][0] = 1e4
  assert_agrees(case, problem)


def test_a_learned_normaliser_of_zero_is_where_training_begins() -> None:
  case = Case("SLSTM", {"learn_initial_state": True})
  problem = numbers(case)
  for name, value in problem.parameters.items():
    if "initial" in name:
      value[...] = 0
  assert_agrees(case, problem)


@pytest.mark.parametrize("shut", [-30.0, -100.0, -300.0])
def test_minlstm_bears_gates_that_are_both_shut(shut: float) -> None:
  """f and i vanish, f / (f + i) does not; single numbers know −300 to 3e-5."""
  problem = numbers(Case("MinLSTM"))
  problem.parameters["layer.bias_ih"][:12] = shut
  expected = solve(problem)
  outputs = Result(expected.outputs)
  assert_results(library.run(problem), outputs, 1e-4, 0.0)
  assert_results(library.train(problem), expected, 1e-4, 2e-4)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layer_norm_bears_what_does_not_vary(kind: str) -> None:
  """Inputs of 0, and large ones that are all the same but for one."""
  case = Case(kind, {"layer_norm": True})
  problem = numbers(case)
  problem.inputs[0][0] = 0
  problem.inputs[0][1] *= 1e4
  expected = solve(problem)
  assert_results(library.run(problem), Result(expected.outputs), 2e-5, 0.0, ABSOLUTE)
  for value in library.train(problem).named().values():
    assert np.isfinite(value).all()


def test_a_clipped_cell_passes_no_gradient() -> None:
  """Where every cell is clipped, nothing before the output gate is learned."""
  case = Case("LSTM", {"cell_clip": 1e-3})
  problem = numbers(case)
  problem.parameters["layer.bias_ih"][:18] = 30
  found = library.train(problem).of_parameters["layer.weight_ih"]
  assert (found[:18] == 0).all() and (found[18:] != 0).any()
  assert_agrees(case, problem)
