#!/usr/bin/env python3
"""Checks in the disassembly that products keep their sums in registers.

usage: check_loops.py [.build/release/librefrain.so]

The innermost loops of tiles, at every instruction-set level, may hold loads, broadcasts and
multiply-adds, but no call and no vector that the compiler moved to the stack for want of a register.
Needs a library that is not stripped, for x86-64.
"""
import re
import subprocess
import sys

LEVELS = ["KernelLevelBaseline", "KernelLevelV3", "KernelLevelV4"]
TILE = re.compile(r"multiplyTile|runFullTile|runTile")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\s+(\S.*)$")
JUMP = re.compile(r"j\w+\s+([0-9a-f]+)")
MULTIPLICATION = re.compile(r"vfmadd|mulps")
ON_STACK = re.compile(r"\(%r[sb]p.*[xyz]mm|[xyz]mm.*\(%r[sb]p")
# A loop with fewer is no product of a tile.
FEWEST = 4


def functions(library):
    """Each function's name, and its instructions with their addresses."""
    output = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True,
        text=True).stdout
    name, instructions = None, []
    for line in output.splitlines():
        if start := FUNCTION.match(line):
            yield name, instructions
            name, instructions = start[1], []
        elif found := INSTRUCTION.match(line):
            instructions.append((int(found[1], 16), found[2]))
    yield name, instructions


def product_loops(instructions):
    """What lies between a jump back and where it goes, if nothing there jumps and enough multiplies."""
    places = {address: index for index, (address, _) in enumerate(instructions)}
    for index, (_, text) in enumerate(instructions):
        jump = JUMP.match(text)
        first = places.get(int(jump[1], 16), index) if jump else index
        body = instructions[first:index]
        multiplications = sum(bool(MULTIPLICATION.match(line)) for _, line in body)
        if multiplications >= FEWEST and not any(JUMP.match(line) for _, line in body):
            yield body


def main():
    library = sys.argv[1] if len(sys.argv) > 1 else ".build/release/librefrain.so"
    counts = {(level, tile): 0 for level in LEVELS for tile in TILE.pattern.split("|")}
    faults = []
    for name, instructions in functions(library):
        level = next((level for level in LEVELS if level in (name or "")), None)
        tile = TILE.search(name or "")
        if not level or not tile:
            continue
        for loop in product_loops(instructions):
            body = [text for _, text in loop]
            counts[level, tile[0]] += 1
            if any(ON_STACK.search(line) or line.startswith("call") for line in body):
                faults.append(f"{level}: a loop of {name} uses the stack or calls:\n  "
                              + "\n  ".join(body))
    faults += [f"{level}: no loops of {tile} in {library}"
               for (level, tile), count in counts.items() if not count]
    print("\n".join(faults) or f"sums stay in registers in {sum(counts.values())} loops of tiles")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
