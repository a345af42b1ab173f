"""Models: running them, their files, and what travels with them."""

import copy
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import refrain

from problems import CLASSIFIER, REGRESSOR, gru_reference, ids_problem


def test_a_model_describes_itself(classifier):
  assert classifier.inputs == (refrain.arrays.Description(np.dtype(np.int32), (None, None)),)
  assert classifier.outputs[0].shape == (None, 3)
  assert classifier.outputs[0].dtype == np.float32
  assert refrain.Model(classifier.notation, seed=3).notation == classifier.notation
  assert "GRU" in classifier.summary() and str(classifier.parameter_count) in classifier.summary()
  assert classifier.parameter_count == sum(p.size for p in classifier.parameters.values())
  assert "GRU" in repr(classifier)


def test_the_seed_decides_the_parameters():
  first, again, other = (refrain.Model(CLASSIFIER, seed=seed) for seed in (1, 1, 2))
  for name, values in first.parameters.items():
    assert np.array_equal(values, again.parameters[name])
  assert not np.array_equal(first.parameters["gru.weight_ih"], other.parameters["gru.weight_ih"])


def test_predict_computes_the_equations(classifier):
  x, _ = ids_problem(9, 5)
  expected = gru_reference(classifier.parameters, x)
  for given in (x, x.astype(np.int32), x.astype(np.uint8), x.tolist(), np.asfortranarray(x)):
    np.testing.assert_allclose(classifier.predict(given), expected, rtol=1e-5, atol=1e-6)


def test_predict_does_not_depend_on_batches_or_threads(classifier):
  x, _ = ids_problem(50)
  whole = classifier.predict(x)
  assert whole.shape == (50, 3) and whole.dtype == np.float32
  assert np.array_equal(whole, classifier.predict(x, batch_size=7))
  assert np.array_equal(whole, classifier.predict(x, threads=3))
  assert classifier.predict(x[:0]).shape == (0, 3)
  with pytest.raises(refrain.ArgumentError, match="batch_size"):
    classifier.predict(x, batch_size=0)


def test_nothing_behind_a_length_counts():
  model = refrain.Model("Input(3) -> Bidirectional(LSTM(4, return_sequences=true)) -> Dense(2)")
  x = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
  lengths = [6, 2, 0, 4]
  y = model.predict(x, lengths)
  for row, length in enumerate(lengths):
    x[row, length:] = np.nan
    if length:
      alone = model.predict(x[row : row + 1, :length])
      np.testing.assert_allclose(y[row, :length], alone[0], rtol=1e-5, atol=1e-6)
    assert np.all(y[row, length:] == 0)
  assert np.array_equal(model.predict(x, np.array(lengths, np.uint16), batch_size=3), y)
  with pytest.raises(refrain.ShapeError, match="lengths"):
    model.predict(x, [1, 2])
  with pytest.raises(refrain.ArgumentError):
    model.predict(x, [7, 1, 1, 1])


def test_a_masked_timestep_is_skipped(classifier):
  x, _ = ids_problem(5, 6)
  mask = np.ones((5, 6), bool)
  mask[:, 2] = False
  expected = classifier.predict(np.delete(x, 2, axis=1))
  np.testing.assert_allclose(classifier.predict(x, mask=mask), expected, rtol=1e-5, atol=1e-6)
  with pytest.raises(refrain.ShapeError, match="mask"):
    classifier.predict(x, mask=mask[:, :3])


def test_several_inputs_and_outputs():
  model = refrain.Model(
    "a = Input(2)\nb = Input(3)\nh = [a, b] -> Concat -> GRU(4)\n"
    "p = h -> Dense(2, activation=softmax, name=p)\nq = h -> Dense(1, name=q)\n[p, q]"
  )
  assert len(model.inputs) == 2 and len(model.outputs) == 2
  rng = np.random.default_rng(2)
  x = [rng.normal(size=(12, 5, 2)), rng.normal(size=(12, 5, 3))]
  p, q = model.predict(x)
  assert p.shape == (12, 2) and q.shape == (12, 1)
  y = [rng.integers(0, 2, 12), rng.normal(size=12)]
  history = model.fit(x, y, loss=["crossentropy", "mse"], epochs=2, verbose=0)
  assert history.epochs == 2
  with model.session(lanes=2) as session:
    for t in range(5):
      stepped = session.step([x[0][:2, t], x[1][:2, t]])
    np.testing.assert_allclose(stepped[0], model.predict(x)[0][:2], rtol=1e-5, atol=1e-6)
  trainer = model.trainer(loss=["crossentropy", "mse"])
  outputs = trainer.forward(x)
  dx = trainer.backward([np.ones_like(output) for output in outputs])
  assert [gradient.shape for gradient in dx] == [array.shape for array in x]
  with pytest.raises(refrain.ShapeError, match="2 arrays"):
    model.predict(x[0])
  with pytest.raises(refrain.ShapeError, match="sequences"):
    model.predict([x[0], x[1][:3]])
  with pytest.raises(refrain.UnsupportedError):
    model.predict_classes(x)


def test_ragged_and_foreign_arrays_are_refused(classifier):
  with pytest.raises(refrain.ShapeError, match="pad_sequences"):
    classifier.predict([[1, 2], [3]])
  with pytest.raises(refrain.ShapeError):
    classifier.predict([[None, 2]])
  with pytest.raises(refrain.ArgumentError, match="32-bit"):
    classifier.predict(np.array([[1 << 31]]))
  with pytest.raises(refrain.ShapeError, match="complex"):
    refrain.Model(REGRESSOR).predict(np.zeros((1, 2, 3), complex))
  with pytest.raises(refrain.ShapeError, match="single number"):
    classifier.predict(3)


def test_files_and_bytes_hold_the_same_model(tmp_path, classifier):
  x, _ = ids_problem(8)
  path = tmp_path / "modèl.refrain"
  classifier.save(path)
  for other in (refrain.load(path), refrain.load(str(path)), refrain.load(classifier.to_bytes())):
    assert other.notation == classifier.notation
    assert np.array_equal(other.predict(x), classifier.predict(x))
  with pytest.raises(refrain.FileError):
    classifier.save(tmp_path / "no folder" / "model.refrain")


def test_pickle_and_copies_are_independent(classifier):
  x, _ = ids_problem(8)
  expected = classifier.predict(x)
  copies = [
    pickle.loads(pickle.dumps(classifier)),
    copy.copy(classifier),
    copy.deepcopy(classifier),
  ]
  classifier.parameters["dense.bias"] = [1, 2, 3]
  for other in copies:
    assert np.array_equal(other.predict(x), expected)


def test_what_travels_with_a_model(classifier):
  assert classifier.tokenizer is None and classifier.labels == []
  assert classifier.input_scaler is None and classifier.target_scaler is None
  tokenizer = refrain.Tokenizer(num_words=20, maxlen=4)
  tokenizer.fit_on_texts(["the cat sat", "the dog"])
  values = np.arange(12.0).reshape(4, 3)
  classifier.tokenizer = tokenizer
  classifier.labels = ["rot", "grün", "blau"]
  classifier.input_scaler = refrain.StandardScaler().fit(values)
  classifier.target_scaler = refrain.MinMaxScaler(-1, 1).fit(values)
  loaded = refrain.load(classifier.to_bytes())
  assert loaded.labels == ["rot", "grün", "blau"]
  assert loaded.tokenizer.word_index == tokenizer.word_index
  np.testing.assert_allclose(loaded.input_scaler.transform(values).mean(axis=0), 0, atol=1e-6)
  np.testing.assert_allclose(loaded.target_scaler.transform(values).max(axis=0), 1, rtol=1e-6)
  classifier.tokenizer = classifier.labels = classifier.input_scaler = None
  assert classifier.tokenizer is None and classifier.labels == []
  assert classifier.input_scaler is None and classifier.target_scaler is not None


def test_models_can_be_read_by_many_threads(classifier):
  x, y = ids_problem(64)
  expected, loss = classifier.predict(x), classifier.evaluate(x, y).loss

  def read(_):
    return np.array_equal(classifier.predict(x), expected), classifier.evaluate(x, y).loss

  with ThreadPoolExecutor(6) as pool:
    assert set(pool.map(read, range(40))) == {(True, loss)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_can_use_the_model(classifier):
  x, y = ids_problem(64)
  expected = classifier.predict(x, threads=2)
  child = os.fork()
  if child == 0:
    try:
      same = np.array_equal(classifier.predict(x, threads=2), expected)
      classifier.fit(x, y, verbose=0)
      os._exit(0 if same else 1)
    finally:
      os._exit(2)
  assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
