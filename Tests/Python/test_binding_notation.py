"""Texts of the notation, the library's messages, and the exceptions they become."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import refrain
from refrain.notation import joined, literal, quoted, split_arguments

from problems import CLASSIFIER


def test_version_and_build_info():
  assert refrain.version == refrain.__version__
  assert refrain.version in refrain.build_info()


def test_describe_lists_everything_and_explains_one():
  names = {entry.name: entry for entry in refrain.describe()}
  assert {"LSTM", "GRU", "Dense", "Adam", "crossentropy", "fit", "trainer"} <= set(names)
  assert names["LSTM"].kind == "layer"
  entry = refrain.describe("LSTM")
  options = {option.name: option for option in entry.options}
  assert options["units"].default == "required"
  assert options["dropout"].default == "0"
  assert "recurrent_dropout" in str(entry)
  with pytest.raises(refrain.UnknownNameError, match="LSTMM"):
    refrain.describe("LSTMM")


def test_values_are_spelled_in_the_notation():
  assert quoted("it's \\ \n\t\x01") == r"'it\'s \\ \n\t\u{1}'"
  assert (
    literal([1, 2.5, True, "a", refrain.Notation("Adam(0.1)")]) == "[1, 2.5, true, 'a', Adam(0.1)]"
  )
  assert literal(np.float64(0.5)) == "0.5" and literal(np.int32(7)) == "7"
  assert literal(np.bool_(True)) == "true"
  assert joined("a=1, ", "", "b=2") == "a=1, b=2"
  assert split_arguments("a=f(1, 2), b='x, \\', y', c=[3, 4]") == [
    "a=f(1, 2)",
    "b='x, \\', y'",
    "c=[3, 4]",
  ]
  with pytest.raises(refrain.ArgumentError):
    literal(object())


@pytest.mark.parametrize(
  "oov", ["<unk>", "it's", 'a"b', "back\\slash", "tab\tline\n", "é😀", "\x01"]
)
def test_texts_survive_the_notation(oov):
  tokenizer = refrain.Tokenizer(oov_token=oov, filters=oov + "!")
  tokenizer.fit_on_texts(["7!7" + oov + "8"])
  assert tokenizer.id_word(1) == oov
  assert tokenizer.word_index == {oov: 1, "7": 2, "8": 3}


def test_notation_errors_point_at_the_place():
  with pytest.raises(refrain.NotationError) as caught:
    refrain.Model("Embedding(20, 6) -> GRUU(8)")
  message = str(caught.value)
  assert "GRU" in message and "^" in message
  assert isinstance(caught.value, ValueError) and caught.value.status == 5


def test_exceptions_have_the_builtins_that_callers_expect(tmp_path, classifier):
  with pytest.raises(OSError, match="nothing.refrain") as caught:
    refrain.load(tmp_path / "nothing.refrain")
  assert isinstance(caught.value, refrain.FileError) and caught.value.status == 10
  with pytest.raises(refrain.FormatError):
    refrain.load(b"no model at all")
  with pytest.raises(refrain.FormatError):
    refrain.load(b"")
  with pytest.raises(KeyError, match=r"no parameter is called 'gru.nothing'"):
    classifier.parameters["gru.nothing"]
  with pytest.raises(ValueError, match="x"):
    classifier.predict(np.zeros((2, 3), np.float32))
  with pytest.raises(refrain.ArgumentError):
    classifier.predict(np.full((2, 3), 20))
  with pytest.raises(RuntimeError):
    classifier.trainer().update()
  assert pickle.loads(pickle.dumps(refrain.ShapeError("x"))).status == 4


def test_arguments_that_no_c_text_can_hold_are_refused(classifier):
  with pytest.raises(refrain.ArgumentError, match="NUL"):
    refrain.Model("GRU(1)\0")
  with pytest.raises(refrain.ArgumentError, match="str"):
    refrain.Model(3)
  with pytest.raises(refrain.ArgumentError, match="Unicode"):
    refrain.Tokenizer().fit_on_texts(["\ud800"])
  with pytest.raises(refrain.ArgumentError, match="seed"):
    refrain.Model(CLASSIFIER, seed=-1)
  with pytest.raises(refrain.ArgumentError, match="NUL"):
    classifier.save("a\0b")


def test_errors_of_threads_do_not_mix():
  def provoke(name):
    messages = set()
    for _ in range(50):
      try:
        refrain.Model(f"{name}(1)")
      except refrain.NotationError as error:
        messages.add(name in str(error))
    return messages

  with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(provoke, ["Aaa", "Bbb", "Ccc", "Ddd"])) == [{True}] * 4
