"""Surnames to languages: a network that reads characters, alone and with a view of whole n-grams.

    surnames.py train --train train.tsv --valid valid.tsv --out surnames.refrain
    surnames.py classify surnames.refrain < names

Data are lines of label<TAB>name. Two networks are trained. The first reads a name's characters from
both ends with a GRU. For short strings it is hard to be better than counted n-grams that way; the
second therefore also has the mean of learned vectors of the name's 1- to 4-grams ("wide and deep",
Cheng et al. 2016), and is the one that is saved. Both stand beside a linear model of these n-grams.
Without files the program makes up three languages, two of which differ in the order of parts that
lie too far apart for any n-gram to see.
"""

import argparse
import sys
import time

import numpy as np

import refrain
from common import (
  DataError,
  Labelled,
  add_training_options,
  class_ids,
  expect,
  load,
  majority_accuracy,
  read_labelled,
  run,
)

READING = """
  characters = Embedding({characters}, 64)
  characters -> Dropout(0.3) -> Bidirectional(GRU(128)) -> Dropout(0.5)
    -> Dense({classes}, activation=softmax)
"""
READING_AND_NGRAMS = """
  a = Embedding({0}, 64)
  b = Embedding({1}, 64)
  c = Embedding({2}, 64)
  d = Embedding({3}, 64)
  order = [a, b] -> Concat -> Dropout(0.5) -> Bidirectional(GRU(64)) -> Dropout(0.5)
  parts = [a, b, c, d] -> Concat -> Pooling(mean) -> Dropout(0.3)
  [order, parts] -> Concat -> Dense({classes}, activation=softmax)
"""
LINEAR = """
  a = Embedding({0}, {classes})
  b = Embedding({1}, {classes})
  c = Embedding({2}, {classes})
  d = Embedding({3}, {classes})
  [a, b, c, d] -> Add -> Pooling(mean) -> Activation(softmax)
"""
LONGEST = 4  # characters of an n-gram
START, END = "\2", "\3"  # characters that stand before and behind every name
MAX_LENGTH = 40  # characters of a name that are read, these included
OTHER = 1  # the id of every n-gram that is not in the table; 0 is padding


def made_up_names(count, seed):
  """Names in three languages, two of which differ in the order of two parts that lie apart."""
  rng = np.random.default_rng(seed)

  def syllables(some):
    return "".join(rng.choice(list("bdklmnst")) + rng.choice(list("aeiou")) for _ in range(some))

  data = Labelled("the made-up names")
  for number in range(count):
    label = ("Northern", "Southern", "Islander")[number % 3]
    if label == "Islander":
      name = syllables(2) + "'" + syllables(2)
    else:
      first, second = ("vor", "gul") if label == "Northern" else ("gul", "vor")
      name = syllables(2) + first + syllables(2) + second + syllables(2)
    data.labels.append(label)
    data.texts.append(name.capitalize())
    data.lines.append(number + 1)
  return data


# N-grams


def ngrams(name, n):
  """The n characters up to START, to each character of a name, and END; STARTs go before."""
  padded = START * n + name[: MAX_LENGTH - 2] + END
  return [padded[end - n : end] for end in range(n, len(padded) + 1)]


def tokenizer_of(names):
  """All n-grams as the words of a tokenizer: so they travel in the model's file."""
  tokenizer = refrain.Tokenizer(lower=False, filters="", split="\t")
  tokenizer.fit_on_texts(
    "\t".join(gram for n in range(1, LONGEST + 1) for gram in ngrams(name, n)) for name in names
  )
  return tokenizer


def tables_of(tokenizer):
  """For each n the ids of the n-grams that occurred more than once."""
  tables = [{} for _ in range(LONGEST)]
  for gram, count in tokenizer.word_counts.items():
    if count > 1:
      table = tables[len(gram) - 1]
      table[gram] = len(table) + OTHER + 1
  return tables


def encode(names, tables):
  """The n-gram that ends at each character as ids [B, T], for every n; and the lengths [B]."""
  ids = [
    refrain.pad_sequences(
      [[table.get(gram, OTHER) for gram in ngrams(name, n)] for name in names],
      maxlen=MAX_LENGTH, padding="post",
    )
    for n, table in enumerate(tables, start=1)
  ]
  return ids, np.array([len(ngrams(name, 1)) for name in names])


# Training


def fit(notation, train, valid, epochs, rate, arguments, verbose="auto"):
  """A trained model, and its figures on the validation data."""
  model = refrain.Model(notation, seed=arguments.seed)
  batches = -(-len(train.y) // 64)
  model.fit(
    train.x, train.y, lengths=train.lengths, validation_data=valid, epochs=epochs, batch_size=64,
    optimizer=f"Adam({rate})", clip_norm=1,
    schedule=f"Cosine({batches * epochs}, warmup={batches // 2}, final=0.02, per=update)",
    threads=arguments.threads, seed=arguments.seed, verbose=verbose,
  )
  return model, model.evaluate(valid.x, valid.y, lengths=valid.lengths, threads=arguments.threads)


def train(arguments):
  if (arguments.train is None) != (arguments.valid is None):
    raise DataError("--train and --valid go together")
  is_made_up = arguments.train is None
  if is_made_up:
    train_names, valid_names = made_up_names(1500, arguments.seed), made_up_names(300, 1 << 20)
  else:
    train_names, valid_names = read_labelled(arguments.train), read_labelled(arguments.valid)
  classes = sorted(set(train_names.labels))
  if len(classes) < 2:
    raise DataError(f"{train_names.path}: every name has the label {classes[0]!r}")
  y, valid_y = class_ids(train_names, classes), class_ids(valid_names, classes)
  tokenizer = tokenizer_of(train_names.texts)
  tables = tables_of(tokenizer)
  sizes = [len(table) + OTHER + 1 for table in tables]
  (x, lengths), (valid_x, valid_lengths) = (
    encode(names.texts, tables) for names in (train_names, valid_names)
  )
  print(f"{len(y):,} names to learn from, {len(valid_y):,} to measure on; {len(classes)} "
        f"languages, {sizes[0] - OTHER - 1 - 2} different characters")

  whole = refrain.Data(x, y, lengths), refrain.Data(valid_x, valid_y, valid_lengths)
  characters = refrain.Data(x[0], y, lengths), refrain.Data(valid_x[0], valid_y, valid_lengths)
  named = {"characters": sizes[0], "classes": len(classes)}
  began = time.monotonic()
  _, linear = fit(LINEAR.format(*sizes, **named), *whole, 10, 0.02, arguments, verbose=0)
  print("\nThe GRU over characters", file=sys.stderr)
  epochs = arguments.epochs or (8 if is_made_up else 12)
  _, reading = fit(READING.format(**named), *characters, epochs, 0.003, arguments)
  print("\nThe GRU with the n-grams' mean", file=sys.stderr)
  epochs = arguments.epochs or (8 if is_made_up else 6)
  model, both = fit(READING_AND_NGRAMS.format(*sizes, **named), *whole, epochs, 0.005, arguments)
  seconds = time.monotonic() - began
  model.tokenizer = tokenizer
  model.labels = classes
  model.save(arguments.out)

  print(f"\n{model.summary()}\n\n  {'on the validation data':34}accuracy   macro F1       loss")
  print(f"  {'the most frequent language':34}{majority_accuracy(y, valid_y):8.3f}")
  for title, metrics in (
    ("linear model of 1- to 4-grams", linear),
    ("GRU over characters", reading),
    ("GRU and the mean of 1- to 4-grams", both),
  ):
    print(f"  {title:34}{metrics.accuracy:8.3f}{metrics.f1:11.3f}{metrics.loss:11.3f}")
  print(f"\nTrained in {seconds:.0f} s with {arguments.threads} threads; saved {arguments.out}.")
  expect(both.accuracy > linear.accuracy,
         f"accuracy {both.accuracy:.3f}, more than the linear model's {linear.accuracy:.3f}")


def classify(arguments):
  model = load(arguments.model)
  if model.tokenizer is None or len(model.inputs) != LONGEST:
    raise DataError(f"{arguments.model}: this is no model that surnames.py saved")
  tables = tables_of(model.tokenizer)
  left_out = 0
  with model.session() as session:
    for number, line in enumerate(sys.stdin.buffer, start=1):
      try:
        name = line.decode("utf-8").strip()
      except UnicodeDecodeError as error:
        print(f"line {number} is left out: {error}", file=sys.stderr)
        left_out += 1
        continue
      probabilities = session.run(*encode([name], tables))[0]
      likely = np.argsort(-probabilities)[: arguments.best]
      print(name, *(f"{model.labels[k]} {probabilities[k]:.2f}" for k in likely), sep="\t",
            flush=True)
  if left_out:
    sys.exit(1)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  commands = parser.add_subparsers(required=True, metavar="train | classify")
  command = commands.add_parser("train", help="train both networks, compare, save the second")
  command.add_argument("--train", help="label<TAB>name lines to learn from (made up)")
  command.add_argument("--valid", help="the same, to measure on (made up)")
  command.add_argument("--out", default="surnames.refrain", help="the model (surnames.refrain)")
  add_training_options(command, "12, and 6 for the second network; 8 for made-up names")
  command.set_defaults(work=train)
  command = commands.add_parser("classify", help="the languages of names from standard input")
  command.add_argument("model", help="a file that train saved")
  command.add_argument("--best", type=int, default=3, help="languages to show (3)")
  command.set_defaults(work=classify)
  arguments = parser.parse_args()
  run(lambda: arguments.work(arguments))


if __name__ == "__main__":
  main()
