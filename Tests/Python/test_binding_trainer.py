"""Training loops of one's own: gradients, updates, checkpoints."""

import numpy as np
import pytest
import refrain

from problems import REGRESSOR, ids_problem


def test_gradients_agree_with_finite_differences():
  model = refrain.Model(REGRESSOR, seed=6)
  rng = np.random.default_rng(4)
  x, r = rng.normal(size=(4, 5, 3)).astype(np.float32), rng.normal(size=(4, 1)).astype(np.float32)
  lengths = [5, 2, 4, 1]
  trainer = model.trainer("optimizer=SGD(0.5)")
  y = trainer.forward(x, lengths)
  np.testing.assert_allclose(y, model.predict(x, lengths), rtol=1e-5, atol=1e-6)
  dx = trainer.backward(r)
  assert dx.shape == x.shape and not dx[1, 2:].any()

  def loss():
    return float((model.predict(x, lengths).astype(np.float64) * r).sum())

  step = 1e-2
  for values, gradient, index in (
    (x, dx, (0, 3, 1)),
    (model.parameters["lstm.weight_hh"], trainer.gradients["lstm.weight_hh"], (7, 2)),
    (model.parameters["dense.weight"], trainer.gradients["dense.weight"], (0, 4)),
  ):
    values[index] += step
    above = loss()
    values[index] -= 2 * step
    below = loss()
    values[index] += step
    assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=2e-2, abs=1e-4)


def test_a_training_loop_of_ones_own(classifier, tmp_path):
  x, y = ids_problem(20)
  trainer = classifier.trainer("loss=crossentropy, optimizer=SGD(0.5)", clip_norm=100)
  assert "clip_norm=100" in trainer.notation and "SGD" in repr(trainer)
  assert set(trainer.gradients) == set(classifier.parameters) and len(trainer.gradients) == 7
  assert "gru.bias_hh" in trainer.gradients and "gru.bias_hh" in repr(trainer.gradients)
  with pytest.raises(refrain.OrderError):
    trainer.backward(np.zeros((20, 3)))
  trainer.forward(x)
  loss = trainer.backward_loss(y)
  assert loss == pytest.approx(classifier.evaluate(x, y, loss="crossentropy").loss, rel=1e-5)
  before = classifier.parameters["dense.bias"].copy()
  gradient = trainer.gradients["dense.bias"]
  kept = gradient.copy()
  norm = trainer.update()
  np.testing.assert_allclose(classifier.parameters["dense.bias"], before - 0.5 * kept, rtol=1e-6)
  assert norm > 0 and trainer.updates == 1 and not gradient.any()

  trainer.forward(x)
  assert trainer.backward(np.ones((20, 3))) is None  # ids have no gradient
  trainer.zero_gradients()
  assert not trainer.gradients["dense.weight"].any()
  gradient[:] = [1, 0, 0]
  before = classifier.parameters["dense.bias"].copy()
  assert trainer.update() == pytest.approx(1)
  expected = before - [0.5, 0, 0]
  np.testing.assert_allclose(classifier.parameters["dense.bias"], expected, rtol=1e-6)
  assert trainer.learning_rate == 0.5
  trainer.learning_rate = 0.25
  assert trainer.learning_rate == 0.25
  trainer.report(1.0)

  trainer.save(tmp_path / "checkpoint")
  state = classifier.predict(x)
  trainer.forward(x)
  trainer.backward_loss(y, sample_weight=np.ones(20))
  trainer.update()
  assert not np.array_equal(classifier.predict(x), state)
  trainer.load(tmp_path / "checkpoint")
  assert np.array_equal(classifier.predict(x), state) and trainer.updates == 2
  with pytest.raises(refrain.FormatError):
    refrain.Model(REGRESSOR).trainer().load(tmp_path / "checkpoint")


def test_backward_loss_gives_input_gradients_when_asked():
  model = refrain.Model(REGRESSOR, seed=1)
  x = np.random.default_rng(5).normal(size=(4, 6, 3)).astype(np.float32)
  y = np.arange(4.0)
  trainer = model.trainer("loss=mse")
  predicted = trainer.forward(x)
  loss, dx = trainer.backward_loss(y, input_gradients=True)
  assert loss == pytest.approx(np.mean((predicted[:, 0] - y) ** 2), rel=1e-5)
  trainer.forward(x)
  by_hand = trainer.backward(2 * (predicted - y[:, None]) / 4)
  np.testing.assert_allclose(dx, by_hand, rtol=1e-4, atol=1e-6)
  with pytest.raises(refrain.OrderError):
    model.trainer().fit(x, y, verbose=0)  # it has no loss


def test_ids_beside_numbers_have_no_gradient():
  model = refrain.Model(
    "w = Input(ids) -> Embedding(20, 4)\nx = Input(3)\n[w, x] -> Concat -> GRU(5) -> Dense(2)",
    seed=1,
  )
  rng = np.random.default_rng(1)
  ids, x = rng.integers(1, 20, (4, 6)).astype(np.int32), rng.normal(size=(4, 6, 3))
  kept = ids.copy()
  trainer = model.trainer()
  trainer.forward([ids, x])
  none, dx = trainer.backward(np.ones((4, 2)))
  assert none is None and dx.shape == x.shape and dx.any()
  assert np.array_equal(ids, kept)
