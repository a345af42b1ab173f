"""Parameters as arrays over the library's memory, and how long that memory lives."""

import gc

import numpy as np
import pytest
import refrain
from refrain import _abi

from problems import CLASSIFIER, gru_reference, ids_problem


def test_parameters_are_views_that_write_through(classifier):
  x, _ = ids_problem(6)
  session = classifier.session()
  trainer = classifier.trainer()
  session.run(x)
  parameters = classifier.parameters
  assert list(parameters)[:2] == ["embedding.weight", "gru.weight_ih"] and len(parameters) == 7
  assert parameters["gru.weight_hh"].shape == (24, 8) and "gru.weight_hh" in parameters
  assert "gru.weight_hh" in repr(parameters)
  kept = parameters["gru.weight_hh"]
  for change in (0.5, -0.25):
    kept += change
    parameters["dense.bias"][:] = [change, 0, 1]
    expected = gru_reference(parameters, x)
    np.testing.assert_allclose(session.run(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trainer.forward(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(classifier.predict(x), expected, rtol=1e-5, atol=1e-6)
    for t in range(x.shape[1]):
      stepped = session.step(x[0, t])
    np.testing.assert_allclose(stepped, expected[0], rtol=1e-5, atol=1e-6)
    session.reset()


def test_a_write_through_a_dropped_view_is_noticed(classifier):
  x, _ = ids_problem(6)
  session = classifier.session()
  session.run(x)
  classifier.parameters["gru.weight_hh"][:] *= 3
  gc.collect()
  expected = gru_reference(classifier.parameters, x)
  np.testing.assert_allclose(session.run(x), expected, rtol=1e-5, atol=1e-6)


def test_setting_a_parameter_checks_it(classifier):
  classifier.parameters["dense.bias"] = [1, 2, 3]
  assert classifier.parameters["dense.bias"].tolist() == [1, 2, 3]
  with pytest.raises(refrain.ShapeError, match=r"\[3\]"):
    classifier.parameters["dense.bias"] = [1, 2]
  with pytest.raises(refrain.NotFiniteError):
    classifier.parameters["dense.bias"] = [1, np.nan, 3]
  with pytest.raises(refrain.UnknownNameError):
    classifier.parameters["bias"] = [1]
  assert classifier.parameters["dense.bias"].tolist() == [1, 2, 3]


def test_views_keep_the_memory_alive():
  model = refrain.Model("Input(200) -> LSTM(300) -> Dense(2)", seed=5)
  trainer = model.trainer("loss=mse")
  weights, gradient = model.parameters["lstm.weight_hh"], trainer.gradients["lstm.weight_hh"]
  expected = weights.copy()
  part = weights[7:9]
  trainer.close()
  model.close()
  del model, trainer, weights
  gc.collect()
  churn = [refrain.Model("Input(200) -> LSTM(300) -> Dense(2)", seed=seed) for seed in range(3)]
  assert np.array_equal(part, expected[7:9]) and not gradient.any()
  part += 1
  gradient += 1
  assert np.array_equal(part, expected[7:9] + 1)
  assert len(churn) == 3


def test_a_dropped_model_is_released():
  model = refrain.Model(CLASSIFIER)
  pointer = model._handle._as_parameter_
  _abi.read_text(_abi.library().refrain_model_summary, pointer)
  del model
  with pytest.raises(refrain.HandleError):
    _abi.read_text(_abi.library().refrain_model_summary, pointer)


def test_closed_objects_say_so(classifier):
  session, trainer, tokenizer = classifier.session(), classifier.trainer(), refrain.Tokenizer()
  with classifier as model:
    assert model is classifier
  classifier.close()
  x, _ = ids_problem(2)
  assert session.run(x).shape == (2, 3)
  assert trainer.updates == 0
  for closed in (session, trainer, tokenizer):
    closed.close()
    assert "closed" in repr(closed)
  for call in (
    lambda: classifier.predict(x),
    lambda: classifier.summary(),
    lambda: session.run(x),
    lambda: trainer.update(),
    lambda: tokenizer.size,
  ):
    with pytest.raises(refrain.HandleError, match="closed"):
      call()
