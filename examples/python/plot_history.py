"""Draw what a training of reviews came to: curves by epoch, and the confusion matrices.

    plot_history.py demo/history.json --out demo/curves.png
"""

import argparse
import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

COLOURS = {"LSTM": "#1b6ca8", "GRU": "#d1495b"}


def draw_curves(axes, models, name, title, label):
    """One quantity by epoch: training dashed, validation solid, the epoch that was kept marked."""
    for model in models:
        colour = COLOURS.get(model["name"])
        history = model["history"]
        epochs = np.arange(1, len(history) + 1)
        train = [epoch[name] for epoch in history]
        valid = [epoch[f"valid_{name}"] for epoch in history]
        axes.plot(epochs, train, "--", color=colour, alpha=0.7, label=f"{model['name']} training")
        axes.plot(epochs, valid, "-o", color=colour, markersize=4,
                  label=f"{model['name']} validation")
        best = int(np.argmin([epoch["valid_loss"] for epoch in history]))
        axes.plot(epochs[best], valid[best], "o", color=colour, markersize=11,
                  markerfacecolor="none", markeredgewidth=1.8)
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, framealpha=0.9)


def draw_confusion(axes, model, labels):
    """Counts, and each row's shares as colours."""
    counts = np.array(model["confusion"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        axes.text(j, i, f"{counts[i, j]:.0f}\n{shares[i, j]:.0%}", ha="center", va="center",
                  color="white" if shares[i, j] > 0.55 else "#222222", fontsize=10)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels, rotation=90, va="center")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{model['name']}: accuracy {model['valid_accuracy']:.3f}, "
                   f"macro F1 {model['f1']:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("history", help="history.json, as reviews_train or reviews.py writes it")
    parser.add_argument("--out", default="curves.png", help="the picture (curves.png)")
    arguments = parser.parse_args()
    try:
        with open(arguments.history, encoding="utf-8") as file:
            history = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"{arguments.history}: {error}")

    models, labels = history["models"], history["labels"]
    figure, axes = plt.subplots(2, 2, figsize=(12, 9.5), layout="constrained")
    figure.suptitle(f"{' and '.join(model['name'] for model in models)} on "
                    f"{history['description']}", fontsize=14)
    draw_curves(axes[0, 0], models, "loss", "Loss (circle: the epoch that was kept)",
                "cross-entropy, nats")
    draw_curves(axes[0, 1], models, "accuracy", "Accuracy", "share of reviews")
    for place, model in zip(axes[1], models):
        draw_confusion(place, model, labels)
    figure.savefig(arguments.out, dpi=130)
    print(f"Drew {arguments.out}.")


if __name__ == "__main__":
    main()
