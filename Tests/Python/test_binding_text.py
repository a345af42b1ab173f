"""The tokenizer, padding, and models that take texts."""

import copy
import pickle

import numpy as np
import pytest
import refrain

from problems import REGRESSOR

TEXTS = ["The cat sat, the cat ran!", "A dog sat", "the dog"]


def test_tokenizer_counts_and_numbers():
  tokenizer = refrain.Tokenizer()
  tokenizer.fit_on_texts(TEXTS)
  assert tokenizer.word_index == {"the": 1, "cat": 2, "sat": 3, "dog": 4, "ran": 5, "a": 6}
  assert tokenizer.index_word[4] == "dog"
  assert tokenizer.word_counts == {"the": 3, "cat": 2, "sat": 2, "ran": 1, "a": 1, "dog": 2}
  assert tokenizer.word_docs["the"] == 2 and tokenizer.document_count == 3
  assert tokenizer.size == 7 and tokenizer.maxlen is None and tokenizer.padding == "pre"
  assert tokenizer.texts_to_sequences(["the dog flew", ""]) == [[1, 4], []]
  assert tokenizer.sequences_to_texts([[1, 4], [], np.array([2, 99])]) == ["the dog", "", "cat"]
  assert {word: tokenizer.word_id(word) for word in tokenizer.word_index} == tokenizer.word_index
  assert tokenizer.word_id("flew") == 0 and tokenizer.id_word(2) == "cat"
  with pytest.raises(refrain.UnknownNameError):
    tokenizer.id_word(99)
  tokenizer.fit_on_texts(["ran ran ran"])
  assert tokenizer.word_index["ran"] == 1 or tokenizer.word_counts["ran"] == 4
  assert tokenizer.document_count == 4


def test_tokenizer_options():
  limited = refrain.Tokenizer(num_words=4, oov_token="<unk>")
  limited.fit_on_texts(TEXTS)
  assert limited.texts_to_sequences(["the cat ran"]) == [[2, 3, 1]]
  assert limited.size == 4 and limited.word_index["dog"] == 5
  letters = refrain.Tokenizer(char_level=True, lower=False, filters="")
  letters.fit_on_texts(["aAé"])
  assert letters.texts_to_sequences(["éA"]) == [[3, 2]]
  comma = refrain.Tokenizer(split=",", filters="")
  comma.fit_on_texts(["a b,c"])
  assert list(comma.word_index) == ["a b", "c"]
  with pytest.raises(refrain.ArgumentError, match="padding"):
    refrain.Tokenizer(padding="in the middle")
  with pytest.raises(refrain.NotationError):
    refrain.Tokenizer(padding="middle")


def test_tokenizer_encodes_batches():
  for padding, expected in (("pre", [[0, 1, 4], [3, 1, 2]]), ("post", [[1, 4, 0], [3, 1, 2]])):
    tokenizer = refrain.Tokenizer(padding=padding)
    tokenizer.fit_on_texts(TEXTS)
    ids, lengths = tokenizer.encode(["the dog", "the cat sat the cat"], maxlen=3)
    assert ids.tolist() == expected and lengths.tolist() == [2, 3] and ids.dtype == np.int32
  longest, lengths = tokenizer.encode(["the", "the cat sat the"])
  assert longest.shape == (2, 4) and lengths.tolist() == [1, 4]
  assert tokenizer.encode([])[0].shape == (0, 0)
  fixed = refrain.Tokenizer(maxlen=2, truncating="post")
  fixed.fit_on_texts(TEXTS)
  assert fixed.maxlen == 2 and fixed.encode(["the cat sat"])[0].tolist() == [[1, 2]]


def test_tokenizer_matrices_and_state():
  tokenizer = refrain.Tokenizer(oov_token="?")
  tokenizer.fit_on_texts(TEXTS)
  counts = tokenizer.texts_to_matrix(["the the dog"], "count")
  assert counts.shape == (1, tokenizer.size) and counts.sum() == 3
  assert tokenizer.texts_to_matrix(["the the dog"]).sum() == 2
  assert tokenizer.texts_to_matrix(["the the dog"], "freq").sum() == pytest.approx(1)
  with pytest.raises(refrain.ArgumentError, match="mode"):
    tokenizer.texts_to_matrix(["a"], "maybe")
  for other in (
    refrain.Tokenizer.from_json(tokenizer.to_json()),
    pickle.loads(pickle.dumps(tokenizer)),
    copy.deepcopy(tokenizer),
  ):
    assert other.to_json() == tokenizer.to_json()
    assert other.texts_to_sequences(TEXTS) == tokenizer.texts_to_sequences(TEXTS)
  with pytest.raises(ValueError):
    refrain.Tokenizer.from_json("{}")
  assert "size=" in repr(tokenizer)


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_a_model_with_a_tokenizer_takes_texts(padding):
  texts = ["good film", "a good good day", "bad film", "what a bad bad day"] * 8
  labels = ["fine", "fine", "poor", "poor"] * 8
  tokenizer = refrain.Tokenizer(padding=padding, maxlen=6)
  tokenizer.fit_on_texts(texts)
  model = refrain.Model(
    f"Embedding({tokenizer.size}, 8) -> GRU(8) -> Dense(2, activation=softmax)", seed=1
  )
  with pytest.raises(refrain.OrderError, match="tokenizer"):
    model.predict(texts)
  model.tokenizer, model.labels = tokenizer, ["fine", "poor"]
  model.fit(texts, labels, epochs=25, optimizer="Adam(0.02)", verbose=0)
  assert model.evaluate(texts, labels).accuracy == 1
  loaded = refrain.load(model.to_bytes())
  assert loaded.predict_classes(["good", "bad"]).tolist() == ["fine", "poor"]
  assert loaded.predict("good").shape == (1, 2)
  assert np.array_equal(loaded.predict(np.array(texts)), loaded.predict(texts))
  ids, lengths = tokenizer.encode(texts)
  expected = loaded.predict(ids, lengths if padding == "post" else None)
  assert np.array_equal(loaded.predict(texts), expected)
  with pytest.raises(refrain.ArgumentError, match="lengths"):
    model.predict(texts, lengths)
  with pytest.raises(refrain.ShapeError, match="ids"):
    refrain.Model(REGRESSOR).predict(texts)


def test_pad_sequences():
  rows = [[1], [2, 3, 4], []]
  assert refrain.pad_sequences(rows).tolist() == [[0, 0, 1], [2, 3, 4], [0, 0, 0]]
  post = refrain.pad_sequences(rows, maxlen=2, padding="post", truncating="post", value=9)
  assert post.tolist() == [[1, 9], [2, 3], [9, 9]] and post.dtype == np.int32
  numbers = refrain.pad_sequences([[0.5]], maxlen=2, dtype="float32", value=-1.5)
  assert numbers.tolist() == [[-1.5, 0.5]] and numbers.dtype == np.float32
  assert refrain.pad_sequences([]).shape == (0, 0)
  with pytest.raises(refrain.ArgumentError, match="float64"):
    refrain.pad_sequences(rows, dtype="float64")
  with pytest.raises(refrain.RefrainError):
    refrain.pad_sequences(rows, maxlen=-1)
