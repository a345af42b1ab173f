#!/usr/bin/env python3
"""What padding costs: seconds for an epoch of T1's LSTM on reviews, in three ways.

    padding.py TRAIN.tsv [--rounds 5] [--threads 1]

Lines are label<TAB>text. The reviews stand in windows of 100 words, first without lengths, so that
padding is computed; then with lengths, in batches as chance has them; then in batches of similar
length. The ways take turns, an epoch each, on models of their own.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import refrain
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))

from common import class_ids, positive, read_labelled, run

MODEL = "Embedding(10000, 64) -> LSTM(64) -> Dense({classes}, activation=softmax)"
WINDOW = 100


def epoch_seconds(model: refrain.Model, data: dict, options: dict) -> float:
  start = time.perf_counter()
  model.fit(**data, loss="crossentropy", clip_norm=5, verbose=0, **options)
  return time.perf_counter() - start


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("train", help="lines of label<TAB>text")
  parser.add_argument("--rounds", type=positive, default=5)
  parser.add_argument("--threads", type=positive, default=1)
  arguments = parser.parse_args()

  texts = read_labelled(arguments.train)
  classes = sorted(set(texts.labels))
  tokenizer = refrain.Tokenizer(num_words=10_000, maxlen=WINDOW, padding="post", truncating="post")
  tokenizer.fit_on_texts(texts.texts)
  x, lengths = tokenizer.encode(texts.texts)
  padded = {"x": x, "y": class_ids(texts, classes)}
  ways = {
    "padding computed": (padded, {}),
    "lengths": (padded | {"lengths": lengths}, {"bucket": False}),
    "lengths, batches of similar length": (padded | {"lengths": lengths}, {}),
  }
  models = {way: refrain.Model(MODEL.format(classes=len(classes)), seed=1) for way in ways}
  seconds: dict[str, list[float]] = {way: [] for way in ways}
  for _ in tqdm(range(arguments.rounds), desc="rounds"):
    for way, (data, options) in ways.items():
      options = options | {"threads": arguments.threads}
      seconds[way].append(epoch_seconds(models[way], data, options))

  print(f"{len(x)} reviews, median {median(lengths.tolist()):.0f} words of {WINDOW}; an epoch:")
  first = next(iter(seconds.values()))
  for way, own in seconds.items():
    ratios = [a / b for a, b in zip(own, first, strict=True)]
    print(
      f"{way:36} {median(own):6.2f} s   {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    )


if __name__ == "__main__":
  run(main)
