"""Sessions: running whole batches, streaming timestep by timestep, and measuring."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _abi
from ._core import ModelCore
from .arrays import Array, FloatArray, Tensors, float_array
from .dataset import (
  BatchFactory,
  BatchFeed,
  Data,
  Inputs,
  Lengths,
  Losses,
  Preparation,
  is_texts,
  prepare_inputs,
)
from .errors import ArgumentError, Cancelled, ShapeError
from .generation import Generated, generation_inputs
from .metrics import Metrics
from .notation import arguments, as_notation, listed
from .progress import Guard

Outputs: TypeAlias = FloatArray | list[FloatArray]


def alone_or_list(arrays: list[FloatArray]) -> Outputs:
  """The array of a model with one output; the list of one with several."""
  return arrays[0] if len(arrays) == 1 else arrays


class Session(_abi.Owner):
  """Runs a model; made by `Model.session`. One thread at a time; a model may have many.

  Parameters
  ----------
  core
      The model's.
  lanes : int
      Streams that `step` advances together.
  threads : int
      Threads that `run` and `evaluate` use. Results are the same bits for any number.
  """

  def __init__(self, core: ModelCore, lanes: int = 1, threads: int = 1) -> None:
    options = arguments({"lanes": lanes, "threads": threads})
    core.synchronise()
    created = _abi.SessionPointer()
    _abi.library().refrain_session_create(
      core.handle, _abi.c_text(options, "options"), ctypes.byref(created)
    )
    self._handle = _abi.Handle(created, "refrain_session_release")
    self._core = core
    self.lanes = lanes

  def run(self, x: Any, lengths: Lengths = None, mask: Any = None) -> Outputs:
    """Run whole sequences from the initial state; the streams are not touched.

    Parameters
    ----------
    x : array ``[B, T, features]`` or ids ``[B, T]``, a list of arrays for several inputs, or texts
    lengths : array ``[B]``, optional
        Valid timesteps of each sequence; nothing behind them influences any result.
    mask : array ``[B, T]``, optional
        0 skips a timestep.

    Returns
    -------
    array ``[B, …]`` or ``[B, T, …]``, or a list of them
        One for each output of the model; timesteps behind a length are 0.
    """
    inputs = prepare_inputs(self._core, x, lengths, mask)
    outputs = self._core.output_arrays(inputs.arrays)
    self._run_into(inputs, outputs)
    return alone_or_list(outputs)

  def run_batches(self, inputs: Inputs, batch_size: int) -> list[FloatArray]:
    """Run prepared inputs, `batch_size` sequences at a time, to bound the memory it takes."""
    if batch_size < 1:
      raise ArgumentError(f"batch_size must be at least 1, found {batch_size}")
    outputs = self._core.output_arrays(inputs.arrays)
    for start in range(0, inputs.count, batch_size):
      stop = min(start + batch_size, inputs.count)
      self._run_into(inputs.rows(start, stop), [output[start:stop] for output in outputs])
    return outputs

  def _run_into(self, inputs: Inputs, outputs: list[FloatArray]) -> None:
    self._core.synchronise()
    given, received = inputs.tensors(), Tensors(outputs)
    _abi.library().refrain_session_run(
      self._pointer, given.pointer, given.count, received.pointer, received.count
    )

  def generate(
    self,
    x: Any = None,
    lengths: Lengths = None,
    mask: Any = None,
    *,
    max_length: int,
    start: npt.ArrayLike | None = None,
    end: int | None = None,
    feed: int | str | None = None,
    beams: int | None = None,
    length_penalty: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
  ) -> Generated:
    """Generate sequences of ids: the model's own outputs, fed back one after the other.

    The model's first output must be a softmax over ids at every timestep of the input that is fed.

    Parameters
    ----------
    x : array, list of arrays, or texts
        As in `run`; for the input that is fed the prompts ``[B, T]``, with which rows begin. With
        `start`, all inputs but that one.
    lengths, mask
        As in `run`; the fed input takes lengths only.
    max_length : int
        Ids to generate at the most, the end included; prompts do not count.
    start : int or array ``[B]``, optional
        Instead of prompts: the id that every row begins with.
    end : int, optional
        The id that ends a row; without one every row gets `max_length` ids.
    feed : int or str, optional
        The input that is fed, by index or by its name in the notation; the last one of ids.
    beams : int, optional
        Hypotheses of a beam search. Without it, the likeliest id each time.
    length_penalty : float, optional
        Beam search compares ``score / ((5 + ids) / 6) ** length_penalty``.
    temperature : float, optional
        Draws each id from ``softmax(logits / temperature)`` instead.
    top_k : int, optional
        Draws among that many likeliest ids.
    top_p : float, optional
        Draws among the fewest likeliest ids that have this probability together.
    seed : int, optional
        Of the draws, which depend on it, the row and the position alone.

    Returns
    -------
    Generated
        Its `ids`, `lengths` and `scores`, and the rows as lists: `sequences`.
    """
    options = arguments(
      {
        "max_length": max_length,
        "end": end,
        "feed": feed,
        "beams": beams,
        "length_penalty": length_penalty,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
      }
    )
    core = self._core
    core.synchronise()
    inputs = generation_inputs(core, x, lengths, mask, start, feed)
    if not 1 <= max_length < 1 << 31:
      raise ArgumentError(f"max_length must be 1 … {(1 << 31) - 1}, found {max_length}")
    generated = Generated(
      np.empty((inputs.count, max_length), np.int32),
      np.empty(inputs.count, np.int64),
      np.empty(inputs.count, np.float32),
    )
    given = inputs.tensors()
    _abi.library().refrain_session_generate(
      self._pointer,
      given.pointer,
      given.count,
      _abi.c_text(options, "options"),
      generated.ids.ctypes.data,
      generated.lengths.ctypes.data,
      generated.scores.ctypes.data,
    )
    return generated

  def step(self, x: Any) -> Outputs:
    """Advance every lane by one timestep.

    Parameters
    ----------
    x : array ``[lanes, features]`` or ids ``[lanes]``; a list of them for several inputs
        With one lane also ``[features]``, or a single id.

    Returns
    -------
    array ``[lanes, output size]``, or a list of them for several outputs
        The output after this timestep, as `run` gives it for the sequence so far. Without the
        first axis if x had none.
    """
    core = self._core
    core.synchronise()
    values = [x] if len(core.inputs) == 1 else x
    if not isinstance(values, (list, tuple)) or len(values) != len(core.inputs):
      raise ShapeError(f"x must be a list of {len(core.inputs)} arrays")
    frames = [self._frame(index, value) for index, value in enumerate(values)]
    outputs = core.step_arrays(self.lanes)
    self._step_into([frame for frame, _ in frames], outputs)
    if all(is_bare for _, is_bare in frames):
      outputs = [output[0] for output in outputs]
    return alone_or_list(outputs)

  def _step_into(self, frames: list[Array], outputs: list[FloatArray]) -> None:
    library = _abi.library()
    if len(frames) == 1 and len(outputs) == 1:
      is_ids = self._core.inputs[0].is_ids
      step = library.refrain_session_step_ids if is_ids else library.refrain_session_step
      step(self._pointer, frames[0].ctypes.data, outputs[0].ctypes.data)
      return
    given, received = Tensors(frames), Tensors(outputs)
    library.refrain_session_step_tensors(
      self._pointer, given.pointer, given.count, received.pointer, received.count
    )

  def _frame(self, index: int, value: npt.ArrayLike) -> tuple[Array, bool]:
    """One timestep of an input with its lanes, and whether the caller left these out."""
    description = self._core.inputs[index]
    expected = (self.lanes, *description.step_shape)
    frame = np.asarray(value)
    is_bare = self.lanes == 1 and frame.shape == expected[1:]
    if not is_bare and frame.shape != expected:
      raise ShapeError(f"x must have the shape {list(expected)}, found {list(frame.shape)}")
    return description.array(frame.reshape(expected), "x"), is_bare

  def reset(self, lane: int | None = None) -> None:
    """Return a lane, or all of them, to the initial state."""
    if lane is not None and not 0 <= lane < self.lanes:
      raise ArgumentError(f"lane must be 0 … {self.lanes - 1}, found {lane}")
    index = _abi.ALL_LANES if lane is None else lane
    _abi.library().refrain_session_reset(self._pointer, index)

  def clone(self) -> Session:
    """A second session of the same model, with a copy of the streams' state."""
    created = _abi.SessionPointer()
    _abi.library().refrain_session_clone(self._pointer, ctypes.byref(created))
    clone = Session.__new__(Session)
    clone._handle = _abi.Handle(created, "refrain_session_release")
    clone._core = self._core
    clone.lanes = self.lanes
    return clone

  @property
  def state(self) -> bytes:
    """The state of all lanes. Set it in any session with the same notation and lanes."""
    return _abi.read_bytes(_abi.library().refrain_session_save_state, self._pointer)

  @state.setter
  def state(self, state: bytes) -> None:
    _abi.library().refrain_session_load_state(self._pointer, bytes(state), len(state))

  def evaluate(
    self,
    x: Any,
    y: Any = None,
    *,
    lengths: Lengths = None,
    mask: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    loss: Losses | None = None,
    loss_weights: Sequence[float] | None = None,
    batch_size: int | None = None,
  ) -> Metrics:
    """Measure the model; see `Model.evaluate`."""
    core = self._core
    core.synchronise()
    if loss is None:
      loss = guessed_loss(core, y)
    losses = [loss] if isinstance(loss, str) else [item or "none" for item in loss]
    prepare = Preparation(core, [item for text in losses for item in listed(text)])
    guard = Guard()
    source = source_of(Data(x, y, lengths, mask, sample_weight), prepare, guard)
    struct = source.struct()
    options = arguments(
      {"loss": as_notation(loss), "loss_weights": loss_weights, "batch_size": batch_size}
    )
    metrics = _abi.MetricsPointer()
    with guard:
      try:
        _abi.library().refrain_session_evaluate(
          self._pointer,
          ctypes.byref(struct),
          _abi.c_text(options, "options"),
          ctypes.byref(metrics),
        )
      except Cancelled:
        guard.raise_kept()
        raise
    result = Metrics(metrics, core.labels)
    guard.raise_kept()
    return result

  def __repr__(self) -> str:
    return f"Session(lanes={self.lanes}{', closed' if self._handle is None else ''})"


def source_of(data: Data, prepare: Preparation, guard: Guard) -> Any:
  """What has a `struct()` for the library: arrays, or a feed where x is a function."""
  if callable(data.x):
    others = (data.y, data.lengths, data.mask, data.sample_weight)
    if any(other is not None for other in others):
      raise ArgumentError("x makes the batches: y, lengths, mask and weights come with each one")
    factory: BatchFactory = data.x
    return BatchFeed(factory, prepare, guard)
  return prepare(data)


def guessed_loss(core: ModelCore, y: Any) -> str:
  """The loss that targets are usually measured with: cross-entropies for integers and labels."""
  if y is None or len(core.outputs) != 1:
    raise ArgumentError("loss is missing: there is no last fit, and y does not say what it is")
  if is_texts(y) or np.asarray(y).dtype.kind in "iub":
    width = core.outputs[0].step_shape[-1:]
    return "binary_crossentropy" if width == (1,) else "crossentropy"
  values = float_array(y, "y")
  is_distribution = values.ndim == core.outputs[0].rank and values.shape[-1] > 1
  if is_distribution and bool(np.all(values >= 0)) and np.allclose(values.sum(-1), 1, atol=1e-4):
    return "crossentropy"
  return "mse"
