"""Train, compare and use classifiers of reviews: the job of the C programs beside it, in Python.

    reviews.py train --train train.tsv --valid valid.tsv --out demo
    reviews.py compare demo/lstm.refrain demo/gru.refrain --data valid.tsv
    reviews.py classify demo/gru.refrain < texts

Data are lines of label<TAB>text in UTF-8, in any number of classes. The settings are those of the
usual introduction with a few that are better; `reviews.py train --help` names them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import refrain
from common import DataError, class_ids, in_child, load, read_labelled, run

MODEL = (
  "Embedding({words}, 64)"
  " -> {cell}(64, dropout=0.2, recurrent_dropout=0.2, return_sequences=true)"
  " -> Pooling(max) -> Dense({classes}, activation=softmax)"
)
TRAINING = {
  "loss": "crossentropy",
  "optimizer": "Adam(0.001)",
  "batch_size": 32,
  "l2": 0.0003,
  "clip_norm": 5,
  "restore_best": True,
}
DIFFERENCES = """\
what differs from the usual introduction, and why:

  lengths            padding stands behind a review and is never read
  Pooling(max)       the classifier sees the largest value that each unit reached, not
                     its last: the word that decides may stand anywhere
  l2=0.0003          a penalty on weights; these models soon learn reviews by heart
  clip_norm=5        no update is larger than a gradient of that norm makes it
  restore_best=True  the parameters of the epoch with the lowest validation loss stay
"""
ROWS = (
  ("parameters", "parameters", "12d"),
  ("seconds per epoch", "seconds_per_epoch", "12.2f"),
  ("peak memory (MB)", "peak_memory_mb", "12.1f"),
  ("training loss", "train_loss", "12.4f"),
  ("validation loss", "valid_loss", "12.4f"),
  ("training accuracy", "train_accuracy", "12.3f"),
  ("validation accuracy", "valid_accuracy", "12.3f"),
  ("macro precision", "precision_macro", "12.3f"),
  ("macro recall", "recall_macro", "12.3f"),
  ("macro F1", "f1_macro", "12.3f"),
)


def measured(metrics):
  """What a table and a plot show of an evaluation."""
  figures = ("precision", "recall", "f1", "support")
  columns = {name: metrics.per_class(name) for name in figures}
  return {
    "valid_loss": metrics["loss"],
    "valid_accuracy": metrics["accuracy"],
    "precision_macro": metrics["precision_macro"],
    "recall_macro": metrics["recall_macro"],
    "f1_macro": metrics["f1_macro"],
    "classes": [
      {"label": label, **{name: float(columns[name][index]) for name in figures}}
      for index, label in enumerate(metrics.labels)
    ],
    "confusion": metrics.confusion.tolist(),
  }


def train_cell(cell, train, valid, arguments):
  """Train one model and save it; returns its figures and history."""
  classes = sorted(set(train.labels))
  y, valid_y = class_ids(train, classes), class_ids(valid, classes)
  tokenizer = refrain.Tokenizer(num_words=10_000, maxlen=100, padding="post", truncating="post")
  tokenizer.fit_on_texts(train.texts)

  notation = MODEL.format(words=tokenizer.size, cell=cell, classes=len(classes))
  model = refrain.Model(notation, seed=arguments.seed)
  model.tokenizer = tokenizer  # from here on the model takes texts
  model.labels = classes
  history = model.fit(
    train.texts,
    y,
    validation_data=(valid.texts, valid_y),
    epochs=arguments.epochs,
    seed=arguments.seed,
    threads=arguments.threads,
    **TRAINING,
  )
  model.save(Path(arguments.out) / f"{cell.lower()}.refrain")

  of_train = model.evaluate(train.texts, y, threads=arguments.threads)
  of_valid = model.evaluate(valid.texts, valid_y, threads=arguments.threads)
  names = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
  keys = ("loss", "accuracy", "valid_loss", "valid_accuracy", "seconds")
  return {
    "name": cell,
    "model": notation,
    "parameters": model.parameter_count,
    "seconds_per_epoch": float(np.mean(history["seconds"])),
    "train_loss": of_train["loss"],
    "train_accuracy": of_train["accuracy"],
    **measured(of_valid),
    "history": [
      dict(zip(keys, epoch, strict=True))
      for epoch in zip(*(history[name] for name in names), strict=True)
    ],
  }


def print_table(results):
  """One table for all models, then each one's confusion matrix and figures for each class."""
  print(f"\n  {'':20}" + "".join(f"{result['name']:>12}" for result in results))
  print("  " + "-" * (20 + 12 * len(results)))
  for title, key, form in ROWS:
    if all(key in result for result in results):
      print(f"  {title:20}" + "".join(format(result[key], form) for result in results))
  for result in results:
    labels = [row["label"] for row in result["classes"]]
    width = max(6, *map(len, labels))
    print(f"\n{result['name']} on the validation data: rows are true, columns predicted\n")
    head = "".join(f"  {label:>{width}}" for label in labels)
    print(f"  {'':{width}}{head}  | precision  recall      F1  support")
    for row, counts in zip(result["classes"], result["confusion"], strict=True):
      cells = "".join(f"  {count:{width}.0f}" for count in counts)
      figures = f"{row['precision']:9.3f} {row['recall']:7.3f} {row['f1']:7.3f}"
      print(f"  {row['label']:{width}}{cells}  | {figures} {row['support']:8.0f}")


def train(arguments):
  train_reviews, valid_reviews = read_labelled(arguments.train), read_labelled(arguments.valid)
  classes = sorted(set(train_reviews.labels))
  if len(classes) < 2:
    raise DataError(f"{arguments.train}: every review has the label {classes[0]!r}")
  class_ids(valid_reviews, classes)
  out = Path(arguments.out)
  out.mkdir(parents=True, exist_ok=True)
  results = []
  for cell in arguments.cells:
    result, peak = in_child(train_cell, cell, train_reviews, valid_reviews, arguments)
    results.append({**result, "peak_memory_mb": peak})
  print_table(results)
  history = {"data": arguments.train, "labels": classes, "models": results}
  path = out / "history.json"
  path.write_text(json.dumps(history, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
  saved = [str(out / f"{cell.lower()}.refrain") for cell in arguments.cells]
  print(f"\nSaved {', '.join(saved)} and {path}.")


def compare(arguments):
  reviews = read_labelled(arguments.data)
  results = []
  for path in arguments.models:
    model = load(path)
    metrics = model.evaluate(
      reviews.texts, class_ids(reviews, model.labels), loss="crossentropy",
      threads=arguments.threads,
    )
    results.append(
      {"name": Path(path).stem, "parameters": model.parameter_count, **measured(metrics)}
    )
  print_table(results)


def classify(arguments):
  model = load(arguments.model)
  labels = model.labels
  left_out = 0
  for number, line in enumerate(sys.stdin.buffer, start=1):
    try:
      text = line.decode("utf-8").rstrip("\r\n")
      probabilities = model.predict([text])[0]
    except (UnicodeDecodeError, refrain.RefrainError) as error:
      print(f"line {number} is left out: {error}", file=sys.stderr)
      left_out += 1
      continue
    best = int(np.argmax(probabilities))
    fields = [labels[best], f"{probabilities[best]:.3f}"]
    if arguments.scores:
      scores = zip(labels, probabilities, strict=True)
      fields.append(" ".join(f"{label}={score:.3f}" for label, score in scores))
    print(*fields, text, sep="\t", flush=True)
  if left_out:
    sys.exit(1)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  commands = parser.add_subparsers(required=True, metavar="train | compare | classify")

  command = commands.add_parser(
    "train", help="train an LSTM and a GRU, compare and save them",
    epilog=DIFFERENCES, formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  command.add_argument("--train", required=True, help="label<TAB>text lines to learn from")
  command.add_argument("--valid", required=True, help="the same, to validate on")
  command.add_argument("--out", default="demo", help="folder for models and history.json (demo)")
  command.add_argument("--cells", nargs="+", default=["LSTM", "GRU"],
                       choices=["RNN", "LSTM", "GRU"], help="which models (LSTM GRU)")
  command.add_argument("--epochs", type=int, default=5, help="passes over the data (5)")
  command.add_argument("--threads", type=int, default=1, help="no result depends on it (1)")
  command.add_argument("--seed", type=int, default=42, help="of all random numbers (42)")
  command.set_defaults(run=train)

  command = commands.add_parser("compare", help="measure saved models on labelled texts")
  command.add_argument("models", nargs="+", help="files that train saved")
  command.add_argument("--data", required=True, help="label<TAB>text lines")
  command.add_argument("--threads", type=int, default=1, help="no result depends on it (1)")
  command.set_defaults(run=compare)

  command = commands.add_parser("classify", help="classify lines of text from standard input")
  command.add_argument("model", help="a file that train saved")
  command.add_argument("--scores", action="store_true", help="every class's probability")
  command.set_defaults(run=classify)

  arguments = parser.parse_args()
  run(lambda: arguments.run(arguments))


if __name__ == "__main__":
  main()
