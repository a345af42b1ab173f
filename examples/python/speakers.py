"""Series of different lengths to classes: who is speaking?

    speakers.py --train train.csv --valid valid.csv --out speakers

The files have the columns seq, label, t and one for each feature, such as the cepstrum coefficients
of the Japanese Vowels (Kudo et al. 1999); a row is a timestep. The scaler is fitted on training
data alone, and on nothing behind the end of a series; it travels in the model's file. Small data
leave much to chance, so several models are trained that differ in their seed: the program shows
their mean and spread, and what they reach as a committee, whose probabilities are averaged. Beside
them stands logistic regression on each feature's mean, deviation, first, middle and last value.
Without files the program makes up voices that differ in nothing but their pitch.
"""

import argparse
import sys
import time

import numpy as np

import refrain
from common import (
  DataError,
  Series,
  add_training_options,
  class_ids,
  expect,
  logistic_regression,
  majority_accuracy,
  positive,
  read_series,
  run,
  summaries,
)

# The mean over time sees the whole utterance; the last timestep would have to remember it.
MODEL = (
  "Input({features}) -> LSTM(128, return_sequences=true, dropout=0.2) -> Pooling(mean)"
  " -> Dense({classes}, activation=softmax)"
)
NOISE = 0.3  # deviation of what is added to the scaled inputs, new in every epoch


def made_up_series(count, seed):
  """Mixtures of a sine and its derivative: the class is the period, phase and length are random."""
  rng = np.random.default_rng(seed)
  periods = {"bass": 10.0, "tenor": 8.0, "alto": 6.4, "soprano": 5.1}
  mixing = np.random.default_rng(0).normal(size=(2, 4))  # the same for all files
  lengths = rng.integers(12, 30, size=count)
  labels = [list(periods)[number % len(periods)] for number in range(count)]
  x = np.zeros((count, 30, 4), np.float32)
  for row, length, label in zip(x, lengths, labels, strict=True):
    angle = 2 * np.pi * (np.arange(length) / periods[label] + rng.uniform())
    sources = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    row[:length] = sources @ mixing + rng.normal(scale=0.3, size=(length, 4))
  return Series("made up", x, lengths, labels, list(range(count)))


def valid_rows(series):
  """All timesteps of all series, [rows, features], without what only fills up."""
  return np.concatenate([x[:length] for x, length in zip(series.x, series.lengths, strict=True)])


def noisy_batches(x, y, lengths, size, rng):
  """A function that `fit` calls for the batches of each epoch."""

  def batches():
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
      rows = order[start : start + size]
      noise = rng.normal(scale=NOISE, size=x[rows].shape)
      yield refrain.Data(x[rows] + noise, y[rows], lengths=lengths[rows])

  return batches


def train(arguments):
  if (arguments.train is None) != (arguments.valid is None):
    raise DataError("--train and --valid go together")
  if arguments.train is None:
    train_data = made_up_series(240, arguments.seed)
    valid_data = made_up_series(80, arguments.seed + 1)
  else:
    train_data, valid_data = read_series(arguments.train), read_series(arguments.valid)
  classes = sorted(set(train_data.labels))
  features = train_data.x.shape[-1]
  if len(classes) < 2:
    raise DataError(f"{train_data.path}: every series has the label {classes[0]!r}")
  if valid_data.x.shape[-1] != features:
    raise DataError(f"{valid_data.path}: {valid_data.x.shape[-1]} features, "
                    f"{train_data.path} has {features}")
  y, valid_y = class_ids(train_data, classes), class_ids(valid_data, classes)
  print(f"{len(y)} series to learn from, {len(valid_y)} to measure on; {features} features, "
        f"{len(classes)} classes, {train_data.lengths.min()} to {train_data.lengths.max()} "
        "timesteps")

  scaler = refrain.StandardScaler().fit(valid_rows(train_data))
  x, valid_x = scaler.transform(train_data.x), scaler.transform(valid_data.x)
  epochs = arguments.epochs or 60
  accuracies, votes = [], []
  began = time.monotonic()
  for number in range(1, arguments.models + 1):
    seed = arguments.seed + number - 1
    model = refrain.Model(MODEL.format(features=features, classes=len(classes)), seed=seed)
    model.input_scaler = scaler
    model.labels = classes
    print(f"model {number} of {arguments.models}", file=sys.stderr)
    model.fit(
      noisy_batches(x, y, train_data.lengths, 16, np.random.default_rng(seed)),
      # No early stopping and no best epoch: the validation data choose nothing.
      epochs=epochs,
      optimizer="AdamW(0.004, weight_decay=0.02)",
      schedule=f"Cosine({epochs})",
      clip_norm=1,
      threads=arguments.threads,
      seed=seed,
    )
    model.save(f"{arguments.out}-{number}.refrain")
    votes.append(model.predict(valid_x, lengths=valid_data.lengths, threads=arguments.threads))
    accuracies.append(np.mean(votes[-1].argmax(axis=1) == valid_y))
  seconds = time.monotonic() - began
  report(train_data, valid_data, classes, accuracies, np.mean(votes, axis=0), arguments.seed)
  print(f"\nTrained in {seconds:.1f} s with {arguments.threads} threads; "
        f"saved {arguments.out}-1.refrain to {arguments.out}-{arguments.models}.refrain.")


def report(train_data, valid_data, classes, accuracies, probabilities, seed):
  """The committee's figures for each class, and everything beside the baselines."""
  y, valid_y = class_ids(train_data, classes), class_ids(valid_data, classes)
  committee = refrain.classification_metrics(
    valid_y, probabilities.argmax(axis=1), probabilities=probabilities, labels=classes
  )
  linear = logistic_regression(
    summaries(train_data.x, train_data.lengths), y,
    summaries(valid_data.x, valid_data.lengths), valid_y, len(classes), seed,
  )
  spread = f"sd {np.std(accuracies):.3f}, {min(accuracies):.3f} to {max(accuracies):.3f}"
  print(f"\nThe committee on the validation data\n\n{committee}\n\n  {'':34}accuracy")
  print(f"  {'the most frequent class':34}{majority_accuracy(y, valid_y):8.3f}")
  print(f"  {'logistic regression on summaries':34}{linear:8.3f}")
  print(f"  {f'mean of {len(accuracies)} LSTM(128)':34}{np.mean(accuracies):8.3f}  {spread}")
  print(f"  {'their committee':34}{committee.accuracy:8.3f}  macro F1 {committee.f1:.3f}")
  print(f"\nOne series more or less is {1 / len(valid_y):.3f}.")
  expect(committee.accuracy >= linear, f"the committee's accuracy of {committee.accuracy:.3f} is "
         f"no less than logistic regression's {linear:.3f}")


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--train", help="CSV of series to learn from (made up)")
  parser.add_argument("--valid", help="the same, to measure on (made up)")
  parser.add_argument("--out", default="speakers",
                      help="what the models' files begin with (speakers)")
  parser.add_argument("--models", type=positive, default=5, help="of the committee (5)")
  add_training_options(parser, "60")
  arguments = parser.parse_args()
  run(lambda: train(arguments))


if __name__ == "__main__":
  main()
