"""The programs in README.md are compiled and run as they stand there."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no {language} example"
    return found


def run(command: list[str], folder: str) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"README.md: {' '.join(command)} failed:\n{result.stdout}{result.stderr}")
    if result.stdout:
        print(result.stdout, end="")


def main() -> None:
    library = ROOT / "build" / "lib"
    os.environ["PYTHONPATH"] = str(ROOT / "bindings" / "python")
    for number, source in enumerate(blocks("c")):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "example.c").write_text(source)
            run(
                ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "example.c", "-o", "example",
                 f"-I{ROOT}/include", f"-L{library}", "-lrefrain", "-lm", f"-Wl,-rpath,{library}"],
                folder,
            )
            run(["./example"], folder)
    for source in blocks("python"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "example.py").write_text(source)
            run([sys.executable, "example.py"], folder)
    print("README.md: its examples compile and run")


if __name__ == "__main__":
    main()
