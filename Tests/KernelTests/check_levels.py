#!/usr/bin/env python3
"""Checks that no code compiled for a higher instruction set can be linked in place of other code.

usage: check_levels.py [.build/release]

The compiler emits some functions as weak symbols: specialisations of the standard library's
generics, functions that copy structs. Those that do not carry a module's name exist once in a
program, and the linker keeps whichever it meets first. If that is the one from KernelLevelV4, a
processor without AVX-512 meets an illegal instruction, in a module that has nothing to do with
kernels. So the levels may only have weak functions of their own.

Also finds calls that belong inlined. Run it on a release build.
"""
import pathlib
import re
import subprocess
import sys

LEVELS = ["KernelLevelBaseline", "KernelLevelV3", "KernelLevelV4"]
# Moves through general registers only, whatever the instruction set.
HARMLESS = {"__swift_noop_void_return", "__swift_memcpy8_4", "__swift_memcpy12_4"}
UNWANTED_CALL = re.compile(
    r"loadUnaligned|storeBytes|squareRoot|\bsqrtf\b|\bfmaf\b|swift_alloc|swift_retain|swift_release")


def symbols(path, *options):
    output = subprocess.run(
        ["nm", *options, str(path)], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        kind, name = line.split()[-2:]
        yield kind, name


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release")
    faults = []
    for level in LEVELS:
        objects = sorted((build / f"{level}.build").glob("*.o"))
        if not objects:
            faults.append(f"{level}: no objects under {build}")
        for path in objects:
            for kind, name in symbols(path):
                if kind == "W" and level not in name and name not in HARMLESS:
                    faults.append(f"{level}: {path.name} shares the function {name}")
                if kind == "U" and UNWANTED_CALL.search(name):
                    faults.append(f"{level}: {path.name} calls {name}")
    print("\n".join(faults) or "levels share no code")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
