"""Draw what a training of reviews came to: curves by epoch, and the confusion matrices.

    plot_history.py demo/history.json --out demo/curves.png

The file is the one that reviews_train and reviews.py write.
"""

import argparse
import json
import math
import sys

import matplotlib

matplotlib.use("Agg")  # draws to files; needs no screen

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b5ea7")
INK, FAINT = "#22272e", "#d5d9de"
PIXELS_WIDE, DPI = 1600, 130


def epochs_of(model, name):
  """One quantity by epoch; None, which stands for NaN in JSON, leaves a gap."""
  values = [epoch[name] for epoch in model["history"]]
  return np.array([math.nan if value is None else value for value in values])


def best_epoch(model):
  """The epoch, from 0, whose parameters were kept."""
  losses = epochs_of(model, "valid_loss")
  return int(np.nanargmin(losses)) if np.isfinite(losses).any() else len(losses) - 1


def draw_curves(axes, models, name, title):
  """Training dashed, validation solid, a ring around the epoch that was kept."""
  for model, colour in zip(models, COLOURS):
    train, valid = epochs_of(model, name), epochs_of(model, f"valid_{name}")
    epochs = np.arange(1, len(train) + 1)
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(epochs, train, linestyle=(0, (4, 2)), linewidth=1.6, color=colour, alpha=0.75)
    axes.plot(epochs, valid, marker=marker, markersize=4.5, linewidth=2, color=colour)
    best = best_epoch(model)
    axes.plot(epochs[best], valid[best], "o", color=colour, markersize=13, markerfacecolor="none",
              markeredgewidth=1.8)
  axes.set_title(title, loc="left", fontweight="bold")
  axes.set_xlabel("epoch")
  axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
  axes.grid(color=FAINT, linewidth=0.8)
  axes.set_axisbelow(True)
  axes.spines[["top", "right"]].set_visible(False)


def draw_legend(axes, models, place):
  handles = [
    Line2D([], [], color=colour, linewidth=2.5, label=model["name"])
    for model, colour in zip(models, COLOURS)
  ]
  handles += [
    Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1.6, label="training"),
    Line2D([], [], color=INK, marker="o", markersize=4.5, linewidth=2, label="validation"),
    Line2D([], [], color=INK, marker="o", markersize=10, markerfacecolor="none", linestyle="",
           label="epoch that was kept"),
  ]
  axes.legend(handles=handles, loc=place, ncols=2, fontsize=9, framealpha=0.92, edgecolor=FAINT)


def draw_confusion(axes, model, labels, colour):
  """Counts, and the share of each true class as text and colour."""
  counts = np.array(model["confusion"], dtype=float)
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  ramp = matplotlib.colors.LinearSegmentedColormap.from_list("ramp", ["#ffffff", colour])
  axes.imshow(shares, cmap=ramp, vmin=0, vmax=1, aspect="auto")
  if len(labels) <= 8:
    for (row, column), share in np.ndenumerate(shares):
      ink = "white" if share > 0.6 else INK
      axes.text(column, row - 0.08, f"{counts[row, column]:.0f}", ha="center", va="center",
                color=ink, fontsize=14, fontweight="bold")
      axes.text(column, row + 0.2, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=10)
  axes.set_xticks(range(len(labels)), labels, rotation=0 if len(labels) <= 6 else 90)
  axes.set_yticks(range(len(labels)), labels)
  axes.set_xticks(np.arange(len(labels) - 1) + 0.5, minor=True)
  axes.set_yticks(np.arange(len(labels) - 1) + 0.5, minor=True)
  axes.grid(which="minor", color="white", linewidth=2)
  axes.tick_params(which="both", length=0)
  axes.spines[:].set_color(FAINT)
  axes.set_xlabel("predicted class")
  axes.set_ylabel("true class")
  axes.set_title(f"{model['name']}: accuracy {model['valid_accuracy']:.3f}, "
                 f"macro F1 {model['f1_macro']:.3f}", loc="left", fontweight="bold")


def draw(history):
  models, labels = history["models"], history["labels"]
  plt.rcParams.update({"font.size": 11, "text.color": INK, "axes.labelcolor": INK,
                       "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK})
  columns = max(2, len(models))
  height = 8.6 + 0.3 * max(0, len(labels) - 8)
  figure = plt.figure(figsize=(PIXELS_WIDE / DPI, height), layout="constrained")
  figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12)
  upper, lower = figure.subfigures(2, 1)
  names = " and ".join(model["name"] for model in models)
  source = "/".join(history["data"].split("/")[-2:])
  figure.suptitle(f"{names} on {source}", fontsize=14)
  loss, accuracy = upper.subplots(1, 2)
  draw_curves(loss, models, "loss", "Loss")
  loss.set_ylabel("cross-entropy (nats)")
  loss.set_ylim(bottom=0)
  draw_curves(accuracy, models, "accuracy", "Accuracy")
  accuracy.set_ylabel("share of reviews classified correctly")
  accuracy.set_ylim(0, 1.05)
  accuracy.set_yticks(np.linspace(0, 1, 6))
  accuracy.yaxis.set_major_formatter(PercentFormatter(1))
  draw_legend(accuracy, models, "lower right")
  for axes, model, colour in zip(lower.subplots(1, columns, squeeze=False)[0], models, COLOURS):
    draw_confusion(axes, model, labels, colour)
  for axes in lower.axes[len(models):]:
    axes.set_visible(False)
  return figure


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("history", help="history.json, as reviews_train or reviews.py writes it")
  parser.add_argument("--out", default="curves.png", help="the picture (curves.png)")
  arguments = parser.parse_args()
  try:
    with open(arguments.history, encoding="utf-8") as file:
      history = json.load(file)
    figure = draw(history)
    figure.savefig(arguments.out, dpi=DPI)
  except (OSError, ValueError) as error:
    sys.exit(f"{arguments.history}: {error}")
  except KeyError as error:
    sys.exit(f"{arguments.history}: there is no {error} in this file")
  print(f"Drew {arguments.out}.")


if __name__ == "__main__":
  main()
