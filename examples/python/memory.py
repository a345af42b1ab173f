"""How long can a recurrent network remember, and what becomes of its gradients on the way back?

    memory.py --picture memory.png
    memory.py --length 1000 --threads 2      (takes five times as long)

Two problems that nothing but memory solves, made up anew for every batch:

* Adding (Hochreiter & Schmidhuber 1997). Of T numbers between 0 and 1 two are marked, one in each
  half; the answer is their sum. Always answering 1 has a mean squared error of 1/6.
* Copying (Arjovsky et al. 2016). Ten symbols of eight, T blanks, a mark; then the ten are to be
  repeated. Who forgets them and guesses has 10 ln 8 / (T + 20) nats per timestep.

And what explains the learning curves: the norm of dy/dx[t], the derivative of the last output with
respect to the input k = T − 1 − t timesteps before it, by k. The way from x[t] to y leads through
the hidden state at t and k more steps, so this is how much of an error at the end reaches that
hidden state, seen through the input weights, which are the same for every k.

What was chosen, and why:

* At the start the gradient changes by a factor each timestep; over T steps it vanishes or explodes
  unless the factor is close to 1 (Hochreiter 1991, Bengio et al. 1994). An orthogonal recurrent
  matrix has a factor of 1 but for the slope of tanh (Saxe et al. 2014). Small random weights, dashed
  in the picture, have a much smaller one. Glorot's uniform distribution is no such case: a square
  matrix drawn from it has a spectral radius of about 1 too, and is no worse in the table.
* A GRU's or LSTM's gates are half open at the start, so their gradients vanish as well, even faster
  than a plain RNN's. They differ in what they can learn: to hold a gate open. That is visible after
  training, and why gradients at the start alone do not tell which layer will remember.
* "LSTM, long memory" begins with its forget gates open for times between 1 and T (biases log u with
  u uniform in 1 … T − 1, input gates the opposite: Tallec & Ollivier 2018). Only biases differ.
* Clipping: a plain RNN on adding over 20 timesteps with SGD, at one and the same rate. With an
  orthogonal matrix it learns without clipping. With recurrent weights 1.3 times as large the
  gradient of these weights dominates, the first steps throw them far away, and the loss ends in
  infinity; with the gradient's norm clipped to 1 (Pascanu et al. 2013) it learns.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field

import numpy as np

import refrain
from common import add_training_options, expect, positive, run

BATCH = 32
UPDATES = 100  # of an epoch
SYMBOLS, COPIED = 8, 10  # of the copying problem: different symbols, how many to repeat
CLIPPING_LENGTH, CLIPPING_UNITS, CLIPPING_RATE = 20, 64, 0.03
GAINS = (0.8, 1.0, 1.2, 1.5, 2.0)
RECURRENT = {
  "orthogonal": "orthogonal",
  "Glorot": "glorot_uniform",
  "small": "uniform(-0.05, 0.05)",
}
COLOURS = {"RNN": "#1b6ca8", "GRU": "#3a7d44", "LSTM": "#c8553d", "LSTM, long memory": "#7b5ea7"}
INK, FAINT = "#22272e", "#d5d9de"


@dataclass
class Findings:
  """What the program measures; the keys of the dictionaries are names of layers.

  Attributes
  ----------
  at_start : {(layer, initialisation): array [T]}
      Gradient norm by distance, as `trained` and `by_gain`.
  adding, copying : {layer: list of losses by epoch}
  clipping : {title: list of losses by ten updates}
  """

  length: int
  at_start: dict = field(default_factory=dict)
  trained: dict = field(default_factory=dict)
  by_gain: dict = field(default_factory=dict)
  adding: dict = field(default_factory=dict)
  copying: dict = field(default_factory=dict)
  clipping: dict = field(default_factory=dict)

  @property
  def copying_baseline(self):
    return COPIED * np.log(SYMBOLS) / (self.length + 2 * COPIED)


# Problems


def adding(count, length, rng):
  """x [count, length, 2]: numbers and marks; y [count, 1]."""
  x = np.zeros((count, length, 2), np.float32)
  x[..., 0] = rng.uniform(size=(count, length))
  rows = np.arange(count)
  x[rows, rng.integers(0, length // 2, count), 1] = 1
  x[rows, rng.integers(length // 2, length, count), 1] = 1
  return x, (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)


def copying(count, length, rng):
  """x [count, length + 20, 10], one-hot: blank, symbols, mark; y the class at every timestep."""
  symbols = rng.integers(1, SYMBOLS + 1, (count, COPIED))
  ids = np.zeros((count, length + 2 * COPIED), np.int32)
  ids[:, :COPIED] = symbols
  ids[:, length + COPIED - 1] = SYMBOLS + 1
  y = np.zeros_like(ids)
  y[:, -COPIED:] = symbols
  return np.eye(SYMBOLS + 2, dtype=np.float32)[ids], y


def fresh_batches(problem, length, updates, seed):
  """A function that `fit` calls for the batches of each epoch. No sequence comes twice."""
  rng = np.random.default_rng(seed)
  return lambda: (problem(BATCH, length, rng) for _ in range(updates))


# Models and gradients


def adding_model(layer, units, seed, recurrent="orthogonal"):
  cell = layer.partition(",")[0]
  return refrain.Model(
    f"Input(2) -> {cell}({units}, recurrent_initializer={recurrent}) -> Dense(1)", seed=seed
  )


def copying_model(layer, units, seed):
  cell = layer.partition(",")[0]
  return refrain.Model(
    f"Input({SYMBOLS + 2}) -> {cell}({units}, return_sequences=true)"
    f" -> Dense({SYMBOLS + 1}, activation=softmax)", seed=seed
  )


def open_gates(model, length, seed):
  """Biases with which the units of an LSTM forget after times between 1 and T timesteps."""
  biases = model.parameters["lstm.bias_ih"].copy()
  inputs, forgets = np.split(biases, 4)[:2]  # views; the gates' order is i f g o
  forgets[:] = np.log(np.random.default_rng(seed).uniform(1, length - 1, len(forgets)))
  inputs[:] = -forgets
  model.parameters["lstm.bias_ih"] = biases


def gradient_by_distance(model, length, seed):
  """The norm of dy[T − 1] / dx[T − 1 − k] for k = 0 … T − 1: root mean square over sequences.

  Infinite where it is beyond single precision.
  """
  x, _ = adding(256, length, np.random.default_rng(seed))
  with model.trainer() as trainer:
    y = trainer.forward(x)
    dx = trainer.backward(np.ones_like(y)).astype(float)
  norms = np.sqrt((dx**2).sum(axis=-1).mean(axis=0))[::-1]
  return np.nan_to_num(norms, nan=np.inf, posinf=np.inf)  # infinity minus infinity is NaN


def far_and_near(norms):
  """The mean gradient of the farthest tenth of the distances, in terms of the nearest tenth."""
  tenth = max(1, len(norms) // 10)
  return norms[-tenth:].mean() / norms[:tenth].mean()


# Measurements


def measure_gradients(findings, arguments):
  length, seed = findings.length, arguments.seed
  for layer in COLOURS:
    for name, recurrent in RECURRENT.items():
      model = adding_model(layer, arguments.units, seed, recurrent)
      if layer.endswith("memory"):
        open_gates(model, length, seed)
      findings.at_start[layer, name] = gradient_by_distance(model, length, seed)
  for gain in GAINS:
    model = adding_model("RNN", arguments.units, seed, f"orthogonal({gain})")
    findings.by_gain[gain] = gradient_by_distance(model, length, seed)


def measure_learning(findings, arguments):
  for title, problem, make, loss in (
    ("adding", adding, adding_model, "mse"), ("copying", copying, copying_model, "crossentropy"),
  ):
    for layer in COLOURS:
      model = make(layer, arguments.units, arguments.seed)
      if layer.endswith("memory"):
        open_gates(model, findings.length, arguments.seed)
      print(f"\n{title}, T = {findings.length}: {layer}", file=sys.stderr, flush=True)
      rate = 0.001 if layer == "RNN" else 0.003  # the RNN is worse with the others' rate
      history = model.fit(
        fresh_batches(problem, findings.length, UPDATES, arguments.seed), loss=loss,
        optimizer=f"Adam({rate})", clip_norm=1, epochs=arguments.epochs or 30,
        threads=arguments.threads, seed=arguments.seed,
      )
      getattr(findings, title)[layer] = history["loss"]
      if problem is adding:
        findings.trained[layer] = gradient_by_distance(model, findings.length, arguments.seed)


def measure_clipping(findings, arguments):
  """Losses of ten updates each. A fit whose gradient is infinite ends, and has its history."""
  for title, gain, clip_norm in (
    ("orthogonal, not clipped", 1, None),
    ("1.3 x orthogonal, not clipped", 1.3, None),
    ("1.3 x orthogonal, clipped to 1", 1.3, 1),
  ):
    model = adding_model("RNN", CLIPPING_UNITS, arguments.seed, f"orthogonal({gain})")
    batches = fresh_batches(adding, CLIPPING_LENGTH, 10, arguments.seed)
    try:
      model.fit(batches, loss="mse", optimizer=f"SGD({CLIPPING_RATE})", clip_norm=clip_norm,
                epochs=300, threads=arguments.threads, verbose=0)
    except refrain.NotFiniteError as error:
      print(f"\n{title}: {error}", file=sys.stderr)
    findings.clipping[title] = model.history.get("loss", [])


# Results


def print_tables(findings):
  print(f"\n  T = {findings.length}: gradient of the farthest tenth of the timesteps, in terms of "
        "the nearest;\n  losses of the last epoch\n")
  print(f"  {'':20}{'at the start, by recurrent weights':^36}{'after':>10}{'adding':>10}"
        f"{'copying':>10}")
  print(f"  {'':20}" + "".join(f"{name:>12}" for name in RECURRENT)
        + f"{'adding':>10}{'MSE':>10}{'nats':>10}")
  for layer in COLOURS:
    starts = "".join(f"{far_and_near(findings.at_start[layer, name]):12.0e}" for name in RECURRENT)
    print(f"  {layer:20}{starts}{far_and_near(findings.trained[layer]):10.0e}"
          f"{findings.adding[layer][-1]:10.4f}{findings.copying[layer][-1]:10.4f}")
  print(f"  {'without memory':20}{'':46}{1 / 6:10.4f}{findings.copying_baseline:10.4f}\n")
  print("  RNN with larger recurrent weights, gradient of the farthest tenth: "
        + ", ".join(f"x {gain} {far_and_near(norms):.0e}"
                    for gain, norms in findings.by_gain.items()))
  for title, losses in findings.clipping.items():
    end = f"{losses[-1]:.3g} after {10 * len(losses):,} updates" if losses else "no ten updates"
    print(f"  {title:32}{end}")


def check(findings):
  """What the theory says must be seen, at any length and after a short training."""
  reach = [far_and_near(findings.by_gain[gain]) for gain in (0.8, 1.0, 2.0)]
  expect(reach[0] < 0.1 * reach[1] and reach[2] > 10 * reach[1],
         "gradients vanish for small recurrent weights and grow for large ones")
  small, orthogonal = (
    far_and_near(findings.at_start["RNN", name]) for name in ("small", "orthogonal")
  )
  expect(orthogonal > 10 * small, "orthogonal weights carry gradients farther than small ones")
  best = min(("GRU", "LSTM", "LSTM, long memory"), key=lambda layer: findings.adding[layer][-1])
  expect(findings.adding[best][-1] < 1 / 12,
         f"{best} learns adding over {findings.length} timesteps, to less than half of 1/6")
  before = far_and_near(findings.at_start[best, "orthogonal"])
  expect(far_and_near(findings.trained[best]) > before,
         f"{best}, which learned it, carries gradients farther than before")
  plain, large, clipped = findings.clipping.values()
  expect(clipped[-1] < 0.1 and plain[-1] < 0.1 and not (large and len(large) == 300 and
         large[-1] < 1 / 6), "clipping rescues a training that fails without it")


def draw(findings):
  import matplotlib

  matplotlib.use("Agg")  # draws to files; needs no screen
  from matplotlib import pyplot as plt

  plt.rcParams.update({"font.size": 11, "text.color": INK, "axes.labelcolor": INK,
                       "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK})
  figure, panels = plt.subplots(2, 3, figsize=(15.5, 9), layout="constrained")
  figure.get_layout_engine().set(h_pad=0.12, w_pad=0.1)
  start, after, gains, adds, copies, clips = panels.flat
  distance = np.arange(findings.length)

  for layer, colour in COLOURS.items():
    start.plot(distance, findings.at_start[layer, "orthogonal"], color=colour, linewidth=2,
               label=layer)
    if not layer.endswith("memory"):
      start.plot(distance, findings.at_start[layer, "small"], color=colour, linewidth=1.5,
                 linestyle=(0, (3, 2)))
    after.plot(distance, findings.trained[layer], color=colour, linewidth=2, label=layer)
    epochs = np.arange(1, len(findings.adding[layer]) + 1) * UPDATES
    adds.plot(epochs, findings.adding[layer], color=colour, linewidth=2, label=layer)
    copies.plot(epochs, findings.copying[layer], color=colour, linewidth=2, label=layer)
  start.plot([], [], color=INK, linewidth=1.5, linestyle=(0, (3, 2)), label="small weights")
  start.set_title("Gradient at the start: orthogonal weights")
  after.set_title("Gradient after training on adding")

  shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, len(GAINS)))
  for (gain, norms), shade in zip(findings.by_gain.items(), shades, strict=True):
    gains.plot(distance, norms, color=shade, linewidth=2, label=f"{gain} x orthogonal")
  gains.set_title("Gradient of an RNN with larger weights")
  for axes in (start, after, gains):
    axes.set_yscale("log")
    axes.set_xlabel("distance k from the end (timesteps)")
    axes.set_ylabel("norm of dy / dx[T − 1 − k]")
  for axes in (start, after):
    axes.set_ylim(1e-12, 10)

  for axes, level, text in (
    (adds, 1 / 6, "always 1"), (copies, findings.copying_baseline, "guessing")
  ):
    axes.axhline(level, color=INK, linewidth=1, linestyle=(0, (2, 2)))
    axes.text(axes.get_xlim()[1], level, f"{text} ", ha="right", va="top", fontsize=9)
    axes.set_xlabel("updates")
  adds.set_title(f"Adding, T = {findings.length}")
  adds.set_ylabel("mean squared error")
  adds.set_ylim(0, 0.25)
  copies.set_title(f"Copying, T = {findings.length}")
  copies.set_ylabel("cross-entropy (nats per timestep)")
  copies.set_ylim(0, 2 * findings.copying_baseline)

  for (title, losses), colour in zip(findings.clipping.items(), ("#6c757d", "#c8553d", "#1b6ca8"),
                                     strict=True):
    updates = np.arange(1, len(losses) + 1) * 10
    clips.plot(updates, losses, color=colour, linewidth=1.8, label=title)
    if len(losses) < 300:
      clips.annotate("to infinity", (updates[-1] if len(losses) else 0, 5000), color=colour,
                     xytext=(4, 0), textcoords="offset points", va="top")
  clips.set_title(f"Clipping: RNN, SGD, adding, T = {CLIPPING_LENGTH}")
  clips.set_yscale("log")
  clips.set_ylim(0.01, 1e4)
  clips.set_xlabel("updates")
  clips.set_ylabel("mean squared error")

  for axes in panels.flat:
    axes.set_title(axes.get_title(), loc="left", fontweight="bold", fontsize=11.5)
    axes.set_title("")
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, framealpha=0.92, edgecolor=FAINT)
  return figure


def measure(arguments):
  findings = Findings(arguments.length)
  began = time.monotonic()
  measure_gradients(findings, arguments)
  measure_learning(findings, arguments)
  measure_clipping(findings, arguments)
  print_tables(findings)
  if arguments.picture:
    draw(findings).savefig(arguments.picture, dpi=120)
    print(f"\nDrew {arguments.picture}.")
  print(f"\n{time.monotonic() - began:.0f} s with {arguments.threads} threads.\n")
  check(findings)


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--length", type=positive, default=200, help="timesteps T (200)")
  parser.add_argument("--units", type=positive, default=64, help="of each layer (64)")
  parser.add_argument("--picture", help="a picture, such as memory.png")
  add_training_options(parser, f"30; {UPDATES} updates each")
  arguments = parser.parse_args()
  if arguments.length < 20:
    parser.error("--length must be 20 at least")
  run(lambda: measure(arguments))


if __name__ == "__main__":
  main()
