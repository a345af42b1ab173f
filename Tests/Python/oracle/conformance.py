"""The conformance sets: numbers that other programs computed, and which of them do not apply yet.

They are read with the reader that comes with them. `REFRAIN_SHARED` names the folder that has them;
by default it is `shared` beside the repository.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

SHARED = Path(os.environ.get("REFRAIN_SHARED") or Path(__file__).resolve().parents[4] / "shared")
FOLDER = SHARED / "conformance"


def reader() -> ModuleType:
  """The sets' own `check_lib.py`."""
  spec = importlib.util.spec_from_file_location("check_lib", FOLDER / "check_lib.py")
  assert spec is not None and spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def cases(kind: str) -> list[Any]:
  """All cases whose kind begins with `kind`; none if the sets are not there."""
  if not (FOLDER / "index.json").is_file():
    return []
  return list(reader().cases(FOLDER, kind))


_SKIPPED = {
  "smoothl1_b1": "SmoothL1 (huber is its multiple)",
  "smoothl1_b0.5_sum": "SmoothL1 (huber is its multiple)",
  "ctc_mean": "CTC",
  "ctc_sum_lengths": "CTC",
  "adam_amsgrad": "AMSGrad",
  "adadelta": "Adadelta",
  "nadam": "NAdam",
  "clip_norm_inf": "clipping by the maximum norm",
  "onecycle": "OneCycle",
}


def reason_to_skip(case: Any) -> str | None:
  """What a case needs that this release does not offer."""
  if case.id in _SKIPPED:
    return f"{_SKIPPED[case.id]}: not in this release"
  if case.kind.startswith(("onnx.model", "hostile.onnx")):
    return "ONNX: the reader of foreign formats is not there yet"
  return None
