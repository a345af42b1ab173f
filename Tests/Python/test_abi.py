"""The ctypes mirror against include/refrain.h: functions, arguments, structs, constants."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from refrain import _abi, errors

HEADER = Path(__file__).resolve().parents[2] / "include" / "refrain.h"

STRUCTS = {
  "refrain_tensor": _abi.Tensor,
  "refrain_dataset": _abi.Dataset,
  "refrain_progress": _abi.ProgressStruct,
}

KINDS = {
  "void": None,
  "void *": ctypes.c_void_p,
  "char *": None,  # by constness, see kind()
  "float *": _abi.FloatPointer,
  "double *": _abi.DoublePointer,
  "int32_t *": _abi.Int32Pointer,
  "int64_t *": _abi.Int64Pointer,
  "float **": ctypes.POINTER(_abi.FloatPointer),
  "char *const *": ctypes.POINTER(ctypes.c_char_p),
  "int": ctypes.c_int,
  "int32_t": ctypes.c_int32,
  "int64_t": ctypes.c_int64,
  "uint64_t": ctypes.c_uint64,
  "double": ctypes.c_double,
  "refrain_status": _abi.Status,
  "refrain_progress_callback": _abi.ProgressCallback,
  "refrain_batch_callback": _abi.BatchCallback,
  "refrain_tensor *": ctypes.POINTER(_abi.Tensor),
  "refrain_dataset *": ctypes.POINTER(_abi.Dataset),
  "refrain_progress *": ctypes.POINTER(_abi.ProgressStruct),
} | {
  f"refrain_{noun} {stars}": kind if stars == "*" else ctypes.POINTER(kind)
  for stars in ("*", "**")
  for noun, kind in {
    "model": _abi.ModelPointer,
    "session": _abi.SessionPointer,
    "trainer": _abi.TrainerPointer,
    "tokenizer": _abi.TokenizerPointer,
    "scaler": _abi.ScalerPointer,
    "metrics": _abi.MetricsPointer,
  }.items()
}


def header_text():
  text = re.sub(r"/\*.*?\*/", " ", HEADER.read_text(encoding="utf-8"), flags=re.S)
  return re.sub(r"^\s*#.*$", "", text, flags=re.M)


def kind(declared):
  """The ctypes type of a C type such as `const float *`."""
  declared = re.sub(r"\s*\*\s*", " *", declared).replace("* *", "**").replace("* const", "*const")
  if declared in ("const char *", "char *"):
    return ctypes.c_char_p if declared.startswith("const") else _abi.TextPointer
  return KINDS[declared.replace("const char *const", "char *const").removeprefix("const ").strip()]


def parameter_kind(parameter):
  """The ctypes type of a declared parameter such as `const float *x`."""
  return kind(re.match(r"(.*?)\w+$", " ".join(parameter.split())).group(1).strip())


def declared_functions():
  pattern = re.compile(r"^((?:const )?\w+ \*?)\s*(refrain_\w+)\(([^()]*)\);", flags=re.M | re.S)
  functions = {}
  for result, name, parameters in pattern.findall(header_text()):
    listed = [] if parameters.strip() == "void" else parameters.split(",")
    functions[name] = (kind(result.strip()), [parameter_kind(one) for one in listed])
  return functions


def test_every_function_of_the_header_has_a_prototype_and_no_other():
  assert set(declared_functions()) == set(_abi.PROTOTYPES)
  assert len(_abi.PROTOTYPES) == len(set(re.findall(r"\b(refrain_\w+)\(", header_text())))


@pytest.mark.parametrize("name", sorted(_abi.PROTOTYPES))
def test_prototype_is_the_declaration(name):
  assert _abi.PROTOTYPES[name] == declared_functions()[name]


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_has_the_declared_fields(name):
  body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", header_text(), flags=re.S).group(1)
  fields = [
    re.search(r"(\w+)(?:\[\w+\])?$", field.strip()).group(1) for field in body.split(";")[:-1]
  ]
  assert fields == [field[0] for field in STRUCTS[name]._fields_]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to ask for the layout")
def test_structs_are_laid_out_as_the_compiler_does(tmp_path):
  lines, expected = [], []
  for name, mirror in STRUCTS.items():
    lines.append(f'printf("%zu\\n", sizeof({name}));')
    expected.append(ctypes.sizeof(mirror))
    for field in mirror._fields_:
      lines.append(
        f'printf("%zu %zu\\n", offsetof({name}, {field[0]}), sizeof((({name} *)0)->{field[0]}));'
      )
      descriptor = getattr(mirror, field[0])
      expected += [descriptor.offset, descriptor.size]
  source = tmp_path / "layout.c"
  source.write_text(
    '#include <stddef.h>\n#include <stdio.h>\n#include "refrain.h"\n'
    "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
  )
  program = tmp_path / "layout"
  subprocess.run(["cc", f"-I{HEADER.parent}", source, "-o", program], check=True)
  printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
  assert [int(number) for number in printed.split()] == expected


def test_statuses_and_constants_are_those_of_the_header():
  values = {
    name: int(value) for name, value in re.findall(r"REFRAIN_(\w+) = (-?\d+)", header_text())
  }
  exceptions = {error.status for error in errors._BY_STATUS.values()}
  constants = {"FLOAT32", "INT32", "MAX_RANK", "ALL_LANES", "BATCH_END", "EPOCH_END"}
  for name in constants:
    assert getattr(_abi, name) == values.pop(name)
  assert values.pop("OK") == 0
  assert set(values.values()) == exceptions
  major = re.search(r"REFRAIN_VERSION_MAJOR (\d+)", HEADER.read_text(encoding="utf-8")).group(1)
  assert int(major) == _abi.MAJOR_VERSION


def test_each_exception_is_named_after_its_status():
  names = {
    status: _abi.library().refrain_status_name(status).decode() for status in errors._BY_STATUS
  }
  assert names[errors.ShapeError.status] == "REFRAIN_SHAPE"
  assert names[errors.NotFiniteError.status] == "REFRAIN_NOT_FINITE"
  assert names[errors.Cancelled.status] == "REFRAIN_CANCELLED"
  assert names[errors.OutOfMemoryError.status] == "REFRAIN_MEMORY"
