"""Long sequences in windows: truncated backpropagation, and activations computed again."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import refrain

TIMESTEPS = 23
MODELS = {
  "rnn": "Input(3) -> RNN(4, return_sequences=true) -> Dense(2)",
  "lstm, final": "Input(3) -> LSTM(4) -> Dense(2)",
  "two layers": "Input(3) -> GRU(4, return_sequences=true) -> LSTM(5, return_sequences=true)"
  " -> Dense(2)",
  "dropped, learned": "Input(3)"
  " -> GRU(4, dropout=0.2, recurrent_dropout=0.3, return_sequences=true, learn_initial_state=true) -> LSTM(5, projection=3, peephole=true, learn_initial_state=true)",
  "zoneout": "Input(3) -> Dropout(0.3)"
  " -> LSTM(4, zoneout=0.2, zoneout_cell=0.3, return_sequences=true)",
  "normalised": "Input(3) -> LSTM(4, layer_norm=true, return_sequences=true) -> MGU(3)",
  "more states": "Input(3) -> SLSTM(4, return_sequences=true) -> MinGRU(3, return_sequences=true)",
}
# Dropout and zoneout draw anew in each window, so they cannot be compared with the whole sequence.
DRAWN_BY_TIMESTEP = {"zoneout"}
SITUATIONS = {
  "whole": {},
  "lengths": {"lengths": np.array([23, 7, 0, 16, 8])},
  "mask": {"mask": (np.arange(5 * TIMESTEPS) % 7 > 1).reshape(5, TIMESTEPS)},
}


def gradients(model: str, options: str, situation: str = "whole", batch: int = 5, seed: int = 1):
  """Outputs, input gradient and the parameters' gradients of a mean squared error."""
  random = np.random.default_rng(seed)
  net = refrain.Model(model, seed=3)
  for name in net.parameters:
    values = net.parameters[name]
    values[...] += random.normal(size=values.shape).astype(np.float32) * 0.1
  trainer = net.trainer(f"loss=mse, seed=4{options}")
  x = random.normal(size=(batch, TIMESTEPS, 3)).astype(np.float32)
  y = trainer.forward(x, **SITUATIONS[situation])
  target = random.normal(size=y.shape).astype(np.float32)
  loss, dx = trainer.backward_loss(target, input_gradients=True)
  return [y, np.array(loss), dx, *(np.array(trainer.gradients[name]) for name in net.parameters)]


def assert_same(found, expected, relative: float = 2e-5) -> None:
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, rtol=relative, atol=1e-6)


@pytest.mark.parametrize("window", [1, 5, 8, 22])
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("model", sorted(MODELS.keys() - DRAWN_BY_TIMESTEP))
def test_recomputed_gradients_are_those_of_the_whole_sequence(model, situation, window) -> None:
  whole = gradients(MODELS[model], "", situation)
  assert_same(gradients(MODELS[model], f", recompute={window}", situation), whole)


@pytest.mark.parametrize("window", [23, 100])
def test_a_window_as_long_as_the_sequence_changes_nothing(window) -> None:
  whole = gradients(MODELS["two layers"], "")
  for option in ("recompute", "truncate"):
    for one, other in zip(gradients(MODELS["two layers"], f", {option}={window}"), whole):
      assert np.array_equal(one, other)


def test_the_second_pass_draws_the_same_numbers() -> None:
  """With zoneout and dropout: the gradient is that of the output which forward gave."""
  net = refrain.Model(MODELS["zoneout"], seed=3)
  x = np.random.default_rng(2).normal(size=(3, TIMESTEPS, 3)).astype(np.float32)

  def output() -> np.ndarray:
    trainer = net.trainer("loss=mse, seed=4, recompute=6")
    return trainer.forward(x), trainer

  y, trainer = output()
  dx = trainer.backward(np.ones_like(y))
  direction = np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
  step = 1e-2
  x += step * direction
  above = output()[0].sum(dtype=np.float64)
  x -= 2 * step * direction
  below = output()[0].sum(dtype=np.float64)
  assert (above - below) / (2 * step) == pytest.approx((dx * direction).sum(), rel=2e-3)


def test_threads_and_repetition_give_the_same_bits() -> None:
  one = gradients(MODELS["dropped, learned"], ", recompute=6", "lengths", batch=5)
  for options in (", recompute=6, threads=2", ", recompute=6"):
    for found, expected in zip(gradients(MODELS["dropped, learned"], options, "lengths"), one):
      assert np.array_equal(found, expected)


CELL = "LSTM(4, return_sequences=true, return_state=true, name=cell)"
# The same network with its state as inputs and outputs: windows taken by hand.
OPEN = f"""x = Input(3)
h = Input(4, time=false)
c = Input(4, time=false)
[y, h1, c1] = [x, h, c] -> {CELL}
out = y -> Dense(2)
[out, h1, c1]"""
CLOSED = "Input(3) -> LSTM(4, return_sequences=true, name=cell) -> Dense(2)"


def windows(window: int):
  edges = [*range(0, TIMESTEPS, window), TIMESTEPS]
  return [slice(*pair) for pair in pairwise(edges)]


@pytest.mark.parametrize("window", [1, 6, 20])
def test_truncated_gradients_stop_where_a_window_begins(window) -> None:
  random = np.random.default_rng(5)
  x = random.normal(size=(2, TIMESTEPS, 3)).astype(np.float32)
  target = random.normal(size=(2, TIMESTEPS, 2)).astype(np.float32)
  closed = refrain.Model(CLOSED, seed=1)
  trainer = closed.trainer(f"loss=mse, truncate={window}")
  y = trainer.forward(x)
  trainer.backward_loss(target)

  opened = refrain.Model(OPEN, seed=2)
  for name in closed.parameters:
    opened.parameters[name][...] = closed.parameters[name]
  by_hand = opened.trainer("")
  h = c = np.zeros((2, 4), np.float32)
  for part in windows(window):
    found, h, c = by_hand.forward([x[:, part], h, c])
    np.testing.assert_allclose(y[:, part], found, atol=1e-6)
    dy = 2 * (found - target[:, part]) / target.size
    by_hand.backward([dy.astype(np.float32), np.zeros_like(h), np.zeros_like(c)])
  for name in closed.parameters:
    np.testing.assert_allclose(
      trainer.gradients[name], by_hand.gradients[name], rtol=1e-5, atol=1e-7)


def test_fit_updates_after_each_window() -> None:
  random = np.random.default_rng(6)
  x = random.normal(size=(3, TIMESTEPS, 3)).astype(np.float32)
  target = random.normal(size=(3, TIMESTEPS, 2)).astype(np.float32)
  closed = refrain.Model(CLOSED, seed=1)
  opened = refrain.Model(OPEN, seed=2)
  for name in closed.parameters:
    opened.parameters[name][...] = closed.parameters[name]
  trainer = closed.trainer("loss=mse, optimizer=SGD(0.2), truncate=6")
  trainer.fit(x, target, epochs=2, batch_size=3, shuffle=False, verbose=0)
  assert trainer.updates == 8

  by_hand = opened.trainer("loss=[mse, none, none], optimizer=SGD(0.2)")
  for _ in range(2):
    h = c = np.zeros((3, 4), np.float32)
    for part in windows(6):
      _, h, c = by_hand.forward([x[:, part], h, c])
      by_hand.backward_loss(target[:, part])
      by_hand.update()
  for name in closed.parameters:
    np.testing.assert_allclose(
      closed.parameters[name], opened.parameters[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("option", ["truncate=5", "recompute=5"])
def test_windows_with_nothing_left_teach_nothing(option) -> None:
  """The final state of a sequence that ended long before the batch's last window."""
  random = np.random.default_rng(7)
  x = random.normal(size=(4, TIMESTEPS, 3)).astype(np.float32)
  net = refrain.Model("Input(3) -> LSTM(6) -> Dense(3, activation=softmax)", seed=1)
  trainer = net.trainer(f"loss=crossentropy, optimizer=Adam(0.02), {option}")
  lengths = np.array([3, 9, 1, 23])
  labels = np.array([0, 1, 2, 1], np.int32)
  history = trainer.fit(
    x, labels, lengths=lengths, epochs=150, batch_size=4, verbose=0)
  assert history["loss"][-1] < 0.3 * history["loss"][0]
  x[0, 3:] = np.nan
  assert (net.predict(x, lengths=lengths).argmax(1) == labels).all()


@pytest.mark.parametrize(
  ("model", "options", "message"),
  [
    ("Input(3) -> Bidirectional(LSTM(4))", "truncate=5", "bidirectional needs more than a window"),
    ("Input(3) -> GRU(4, go_backwards=true)", "recompute=5", "gru needs more than a window"),
    ("Input(3) -> GRU(4, return_sequences=true) -> Pooling(mean)", "recompute=5", "pooling"),
    ("Input(3) -> GRU(4, return_sequences=true) -> Pooling(last)", "recompute=5", "pooling"),
    (OPEN, "truncate=5", "cell needs more than a window"),
    ("Input(3) -> GRU(4)", "truncate=5, recompute=5", "recompute"),
  ],
)
def test_what_cannot_be_taken_in_windows_is_refused(model, options, message) -> None:
  with pytest.raises(refrain.RefrainError, match=message):
    refrain.Model(model, seed=1).trainer(options)


def test_windows_of_inputs_with_other_timesteps_are_refused() -> None:
  net = refrain.Model("a = Input(2) -> GRU(3)\nb = Input(2) -> GRU(3)\n[a, b] -> Add", seed=1)
  trainer = net.trainer("truncate=4")
  with pytest.raises(refrain.RefrainError, match="expected 9, found 6"):
    trainer.forward([np.zeros((1, 9, 2), np.float32), np.zeros((1, 6, 2), np.float32)])


def test_a_refused_forward_pass_leaves_nothing_to_go_back_from() -> None:
  """Neither the batch that was refused nor the one before it."""
  net = refrain.Model("a = Input(2) -> GRU(3)\nb = Input(2) -> GRU(3)\n[a, b] -> Add", seed=1)
  trainer = net.trainer("truncate=4")

  def inputs(batch: int, timesteps: int) -> list[np.ndarray]:
    return [np.ones((batch, 3, 2), np.float32), np.ones((batch, timesteps, 2), np.float32)]

  y = trainer.forward(inputs(2, 3))
  with pytest.raises(refrain.RefrainError, match="expected 3, found 5"):
    trainer.forward(inputs(1000, 5))
  trainer.backward(np.ones_like(y))
  with pytest.raises(refrain.RefrainError):
    trainer.backward(np.ones((1000, 3), np.float32))


@pytest.mark.parametrize("window", [3, 4, 5])
def test_a_window_may_begin_with_timesteps_that_no_row_takes(window) -> None:
  """There the state of the window before is put out again."""
  mask = np.array([[1, 1, 1, 1, 0, 1, 1], [1, 1, 0, 0, 0, 0, 1]], np.uint8)
  net = refrain.Model("Input(2) -> LSTM(3, return_sequences=true) -> Dense(1)", seed=1)
  x = np.random.default_rng(1).normal(size=(2, 7, 2)).astype(np.float32)
  dy = np.random.default_rng(2).normal(size=(2, 7, 1)).astype(np.float32)
  found = []
  for options in ("", f"recompute={window}"):
    trainer = net.trainer(options)
    y = trainer.forward(x, mask=mask)
    dx = trainer.backward(dy)
    found.append([y, dx, *(np.array(trainer.gradients[name]) for name in net.parameters)])
  assert_same(found[1], found[0])


def test_updates_between_windows_leave_nothing_to_accumulate() -> None:
  trainer = refrain.Model(CLOSED, seed=1).trainer("loss=mse, truncate=4")
  with pytest.raises(refrain.RefrainError, match="accumulate"):
    trainer.fit(
      np.zeros((2, 9, 3), np.float32), np.zeros((2, 9, 2), np.float32), accumulate=2, verbose=0)


LONG = """
import sys
import numpy as np
import refrain
timesteps = int(sys.argv[1])
net = refrain.Model("Input(2) -> LSTM(16, return_sequences=true) -> Dense(1)", seed=1)
x = np.random.default_rng(1).normal(size=(1, timesteps, 2)).astype(np.float32)
y = np.cumsum(x[:, :, :1], axis=1).astype(np.float32) / 300
trainer = net.trainer("loss=mse" + sys.argv[2])
def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
trainer.forward(x[:, :2]); trainer.backward_loss(y[:, :2]); trainer.zero_gradients()
open("/proc/self/clear_refs", "w").write("5")  # From here on.
before = peak()
trainer.forward(x)
loss = trainer.backward_loss(y)
square = sum((np.array(trainer.gradients[n], np.float64) ** 2).sum() for n in net.parameters)
print(peak() - before, loss, np.sqrt(square))
"""


def long_run(timesteps: int, options: str) -> list[float]:
  done = subprocess.run(
    [sys.executable, "-c", LONG, str(timesteps), options],
    capture_output=True,
    text=True,
    check=True,
  )
  return [float(word) for word in done.stdout.split()]


def test_a_hundred_thousand_timesteps_take_bounded_memory() -> None:
  whole = long_run(100_000, "")
  windows = long_run(100_000, ", recompute=316")
  truncated = long_run(100_000, ", truncate=316")
  np.testing.assert_allclose(windows[1:], whole[1:], rtol=1e-4)
  np.testing.assert_allclose(truncated[1], whole[1], rtol=1e-4)
  # The tape of the whole takes 30 MB; a copy of the inputs, one window and the states between them 2.
  assert whole[0] > 25
  assert windows[0] < 6 and truncated[0] < 6
