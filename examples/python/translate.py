"""From one way of writing to another, letter by letter, and where attention looked.

    translate.py --out alignment.png
    translate.py --train train.tsv --valid valid.tsv --out alignment.png

A bidirectional GRU reads a text. Another GRU writes its translation: it begins with what the first
said at its ends, and before every letter looks back at all that the first said (Bahdanau et al.
2015). In training it is shown the right letters so far; afterwards `generate` gives it back its
own, the likeliest each time, or by beam search. The picture shows how much it looked at which
letter of the source (from left to right) when it wrote which letter (from top to bottom).

Data are lines of source<TAB>target in UTF-8. Without them the texts are made up: dates as people
write them, to be written as 2031-03-09, in which nearly every part stands somewhere else. Those
that are measured were not in training, and beside them stands the same network without attention.
On dates the program ends with status 1 if attention does not get 95 of 100 wholly right.
"""

import argparse
import datetime
import random
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws to files; needs no screen

import matplotlib.pyplot as plt
import numpy as np

import refrain

READER = """\
source = Input(ids)
target = Input(ids)
[memory, ahead, back] = source -> Embedding({letters}, 24) \
-> Bidirectional(GRU(40, return_sequences=true, return_state=true))
h = [ahead, back] -> Concat -> Dense(80, activation=tanh)
written = target -> Embedding({signs}, 24)
states = [written, h] -> GRU(80, return_sequences=true)
"""
WITH_ATTENTION = READER + """\
[context, weights] = [states, memory] -> Attention(40, return_weights=true)
next = [states, context] -> Concat -> Dense({signs}, activation=softmax)
[next, weights]"""
WITHOUT = READER + "states -> Dense({signs}, activation=softmax)"

START, END, FIRST = 1, 2, 3  # ids of letters begin with FIRST; 0 is padding
INK, SHOWN, DPI = "#22272e", 3, 130


def written_date(choose, date):
  """A date as somebody may write it."""
  day, year = str(date.day), str(date.year)
  month = f"{date:%B}".lower()
  short, weekday = month[:3], f"{date:%A}".lower()
  return choose.choice(
    (
      f"{day} {month} {year}",
      f"{month} {day}, {year}",
      f"{day} {short} {year}",
      f"{short} {day}, {year}",
      f"{day}.{date.month}.{year}",
      f"{weekday}, {day} {month} {year}",
      f"{weekday[:3]} {short} {day} {year}",
      f"{year}, {month} {day}",
      f"the {day} of {month} {year}",
    )
  )


def made_up(counts, seed):
  """Pairs of a written date and the same in ISO 8601, no day in more than one of the lists."""
  choose = random.Random(seed)
  first = datetime.date(1950, 1, 1).toordinal()
  days = choose.sample(range(first, first + 36_500), sum(counts))
  dates = [datetime.date.fromordinal(day) for day in days]
  pairs = [(written_date(choose, date), date.isoformat()) for date in dates]
  return pairs[: counts[0]], pairs[counts[0] :]


def read(path):
  """Pairs of source<TAB>target lines."""
  pairs = []
  for number, line in enumerate(Path(path).read_text(encoding="utf-8-sig").splitlines(), start=1):
    source, tab, target = line.partition("\t")
    if not tab or not source or not target:
      sys.exit(f"{path}:{number}: expected source<TAB>target, found {line[:60]!r}")
    pairs.append((source, target))
  if not pairs:
    sys.exit(f"{path}: there are no pairs in this file")
  return pairs


class Letters:
  """The letters of texts, and their ids."""

  def __init__(self, texts):
    self.letters = sorted(set("".join(texts)))
    self.ids = {letter: FIRST + index for index, letter in enumerate(self.letters)}

  def __len__(self):
    return FIRST + len(self.letters)

  def padded(self, texts, before=(), behind=()):
    """Ids `[B, T]` and lengths; a letter that was not learned is left out."""
    rows = [
      [*before, *(self.ids[letter] for letter in text if letter in self.ids), *behind]
      for text in texts
    ]
    lengths = np.array([len(row) for row in rows])
    ids = np.zeros((len(rows), max(1, lengths.max())), np.int32)
    for row, values in zip(ids, rows, strict=True):
      row[: len(values)] = values
    return ids, lengths

  def text(self, ids):
    return "".join(self.letters[id - FIRST] if id >= FIRST else "?" for id in ids)


class Translator:
  """A model with the letters that it reads and writes."""

  def __init__(self, notation, pairs, arguments):
    sources, targets = zip(*pairs, strict=True)
    self.read, self.write = Letters(sources), Letters(targets)
    self.longest = max(map(len, targets)) + 1
    self.threads = arguments.threads
    self.model = refrain.Model(
      notation.format(letters=len(self.read), signs=len(self.write)), seed=arguments.seed
    )
    x, lengths = self.read.padded(sources)
    shown, more = self.write.padded(targets, before=[START])
    following, _ = self.write.padded(targets, behind=[END])
    self.model.fit(
      [x, shown],
      following,
      lengths=[lengths, more],
      # The weights of attention are there to be looked at.
      loss=["crossentropy", None] if len(self.model.outputs) > 1 else "crossentropy",
      optimizer="Adam(0.005)",
      schedule=f"Cosine({arguments.epochs})",
      clip_norm=1,
      epochs=arguments.epochs,
      threads=arguments.threads,
      seed=arguments.seed,
    )

  def __call__(self, sources, beams=1):
    """The translations."""
    x, lengths = self.read.padded(sources)
    found = self.model.generate(
      x, lengths=lengths, start=START, end=END, max_length=self.longest, beams=beams,
      threads=self.threads,
    )
    return [self.write.text(ids) for ids in found.sequences]

  def weights(self, source, target):
    """How much it looks at each letter of the source for each of the target, and the end."""
    x, _ = self.read.padded([source])
    shown, _ = self.write.padded([target], before=[START])
    return self.model.predict([x, shown])[1][0]


def share_right(translations, pairs):
  return sum(found == target for found, (_, target) in zip(translations, pairs, strict=True)) / len(
    pairs
  )


def draw(translator, pairs):
  """For some pairs, a matrix of weights: what is written downwards, what is read to the right."""
  cell = 0.24  # inches
  sources = [source for source, _ in pairs]
  translations = translator(sources)
  width = max(map(len, sources)) * cell + 1.4
  heights = [(len(text) + 1) * cell + 0.75 for text in translations]
  figure = plt.figure(figsize=(width, sum(heights) + 0.5))
  top = sum(heights) + 0.05
  figure.text(0.3 / width, 1 - 0.28 / (sum(heights) + 0.5), "Where attention looked", fontsize=13,
              fontweight="bold", color=INK, va="center")
  for source, text, height in zip(sources, translations, heights, strict=True):
    letters = [letter for letter in source if letter in translator.read.ids] or [" "]
    top -= height
    area = (0.9 / width, (top + 0.15) / (sum(heights) + 0.5), len(letters) * cell / width,
            (len(text) + 1) * cell / (sum(heights) + 0.5))
    axes = figure.add_axes(area)
    axes.imshow(translator.weights(source, text), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(letters)), ["␣" if letter == " " else letter for letter in letters])
    axes.set_yticks(range(len(text) + 1), [*text, "end"])
    axes.tick_params(length=0, labelsize=10, labelcolor=INK, top=True, bottom=False, labeltop=True,
                     labelbottom=False)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
      label.set_family("DejaVu Sans Mono")
    for spine in axes.spines.values():
      spine.set_color("#c9ced6")
  return figure


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--train", help="source<TAB>target lines to learn from (made-up dates)")
  parser.add_argument("--valid", help="the same, to measure and to show")
  parser.add_argument("--out", default="alignment.png", help="the picture (alignment.png)")
  parser.add_argument("--epochs", type=int, default=15, help="passes over the data (15)")
  parser.add_argument("--threads", type=int, default=1, help="no result depends on it (1)")
  parser.add_argument("--seed", type=int, default=7, help="of all random numbers (7)")
  arguments = parser.parse_args()
  if (arguments.train is None) != (arguments.valid is None):
    parser.error("--train and --valid go together")
  if arguments.epochs < 1:
    parser.error("--epochs must be 1 or more")
  if arguments.train is None:
    train, valid = made_up((3000, 500), arguments.seed)
    print("These dates are made up.")
  else:
    train, valid = read(arguments.train), read(arguments.valid)

  translator = Translator(WITH_ATTENTION, train, arguments)
  plain = Translator(WITHOUT, train, arguments)
  sources = [source for source, _ in valid]
  for source, found in zip(sources[:SHOWN], translator(sources[:SHOWN]), strict=True):
    print(f"  {source}  ->  {found}")
  rates = [share_right(translator(sources, beams), valid) for beams in (1, 4)]
  others = [share_right(plain(sources, beams), valid) for beams in (1, 4)]
  print(f"Wholly right, of {len(valid)} that were not in training:")
  print("                  likeliest letter  4 beams")
  print(f"  with attention             {rates[0]:.3f}    {rates[1]:.3f}")
  print(f"  without                    {others[0]:.3f}    {others[1]:.3f}")
  draw(translator, valid[:SHOWN]).savefig(arguments.out, dpi=DPI)
  print(f"Drew {arguments.out}.")
  if arguments.train is None and min(rates) < 0.95:
    sys.exit("expected 95 of 100 dates to be wholly right")


if __name__ == "__main__":
  try:
    main()
  except (refrain.RefrainError, OSError, UnicodeDecodeError) as error:
    sys.exit(str(error))
