"""Evaluation and figures, against NumPy."""

import math

import numpy as np
import pytest
import refrain

from problems import CLASSIFIER, REGRESSOR, ids_problem


def test_evaluate_agrees_with_numpy(classifier):
  x, y = ids_problem(50)
  classifier.labels = ["a", "b", "c"]
  probabilities = classifier.predict(x).astype(np.float64)
  predicted = probabilities.argmax(axis=1)
  metrics = classifier.evaluate(x, y, batch_size=8, threads=2)
  confusion = np.zeros((3, 3))
  np.add.at(confusion, (y, predicted), 1)
  assert np.array_equal(metrics.confusion, confusion) and metrics.classes == 3
  assert metrics.accuracy == pytest.approx(np.mean(predicted == y))
  assert metrics.loss == pytest.approx(-np.log(probabilities[np.arange(50), y]).mean(), rel=1e-5)
  hits, truths, guesses = np.diag(confusion), confusion.sum(1), confusion.sum(0)
  recall = hits / truths
  precision = np.divide(hits, guesses, out=np.zeros(3), where=guesses > 0)
  np.testing.assert_allclose(metrics.per_class("recall"), recall)
  np.testing.assert_allclose(metrics.per_class("precision"), precision)
  np.testing.assert_allclose(metrics.per_class("support"), truths)
  assert metrics.recall == pytest.approx(recall.mean()) == metrics["recall_macro"]
  assert metrics.precision == pytest.approx(precision.mean())
  sums = precision + recall
  f1 = np.divide(2 * precision * recall, sums, out=np.zeros(3), where=sums > 0)
  assert metrics.f1 == pytest.approx(f1.mean())
  assert metrics["count"] == 50 and "accuracy" in metrics and len(metrics) == len(list(metrics))
  table = str(metrics)
  assert "precision" in table and "     a" in table and "predicted" in table
  assert "accuracy" in repr(metrics)
  with pytest.raises(refrain.UnknownNameError, match="rmse"):
    metrics["rmse"]
  weighted = classifier.evaluate(x, y, sample_weight=(y == 1) * 1.0)
  assert weighted.accuracy == pytest.approx(recall[1])


def test_evaluate_chooses_a_loss(classifier):
  x, y = ids_problem(30)
  expected = classifier.evaluate(x, y, loss="crossentropy").loss
  assert classifier.evaluate(x, y).loss == expected
  assert classifier.evaluate(x, np.eye(3)[y]).loss == pytest.approx(expected)
  series = np.random.default_rng(0).normal(size=(30, 4, 3))
  regressor = refrain.Model(REGRESSOR)
  metrics = regressor.evaluate(series, y.astype(float))
  errors = regressor.predict(series)[:, 0] - y
  assert metrics["mse"] == pytest.approx(np.mean(errors**2), rel=1e-5)
  assert metrics["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
  assert metrics.classes == 0 and "rmse" in str(metrics) and "rmse" in repr(metrics)
  regressor.fit(series, y, loss="mae", verbose=0)
  assert regressor.evaluate(series, y).loss == pytest.approx(regressor.evaluate(series, y)["mae"])
  with pytest.raises(refrain.ArgumentError, match="loss is missing"):
    refrain.Model(CLASSIFIER).evaluate(lambda: [(x, y)])


def test_metrics_of_arrays():
  truth, predicted = [0, 1, 2, 2, 1], [0, 2, 2, 2, 1]
  metrics = refrain.classification_metrics(truth, predicted)
  assert metrics.accuracy == 0.8 and metrics.classes == 3 and "loss" not in metrics
  assert metrics.value("precision", 2) == pytest.approx(2 / 3)
  weighted = refrain.classification_metrics(truth, predicted, weights=[1, 0, 1, 1, 1])
  assert weighted.accuracy == 1
  chances = np.full((5, 3), 0.25)
  chances[np.arange(5), truth] = 0.5
  judged = refrain.classification_metrics(truth, predicted, probabilities=chances, labels="abc")
  assert judged["log_loss"] == pytest.approx(-math.log(0.5)) and judged.labels == ["a", "b", "c"]
  numbers = refrain.regression_metrics([1, 2, 3], [1, 2, 5])
  assert numbers["mse"] == pytest.approx(4 / 3) and numbers["r2"] == pytest.approx(-1)
  assert refrain.regression_metrics([1, 2], [1, 5], weights=[1, 0])["mae"] == 0
  with pytest.raises(refrain.ShapeError, match="predicted"):
    refrain.regression_metrics([1, 2, 3], [1, 2])
  with pytest.raises(refrain.ShapeError, match="weights"):
    refrain.classification_metrics(truth, predicted, weights=[1])
  with pytest.raises(refrain.ShapeError):
    refrain.classification_metrics(truth, [0])
  with pytest.raises(refrain.ShapeError, match="probabilities"):
    refrain.classification_metrics(truth, predicted, probabilities=chances, classes=4)


def test_predict_classes(classifier):
  x, _ = ids_problem(9)
  best = classifier.predict(x).argmax(axis=1)
  assert np.array_equal(classifier.predict_classes(x), best)
  classifier.labels = ["a", "b", "c"]
  assert classifier.predict_classes(x).tolist() == [classifier.labels[index] for index in best]
  assert np.array_equal(classifier.predict_classes(x, labels=False), best)
  with pytest.raises(refrain.ShapeError, match="labels"):
    classifier.labels = ["only one"]
  binary = refrain.Model("Input(1) -> RNN(2) -> Dense(1, activation=sigmoid)")
  binary.labels = ["no", "yes"]
  binary.parameters["dense.bias"] = [5]
  assert binary.predict_classes(np.zeros((2, 3, 1))).tolist() == ["yes", "yes"]
  binary.labels = ["no"]
  with pytest.raises(refrain.ArgumentError, match="too few"):
    binary.predict_classes(np.zeros((2, 3, 1)))
