"""Small models and data for the tests, and what the models should compute."""

import numpy as np

CLASSIFIER = "Embedding(20, 6) -> GRU(8) -> Dense(3, activation=softmax)"
REGRESSOR = "Input(3) -> LSTM(5) -> Dense(1)"


def ids_problem(count=60, timesteps=7, classes=3, seed=0):
  """Sequences of ids whose first one decides the class."""
  x = np.random.default_rng(seed).integers(1, 20, (count, timesteps))
  return x, x[:, 0] % classes


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def gru_reference(parameters, ids):
  """The classifier above in float64 and plain loops: gates r z n, reset after the product."""
  p = {name: values.astype(np.float64) for name, values in parameters.items()}
  hidden_size = p["gru.weight_hh"].shape[1]
  probabilities = []
  for row in ids:
    h = np.zeros(hidden_size)
    for id in row:
      a = p["gru.weight_ih"] @ p["embedding.weight"][id] + p["gru.bias_ih"]
      b = p["gru.weight_hh"] @ h + p["gru.bias_hh"]
      (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
      r, z = sigmoid(ar + br), sigmoid(az + bz)
      h = (1 - z) * np.tanh(an + r * bn) + z * h
    logits = p["dense.weight"] @ h + p["dense.bias"]
    exponentials = np.exp(logits - logits.max())
    probabilities.append(exponentials / exponentials.sum())
  return np.array(probabilities)
