"""GRU or LSTM, or something else? Every recurrent layer on your data, in one call.

    compare.py --data reviews.tsv
    compare.py --data train.csv --valid valid.csv --same parameters --picture compare.png
    compare.py --data names.tsv --tokens characters --cells GRU LSTM "LSTM({units}, dropout=0.3)"

Data to classify come in one of three forms, told apart by their first line:

    label<TAB>text             texts, read as words or characters
    seq,label,t,feature,…      series: a row is a timestep
    label,value,value,…        a row is a series of one feature, a value each timestep

Every layer gets the same data, batches, epochs and seeds, in a process of its own, and hands its
last state to a softmax. Of each run the epoch with the lowest validation loss counts. Several seeds
show how much is chance: a difference smaller than the spread is none. All layers have the same
number of units or, with --same parameters, as many as make them as large as LSTM. The validation
data choose the epoch, so accuracies are a little flattering; for all layers alike.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np

import refrain
from common import (
  DataError,
  Labelled,
  Series,
  add_training_options,
  class_ids,
  expect,
  in_child,
  logistic_regression,
  majority_accuracy,
  numbers,
  positive,
  read_labelled,
  read_series,
  read_text,
  run,
  summaries,
)

# Another layer is another line, or a notation with {units} behind --cells.
CELLS = {
  "RNN": "RNN({units})",
  "LSTM": "LSTM({units})",
  "GRU": "GRU({units})",
  "GRU, reset before": "GRU({units}, reset_after=false)",
  "LSTM, peephole": "LSTM({units}, peephole=true)",
  "LSTM, coupled": "LSTM({units}, coupled=true)",
  "LSTM, normalised": "LSTM({units}, layer_norm=true)",
  "GRU, normalised": "GRU({units}, layer_norm=true)",
  "MGU": "MGU({units})",
  "MinGRU": "MinGRU({units})",
  "MinLSTM": "MinLSTM({units})",
  "sLSTM": "SLSTM({units})",
  "Bi-RNN": "Bidirectional(RNN({units}))",
  "Bi-LSTM": "Bidirectional(LSTM({units}))",
  "Bi-GRU": "Bidirectional(GRU({units}))",
}
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b5ea7", "#b8860b", "#2a9d8f", "#d1495b", "#6c757d")
INK, FAINT = "#22272e", "#d5d9de"


@dataclass
class Problem:
  """What every layer is given.

  Attributes
  ----------
  front : str
      The notation of what stands before the layer.
  features : (array [B, F], array [B, F]) or None
      For the linear baseline: of the training and of the validation data. None for texts, whose
      tokens it weighs one by one.
  """

  name: str
  front: str
  classes: list[str]
  train: refrain.Data
  valid: refrain.Data
  features: tuple[np.ndarray, np.ndarray] | None


# Data


def made_up_series(count, seed):
  """Noise with a pulse in each of two features; the class is which of them came first."""
  rng = np.random.default_rng(seed)
  lengths = rng.integers(20, 41, size=count)
  x = rng.normal(scale=0.3, size=(count, 40, 2)).astype(np.float32)
  labels = []
  for row, length in zip(x, lengths, strict=True):
    first = rng.integers(2)
    row[rng.integers(0, 5), first] += 2
    row[rng.integers(8, 16), 1 - first] += 2
    row[length:] = 0
    labels.append("left" if first == 0 else "right")
  return Series("the made-up series", x, lengths, labels, list(range(1, count + 1)))


def read(path, label):
  """Texts or series, whichever the file's first line announces."""
  first = read_text(path).partition("\n")[0]
  if "\t" in first:
    return read_labelled(path)
  if first.startswith("seq,"):
    return read_series(path)
  header = first.rstrip("\r").split(",")
  if label not in header or len(header) < 2:
    raise DataError(f"{path}:1: expected label<TAB>text, seq,label,t,… or columns of which one is "
                    f"{label!r}, found {first[:60]!r}")
  column = header.index(label)
  labels, rows, lines = [], [], []
  for number, line in enumerate(read_text(path).splitlines()[1:], start=2):
    fields = line.split(",")
    if len(fields) != len(header):
      raise DataError(f"{path}:{number}: expected {len(header)} values, found {len(fields)}")
    labels.append(fields.pop(column))
    rows.append(numbers(fields, f"{path}:{number}"))
    lines.append(number)
  if not rows:
    raise DataError(f"{path}: there are no rows in this file")
  x = np.array(rows, np.float32)[..., np.newaxis]
  return Series(str(path), x, np.full(len(x), x.shape[1]), labels, lines)


def part(data, rows):
  """Some of the texts or series."""
  labels, lines = ([column[row] for row in rows] for column in (data.labels, data.lines))
  if isinstance(data, Labelled):
    return Labelled(data.path, labels, [data.texts[row] for row in rows], lines)
  return Series(data.path, data.x[rows], data.lengths[rows], labels, lines)


def problem_of(arguments):
  """The data of the command line, cut into training and validation, as numbers."""
  if arguments.data is None:
    whole = made_up_series(500, 1)
  else:
    whole = read(arguments.data, arguments.label)
  if arguments.valid is not None:
    train, valid = whole, read(arguments.valid, arguments.label)
    if type(train) is not type(valid):
      raise DataError(f"{arguments.valid} is not in the form of {arguments.data}")
  else:
    # The same cut for every seed of the models.
    order = np.random.default_rng(0).permutation(len(whole.labels))
    cut = round(len(order) * 0.8)
    train, valid = part(whole, order[:cut]), part(whole, order[cut:])
  classes = sorted(set(train.labels))
  if len(classes) < 2:
    raise DataError(f"{train.path}: every item has the label {classes[0]!r}")
  y, valid_y = class_ids(train, classes), class_ids(valid, classes)
  if not len(valid_y):
    raise DataError(f"{train.path}: {len(y)} items are too few to hold a fifth of them out")
  encode = of_texts if isinstance(train, Labelled) else of_series
  front, (x, lengths), (valid_x, valid_lengths), features = encode(train, valid, arguments)
  return Problem(whole.path, front, classes, refrain.Data(x, y, lengths),
                 refrain.Data(valid_x, valid_y, valid_lengths), features)


def of_texts(train, valid, arguments):
  """Ids of the most frequent words or characters."""
  by_character = arguments.tokens == "characters"
  tokenizer = refrain.Tokenizer(
    num_words=10_000, char_level=by_character, oov_token="<unknown>", lower=not by_character,
    maxlen=arguments.longest, padding="post", truncating="post",
    filters="" if by_character else None,
  )
  tokenizer.fit_on_texts(train.texts)
  front = f"Embedding({tokenizer.size}, 64)"
  return front, tokenizer.encode(train.texts), tokenizer.encode(valid.texts), None


def of_series(train, valid, arguments):
  """Features on a common scale; the baseline sees summaries, or all values if lengths are equal."""
  features = train.x.shape[-1]
  if valid.x.shape[-1] != features:
    raise DataError(f"{valid.path}: {valid.x.shape[-1]} features, {train.path} has {features}")
  scaler = refrain.StandardScaler().fit(
    np.concatenate([x[:length] for x, length in zip(train.x, train.lengths, strict=True)])
  )
  x, valid_x = scaler.transform(train.x), scaler.transform(valid.x)
  has_one_length = len({*train.lengths, *valid.lengths}) == 1 and features == 1
  shown = tuple(
    x.reshape(len(x), -1) if has_one_length else summaries(x, data.lengths)
    for x, data in ((x, train), (valid_x, valid))
  )
  return f"Input({features})", (x, train.lengths), (valid_x, valid.lengths), shown


# Training


def notation(problem, cell, units):
  layer = CELLS.get(cell, cell).replace("{units}", str(units))
  return f"{problem.front} -> {layer} -> Dense({len(problem.classes)}, activation=softmax)"


def parameters(problem, cell, units):
  return refrain.Model(notation(problem, cell, units)).parameter_count


def units_near(problem, cell, budget):
  """The number of units whose parameters come nearest to the budget."""
  few, many = 1, 2
  while parameters(problem, cell, many) < budget:
    few, many = many, 2 * many
  while many - few > 1:
    middle = (few + many) // 2
    few, many = (middle, many) if parameters(problem, cell, middle) < budget else (few, middle)
  return min((few, many), key=lambda units: abs(parameters(problem, cell, units) - budget))


def train(problem, cell, units, seed, arguments):
  """One run's figures."""
  model = refrain.Model(notation(problem, cell, units), seed=seed)
  history = model.fit(
    problem.train.x, problem.train.y, lengths=problem.train.lengths, validation_data=problem.valid,
    epochs=arguments.epochs or 15, batch_size=32, optimizer=f"Adam({arguments.rate})", clip_norm=1,
    restore_best=True, seed=seed, threads=arguments.threads,
  )
  figures = {"seed": seed, "seconds_per_epoch": float(np.median(history["seconds"]))}
  for name, data in (("train", problem.train), ("valid", problem.valid)):
    metrics = model.evaluate(data.x, data.y, lengths=data.lengths, threads=arguments.threads)
    figures |= {f"{name}_loss": metrics.loss, f"{name}_accuracy": metrics.accuracy,
                f"{name}_f1_macro": metrics.f1}
  return figures | {"epoch_kept": history.best_epoch + 1, "history": dict(history)}


def linear(problem, arguments):
  """Accuracy of logistic regression; in a child, so that what it needs is not counted to others."""
  classes, train, valid = len(problem.classes), problem.train, problem.valid
  if problem.features is not None:
    x, valid_x = problem.features
    return logistic_regression(x, train.y, valid_x, valid.y, classes, arguments.seed)
  # A token's vector is its weight for each class: a text is the mean of its tokens, in no order.
  vocabulary = problem.front.replace(", 64)", f", {classes})")
  model = refrain.Model(f"{vocabulary} -> Pooling(mean) -> Activation(softmax)")
  model.fit(train.x, train.y, lengths=train.lengths, epochs=5, optimizer="Adam(0.02)", verbose=0,
            schedule="Cosine(5)", seed=arguments.seed)
  return model.evaluate(valid.x, valid.y, lengths=valid.lengths).accuracy


def compare(arguments):
  problem = problem_of(arguments)
  print(f"{problem.name}: {len(problem.train.y):,} items to learn from, {len(problem.valid.y):,} "
        f"to measure on, {len(problem.classes)} classes", flush=True)
  results = []
  for cell in arguments.cells:
    units = arguments.units
    if arguments.same == "parameters":
      units = units_near(problem, cell, parameters(problem, "LSTM", arguments.units))
    results.append({"name": cell, "notation": notation(problem, cell, units), "units": units,
                    "parameters": parameters(problem, cell, units), "runs": []})
  baseline, _ = in_child(linear, problem, arguments)
  # Seeds outside: whatever else the machine does meanwhile falls on all layers alike.
  for seed in range(arguments.seed, arguments.seed + arguments.seeds):
    for result in results:
      print(f"\n{result['name']}, seed {seed}", file=sys.stderr, flush=True)
      figures, peak = in_child(train, problem, result["name"], result["units"], seed, arguments)
      result["runs"].append(figures | {"peak_memory_mb": peak})
  report = {
    "data": problem.name,
    "classes": problem.classes,
    "metric": arguments.metric,
    "majority_accuracy": majority_accuracy(problem.train.y, problem.valid.y),
    "linear_accuracy": baseline,
    "cells": results,
  }
  if arguments.out:
    with open(arguments.out, "w", encoding="utf-8") as file:
      json.dump(report, file, indent=1, ensure_ascii=False)
  print_table(report)
  if arguments.picture:
    draw(report).savefig(arguments.picture, dpi=130)
  written = [path for path in (arguments.out, arguments.picture) if path]
  if written:
    print(f"\nWrote {' and '.join(written)}.")
  check(report, is_made_up=arguments.data is None)


# Results


def column(result, name):
  """A figure of all runs of a layer."""
  return np.array([run[name] for run in result["runs"]])


def spread(values):
  """The standard deviation between seeds; 0 for one."""
  return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def short(name, most):
  """A notation may be long."""
  return name if len(name) <= most else name[: most - 1] + "…"


def print_table(report):
  metric = report["metric"]
  title = metric.replace("_", " ")
  print(f"\n  {'':20}{'units':>6}{'parameters':>12}{'ms/epoch':>10}{'peak MB':>9}"
        f"   {'valid ' + title:22}{'train - valid':>14}{'epoch kept':>12}")
  for result in report["cells"]:
    valid = column(result, f"valid_{metric}")
    gap = np.mean(column(result, f"train_{metric}") - valid)
    measured = f"{np.mean(valid):.3f} ± {spread(valid):.3f}"
    print(f"  {short(result['name'], 19):20}{result['units']:6d}{result['parameters']:12,d}"
          f"{np.mean(column(result, 'seconds_per_epoch')) * 1000:10.1f}"
          f"{np.max(column(result, 'peak_memory_mb')):9.0f}   {measured:22}{gap:14.3f}"
          f"{np.mean(column(result, 'epoch_kept')):12.1f}")
  seeds = len(report["cells"][0]["runs"])
  print(f"\n  mean ± standard deviation over {seeds} seeds; accuracy of always the most frequent "
        f"class {report['majority_accuracy']:.3f}, of logistic regression "
        f"{report['linear_accuracy']:.3f}")


def check(report, is_made_up):
  """Something has been learned; on the made-up series more than a linear model can."""
  bound, than = report["majority_accuracy"], "always the most frequent class"
  if is_made_up:
    bound, than = max(bound, report["linear_accuracy"]) + 0.1, "the linear model by more than 0.1"
  best = max(report["cells"], key=lambda result: np.mean(column(result, "valid_accuracy")))
  accuracy = np.mean(column(best, "valid_accuracy"))
  expect(accuracy > bound, f"{best['name']} has an accuracy of {accuracy:.3f} and beats {than}")


def draw(report):
  """Every run as a dot, the course of the validation loss, and what it costs."""
  import matplotlib

  matplotlib.use("Agg")  # draws to files; needs no screen
  from matplotlib import pyplot as plt
  from matplotlib.ticker import MaxNLocator

  cells, metric = report["cells"], report["metric"]
  colours = [COLOURS[index % len(COLOURS)] for index in range(len(cells))]
  rows = np.arange(len(cells))
  plt.rcParams.update({"font.size": 11, "text.color": INK, "axes.labelcolor": INK,
                       "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK})
  figure, (scores, losses, costs) = plt.subplots(
    1, 3, figsize=(15, 2.6 + 0.42 * len(cells)), layout="constrained",
    gridspec_kw={"width_ratios": [1.25, 1.1, 0.9]},
  )
  figure.suptitle("/".join(report["data"].split("/")[-2:]), fontsize=14)

  for row, result, colour in zip(rows, cells, colours, strict=True):
    train, valid = (column(result, f"{name}_{metric}") for name in ("train", "valid"))
    scores.plot([valid.mean(), train.mean()], [row, row], color=FAINT, linewidth=6, zorder=0,
                solid_capstyle="round")
    scores.plot(train.mean(), row, "o", markerfacecolor="white", color=colour, markersize=8)
    scores.plot(valid, np.full(len(valid), row), "o", color=colour, markersize=5, alpha=0.55,
                markeredgewidth=0)
    scores.errorbar(valid.mean(), row, xerr=spread(valid), fmt="|", color=colour, markersize=18,
                    markeredgewidth=2.2, elinewidth=2.2, capsize=4)
    runs = np.array([run["history"]["val_loss"] for run in result["runs"]])
    epochs = np.arange(1, runs.shape[1] + 1)
    # A colour that comes back is dashed, then dotted.
    losses.plot(epochs, runs.mean(axis=0), color=colour, linewidth=2,
                linestyle=("-", "--", ":")[row // len(COLOURS) % 3],
                label=short(result["name"], 24))
    duration = np.mean(column(result, "seconds_per_epoch")) * 1000
    costs.barh(row, duration, color=colour, height=0.6)
    costs.text(duration, row, f" {np.max(column(result, 'peak_memory_mb')):.0f} MB", va="center",
               fontsize=10)
  baselines = {"most frequent": report["majority_accuracy"], "linear": report["linear_accuracy"]}
  if metric == "accuracy":
    lowest = scores.get_xlim()[0]
    for name, value in baselines.items():
      if value > lowest - 0.15:  # one that is far away would only squeeze the rest together
        scores.axvline(value, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        scores.text(value, -0.62, name, fontsize=9, va="bottom", ha="center")
  names = [short(result["name"], 24) for result in cells]
  titles = (f"{metric.replace('_', ' ').capitalize()}: dots validation, ring training",
            "Validation loss, mean of seeds", "Time per epoch, peak memory")
  for axes, title in zip((scores, losses, costs), titles, strict=True):
    axes.set_title(title, loc="left", fontweight="bold", fontsize=11, pad=16)
    axes.grid(color=FAINT, linewidth=0.8, axis="y" if axes is losses else "x")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
  for axes in (scores, costs):
    axes.set_ylim(len(cells) - 0.4, -0.6)
  scores.set_yticks(rows, names)
  costs.set_yticks(rows, [f"{result['parameters']:,}" for result in cells])
  costs.set_ylabel("parameters")
  costs.set_xlabel("milliseconds")
  costs.set_xlim(right=costs.get_xlim()[1] * 1.15)
  costs.xaxis.set_major_locator(MaxNLocator(5))
  losses.set_xlabel("epoch")
  losses.set_ylabel("cross-entropy (nats)")
  losses.set_ylim(bottom=0)
  losses.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
  losses.legend(fontsize=9, frameon=False)
  return figure


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--data", help="the file to learn from (made up)")
  parser.add_argument("--valid", help="the same, to measure on (a fifth of the data)")
  parser.add_argument("--label", default="label", help="the column of labels in a CSV (label)")
  parser.add_argument("--tokens", choices=["words", "characters"], default="words",
                      help="what texts are made of (words)")
  parser.add_argument("--longest", type=positive, default=100, help="tokens read of a text (100)")
  parser.add_argument("--cells", nargs="+", default=list(CELLS), metavar="CELL",
                      help=f"any of {', '.join(repr(cell) for cell in CELLS)}, or notations with "
                      "{units} (all)")
  parser.add_argument("--units", type=positive, default=32, help="of each layer (32)")
  parser.add_argument("--same", choices=["units", "parameters"], default="units",
                      help="what all layers have in common (units)")
  parser.add_argument("--seeds", type=positive, default=3, help="runs of each layer (3)")
  parser.add_argument("--rate", type=float, default=0.003, help="Adam's learning rate (0.003)")
  parser.add_argument("--metric", choices=["accuracy", "f1_macro"], default="accuracy",
                      help="what is compared (accuracy)")
  parser.add_argument("--out", help="a JSON file of all figures and histories")
  parser.add_argument("--picture", help="a picture, such as compare.png")
  add_training_options(parser, "15")
  arguments = parser.parse_args()
  for cell in arguments.cells:
    if cell not in CELLS and "{units}" not in cell:
      parser.error(f"--cells: {cell!r} is none of {', '.join(CELLS)}, and has no {{units}}")
  run(lambda: compare(arguments))


if __name__ == "__main__":
  main()
