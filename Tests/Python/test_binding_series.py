"""Windows and scalers."""

import numpy as np
import pytest
import refrain


def test_windows():
  series = np.arange(20.0).reshape(10, 2)
  x, y = refrain.windows(series, length=4, horizon=2, stride=3)
  assert x.shape == (2, 4, 2) and y.shape == (2, 2, 2)
  assert np.array_equal(x[1], series[3:7]) and np.array_equal(y[1], series[7:9])
  x, y = refrain.windows(np.arange(5), 3)
  assert x.shape == (2, 3, 1) and y[:, 0, 0].tolist() == [3, 4]
  x, y = refrain.windows(np.arange(3), 5)
  assert x.shape == (0, 5, 1) and y.shape == (0, 1, 1)
  with pytest.raises(refrain.RefrainError):
    refrain.windows(series, 0)


def test_scalers():
  x = np.random.default_rng(8).normal(3, 2, (50, 3)).astype(np.float32)
  scaler = refrain.StandardScaler()
  with pytest.raises(refrain.OrderError):
    scaler.transform(x)
  scaled = scaler.fit_transform(x)
  np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
  np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-4)
  np.testing.assert_allclose(scaler.inverse_transform(scaled), x, rtol=1e-4, atol=1e-5)
  sequences = x[:48].reshape(4, 12, 3)
  assert np.array_equal(scaler.transform(sequences).reshape(48, 3), scaled[:48])
  bounded = refrain.MinMaxScaler(-1, 3).fit(x[:, 0]).transform(x[:, 0])
  assert bounded.shape == (50,)
  assert bounded.min() == pytest.approx(-1) and bounded.max() == pytest.approx(3)
  with pytest.raises(ValueError, match="features"):
    scaler.transform(np.zeros((2, 4)))
  with pytest.raises(refrain.NotationError):
    refrain.Scaler("RobustScaler()")
