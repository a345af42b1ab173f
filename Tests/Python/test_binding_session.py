"""Sessions: steps, lanes, states."""

import numpy as np
import pytest
import refrain

from problems import REGRESSOR, ids_problem


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_steps_equal_a_run(cell):
  model = refrain.Model(f"Input(3) -> {cell}(5, return_sequences=true) -> Dense(2)", seed=8)
  x = np.random.default_rng(6).normal(size=(4, 7, 3)).astype(np.float32)
  expected = model.predict(x)
  stream = model.session(lanes=4)
  for t in range(7):
    np.testing.assert_allclose(stream.step(x[:, t]), expected[:, t], rtol=1e-5, atol=1e-6)
  single = model.session()
  assert single.step(x[0, 0]).shape == (2,) and single.step(x[:1, 1]).shape == (1, 2)
  np.testing.assert_allclose(single.step(list(x[0, 2])), expected[0, 2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU", "MGU"])
def test_a_stream_goes_on_with_the_weights_of_an_update(cell):
  model = refrain.Model(f"Input(3) -> {cell}(5) -> Dense(2)", seed=8)
  x = np.random.default_rng(6).normal(size=(2, 4, 3)).astype(np.float32)
  stream = model.session(lanes=2)
  before = stream.step(x[:, 0])
  trainer = model.trainer("loss=mse, optimizer=Adam(0.1)")
  trainer.forward(x)
  trainer.backward_loss(np.ones((2, 2), np.float32))
  trainer.update()
  stream.reset()
  after = stream.step(x[:, 0])
  np.testing.assert_array_equal(after, model.session(lanes=2).step(x[:, 0]))
  assert not np.allclose(after, before, rtol=0.01)


def test_lanes_state_and_clones():
  model = refrain.Model("Input(2) -> LSTM(4) -> Dense(1)", seed=8)
  x = np.random.default_rng(7).normal(size=(6, 3, 2))
  stream = model.session(lanes=3)
  first = stream.step(x[0])
  stream.step(x[1])
  saved, clone = stream.state, stream.clone()
  after = stream.step(x[2])
  assert np.array_equal(clone.step(x[2]), after) and clone.lanes == 3
  other = model.session(lanes=3)
  other.state = saved
  assert np.array_equal(other.step(x[2]), after)
  stream.reset(lane=1)
  mixed = stream.step(x[0])
  assert np.array_equal(mixed[1], first[1]) and not np.array_equal(mixed[0], first[0])
  stream.reset()
  assert np.array_equal(stream.step(x[0]), first)
  state = stream.state
  stream.run(np.zeros((2, 4, 2)))
  assert stream.state == state
  with pytest.raises(refrain.FormatError):
    model.session(lanes=2).state = saved
  with pytest.raises(refrain.ArgumentError, match="lane"):
    stream.reset(3)
  with pytest.raises(refrain.ArgumentError, match="lane"):
    stream.reset(-1)
  assert "lanes=3" in repr(stream)


def test_steps_of_ids_and_wrong_frames(classifier):
  x, _ = ids_problem(3, 5)
  stream, single = classifier.session(lanes=3), classifier.session()
  for t in range(5):
    y, one = stream.step(x[:, t]), single.step(int(x[0, t]))
  np.testing.assert_allclose(y, classifier.predict(x), rtol=1e-5, atol=1e-6)
  assert one.shape == (3,)
  np.testing.assert_allclose(one, y[0], rtol=1e-6)
  for wrong in (x[:2, 0], x[:, :2], 3):
    with pytest.raises(refrain.ShapeError, match=r"\[3\]"):
      stream.step(wrong)
  with pytest.raises(refrain.ShapeError):
    stream.step(np.zeros(3, np.float32))
  with pytest.raises(refrain.ShapeError, match=r"\[1, 3\]"):
    refrain.Model(REGRESSOR).session().step(np.zeros(4))
  backwards = refrain.Model("Input(2) -> Bidirectional(GRU(3)) -> Dense(1)")
  with pytest.raises(NotImplementedError):
    backwards.session().step(np.zeros(2))
  with pytest.raises(refrain.RefrainError):
    classifier.session(lanes=0)
