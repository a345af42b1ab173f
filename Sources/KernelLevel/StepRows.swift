// StepRows.swift — what the steps of all cells share

import KernelInterface

extension StepExtent {
  @inline(always)
  func isValid(_ row: Int) -> Bool {
    guard let valid else { return true }
    return valid[row * validStride] == 1
  }

  /// Whether the step is the usual one, for which the fused functions are specialised.
  @inline(always)
  var isUsual: Bool { gateActivation.isPlain(.sigmoid) && stateActivation.isPlain(.tanh) }
}

// The library's own functions for the following would be shared by the levels.

/// Copies a row; the target may be the source.
@inline(never)
func copy(_ source: Values, _ target: MutableValues, _ count: Int) {
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    store(load(source + j, lanes), target + j, lanes)
  }
  sweep(count, part)
}

func copy(_ source: MutableValues, _ target: MutableValues, _ count: Int) {
  if source != target { copy(Values(source), target, count) }
}

@inline(never)
func clear(_ row: MutableValues, _ count: Int) { Level.fill(row, 0, count: count) }
