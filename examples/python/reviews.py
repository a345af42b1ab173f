"""Train, compare and use review classifiers: the job of reviews_train.c and reviews_classify.c.

    reviews.py train --train train.tsv --valid valid.tsv --out demo
    reviews.py classify demo/gru.refrain < texts
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import refrain

# The settings of the usual introduction, with lengths (padding is not read), each unit's largest
# state instead of the last, the best epoch kept, and the gradient's norm clipped at 5.
MODEL = (
    "Embedding({words}, 64) -> {cell}(64, dropout=0.2, recurrent_dropout=0.2, "
    "return_sequences=true) -> Pooling(max) -> Dense({classes}, activation=softmax)"
)


def read_tsv(path):
    """Labels and texts of a file of `label<TAB>text` lines."""
    labels, texts = [], []
    with open(path, encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\r\n")
            if number == 1 and line == "label\ttext":
                continue
            label, tab, text = line.partition("\t")
            if not tab or not label:
                sys.exit(f"{path}:{number}: expected label<TAB>text, found '{line[:60]}'")
            labels.append(label)
            texts.append(text)
    if not texts:
        sys.exit(f"{path}: there is no review in this file")
    return labels, texts


def train(arguments):
    labels, texts = read_tsv(arguments.train)
    valid_labels, valid_texts = read_tsv(arguments.valid)
    classes = sorted(set(labels))
    unknown = sorted(set(valid_labels) - set(classes))
    if unknown or len(classes) < 2:
        sys.exit(f"labels only in {arguments.valid}: {unknown}" if unknown
                 else f"{arguments.train}: there is one class only, '{classes[0]}'")
    number = {label: index for index, label in enumerate(classes)}
    y = np.array([number[label] for label in labels], np.int32)
    y_valid = np.array([number[label] for label in valid_labels], np.int32)

    tokenizer = refrain.Tokenizer(
        num_words=10_000, maxlen=100, padding="post", truncating="post")
    tokenizer.fit_on_texts(texts)
    x, lengths = tokenizer.encode(texts)
    x_valid, valid_lengths = tokenizer.encode(valid_texts)

    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    results = []
    for cell in ("LSTM", "GRU"):
        model = refrain.Model(
            MODEL.format(words=tokenizer.size, cell=cell, classes=len(classes)),
            seed=arguments.seed)
        history = model.fit(
            x, y, lengths=lengths,
            validation_data=refrain.Data(x_valid, y_valid, lengths=valid_lengths),
            loss="crossentropy", optimizer="Adam(0.001)", clip_norm=5, epochs=arguments.epochs,
            batch_size=32, restore_best=True, threads=arguments.threads, seed=arguments.seed)
        metrics = model.evaluate(x_valid, y_valid, lengths=valid_lengths)
        model.tokenizer = tokenizer
        model.labels = classes
        path = out / f"{cell.lower()}.refrain"
        model.save(path)
        print(f"\n{cell}, {sum(p.size for p in model.parameters.values()):,} parameters, "
              f"saved to {path}\n{metrics}\n")
        results.append({
            "name": cell, "valid_accuracy": metrics["accuracy"], "f1": metrics["f1_macro"],
            "confusion": metrics.confusion.tolist(),
            "history": [
                {"loss": a, "accuracy": b, "valid_loss": c, "valid_accuracy": d}
                for a, b, c, d in zip(history["loss"], history["accuracy"], history["val_loss"],
                                      history["val_accuracy"])],
        })
    with open(out / "history.json", "w", encoding="utf-8") as file:
        json.dump({"description": arguments.train, "labels": classes, "models": results}, file)


def classify(arguments):
    model = refrain.load(arguments.model)
    for line in sys.stdin:
        text = line.rstrip("\r\n")
        probabilities = model.predict([text])[0]
        best = int(np.argmax(probabilities))
        print(f"{model.labels[best]}\t{probabilities[best]:.3f}\t{text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="train | classify")
    command = commands.add_parser("train", help="train an LSTM and a GRU, and compare them")
    command.add_argument("--train", required=True, help="label<TAB>text lines to learn from")
    command.add_argument("--valid", required=True, help="the same to validate on")
    command.add_argument("--out", default="demo", help="folder for the models (demo)")
    command.add_argument("--epochs", type=int, default=5, help="(5)")
    command.add_argument("--threads", type=int, default=1, help="(1)")
    command.add_argument("--seed", type=int, default=42, help="(42)")
    command.set_defaults(run=train)
    command = commands.add_parser("classify", help="classify lines of text from standard input")
    command.add_argument("model", help="a file that train saved")
    command.set_defaults(run=classify)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except refrain.RefrainError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
