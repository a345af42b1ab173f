"""The library against the numbers of other programs: every case of the conformance sets.

A case that needs something this release does not have is skipped by its name, with the reason. The
end of the run has a table: how many of each kind there are, ran, passed, and which were skipped.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import refrain
from oracle import conformance, keras_cases, library, onnx_cases, torch_cases
from oracle.compare import assert_close, assert_results
from oracle.network import Network
from oracle.problem import Problem, Result

CASES = conformance.cases("")
if not CASES:
  message = f"no conformance sets in {conformance.FOLDER}: set REFRAIN_SHARED. Nothing was compared"
  warnings.warn(message, stacklevel=1)
  pytest.skip(message, allow_module_level=True)


class Table:
  """Collects what became of each case, and says so at the end of the run."""

  def __init__(self) -> None:
    self.outcomes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

  def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
    case = dict(report.user_properties).get("case")
    if case is not None and (report.when == "call" or report.skipped):
      kind, name = case
      self.outcomes[kind][report.outcome].append(name)

  def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("conformance")
    terminalreporter.line(f"{'kind':22}{'cases':>6}{'ran':>6}{'passed':>8}{'skipped':>9}")
    for kind, outcome in self.outcomes.items():
      passed, failed, skipped = (outcome[key] for key in ("passed", "failed", "skipped"))
      ran = len(passed) + len(failed)
      counts = f"{ran + len(skipped):6}{ran:6}{len(passed):8}{len(skipped):9}"
      terminalreporter.line(f"{kind:22}{counts}")
      for verb, names in (("failed", failed), ("skipped", skipped)):
        if names:
          terminalreporter.line(f"  {verb}: {', '.join(names)}")


@pytest.fixture(scope="module", autouse=True)
def _table(request: pytest.FixtureRequest) -> None:
  request.config.pluginmanager.register(Table(), "conformance-table")


# -- layers and models


def check(case: Any, problem: Problem, expected: Result) -> None:
  """Inference, and where the case has gradients a pass forward and back, by its own tolerances."""
  tolerance = case.tol
  limits = (
    tolerance["rtol_output"],
    tolerance.get("rtol_grad", 0.0),
    tolerance["atol"],
    case.meta.get("compare") == "elementwise",
  )
  assert_results(library.run(problem), Result(expected.outputs), *limits)
  if problem.output_gradients is not None:
    assert_results(library.train(problem), expected, *limits)


def torch_rnn(case: Any) -> None:
  check(case, *torch_cases.rnn(case))


def torch_layer(case: Any) -> None:
  for problem, expected in torch_cases.layer(case):
    check(case, problem, expected)
    if len(problem.inputs) == 2:  # one input of the case, given twice
      first, second = library.train(problem).of_inputs
      limits = case.tol["rtol_grad"], case.tol["atol"]
      assert_close(first + second, case.tensors["grad.x"], *limits, "gradient of the input")


def keras_layer(case: Any) -> None:
  check(case, *keras_cases.layer(case))


def keras_model(case: Any) -> None:
  for problem, expected in keras_cases.model(case):
    check(case, problem, expected)


def onnx_node(case: Any) -> None:
  """Outputs alone; tolerances have one number."""
  for problem, expected in onnx_cases.problems(case):
    assert_results(library.run(problem), expected, case.tol["rtol"], 0.0, case.tol["atol"])


# -- training


def torch_loss(case: Any) -> None:
  """The loss of outputs that are the inputs, through a layer that changes nothing."""
  for problem in torch_cases.losses(case):
    features = problem.x.shape[-1]
    network = Network()
    x = network.input(features, time=problem.x.ndim == 3)
    network.layer("Dense", x, features, name="same", use_bias=False)
    same = Problem(network, {"same.weight": np.eye(features)}, [problem.x])
    trainer = library.model_of(same).trainer(f"loss={problem.notation}")
    trainer.forward(problem.x)
    value, gradient = trainer.backward_loss(problem.target, input_gradients=True)
    assert_close(value, problem.value, case.tol["rtol_output"], case.tol["atol"], "loss")
    assert_close(gradient, problem.gradient, case.tol["rtol_grad"], case.tol["atol"], "gradient")


def nine_numbers() -> refrain.Model:
  """A model whose one parameter is ``dense.weight`` ``[1, 9]``."""
  return refrain.Model("x = Input(9, time=false)\nx -> Dense(1, use_bias=false)")


def torch_optim(case: Any) -> None:
  problem = torch_cases.optimizer(case)
  model = nine_numbers()
  model.parameters["dense.weight"] = problem.start[np.newaxis]
  trainer = model.trainer(f"optimizer={problem.notation}")
  for step, (gradient, expected) in enumerate(zip(problem.gradients, problem.path, strict=True)):
    trainer.gradients["dense.weight"][:] = gradient
    trainer.update()
    found = model.parameters["dense.weight"][0]
    assert_close(found, expected, case.tol["rtol"], case.tol["atol"], f"step {step}")


def torch_clip(case: Any) -> None:
  """Four parameters of the sizes of the case; a plain step of size 1 shows what was clipped."""
  problem = torch_cases.clip(case)
  sizes = [gradient.size for gradient in problem.before]
  chain = " -> ".join(f"Dense({size}, name=d{index})" for index, size in enumerate(sizes))
  model = refrain.Model(f"x = Input(2, time=false)\nx -> {chain}")
  for name in model.parameters:
    model.parameters[name] = np.zeros_like(model.parameters[name])
  trainer = model.trainer(f"optimizer=SGD(1), {problem.option}={problem.threshold}")
  for index, gradient in enumerate(problem.before):
    trainer.gradients[f"d{index}.bias"][:] = gradient.reshape(-1)
  norm = trainer.update()
  for index, expected in enumerate(problem.after):
    found = -model.parameters[f"d{index}.bias"]
    assert_close(found, expected.reshape(-1), case.tol["rtol"], case.tol["atol"], str(index))
  if problem.norm is not None:
    assert_close(norm, problem.norm, case.tol["rtol"], case.tol["atol"], "norm")


def torch_schedule(case: Any) -> None:
  problem = torch_cases.schedule(case)
  trainer = nine_numbers().trainer(f"optimizer=SGD({problem.base}), schedule={problem.notation}")
  rates = []
  for step in range(len(problem.rates)):
    rates.append(trainer.learning_rate)
    trainer.gradients["dense.weight"][:] = 0
    trainer.update()
    if step < len(problem.metrics):
      trainer.report(problem.metrics[step])
  assert_close(np.array(rates), problem.rates, 1e-6, 1e-9, "rates", elementwise=True)


def training(case: Any) -> None:
  """Fifty updates: the loss and the gradients' norm of each, and where they lead."""
  problem = torch_cases.training(case)
  start = Problem(problem.network, problem.parameters, [problem.tokens])
  model = library.model_of(start)
  adam = f"Adam({problem.learning_rate}, epsilon={problem.epsilon})"
  trainer = model.trainer(f"loss=crossentropy, optimizer={adam}, clip_norm={problem.clip_norm}")
  lengths = problem.lengths
  losses, norms = [], []
  for rows in problem.order:
    trainer.forward(problem.tokens[rows], None if lengths is None else lengths[rows])
    losses.append(trainer.backward_loss(problem.labels[rows]))
    norms.append(trainer.update())
  tolerance = case.tol
  atol = tolerance["atol"]
  assert_close(np.array(losses), problem.losses, tolerance["rtol_loss"], atol, "losses", True)
  assert_close(
    np.array(norms), problem.norms, tolerance["rtol_grad_norm"], atol, "norms", elementwise=True
  )
  for name, expected in problem.final.items():
    assert_close(model.parameters[name], expected, 0, tolerance["atol_params"], name)
  logits = model.session().run(problem.tokens, lengths)
  assert_close(logits, problem.logits, 0, tolerance["atol_logits"], "logits")


# -- text


def text_tokenizer(case: Any) -> None:
  expected = case.json
  tokenizer = refrain.Tokenizer(
    **{name: value for name, value in expected["options"].items() if value is not None}
  )
  tokenizer.fit_on_texts(expected["fit_texts"])
  fitted, unseen = expected["fit_texts"], expected["unseen_texts"]
  assert list(tokenizer.word_index.items()) == [tuple(row) for row in expected["word_index"]]
  assert sorted(tokenizer.word_counts.items()) == sorted(
    tuple(row) for row in expected["word_counts"]
  )
  assert sorted(tokenizer.word_docs.items()) == sorted(tuple(row) for row in expected["word_docs"])
  assert tokenizer.document_count == expected["document_count"]
  assert tokenizer.texts_to_sequences(fitted) == expected["sequences_of_fit_texts"]
  sequences = tokenizer.texts_to_sequences(unseen)
  assert sequences == expected["sequences_of_unseen_texts"]
  assert tokenizer.sequences_to_texts(sequences) == expected["texts_of_unseen_sequences"]
  padded = np.array(expected["padded_unseen"])
  assert (refrain.pad_sequences(sequences, maxlen=padded.shape[1]) == padded).all()
  for mode, matrix in expected.get("matrix_of_unseen_texts", {}).items():
    assert_close(tokenizer.texts_to_matrix(unseen, mode), np.array(matrix), 1e-12, what=mode)
  again = refrain.Tokenizer.from_json(tokenizer.to_json())
  assert again.texts_to_sequences(unseen) == sequences


def text_pad_sequences(case: Any) -> None:
  expected = case.json
  options = {name: value for name, value in expected["options"].items() if value is not None}
  padded = refrain.pad_sequences(expected["sequences"], **options)
  assert list(padded.shape) == expected["shape"]
  assert padded.dtype == np.dtype(expected["options"]["dtype"])
  assert (padded == np.array(expected["padded"]).reshape(padded.shape)).all()


# -- metrics


def metrics(case: Any) -> None:
  j = case.json
  expected = j["expected"]
  if j["task"] == "regression":
    found = refrain.regression_metrics(j["y_true"], j["y_pred"])
    values = {name: found.value(name) for name in expected}
  else:
    found = refrain.classification_metrics(
      j["y_true"],
      j["y_pred"],
      probabilities=_probabilities(j),
      classes=2 if j["task"] == "binary" else j["classes"],
    )
    values = {name: _figure(found, name) for name in expected}
  for name, value in expected.items():
    assert_close(np.array(values[name]), np.array(value), 1e-6, 1e-7, name)


def _probabilities(j: dict[str, Any]) -> np.ndarray | None:
  if "y_score" not in j:
    return None
  score = np.array(j["y_score"], np.float32)
  return score if score.ndim == 2 else np.stack([1 - score, score], axis=1)


def _figure(found: refrain.Metrics, name: str) -> Any:
  """A figure by scikit-learn's name."""
  if name == "confusion_matrix":
    return found.confusion
  if name.endswith("_per_class"):
    return found.per_class(name.removesuffix("_per_class"))
  return found.value({"roc_auc_ovr_macro": "roc_auc"}.get(name, name))


# -- hostile files

_LOAD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
import refrain
for path in sys.argv[1:]:
    try:
        model = refrain.load(path)
        verdict = "accepted " + ",".join(model.parameters)
    except refrain.RefrainError as error:
        verdict = "refused " + type(error).__name__ + ": " + str(error).replace("\\n", " ")
    print(verdict, flush=True)
"""


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[Path, str]]:
  """What loading each hostile file came to, in processes of their own.

  One process loads them all; where it dies, its last file has the blame and the next one goes on.
  """
  paths = [case.path for case in CASES if case.kind == "hostile.safetensors"]
  found: dict[Path, str] = {}
  while len(found) < len(paths):
    rest = paths[len(found) :]
    process = subprocess.run(
      [sys.executable, "-c", _LOAD, *map(str, rest)],
      capture_output=True,
      text=True,
      timeout=60 + len(rest),
      check=False,
    )
    lines = process.stdout.splitlines()
    found |= dict(zip(rest, lines, strict=False))
    if len(lines) < len(rest):
      found[rest[len(lines)]] = f"ended the process: {process.returncode} {process.stderr[-300:]}"
  yield found


def hostile(case: Any, verdicts: dict[Path, str]) -> None:
  """Nothing ends the process; no file that must be refused is accepted.

  As models even the good containers among them must be refused: they carry no architecture.
  """
  verdict = verdicts[case.path]
  assert verdict.startswith(("refused FormatError", "refused NotFiniteError")), verdict
  assert len(verdict) > len("refused FormatError: "), "refused without a reason"


# -- all of them

CHECKS: dict[str, Callable[[Any], None]] = {
  "torch.rnn": torch_rnn,
  "torch.layer": torch_layer,
  "torch.loss": torch_loss,
  "torch.optim": torch_optim,
  "torch.clip": torch_clip,
  "torch.schedule": torch_schedule,
  "training": training,
  "keras.layer": keras_layer,
  "keras.model": keras_model,
  "onnx.node": onnx_node,
  "onnx.node.official": onnx_node,
  "text.tokenizer": text_tokenizer,
  "text.pad_sequences": text_pad_sequences,
  "metrics": metrics,
}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.kind}-{case.id}" for case in CASES])
def test_case(
  case: Any, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
  record_property("case", (case.kind, case.id))
  reason = conformance.reason_to_skip(case)
  if reason is not None:
    pytest.skip(f"{case.id}: {reason}")
  if case.kind == "hostile.safetensors":
    hostile(case, request.getfixturevalue("verdicts"))
  else:
    CHECKS[case.kind](case)
