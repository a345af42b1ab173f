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
  var isUsual: Bool { gateActivation.kind == .sigmoid && stateActivation.kind == .tanh }
}

/// Copies a row; the target may be the source.
@inline(always)
func copy(_ source: MutableValues, _ target: MutableValues, _ count: Int) {
  if source != target { target.update(from: source, count: count) }
}
