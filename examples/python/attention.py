"""Which words decided? A classifier of reviews that shows where it looked.

    attention.py --out attention.png
    attention.py --train train.tsv --valid valid.tsv --out attention.png

A bidirectional GRU reads a review, and attention sums its states up: a weight for each word, which
add up to 1 (Yang et al. 2016). The weights are an output of the model beside the class, without a
loss of their own, and the picture shows them as the colour behind each word. (The state at a word
knows its neighbours, so the weight may stand beside the word that one would have marked.)

Data are lines of label<TAB>text in UTF-8, in any number of classes. Without them the reviews are
made up: one sentence judges, among others that only describe and use the same small words. There it
is known where to look, and the program ends with status 1 if the model looks elsewhere.
"""

import argparse
import random
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws to files; needs no screen

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import refrain

MODEL = """\
states = Embedding({words}, 24) -> Bidirectional(GRU(24, return_sequences=true))
[review, weights] = states -> Attention(24, return_weights=true)
label = review -> Dense({classes}, activation=softmax)
[label, weights]"""

PRAISE = ("good", "great", "superb", "moving", "clever", "funny", "charming", "gripping")
BLAME = ("bad", "dull", "awful", "boring", "clumsy", "tedious", "weak", "lifeless")
ASPECTS = ("plot", "acting", "script", "music", "dialogue", "ending", "story", "cast")
PEOPLE = ("hero", "sailor", "teacher", "captain", "dancer")
PLACES = ("town", "harbour", "island", "valley", "station")
FILMS = ("film", "movie", "comedy", "drama", "thriller")

COLOURS = ("#c8553d", "#1b6ca8", "#3a7d44", "#7b5ea7")
INK = "#22272e"
SHOWN, FONT_SIZE, DPI = 9, 10, 130
COLUMNS = 92  # characters of a review in a line


def judgement(choose, positive):
  """A sentence that comes down on one side, often by way of the other."""
  same, opposite = (PRAISE, BLAME) if positive else (BLAME, PRAISE)
  one, other = choose.sample(ASPECTS, 2)
  good, bad = choose.choice(same), choose.choice(opposite)
  return choose.choice(
    (
      f"the {one} is {good}",
      f"the {one} is really {good}",
      f"the {one} is never {bad}",
      f"the {one} is not {bad}",
      f"the {one} is {good}, not {bad}",
      f"the {one} is {bad}, but the {other} is {good}",
      f"although the {one} is {bad}, the {other} is {good}",
      f"nobody could call the {one} {bad}",
    )
  )


def balance(choose):
  """A sentence in which both sides weigh the same."""
  one, other = choose.sample(ASPECTS, 2)
  pair = [choose.choice(PRAISE), choose.choice(BLAME)]
  choose.shuffle(pair)
  first, second = pair
  return choose.choice(
    (
      f"the {one} is neither {first} nor {second}",
      f"some of it is {first}, some of it is {second}",
      f"the {one} is {first} and the {other} is {second}",
    )
  )


def description(choose):
  """A sentence that says nothing about quality."""
  person, place, film = choose.choice(PEOPLE), choose.choice(PLACES), choose.choice(FILMS)
  return choose.choice(
    (
      f"the {person} is not from the {place}",
      f"the {person} never leaves the {place}",
      f"nobody in the {place} has a name, but the {person} has",
      f"it is set in a {place}, although the {person} is from the city",
      f"there is a {person} and there is some snow about the {place}",
      f"this {film} is about a {person}",
    )
  )


class Reviews:
  """Labels, texts and, where that is known, the words of the sentence that judges.

  `spans` has the first such word and the one behind the last.
  """

  def __init__(self):
    self.labels, self.texts, self.spans = [], [], []

  def make_up(self, count, seed):
    choose = random.Random(seed)
    for number in range(count):
      label = ("negative", "neutral", "positive")[number % 3]
      judging = balance(choose) if label == "neutral" else judgement(choose, label == "positive")
      sentences = [description(choose) for _ in range(choose.randint(1, 3))]
      place = choose.randint(0, len(sentences))
      first = sum(len(sentence.split()) for sentence in sentences[:place])
      sentences.insert(place, judging)
      self.labels.append(label)
      self.texts.append(". ".join(sentences) + ".")
      self.spans.append((first, first + len(judging.split())))
    return self

  def read(self, path):
    """Lines of label<TAB>text; a first line `label<TAB>text` is a header."""
    for number, line in enumerate(Path(path).read_text(encoding="utf-8-sig").splitlines(), start=1):
      label, tab, text = line.partition("\t")
      if not tab or not label:
        sys.exit(f"{path}:{number}: expected label<TAB>text, found {line[:60]!r}")
      if (number, line) != (1, "label\ttext"):
        self.labels.append(label)
        self.texts.append(text)
    if not self.texts:
      sys.exit(f"{path}: there are no reviews in this file")
    return self


def trained(train, valid, arguments):
  """A model that takes texts, trained to tell the labels."""
  classes = sorted(set(train.labels))
  unknown = sorted(set(valid.labels) - set(classes))
  if unknown:
    sys.exit(f"{arguments.valid}: the label {unknown[0]!r} is not one of {classes}")
  tokenizer = refrain.Tokenizer(num_words=10_000, maxlen=100, padding="post", truncating="post")
  tokenizer.fit_on_texts(train.texts)
  notation = MODEL.format(words=tokenizer.size, classes=len(classes))
  model = refrain.Model(notation, seed=arguments.seed)
  model.tokenizer = tokenizer  # from here on the model takes texts
  model.labels = classes
  model.fit(
    train.texts,
    train.labels,
    validation_data=(valid.texts, valid.labels),
    loss=["crossentropy", None],  # the weights are there to be looked at
    optimizer="Adam(0.01)",
    clip_norm=5,
    restore_best=True,
    epochs=arguments.epochs,
    threads=arguments.threads,
    seed=arguments.seed,
  )
  return model


def words_of(model, text, count):
  """The words that the model saw: those that its tokenizer knows."""
  ids = model.tokenizer.texts_to_sequences([text])[0][:count]
  return model.tokenizer.sequences_to_texts([[number] for number in ids])


def share_on_judgement(model, reviews, weights):
  """How much of its attention the model gave to the sentence that judges, and how long that is."""
  found, size = [], []
  for text, (first, end), row in zip(reviews.texts, reviews.spans, weights, strict=True):
    words = words_of(model, text, len(row))
    found.append(row[first:end].sum())
    size.append((end - first) / len(words))
  return float(np.mean(found)), float(np.mean(size))


def lines_of(words):
  """Where words stand that are broken into lines: line and column of each."""
  line = column = 0
  places = []
  for word in words:
    if column and column + len(word) > COLUMNS:
      line, column = line + 1, 0
    places.append((line, column))
    column += len(word) + 1
  return places, line + 1


def draw(model, reviews, probabilities, weights):
  """Some reviews, each word before a colour as deep as its weight."""
  chosen = []
  for label in model.labels:  # as many of each class
    rows = [row for row, name in enumerate(reviews.labels) if name == label]
    chosen += rows[: max(1, SHOWN // len(model.labels))]
  blocks = []
  for row in chosen[:SHOWN]:
    words = words_of(model, reviews.texts[row], weights.shape[1])
    blocks.append((row, words, *lines_of(words)))
  total = sum(lines for *_, lines in blocks) + 1.6 * len(blocks) + 1
  character = 0.602 * FONT_SIZE / 72  # inches, of this font
  size = (COLUMNS + 6) * character, total * 0.29
  figure = plt.figure(figsize=size)
  axes = figure.add_axes((0, 0, 1, 1), xlim=(-3, COLUMNS + 3), ylim=(total, -1.2))
  axes.axis("off")
  axes.text(0, -0.5, "Which words decided: the weights of attention", fontsize=13,
            fontweight="bold", color=INK, va="center")
  top = 0.6
  for row, words, places, lines in blocks:
    best = int(probabilities[row].argmax())
    colour = COLOURS[best % len(COLOURS)]
    said = f"{model.labels[best]}  {probabilities[row, best]:.2f}"
    if model.labels[best] != reviews.labels[row]:
      said += f"   (it is {reviews.labels[row]})"
    axes.text(0, top, said, fontsize=FONT_SIZE, fontweight="bold", color=colour, va="center")
    largest = weights[row].max()
    for word, (line, column), weight in zip(words, places, weights[row], strict=False):
      middle = top + 1 + line
      axes.add_patch(Rectangle((column - 0.35, middle - 0.42), len(word) + 0.7, 0.84, lw=0,
                               facecolor=colour, alpha=0.75 * float(weight / largest)))
      axes.text(column, middle, word, fontsize=FONT_SIZE, family="DejaVu Sans Mono", color=INK,
                va="center")
    top += lines + 1.6
  return figure


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--train", help="label<TAB>text lines to learn from (made-up reviews)")
  parser.add_argument("--valid", help="the same, to validate on and to show")
  parser.add_argument("--out", default="attention.png", help="the picture (attention.png)")
  parser.add_argument("--epochs", type=int, default=10, help="passes over the data (10)")
  parser.add_argument("--threads", type=int, default=1, help="no result depends on it (1)")
  parser.add_argument("--seed", type=int, default=7, help="of all random numbers (7)")
  arguments = parser.parse_args()
  if (arguments.train is None) != (arguments.valid is None):
    parser.error("--train and --valid go together")
  made_up = arguments.train is None
  if made_up:
    train, valid = Reviews().make_up(3000, arguments.seed), Reviews().make_up(300, -1)
    print("These reviews are made up.")
  else:
    train, valid = Reviews().read(arguments.train), Reviews().read(arguments.valid)

  model = trained(train, valid, arguments)
  probabilities, weights = model.predict(valid.texts)
  truth = np.array([model.labels.index(label) for label in valid.labels])
  accuracy = float((probabilities.argmax(axis=1) == truth).mean())
  print(f"accuracy on {len(truth)} reviews: {accuracy:.3f}")
  draw(model, valid, probabilities, weights).savefig(arguments.out, dpi=DPI)
  print(f"Drew {arguments.out}.")
  if made_up:
    share, size = share_on_judgement(model, valid, weights)
    print(f"The sentence that judges has {size:.0%} of the words and {share:.0%} of the attention.")
    if accuracy < 0.95 or share < 2 * size:
      sys.exit("expected an accuracy of 0.95, and twice as much attention there as by chance")


if __name__ == "__main__":
  try:
    main()
  except (refrain.RefrainError, OSError, UnicodeDecodeError) as error:
    sys.exit(str(error))
