"""The Python examples: what they say about wrong files, and what they compute themselves."""

import math
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
sys.path.insert(0, str(EXAMPLES))

import characters  # noqa: E402
import common  # noqa: E402
import compare  # noqa: E402
import memory  # noqa: E402
import surnames  # noqa: E402


def run(program, *arguments, folder=None):
  return subprocess.run(
    [sys.executable, str(EXAMPLES / program), *map(str, arguments)],
    capture_output=True, text=True, cwd=folder, env=os.environ, timeout=300, check=False,
  )


def write(folder, content):
  path = folder / "data"
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return path


@pytest.mark.parametrize(
  "program", ["characters", "compare", "memory", "plot_history", "reviews", "speakers", "surnames"]
)
def test_help_is_given(program):
  answer = run(f"{program}.py", "--help")
  assert answer.returncode == 0 and "usage:" in answer.stdout, answer.stderr


# Files


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("a\tann\nno tab\n", ":2: expected label<TAB>text, found 'no tab'"),
    ("label\tname\n\tann\n", ":2: expected label<TAB>text"),
    ("a\tann\n\nb\tbob\n", ":2: expected label<TAB>text, found ''"),
    ("label\tname\n", ": there are no labelled texts"),
    ("", ": there are no labelled texts"),
    (b"a\tann\nb\tb\xe9b\n", ":2: byte 10 of the file is not UTF-8"),
    (b"a\tann\nb\tb\0b\n", ":2: there is a NUL"),
  ],
)
def test_labelled_texts_that_are_wrong(tmp_path, content, message):
  path = write(tmp_path, content)
  with pytest.raises(common.DataError) as caught:
    common.read_labelled(path)
  assert str(caught.value).startswith(f"{path}{message}")


def test_labelled_texts(tmp_path):
  data = common.read_labelled(write(tmp_path, "\ufefflabel\tname\r\na\tann\tx\r\nb\t\nc\tcy"))
  assert (data.labels, data.texts, data.lines) == (["a", "b", "c"], ["ann\tx", "", "cy"], [2, 3, 4])


HEADER = "seq,label,t,u,v\n"


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("", ":1: expected seq,label,t and the features"),
    ("seq,label,t\n", ":1: expected seq,label,t and the features"),
    (HEADER, ": there are no series"),
    (HEADER + "0,a,0,1\n", ":2: expected 5 values, found 4"),
    (HEADER + "0,a,0,1,2\n\n0,a,1,1,2\n", ":3: expected 5 values, found 0"),
    (HEADER + "0,a,0,1,2\n0,a,2,1,2\n", ":3: series 0 goes on with t = 1"),
    (HEADER + "0,a,0,1,2\n0,b,1,1,2\n", ":3: series 0 goes on with t = 1 and the label 'a'"),
    (HEADER + "0,a,1,1,2\n", ":2: series 0 goes on with t = 0"),
    (HEADER + "0,a,0,1,x\n", ":2: could not convert string to float: 'x'"),
    (HEADER + "0,a,0,1,nan\n", ":2: a value is not finite"),
  ],
)
def test_series_that_are_wrong(tmp_path, content, message):
  path = write(tmp_path, content)
  with pytest.raises(common.DataError) as caught:
    common.read_series(path)
  assert str(caught.value).startswith(f"{path}{message}")


def test_series(tmp_path):
  series = common.read_series(
    write(tmp_path, HEADER + "0,a,0,1,2\n0,a,1,3,4\n1,b,0,5,6\n2,b,0,7,8\n2,b,1,9,10\n")
  )
  assert series.labels == ["a", "b", "b"] and series.lines == [2, 4, 5]
  assert series.lengths.tolist() == [2, 1, 2]
  assert series.x.tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]], [[7, 8], [9, 10]]]


def test_a_label_that_was_not_learned(tmp_path):
  data = common.read_labelled(write(tmp_path, "a\tann\nc\tcy\n"))
  with pytest.raises(common.DataError, match=r":2: the label 'c' is not one of \['a', 'b'\]"):
    common.class_ids(data, ["a", "b"])


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("a,b\n1,2\n", ":1: expected label<TAB>text"),
    ("label,b\n1,2,3\n", ":2: expected 2 values, found 3"),
    ("label,b\n1,two\n", ":2: could not convert string to float: 'two'"),
    ("label,b\n", ": there are no rows"),
  ],
)
def test_columns_that_are_wrong(tmp_path, content, message):
  path = write(tmp_path, content)
  with pytest.raises(common.DataError) as caught:
    compare.read(path, "label")
  assert str(caught.value).startswith(f"{path}{message}")


def test_columns_become_timesteps(tmp_path):
  series = compare.read(write(tmp_path, "a,kind,b\n1,x,2\n3,y,4\n"), "kind")
  assert series.labels == ["x", "y"]
  assert series.x.tolist() == [[[1], [2]], [[3], [4]]] and series.lengths.tolist() == [2, 2]


ONE_LABEL = "a\tann\na\tamy\n"
ONE_SERIES = HEADER + "0,a,0,1,2\n"


@pytest.mark.parametrize(
  ("program", "arguments", "content", "message"),
  [
    ("characters.py", ["train", "--text", "{}"], None, "No such file"),
    ("characters.py", ["train", "--text", "{}"], "short", "5 characters are too few"),
    ("characters.py", ["train", "--text", "{}"], b"\xff", ":1: byte 1 of the file is not UTF-8"),
    ("characters.py", ["sample", "{}"], "no model", "data: byte 0"),
    ("characters.py", ["train", "--epochs", "0"], None, "invalid number from 1 value: '0'"),
    ("characters.py", ["train", "--temperature", "0"], None, "invalid temperature value: '0'"),
    ("surnames.py", ["train", "--train", "{}", "--valid", "{}"], None, "No such file"),
    ("surnames.py", ["train", "--train", "{}", "--valid", "{}"], ONE_LABEL, "has the label 'a'"),
    ("surnames.py", ["train", "--train", "{}"], ONE_LABEL, "go together"),
    ("surnames.py", ["classify", "{}"], "no model", "data: byte 0"),
    ("speakers.py", ["--train", "{}", "--valid", "{}"], None, "No such file"),
    ("speakers.py", ["--train", "{}", "--valid", "{}"], ONE_SERIES, "has the label 'a'"),
    ("speakers.py", ["--train", "{}", "--valid", "{}"], "text", ":1: expected seq,label,t"),
    ("compare.py", ["--data", "{}"], None, "No such file"),
    ("compare.py", ["--data", "{}"], ONE_LABEL, "has the label 'a'"),
    ("compare.py", ["--data", "{}"], "a\tann\nb\tbob\n", "too few to hold a fifth of them out"),
    ("compare.py", ["--cells", "GRUU"], None, "'GRUU' is none of RNN, LSTM"),
    ("compare.py", ["--cells", "GRUU({{units}})"], None, "did you mean 'GRU'"),
    ("compare.py", ["--cells", "GRU({{units}}, {{x}})"], None, "{x}"),
    ("memory.py", ["--length", "5"], None, "--length must be 20 at least"),
    ("memory.py", ["--epochs", "1", "--length", "20", "--picture", "{}/no/folder.png"], "",
     "data/no/folder.png"),
  ],
)
def test_programs_answer_mistakes_with_a_message(tmp_path, program, arguments, content, message):
  path = tmp_path / "data" if content is None else write(tmp_path, content)
  answer = run(program, *(text.format(path) for text in arguments), folder=tmp_path)
  assert answer.returncode in (1, 2)
  assert message in answer.stderr and "Traceback" not in answer.stderr, answer.stderr


# Arithmetic


def witten_bell(train, held_out, alphabet, n):
  """p of each character from dictionaries, context by context, as the formula is written."""
  counts = [defaultdict(lambda: defaultdict(int)) for _ in range(n)]
  for end in range(len(train)):
    for before in range(min(n - 1, end) + 1):
      counts[before][tuple(train[end - before : end])][train[end]] += 1

  def p(history, character):
    lower = p(history[1:], character) if history else 1 / alphabet
    followers = counts[len(history)].get(history)
    if not followers:
      return lower
    different = len(followers)
    return (followers.get(character, 0) + different * lower) / (sum(followers.values()) + different)

  text = [*train, *held_out]
  start = len(train)
  return -sum(
    math.log(p(tuple(text[end - n + 1 : end]), text[end])) for end in range(start, len(text))
  ) / len(held_out)


def test_ngrams_are_those_of_the_formula():
  rng = np.random.default_rng(3)
  ids = np.minimum(rng.integers(0, 7, 400), rng.integers(0, 9, 400)).astype(np.int32)
  ids[:330] = np.minimum(ids[:330], 4)  # 5 and 6 are not seen in training
  found = characters.nats_of_ngrams(ids[:330], ids[330:], alphabet := 9, longest=5)
  for n in range(1, 6):
    expected = witten_bell(ids[:330].tolist(), ids[330:].tolist(), alphabet, n)
    assert found[n] == pytest.approx(expected, rel=1e-9), n


def test_windows_are_followed_by_the_next_character():
  x, y = characters.windows(np.arange(11), 3)
  assert x.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
  assert y.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_an_ngram_ends_at_each_character():
  start, end = surnames.START, surnames.END
  assert surnames.ngrams("Abe", 1) == [start, "A", "b", "e", end]
  assert surnames.ngrams("Abe", 3) == [3 * start, 2 * start + "A", start + "Ab", "Abe", "be" + end]
  tables = surnames.tables_of(surnames.tokenizer_of(["Abe", "Abt", "a b"]))
  assert set(tables[0]) == {start, "A", "b", end}
  assert set(tables[1]) == {2 * start, start + "A", "Ab"}
  ids, lengths = surnames.encode(["Ax"], tables)
  assert lengths.tolist() == [4]
  expected = [tables[0][start], tables[0]["A"], surnames.OTHER, tables[0][end], 0]
  assert ids[0][0, :5].tolist() == expected


def test_units_come_nearest_to_the_budget():
  problem = compare.Problem("", "Input(3)", ["a", "b"], None, None, None)
  budget = compare.parameters(problem, "LSTM", 17)
  assert compare.units_near(problem, "LSTM", budget) == 17
  units = compare.units_near(problem, "RNN", budget)
  distances = [
    abs(compare.parameters(problem, "RNN", units + step) - budget) for step in (-1, 0, 1)
  ]
  assert min(distances) == distances[1]


def test_summaries_see_nothing_behind_the_end():
  x = np.array([[[1.0], [2.0], [6.0], [np.nan]]], np.float32)
  assert common.summaries(x, [3])[0].tolist() == pytest.approx([3, np.std([1, 2, 6]), 1, 2, 6])


def test_the_memory_problems():
  rng = np.random.default_rng(0)
  x, y = memory.adding(5, 20, rng)
  assert x.shape == (5, 20, 2)
  assert (x[:, :10, 1].sum(1) == 1).all() and (x[:, 10:, 1].sum(1) == 1).all()
  for row, target in zip(x, y[:, 0], strict=True):
    assert sum(value for value, mark in row if mark == 1) == pytest.approx(target, rel=1e-6)
  x, y = memory.copying(3, 7, rng)
  ids = x.argmax(-1)
  assert x.shape == (3, 27, 10) and (x.sum(-1) == 1).all()
  assert (ids[:, :10] == y[:, -10:]).all() and (y[:, :-10] == 0).all() and (y[:, -10:] > 0).all()
  assert (ids[:, 16] == 9).all() and (ids[:, 10:16] == 0).all() and (ids[:, 17:] == 0).all()


def test_gradients_by_distance_are_finite_differences():
  """The last output's change with one input, k timesteps before."""
  model = memory.adding_model("GRU", 6, seed=2)
  found = memory.gradient_by_distance(model, 20, seed=1)
  x, _ = memory.adding(256, 20, np.random.default_rng(1))
  for k in (0, 1, 4):
    squares = np.zeros(256)
    for feature in range(2):
      step = np.zeros_like(x)
      step[:, 19 - k, feature] = 0.01
      slope = (model.predict(x + step)[:, 0] - model.predict(x - step)[:, 0]) / 0.02
      squares += slope.astype(float) ** 2
    assert found[k] == pytest.approx(np.sqrt(squares.mean()), rel=5e-3)


def test_a_gradient_beyond_single_precision_is_infinite():
  model = memory.adding_model("RNN", 64, seed=1, recurrent="orthogonal(4)")
  norms = memory.gradient_by_distance(model, 400, seed=1)
  assert np.isfinite(norms[:20]).all() and np.isposinf(norms[-1]) and not np.isnan(norms).any()
