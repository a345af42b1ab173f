"""A language model of characters: train it on a text, and have it write.

    characters.py train --text input.txt --out characters.refrain --threads 2
    characters.py sample characters.refrain --temperature 0.7 --start "ROMEO:"

It learns from the first nine tenths of the text and is measured on the last: nats per character,
beside n-grams with Witten-Bell smoothing (Witten & Bell 1991), which the program counts itself.
Without --text it makes up a text of its own, whose sentences depend on the one before.
"""

import argparse
import time

import numpy as np

import refrain
from common import DataError, add_training_options, expect, load, read_text, run

MODEL = (
  "Embedding({characters}, 64)"
  " -> LSTM({units}, return_sequences=true) -> LSTM({units}, return_sequences=true)"
  " -> Dense({characters}, activation=softmax)"
)
WINDOW = 100  # characters that gradients flow through
PIECE = 1000  # characters of a sequence that the model is measured on
RESERVED = 2  # ids that are no character of the text: 0 for padding, 1 for any other character


def made_up_text(sentences, seed):
  """Sentences in which each day follows the last, and verb, pronoun and object the subject."""
  rng = np.random.default_rng(seed)
  days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
  subjects = [("the old captain", "s", "his"), ("the doctor", "s", "her"),
              ("my sisters", "", "their"), ("two sailors", "", "their"),
              ("the queen", "s", "her"), ("a gardener", "s", "his")]
  adverbs = ["slowly", "suddenly", "as always", "without a word"]
  verbs = ["open", "forget", "find", "hide", "read"]
  objects = ["letter", "map", "basket", "book"]
  lines = []
  for number in range(sentences):
    subject, ending, pronoun = subjects[rng.integers(len(subjects))]
    adverb, verb, thing = (words[rng.integers(len(words))] for words in (adverbs, verbs, objects))
    plural = "" if ending else "s"
    day = days[number % len(days)]
    lines.append(f"On {day} {subject} {adverb} {verb}{ending} {pronoun} {thing}{plural}.\n")
  return "".join(lines)


def nats_of_ngrams(train, held_out, characters, longest=5):
  """Nats per character of `held_out` for n-grams of 1 … `longest` characters, by n.

  Witten-Bell: after a context h that occurred c(h) times, before d(h) different characters,

      p(w | h) = (c(h w) + d(h) p(w | h')) / (c(h) + d(h))

  where h' is h without its first character, and p is uniform before there is any context.
  """
  text = np.concatenate([train, held_out]).astype(np.int64)
  p = np.full(len(held_out), 1 / characters)
  contexts = np.zeros(len(text), np.int64)  # a number for the n − 1 characters before each
  nats = {}
  for n in range(1, longest + 1):
    grams = contexts * characters + text
    seen, counts = np.unique(grams[n - 1 : len(train)], return_counts=True)
    totals = np.zeros(contexts.max() + 1)
    different = np.zeros(contexts.max() + 1)
    np.add.at(totals, seen // characters, counts)
    np.add.at(different, seen // characters, 1)

    asked, after = grams[len(train) :], contexts[len(train) :]
    place = np.searchsorted(seen, asked).clip(max=len(seen) - 1)
    occurred = np.where(seen[place] == asked, counts[place], 0)
    known = totals[after] > 0
    p[known] = ((occurred + different[after] * p) / np.maximum(totals + different, 1)[after])[known]
    nats[n] = -np.log(p).mean()
    # The next context is this n-gram, one character on; consecutive numbers keep products small.
    contexts = np.concatenate([[0], np.unique(grams, return_inverse=True)[1][:-1]])
  return nats


def windows(ids, length):
  """Ids cut into rows, and for each the characters that follow, [rows, length] both."""
  rows = (len(ids) - 1) // length
  end = rows * length
  return ids[:end].reshape(rows, length), ids[1 : end + 1].reshape(rows, length)


def sample(model, start, length, temperature, seed):
  """Characters drawn one by one from the model, each fed back as the next input."""
  rng = np.random.default_rng(seed)
  tokenizer = model.tokenizer
  alphabet = [tokenizer.id_word(number) for number in range(RESERVED, tokenizer.size)]
  stream = model.session()
  for number in tokenizer.texts_to_sequences([start])[0]:
    p = stream.step(number)
  for _ in range(length):
    # p^(1 / temperature), from logarithms so that a low temperature cannot underflow
    logits = np.log(np.maximum(p[RESERVED:].astype(float), 1e-30)) / temperature
    weights = np.exp(logits - logits.max())
    drawn = rng.choice(len(alphabet), p=weights / weights.sum())
    yield alphabet[drawn]
    p = stream.step(drawn + RESERVED)


def write_sample(model, arguments, start):
  print(start, end="")
  for character in sample(model, start, arguments.length, arguments.temperature, arguments.seed):
    print(character, end="", flush=True)
  print()


def train(arguments):
  is_made_up = arguments.text is None
  name = "the made-up text" if is_made_up else arguments.text
  text = made_up_text(2000, arguments.seed) if is_made_up else read_text(arguments.text)
  units = arguments.units or (96 if is_made_up else 256)
  epochs = arguments.epochs or (12 if is_made_up else 8)
  batch_size = 10 if is_made_up else 50
  cut = len(text) * 9 // 10
  if len(text) - cut <= PIECE:
    raise DataError(f"{name}: {len(text):,} characters are too few; {10 * PIECE + 10:,} will do")

  tokenizer = refrain.Tokenizer(char_level=True, lower=False, filters="", oov_token="<unknown>")
  tokenizer.fit_on_texts([text[:cut]])
  ids = np.array(tokenizer.texts_to_sequences([text])[0], np.int32)
  train_ids, valid_ids = ids[:cut], ids[cut:]
  print(f"{name}: {len(text):,} characters, {tokenizer.size - RESERVED} different ones; "
        f"the last {len(valid_ids):,} are held out")
  ngrams = nats_of_ngrams(train_ids, valid_ids, tokenizer.size)

  model = refrain.Model(MODEL.format(characters=tokenizer.size, units=units), seed=arguments.seed)
  model.tokenizer = tokenizer
  print(model.summary())
  x, y = windows(train_ids, WINDOW)
  updates = -(-len(x) // batch_size) * epochs
  began = time.monotonic()
  model.fit(
    x, y,
    # Long pieces: only the first characters of each are read without knowing what came before.
    validation_data=windows(valid_ids, PIECE),
    epochs=epochs,
    batch_size=batch_size,
    optimizer="Adam(0.006)",
    schedule=f"Cosine({updates}, warmup={updates // 20}, final=0.02, per=update)",
    clip_norm=1,
    restore_best=True,
    threads=arguments.threads,
    seed=arguments.seed,
  )
  seconds = time.monotonic() - began
  model.save(arguments.out)
  nats = model.evaluate(*windows(valid_ids, PIECE), threads=arguments.threads)["loss"]

  print("\n  on the held-out text      nats per character   perplexity")
  rows = [(f"{n}-grams, Witten-Bell", ngrams[n]) for n in sorted(ngrams)]
  for title, loss in [*rows, (f"2 x LSTM({units})", nats)]:
    print(f"  {title:24}{loss:20.3f}{np.exp(loss):13.2f}")
  print(f"\nTrained in {seconds:.0f} s with {arguments.threads} threads; saved {arguments.out}.\n")
  write_sample(model, arguments, start=text[cut : cut + 1])
  best = min(ngrams.values())
  expect(nats < best, f"{nats:.3f} nats per character, less than the n-grams' {best:.3f}")


def write(arguments):
  model = load(arguments.model)
  if model.tokenizer is None or not arguments.start:
    raise DataError("sample needs a model that train saved, and a --start of a character at least")
  write_sample(model, arguments, arguments.start)


def temperature(text):
  value = float(text)
  if not value > 0:
    raise ValueError
  return value


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  commands = parser.add_subparsers(required=True, metavar="train | sample")
  command = commands.add_parser("train", help="learn a text, measure, save, and write a sample")
  command.add_argument("--text", help="a file of UTF-8 text (made up)")
  command.add_argument("--out", default="characters.refrain", help="the model (characters.refrain)")
  command.add_argument("--units", type=int, help="of each LSTM (256; 96 for the made-up text)")
  add_training_options(command, "8; 12 for the made-up text")
  command.set_defaults(work=train)
  sampling = [command]

  command = commands.add_parser("sample", help="have a saved model write")
  command.add_argument("model", help="a file that train saved")
  command.add_argument("--start", default="\n", help="what the text begins with (a line break)")
  command.add_argument("--seed", type=int, default=42, help="of the draws (42)")
  command.set_defaults(work=write)
  for command in [*sampling, command]:
    command.add_argument("--length", type=int, default=400, help="characters to write (400)")
    command.add_argument("--temperature", type=temperature, default=0.8,
                         help="below 1 the likely becomes likelier (0.8)")
  arguments = parser.parse_args()
  run(lambda: arguments.work(arguments))


if __name__ == "__main__":
  main()
