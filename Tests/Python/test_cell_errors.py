"""What the notation refuses of recurrent cells, and that it says what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import refrain

X = "x = Input(5)\n"
SCORED = "x = Input(5)\ns = Input(1)\n"

# A model, and what the message has to name.
REFUSED: dict[str, tuple[str, str]] = {}


def _refuse(name: str, notation: str, words: str) -> None:
  REFUSED[name] = (notation, words)


for _layer in ("RNN", "LSTM", "GRU"):
  for _value in ("0", "-1"):
    _refuse(f"{_layer}_clip_{_value}", f"{X}x -> {_layer}(4, clip={_value})", "clip")
  _refuse(f"{_layer}_layer_norm", f"{X}x -> {_layer}(4, layer_norm=3)", "layer_norm")
for _value in ("0", "-2", "1.5", "true"):
  _refuse(f"projection_{_value}", f"{X}x -> LSTM(4, projection={_value})", "projection")
for _value in ("0", "-0.5"):
  _refuse(f"cell_clip_{_value}", f"{X}x -> LSTM(4, cell_clip={_value})", "cell_clip")
_refuse("zoneout_cell_1", f"{X}x -> LSTM(4, zoneout_cell=1)", "zoneout_cell")
_refuse("output_softmax", f"{X}x -> LSTM(4, output_activation=softmax)", "softmax")
_refuse("output_unknown", f"{X}x -> LSTM(4, output_activation=tan)", "tan")
_refuse("forget_gate", f"{X}x -> SLSTM(4, forget_gate=tanh)", "forget_gate")
for _layer in ("RNN", "LSTM", "GRU", "MGU", "MinGRU", "MinLSTM", "SLSTM"):
  for _value in ("1", "-0.1", "1.5"):
    _refuse(f"{_layer}_zoneout_{_value}", f"{X}x -> {_layer}(4, zoneout={_value})", "zoneout")
  _refuse(f"{_layer}_softmax", f"{X}x -> {_layer}(4, activation=softmax)", "softmax")
  _count = {"LSTM": 2, "SLSTM": 4}.get(_layer, 1)
  _states = "".join(f"h{index} = Input(4, time=false)\n" for index in range(_count))
  _names = ", ".join(f"h{index}" for index in range(_count))
  _refuse(
    f"{_layer}_learned_and_given",
    f"{X}{_states}[x, {_names}] -> {_layer}(4, learn_initial_state=true)",
    "learn_initial_state",
  )
  _refuse(
    f"Bidirectional_{_layer}_learned_and_given",
    f"{X}{_states}[x, {_names}, {_names}] -> Bidirectional({_layer}(4, learn_initial_state=true))",
    "learn_initial_state",
  )
  _refuse(
    f"{_layer}_states_too_many",
    f"{X}{_states}more = Input(4, time=false)\n[x, {_names}, more] -> {_layer}(4)",
    "initial state",
  )
  _refuse(
    f"{_layer}_states_of_another_width",
    f"{X}{_states.replace('4', '3')}[x, {_names}] -> {_layer}(4)",
    "initial state",
  )
for _layer, _options in {
  "RNN": ["peephole=true", "coupled=true", "zoneout_cell=0.1", "projection=2", "reset_after=true"],
  "GRU": ["peephole=true", "cell_clip=1", "projection=2", "output_activation=tanh"],
  "MGU": ["clip=1", "layer_norm=true", "reset_after=true", "zoneout_cell=0.1"],
  "MinGRU": [
    "recurrent_dropout=0.1",
    "recurrent_activation=tanh",
    "recurrent_bias=true",
    "recurrent_initializer=zeros",
    "clip=1",
  ],
  "MinLSTM": [
    "recurrent_dropout=0.1",
    "recurrent_activation=tanh",
    "recurrent_bias=true",
    "recurrent_initializer=zeros",
    "layer_norm=true",
  ],
  "SLSTM": ["clip=1", "layer_norm=true", "peephole=true", "projection=2", "zoneout_cell=0.1"],
}.items():
  for _option in _options:
    _name = _option.partition("=")[0]
    _refuse(f"{_layer}_has_no_{_name}", f"{X}x -> {_layer}(4, {_option})", _name)
for _option in ("clip=1", "layer_norm=true", "zoneout=1", "peephole=true"):
  _name = _option.partition("=")[0]
  _refuse(f"AUGRU_{_name}", f"{SCORED}[x, s] -> AUGRU(4, {_option})", _name)
_refuse(
  "projection_of_the_hidden_state",
  f"{X}h = Input(4, time=false)\nc = Input(4, time=false)\n[x, h, c] -> LSTM(4, projection=3)",
  "initial state",
)
_refuse("AUGRU_without_scores", f"{X}x -> AUGRU(4)", "score")
_refuse("AUGRU_in_a_chain", "Embedding(9, 5) -> AUGRU(4)", "score")
_refuse("AUGRU_wide_scores", "x = Input(5)\ns = Input(2)\n[x, s] -> AUGRU(4)", "score")
_refuse("AUGRU_scores_first", f"{SCORED}[s, x] -> AUGRU(4)", "score")
_refuse("AUGRU_a_score_only", "x = Input(5)\ns = Input(1, time=false)\n[x, s] -> AUGRU(4)", "score")
_refuse("AUGRU_scores_of_ids", "x = Input(5)\ns = Input(ids)\n[x, s] -> AUGRU(4)", "score")
_refuse(
  "AUGRU_learned_and_given",
  f"{SCORED}h = Input(4, time=false)\n[x, s, h] -> AUGRU(4, learn_initial_state=true)",
  "learn_initial_state",
)
_refuse(
  "AUGRU_states_of_another_width",
  f"{SCORED}h = Input(3, time=false)\n[x, s, h] -> AUGRU(4)",
  "initial state",
)
_refuse("Bidirectional_AUGRU", f"{SCORED}[x, s] -> Bidirectional(AUGRU(4))", "AUGRU")
_refuse("Bidirectional_AUGRU_without_scores", f"{X}x -> Bidirectional(AUGRU(4))", "AUGRU")
_refuse("threshold", f"{X}x -> RNN(3, activation=thresholded_relu(alpha=-0.5))", "alpha")
_refuse("constants", f"{X}x -> Dense(3, activation=scaled_tanh(gamma=1))", "gamma")


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_what_they_refuse(name: str) -> None:
  notation, words = REFUSED[name]
  with pytest.raises((refrain.NotationError, refrain.ShapeError)) as caught:
    refrain.Model(notation)
  message = str(caught.value).splitlines()[0]  # the lines below repeat the notation
  assert words in message, message


def test_scores_without_the_sequence_timesteps() -> None:
  """Arrays whose timesteps differ are refused before anything is computed."""
  model = refrain.Model(f"{SCORED}[x, s] -> AUGRU(4)")
  x = np.zeros((2, 6, 5), np.float32)
  for scores in (np.zeros((2, 5, 1)), np.zeros((3, 6, 1)), np.zeros((2, 6, 2)), np.zeros((2, 6))):
    with pytest.raises(refrain.RefrainError):
      model.predict([x, scores.astype(np.float32)])


def test_what_cannot_be_streamed_says_why() -> None:
  for notation, why in (
    (f"{X}x -> Bidirectional(SLSTM(4))", "needs the whole sequence"),
    (f"{SCORED}[x, s] -> AUGRU(4, go_backwards=true)", "needs the whole sequence"),
    (f"{SCORED}h = Input(4, time=false)\n[x, s, h] -> AUGRU(4)", "initial state"),
    (f"{X}h = Input(4, time=false)\n[x, h] -> MinGRU(4)", "initial state"),
  ):
    model = refrain.Model(notation)
    frames = [np.zeros(description.step_shape, np.float32) for description in model.inputs]
    with pytest.raises(refrain.UnsupportedError, match=why):
      model.session().step(frames if len(frames) > 1 else frames[0])
