"""Models: what is learned, and the everyday calls on it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _abi
from ._core import ModelCore
from .arrays import Description
from .dataset import ClassWeight, Lengths, Losses, ValidationData, prepare_inputs
from .errors import ArgumentError, HandleError, UnsupportedError
from .generation import Generated
from .history import History
from .metrics import Metrics
from .notation import arguments, as_notation, option_names
from .parameters import Parameters
from .progress import ProgressFunction, Verbosity
from .series import Scaler
from .session import Outputs, Session, alone_or_list
from .text import Tokenizer
from .trainer import Trainer


class Model(_abi.Owner):
  """A recurrent network: its architecture, its parameters, and what travels with them.

  Parameters
  ----------
  notation : str
      Such as ``"Embedding(10000, 64) -> GRU(64) -> Dense(3, activation=softmax)"``.
      `refrain.describe()` lists every layer.
  seed : int
      The same notation and seed give the same parameters, bit for bit.

  Attributes
  ----------
  history : History or None
      Of the last `fit`, also of one that was interrupted or failed.

  Notes
  -----
  Models can be pickled and copied (`copy.copy` and `copy.deepcopy` both give an independent model);
  the state of the optimiser stays behind. Any number of threads may call `predict` and `evaluate`
  at once, as long as none trains the model or writes its parameters.
  """

  def __init__(self, notation: str, seed: int = 0) -> None:
    created = _abi.ModelPointer()
    if not 0 <= seed < 1 << 64:
      raise ArgumentError(f"seed must be an integer from 0 to 2**64 - 1, found {seed}")
    _abi.library().refrain_model_create(
      _abi.c_text(notation, "notation"), seed, ctypes.byref(created)
    )
    self._adopt(created)

  def _adopt(self, pointer: _abi.ModelPointer) -> None:
    self._handle = _abi.Handle(pointer, "refrain_model_release")
    self._open_core: ModelCore | None = ModelCore(self._handle)
    self._trainer: Trainer | None = None
    self._trainer_options: str | None = None
    self._loss: Losses | None = None
    self._loss_weights: Sequence[float] | None = None
    self.history: History | None = None

  @property
  def _core(self) -> ModelCore:
    if self._open_core is None:
      raise HandleError("this Model is closed")
    return self._open_core

  def close(self) -> None:
    """Give up the model. Its sessions, trainers and parameter arrays go on."""
    super().close()
    self._open_core = None
    self._trainer = None

  # Files

  @classmethod
  def load(cls, source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Model:
    """A model from a file, or from the bytes of one."""
    created = _abi.ModelPointer()
    if isinstance(source, (bytes, bytearray, memoryview)):
      content = bytes(source)
      _abi.library().refrain_model_load_memory(content, len(content), ctypes.byref(created))
    else:
      _abi.library().refrain_model_load(_abi.c_path(source), ctypes.byref(created))
    model = cls.__new__(cls)
    model._adopt(created)
    return model

  def save(self, path: str | os.PathLike[str]) -> None:
    """Save to a safetensors file. If that fails, a file that was there before is untouched."""
    self._core.synchronise()
    _abi.library().refrain_model_save(self._pointer, _abi.c_path(path))

  def to_bytes(self) -> bytes:
    """What `save` writes."""
    self._core.synchronise()
    return _abi.read_bytes(_abi.library().refrain_model_save_memory, self._pointer)

  def __reduce__(self) -> tuple[Any, ...]:
    return Model.load, (self.to_bytes(),)

  def __copy__(self) -> Model:
    return Model.load(self.to_bytes())

  def __deepcopy__(self, memo: dict[int, Any]) -> Model:
    return Model.load(self.to_bytes())

  # What it is

  @property
  def notation(self) -> str:
    """The canonical notation, which creates the same architecture again."""
    return _abi.read_text(_abi.library().refrain_model_notation, self._pointer)

  def summary(self) -> str:
    """A table of layers, output shapes and parameter counts."""
    return _abi.read_text(_abi.library().refrain_model_summary, self._pointer)

  @property
  def inputs(self) -> tuple[Description, ...]:
    """Type and shape of every input; None stands for the sizes that each call chooses."""
    return self._core.inputs

  @property
  def outputs(self) -> tuple[Description, ...]:
    return self._core.outputs

  @property
  def parameter_count(self) -> int:
    """How many numbers are learned."""
    numbers = ctypes.c_int64()
    _abi.library().refrain_model_parameter_counts(self._pointer, None, ctypes.byref(numbers))
    return numbers.value

  @property
  def parameters(self) -> Parameters:
    """The parameters by name, as arrays over the model's memory."""
    return Parameters(self._core)

  def __repr__(self) -> str:
    return "Model(closed)" if self._handle is None else f"Model({self.notation!r})"

  # What travels with it

  @property
  def tokenizer(self) -> Tokenizer | None:
    """A copy of the model's tokenizer. With one, fit, evaluate and predict take texts."""
    handle = self._core.object_of(
      "refrain_model_tokenizer", _abi.TokenizerPointer, "refrain_tokenizer_release"
    )
    return None if handle is None else Tokenizer._wrap(handle)

  @tokenizer.setter
  def tokenizer(self, tokenizer: Tokenizer | None) -> None:
    pointer = None if tokenizer is None else tokenizer._pointer
    _abi.library().refrain_model_set_tokenizer(self._pointer, pointer)

  @property
  def input_scaler(self) -> Scaler | None:
    """A copy of the scaler that the inputs went through. It travels along; it is not applied."""
    return self._scaler(b"input")

  @input_scaler.setter
  def input_scaler(self, scaler: Scaler | None) -> None:
    self._set_scaler(b"input", scaler)

  @property
  def target_scaler(self) -> Scaler | None:
    """A copy of the scaler that the targets went through; it brings predictions back."""
    return self._scaler(b"target")

  @target_scaler.setter
  def target_scaler(self, scaler: Scaler | None) -> None:
    self._set_scaler(b"target", scaler)

  def _scaler(self, role: bytes) -> Scaler | None:
    handle = self._core.object_of(
      "refrain_model_scaler", _abi.ScalerPointer, "refrain_scaler_release", role
    )
    return None if handle is None else Scaler._wrap(handle)

  def _set_scaler(self, role: bytes, scaler: Scaler | None) -> None:
    pointer = None if scaler is None else scaler._pointer
    _abi.library().refrain_model_set_scaler(self._pointer, role, pointer)

  @property
  def labels(self) -> list[str]:
    """The names of the classes, in the order of the output; empty if they have none."""
    return list(self._core.labels)

  @labels.setter
  def labels(self, labels: Sequence[str] | None) -> None:
    texts, count = _abi.c_texts(labels or (), "labels")
    _abi.library().refrain_model_set_labels(self._pointer, texts, count)
    self._core.__dict__.pop("labels", None)

  # Learning

  def fit(
    self,
    x: Any,
    y: Any = None,
    *,
    validation_data: ValidationData = None,
    validation_split: float = 0.0,
    validation_lengths: Lengths = None,
    lengths: Lengths = None,
    mask: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: ClassWeight = None,
    loss: Losses = "crossentropy",
    loss_weights: Sequence[float] | None = None,
    optimizer: str = "Adam(0.001)",
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    patience: int | None = None,
    restore_best: bool | None = None,
    threads: int = 1,
    seed: int = 0,
    clip_norm: float | None = None,
    on_progress: ProgressFunction | None = None,
    verbose: Verbosity = "auto",
    **options: object,
  ) -> History:
    """Train.

    Parameters
    ----------
    x : array, list of arrays, list of str, or function
        ``[B, T, features]`` or ids ``[B, T]``, one array for each input of the model; texts for a
        model with a tokenizer; or a function that returns an iterator over the batches of an epoch,
        each a `Data`, ``(x, y)`` or ``(x, y, sample_weight)``, for data that does not fit in
        memory. Every epoch must have the same number of batches.
    y : array or list of arrays
        Class ids ``[B]`` or ``[B, T]`` or labels for a cross-entropy; otherwise numbers shaped as
        the output, where ``[B]`` will do for ``[B, 1]``. One for each output with a loss.
    validation_data : (x, y), (x, y, sample_weight), `Data` or function, optional
        Measured after each epoch.
    validation_split : float
        Instead of validation_data: the share of sequences, taken from the end, to hold out.
    validation_lengths : array, optional
        The lengths of validation_data.
    lengths : array ``[B]``, optional
        Valid timesteps of each sequence.
    mask : array ``[B, T]``, optional
        0 skips a timestep.
    sample_weight : array ``[B]`` or ``[B, T]``, optional
        How much each item counts in the average that the loss is.
    class_weight : dict or list, optional
        How much each class counts; dictionaries may use ids or labels. Not used in validation.
    loss, optimizer : str
        In the notation; a list of losses for several outputs, with None for one that has none.
    loss_weights : list of float, optional
        What each output's loss counts in their sum; 1 by default.
    patience : int, optional
        Epochs without improvement after which to stop.
    restore_best : bool, optional
        Whether to end with the parameters of the best epoch.
    threads : int
        Obeyed exactly. Results are the same bits for any number.
    seed : int
        Of dropout and shuffling.
    clip_norm : float, optional
        Largest norm of all gradients together.
    on_progress : function, optional
        Called with a `Progress` after each batch and each epoch. Something true stops the fit;
        what it raises stops the fit and is raised here. It may use this model's `predict`.
    verbose : "auto", 0, 1 or 2
        Bars on a terminal and lines elsewhere; silence; bars; lines. All on standard error.
    **options
        Any other option of "trainer" or "fit", see `refrain.describe`; strings are notation:
        ``schedule="Cosine(1000)"``, ``monitor="accuracy"``, ``resume=True``. Sequences with lengths
        share batches with others of similar length, unless ``bucket=False``.

    Returns
    -------
    History

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C: the batch is finished, the model has what it learned so far and can be used,
        `history` has the finished epochs, and ``fit(…, resume=True)`` goes on where it stopped.
    NotFiniteError
        The loss or a gradient became infinite or NaN; that update was not made.

    Notes
    -----
    As in Keras, another fit with the same trainer options (loss, optimizer, clipping, seed …) goes
    on with the optimiser's moments and the random sequence of the last one; different ones begin
    anew. `trainer` gives control over that.
    """
    trainer_options: dict[str, object] = {
      "loss": as_notation(loss),
      "loss_weights": loss_weights,
      "optimizer": as_notation(optimizer),
      "clip_norm": clip_norm,
      "threads": threads,
      "seed": seed,
    }
    fit_options: dict[str, object] = {}
    known = option_names("trainer")
    for name, value in options.items():
      (trainer_options if name in known else fit_options)[name] = as_notation(value)
    text = arguments(trainer_options)
    if self._trainer is None or self._trainer_options != text:
      self._trainer = Trainer(self._core, text)
      self._trainer_options = text
    self._loss, self._loss_weights = loss, loss_weights
    try:
      return self._trainer.fit(
        x,
        y,
        validation_data=validation_data,
        validation_split=validation_split,
        validation_lengths=validation_lengths,
        lengths=lengths,
        mask=mask,
        sample_weight=sample_weight,
        class_weight=class_weight,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        patience=patience,
        restore_best=restore_best,
        on_progress=on_progress,
        verbose=verbose,
        **fit_options,
      )
    finally:
      self.history = self._trainer.history

  def trainer(self, options: str = "", **more: object) -> Trainer:
    """A trainer, for a training loop of one's own.

    Parameters
    ----------
    options : str
        Such as ``"optimizer=SGD(0.1, momentum=0.9), clip_norm=1"``; see
        ``refrain.describe("trainer")``.
    **more
        The same as keyword arguments; strings are notation.
    """
    return Trainer(self._core, options, **more)

  # Running

  def session(self, lanes: int = 1, threads: int = 1) -> Session:
    """A session, to stream through the model or to run it often."""
    return Session(self._core, lanes, threads)

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
    threads: int = 1,
  ) -> Metrics:
    """Measure the model on data.

    Parameters are those of `fit`; x may be a function that returns an iterator of batches. Without
    a loss that of the last fit is taken, with its weights; without a fit a cross-entropy for class ids, labels and
    probabilities, and the mean squared error for anything else.
    """
    if loss is None:
      loss, loss_weights = self._loss, loss_weights or self._loss_weights
    with self.session(threads=threads) as session:
      metrics: Metrics = session.evaluate(
        x,
        y,
        lengths=lengths,
        mask=mask,
        sample_weight=sample_weight,
        loss=loss,
        loss_weights=loss_weights,
        batch_size=batch_size,
      )
    return metrics

  def predict(
    self,
    x: Any,
    lengths: Lengths = None,
    mask: Any = None,
    *,
    batch_size: int = 256,
    threads: int = 1,
  ) -> Outputs:
    """The model's output for whole sequences, or texts.

    Parameters
    ----------
    x : array, list of arrays, or list of str
        As in `fit`; a single str is taken as a list of one.
    lengths, mask
        As in `fit`.
    batch_size : int
        Sequences at a time: bounds the memory it takes and changes no result.
    threads : int

    Returns
    -------
    array ``[B, …]`` or ``[B, T, …]``; a list of them for a model with several outputs
    """
    texts_or_arrays = [x] if isinstance(x, str) else x
    inputs = prepare_inputs(self._core, texts_or_arrays, lengths, mask)
    with self.session(threads=threads) as session:
      return alone_or_list(session.run_batches(inputs, batch_size))

  def generate(self, x: Any = None, *args: Any, threads: int = 1, **options: Any) -> Generated:
    """Sequences of ids that the model generates; see `Session.generate` for the parameters."""
    with self.session(threads=threads) as session:
      generated: Generated = session.generate(x, *args, **options)
    return generated

  def predict_classes(
    self,
    x: Any,
    lengths: Lengths = None,
    mask: Any = None,
    *,
    batch_size: int = 256,
    threads: int = 1,
    labels: bool | None = None,
  ) -> npt.NDArray[Any]:
    """The most probable class of each sequence or timestep.

    An output of one number is a probability: above one half is class 1.

    Parameters
    ----------
    labels : bool, optional
        Whether to return names instead of ids; by default if the model has them.

    Returns
    -------
    array of int or str ``[B]`` or ``[B, T]``
    """
    output = self.predict(x, lengths, mask, batch_size=batch_size, threads=threads)
    if isinstance(output, list):
      raise UnsupportedError("the model has several outputs; use predict and argmax for each")
    classes = output.argmax(axis=-1) if output.shape[-1] > 1 else (output[..., 0] > 0.5) * 1
    names = self._core.labels
    if labels is None:
      labels = len(names) > 0
    if not labels:
      return classes.astype(np.int64)
    if len(names) <= int(classes.max(initial=0)):
      raise ArgumentError(f"the model has {len(names)} labels, too few for its classes")
    named: npt.NDArray[Any] = np.array(names)[classes]
    return named


def load(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Model:
  """A model from a file that `Model.save` wrote, or from the bytes of one.

  Raises `FileError`, `FormatError` and, for parameters that are not finite, `NotFiniteError`.
  """
  return Model.load(source)
