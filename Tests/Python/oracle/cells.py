"""The recurrent cells by the notation's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .cell import Cell
from .gru import AUGRU, GRU
from .lstm import LSTM
from .minimal import MGU, MinGRU, MinLSTM
from .rnn import RNN
from .slstm import SLSTM

CELLS: dict[str, type[Cell]] = {
  cell.__name__: cell for cell in (RNN, LSTM, GRU, AUGRU, MGU, MinGRU, MinLSTM, SLSTM)
}


def cell_of(kind: str, positional: Sequence[object], options: Mapping[str, object]) -> Cell:
  """The cell of a layer that was told so."""
  return CELLS[kind](int(positional[0]), options)
