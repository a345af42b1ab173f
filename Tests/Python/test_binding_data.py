"""What fit is given: targets, weights, validation data, batches from a function."""

import copy

import numpy as np
import pytest
import refrain

from problems import CLASSIFIER, REGRESSOR, ids_problem


def test_kinds_of_targets():
  x, y = ids_problem(30)
  model = refrain.Model(CLASSIFIER, seed=1)
  one_hot = np.eye(3)[y]
  losses = [
    copy.deepcopy(model).fit(x, target, epochs=2, verbose=0)["loss"]
    for target in (y, y[:, None], y.tolist(), one_hot, one_hot.astype(int), y.astype(np.uint8))
  ]
  for other in losses[1:]:
    assert other == pytest.approx(losses[0], rel=1e-5)
  model.labels = ["a", "b", "c"]
  names = np.array(["a", "b", "c"])[y]
  for target in (names, names.tolist(), names.astype(object)):
    fitted = copy.deepcopy(model).fit(x, target, epochs=2, verbose=0)
    assert fitted["loss"] == losses[0]
  with pytest.raises(refrain.ArgumentError, match="'d'"):
    model.fit(x, ["d"] * 30, verbose=0)
  with pytest.raises(refrain.OrderError, match="labels"):
    refrain.Model(CLASSIFIER).fit(x, names, verbose=0)
  with pytest.raises(refrain.ShapeError, match="30 sequences, y has 29"):
    model.fit(x, y[:29], verbose=0)
  with pytest.raises(refrain.ArgumentError, match="y is missing"):
    model.fit(x, verbose=0)
  with pytest.raises(refrain.RefrainError):
    model.fit(x, y + 1, verbose=0)


def test_regression_takes_integers_and_missing_axes():
  x = np.random.default_rng(3).normal(size=(20, 4, 3))
  y = np.arange(20)
  histories = [
    refrain.Model(REGRESSOR, seed=2).fit(x, target, loss="mse", epochs=2, verbose=0)
    for target in (y, y[:, None], y.astype(float), y.astype(np.float32)[:, None])
  ]
  for history in histories:
    assert history["loss"] == histories[0]["loss"]
    assert "accuracy" not in history and "val_loss" not in history
    with pytest.raises(KeyError):
      history["accuracy"]


def test_binary_classification_with_one_output():
  x, y = ids_problem(60, classes=2)
  model = refrain.Model("Embedding(20, 6) -> GRU(8) -> Dense(1, activation=sigmoid)", seed=2)
  model.fit(x, y, loss="binary_crossentropy", optimizer="Adam(0.02)", epochs=15, verbose=0)
  metrics = model.evaluate(x, y)
  assert metrics.confusion.shape == (2, 2)
  classes = model.predict_classes(x)
  assert metrics.accuracy == pytest.approx(np.mean(classes == y))
  assert set(np.unique(classes)) <= {0, 1}


def test_a_class_weight_is_a_sample_weight():
  x, y = ids_problem(40)
  model = refrain.Model(CLASSIFIER, seed=4)
  weights = np.array([1.0, 3.0, 0.5])
  expected = copy.deepcopy(model).fit(x, y, sample_weight=weights[y], epochs=3, verbose=0)["loss"]
  assert expected != copy.deepcopy(model).fit(x, y, epochs=3, verbose=0)["loss"]
  one_hot = np.eye(3)[y]
  native = f"crossentropy(class_weights={weights.tolist()})"
  for other in (
    copy.deepcopy(model).fit(x, y, class_weight=weights.tolist(), epochs=3, verbose=0),
    copy.deepcopy(model).fit(x, y, class_weight={1: 3.0, 2: 0.5}, epochs=3, verbose=0),
    copy.deepcopy(model).fit(x, one_hot, class_weight={1: 3.0, 2: 0.5}, epochs=3, verbose=0),
    copy.deepcopy(model).fit(x, y, loss=native, epochs=3, verbose=0),
  ):
    assert other["loss"] == pytest.approx(expected, rel=1e-5)
  named = copy.deepcopy(model)
  named.labels = ["a", "b", "c"]
  by_label = named.fit(x, y, class_weight={"b": 3.0, "c": 0.5}, epochs=3, verbose=0)
  assert by_label["loss"] == expected
  both = copy.deepcopy(model).fit(
    x, y, class_weight=weights, sample_weight=np.full(40, 2.0), epochs=3, verbose=0
  )
  assert both["loss"] == pytest.approx(expected, rel=1e-5)
  split = copy.deepcopy(model).fit(
    x, y, class_weight=weights, validation_split=0.5, epochs=1, verbose=0
  )
  plain = copy.deepcopy(model).fit(
    x[:20], y[:20], class_weight=weights, validation_data=(x[20:], y[20:]), epochs=1, verbose=0
  )
  assert split["val_loss"] == plain["val_loss"]
  for wrong in ({3: 1.0}, {"z": 1.0}, [1.0, 2.0]):
    with pytest.raises(refrain.ArgumentError, match="class"):
      model.fit(x, y, class_weight=wrong, verbose=0)


def test_per_timestep_targets_with_class_weights():
  x, _ = ids_problem(20, 5)
  y = x % 3
  y[:, 4] = -7  # behind every length
  model = refrain.Model(
    "Embedding(20, 6) -> GRU(8, return_sequences=true) -> Dense(3, activation=softmax)", seed=1
  )
  lengths = np.full(20, 4)
  weighted = copy.deepcopy(model).fit(
    x, y, lengths=lengths, class_weight=[1, 2, 1], sample_weight=np.ones(20), epochs=1, verbose=0
  )
  by_hand = np.where(y == 1, 2.0, 1.0)
  expected = copy.deepcopy(model).fit(
    x, y, lengths=lengths, sample_weight=by_hand, epochs=1, verbose=0
  )
  assert weighted["loss"] == expected["loss"]


def test_validation_data_in_every_form(classifier):
  x, y = ids_problem(30)
  weights = np.linspace(0.1, 1, 30)
  lengths = np.full(30, 4)

  def validate(**arguments):
    return copy.deepcopy(classifier).fit(x, y, verbose=0, **arguments)["val_loss"]

  plain = validate(validation_data=(x, y))
  assert plain == validate(validation_data=refrain.Data(x, y))
  assert plain == pytest.approx(
    validate(validation_data=lambda: [(x[:15], y[:15]), (x[15:], y[15:])])
  )
  assert plain != validate(validation_data=(x, y, weights))
  short = validate(validation_data=refrain.Data(x, y, lengths=lengths))
  assert short == validate(validation_data=(x, y), validation_lengths=lengths) != plain
  for wrong in ((x,), 3):
    with pytest.raises(refrain.ArgumentError, match="validation_data"):
      validate(validation_data=wrong)
  with pytest.raises(refrain.ArgumentError, match="validation_split"):
    validate(validation_split=1.5)
  with pytest.raises(refrain.ArgumentError, match="none"):
    validate(validation_split=0.001)


def test_batches_from_a_function(classifier):
  x, y = ids_problem(64)
  reference = copy.deepcopy(classifier)
  made = []

  def batches():
    made.append(True)
    for start in range(0, 64, 16):
      stop = start + 16
      yield refrain.Data(x[start:stop], y[start:stop], sample_weight=np.ones(16))

  fed = classifier.fit(batches, epochs=3, verbose=0)
  whole = reference.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
  assert len(made) == 3
  assert fed["loss"] == pytest.approx(whole["loss"], rel=1e-6)
  assert np.array_equal(classifier.predict(x), reference.predict(x))
  fed_metrics = classifier.evaluate(batches)
  assert fed_metrics.loss == pytest.approx(classifier.evaluate(x, y).loss)
  with pytest.raises(refrain.ArgumentError, match="makes the batches"):
    classifier.fit(batches, y, verbose=0)
  with pytest.raises(refrain.ArgumentError, match="validation_data instead"):
    classifier.fit(batches, validation_split=0.1, verbose=0)


def test_errors_in_a_batch_function_reach_the_caller(classifier):
  x, y = ids_problem(20)

  def broken():
    yield x, y
    raise LookupError("the third file is missing")

  with pytest.raises(LookupError, match="third file"):
    classifier.fit(broken, verbose=0)
  with pytest.raises(LookupError, match="third file"):
    classifier.evaluate(broken, loss="crossentropy")
  with pytest.raises(refrain.ArgumentError, match="a batch"):
    classifier.fit(lambda: [x], verbose=0)
  assert classifier.predict(x).shape == (20, 3)


def test_resuming_a_function_of_batches_skips_what_was_seen(classifier):
  x, y = ids_problem(48)
  other = copy.deepcopy(classifier)

  def batches():
    return ((x[start : start + 16], y[start : start + 16]) for start in range(0, 48, 16))

  classifier.fit(batches, epochs=2, verbose=0)
  other.fit(batches, epochs=2, on_progress=lambda p: p.epoch == 1 and p.batch == 1, verbose=0)
  other.fit(batches, epochs=2, resume=True, verbose=0)
  assert np.array_equal(other.predict(x), classifier.predict(x))
