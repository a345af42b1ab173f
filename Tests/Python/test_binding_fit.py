"""Fitting: learning, displays, callbacks, Ctrl-C, and the history."""

import copy
import math
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import refrain

from problems import REGRESSOR, ids_problem


def test_fit_learns_and_keeps_a_history(classifier, capfd):
  x, y = ids_problem(200)
  history = classifier.fit(
    x, y, validation_split=0.2, epochs=30, batch_size=16, optimizer="Adam(0.02)", clip_norm=5
  )
  assert history is classifier.history and history.epochs == 30
  assert set(history) == {
    "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "gradient_norm", "seconds",
  }  # fmt: skip
  assert history["accuracy"][-1] > 0.9 > history["accuracy"][0]
  assert history["loss"][-1] < history["loss"][0]
  assert all(seconds > 0 for seconds in history["seconds"])
  assert history.best_epoch == int(np.argmin(history["val_loss"]))
  assert history["learning_rate"] == pytest.approx([0.02] * 30)
  assert "epochs" in repr(history) and not history.interrupted
  printed = capfd.readouterr()
  assert printed.out == "" and printed.err.count("epoch ") == 30
  assert "val_loss" in printed.err and "sequences/s" in printed.err


def test_displays(classifier, capfd):
  x, y = ids_problem(40)
  classifier.fit(x, y, verbose=0, epochs=2)
  assert capfd.readouterr().err == ""
  classifier.fit(x, y, verbose=1, epochs=2, validation_data=(x, y))
  bars = capfd.readouterr().err
  assert "epoch 2/2" in bars and "100%" in bars and "val_loss" in bars
  classifier.fit(x, y, verbose=2, epochs=2)
  assert capfd.readouterr().err.count("epoch ") == 2
  with pytest.raises(refrain.ArgumentError, match="verbose"):
    classifier.fit(x, y, verbose="loud")


def test_the_same_seed_gives_the_same_model_for_any_threads():
  x, y = ids_problem(80)
  notation = (
    "Embedding(20, 6) -> GRU(8, dropout=0.2, recurrent_dropout=0.2) -> Dense(3, activation=softmax)"
  )
  models = [refrain.Model(notation, seed=1) for _ in range(3)]
  for model, threads, seed in zip(models, (1, 3, 1), (7, 7, 8), strict=True):
    model.fit(x, y, epochs=2, threads=threads, seed=seed, verbose=0)
  assert np.array_equal(models[0].predict(x), models[1].predict(x))
  assert not np.array_equal(models[0].predict(x), models[2].predict(x))


def test_another_fit_goes_on_with_the_optimizer(classifier):
  x, y = ids_problem(64)
  other = copy.deepcopy(classifier)
  whole = classifier.fit(x, y, epochs=4, verbose=0)
  parts = [other.fit(x, y, epochs=1, verbose=0)["loss"][0] for _ in range(4)]
  assert parts == whole["loss"]
  before = other._trainer
  other.fit(x, y, epochs=1, optimizer="SGD(0.1)", verbose=0)
  assert other._trainer is not before


def test_early_stopping_and_restoring(classifier):
  x, y = ids_problem(40)
  random = np.random.default_rng(9).integers(0, 3, 20)
  history = classifier.fit(
    x[:20], y[:20], validation_data=(x[20:], random), epochs=200, optimizer="Adam(0.05)",
    patience=2, restore_best=True, verbose=0,
  )  # fmt: skip
  assert history.stopped_early and history.epochs < 200
  best = history["val_loss"][history.best_epoch]
  assert classifier.evaluate(x[20:], random).loss == pytest.approx(best, rel=1e-5)


def test_other_options_go_where_they_belong(classifier):
  x, y = ids_problem(40)
  history = classifier.fit(
    x, y, epochs=3, schedule="Exponential(0.5)", l2=0.001,
    monitor="accuracy", min_delta=0.01, verbose=0,
  )  # fmt: skip
  assert history.epochs == 3
  assert "l2=0.001" in classifier._trainer.notation
  with pytest.raises(refrain.NotationError, match="patience"):
    classifier.fit(x, y, patiense=3, verbose=0)
  with pytest.raises(refrain.NotationError, match="Adam"):
    classifier.fit(x, y, optimizer="Adamm(0.1)", verbose=0)


def test_on_progress_sees_everything_and_can_stop(classifier):
  x, y = ids_problem(48)
  seen = []

  def watch(progress):
    seen.append(progress)
    assert classifier.predict(x[:2]).shape == (2, 3)
    return progress.epoch == 1 and progress.batch == 1

  history = classifier.fit(x, y, epochs=5, batch_size=16, on_progress=watch, verbose=0)
  assert [p.batch for p in seen if not p.epoch_end] == [0, 1, 2, 0, 1]
  assert [p.epoch_end for p in seen] == [False] * 3 + [True] + [False] * 2
  assert history["seconds"] == [seen[3].seconds]
  assert seen[2].sequences == 48 and seen[2].batches == 3 and seen[-1].updates == 5
  assert seen[0].epochs == 5 and seen[0].loss > 0 and math.isnan(seen[0].val_loss)
  assert history.interrupted and history.epochs == 1


def test_seconds_are_those_of_each_epoch(classifier):
  x, y = ids_problem(48)
  ends = []
  history = classifier.fit(x, y, epochs=4, on_progress=ends.append, verbose=0)
  total = [progress.seconds for progress in ends if progress.epoch_end]
  assert np.cumsum(history["seconds"]) == pytest.approx(total)


def test_exceptions_of_on_progress_propagate_and_the_model_lives(classifier):
  x, y = ids_problem(48)

  def fail(progress):
    raise ZeroDivisionError(f"batch {progress.batch}")

  with pytest.raises(ZeroDivisionError, match="batch 0"):
    classifier.fit(x, y, on_progress=fail, verbose=0)
  assert classifier.history.interrupted and classifier.history.epochs == 0
  assert classifier.history.best_epoch is None
  assert classifier.fit(x, y, epochs=1, verbose=0).epochs == 1


def test_resuming_gives_the_same_bits(classifier, tmp_path):
  x, y = ids_problem(48)
  other, third = copy.deepcopy(classifier), copy.deepcopy(classifier)
  classifier.fit(x, y, epochs=3, batch_size=16, verbose=0)

  def stop(progress):
    return progress.epoch == 1 and progress.batch == 1 and not progress.epoch_end

  assert other.fit(x, y, epochs=3, batch_size=16, on_progress=stop, verbose=0).interrupted
  other._trainer.save(tmp_path / "checkpoint")
  other.fit(x, y, epochs=3, batch_size=16, resume=True, verbose=0)
  assert np.array_equal(other.predict(x), classifier.predict(x))

  trainer = third.trainer("loss=crossentropy, optimizer=Adam(0.001), threads=1, seed=0")
  trainer.load(tmp_path / "checkpoint")
  trainer.fit(x, y, epochs=3, batch_size=16, resume=True, verbose=0)
  assert np.array_equal(third.predict(x), classifier.predict(x))


def test_a_loss_that_explodes_is_an_arithmetic_error():
  x = np.random.default_rng(1).normal(size=(8, 3, 3))
  model = refrain.Model(REGRESSOR)
  with pytest.raises(ArithmeticError, match="not finite") as caught:
    model.fit(x, np.ones(8), loss="mse", optimizer="SGD(1e9)", epochs=99, verbose=0)
  assert isinstance(caught.value, refrain.NotFiniteError)
  assert 0 < model.history.epochs < 99 and not model.history.interrupted
  assert all(np.isfinite(values).all() for values in model.parameters.values())


INTERRUPTED = """
  import signal, sys, threading
  import numpy as np
  import refrain
  # A shell without job control starts its background jobs deaf to it.
  signal.signal(signal.SIGINT, signal.default_int_handler)
  rng = np.random.default_rng(0)
  x, y = rng.integers(1, 20, (512, 20)), rng.integers(0, 3, 512)
  model = refrain.Model("Embedding(20, 6) -> GRU(32) -> Dense(3, activation=softmax)")
  def tell(progress):
    if progress.epoch == 1 and progress.batch == 0:
      print("running", flush=True)
  try:
    model.fit({data}, epochs=10**6, verbose={verbose}, on_progress=tell)
  except KeyboardInterrupt:
    history = model.history
    assert history.interrupted and history.epochs >= 1, history
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert np.isfinite(model.predict(x)).all()
    assert refrain.load(model.to_bytes()).notation == model.notation
    more = model.fit({data}, epochs=history.epochs + 1, verbose=0, resume=True)
    assert more.epochs == 1, more
    print("stopped")
"""


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("data", ["x, y", "lambda: [(x[:256], y[:256]), (x[256:], y[256:])]"])
def test_ctrl_c_stops_a_fit_cleanly(data, verbose):
  program = textwrap.dedent(INTERRUPTED.format(data=data, verbose=verbose))
  child = subprocess.Popen(
    [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )
  try:
    assert child.stdout.readline() == "running\n", child.stderr.read()
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
  finally:
    child.kill()
  assert (out, child.returncode) == ("stopped\n", 0), err
  assert "Exception ignored" not in err and "Traceback" not in err


def test_a_fit_in_another_thread_leaves_signals_alone(classifier):
  x, y = ids_problem(20)
  before = signal.getsignal(signal.SIGINT)
  thread = threading.Thread(target=classifier.fit, args=(x, y), kwargs={"verbose": 0})
  thread.start()
  thread.join()
  assert classifier.history.epochs == 1 and signal.getsignal(signal.SIGINT) is before


def test_history_plots_to_a_file(classifier, tmp_path):
  pytest.importorskip("matplotlib")
  x, y = ids_problem(30)
  history = classifier.fit(x, y, epochs=3, validation_split=0.2, verbose=0)
  figure = history.plot(tmp_path / "history.png")
  assert (tmp_path / "history.png").stat().st_size > 5000
  assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
  assert [line.get_label() for line in figure.axes[0].lines] == ["training", "validation"]


def test_history_without_matplotlib_says_what_to_do(classifier, monkeypatch):
  monkeypatch.setitem(sys.modules, "matplotlib", None)
  monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
  x, y = ids_problem(10)
  with pytest.raises(ImportError, match="pip install matplotlib"):
    classifier.fit(x, y, verbose=0).plot()
