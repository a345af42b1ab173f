// GRUCell.swift — gated recurrent unit, in its two forms
//
//     r z = σ(W x + b + U h₋)     h = (1 − z) ⊙ n + z ⊙ h₋
//
// and the candidate n, with the reset gate after or before the product:
//
//     after    n = τ(W x + b + r ⊙ q),  q = U h₋ + b′      cuDNN, PyTorch, Keras's default
//     before   n = τ(W x + b + U s),    s = r ⊙ h₋         Cho et al. 2014, ONNX's default
//
// The two share the pointwise half (`GRUStep`); they differ in what the second product takes. q
// and s are the cell's extra array.

import Kernels

struct GRUCell: RecurrentCell {
  let hiddenSize: Int
  let resetsAfter: Bool
  let gateCount = 3
  let keepsExtra = true

  private var resetAndUpdate: Range<Int> { 0..<2 * hiddenSize }
  private var candidate: Range<Int> { 2 * hiddenSize..<3 * hiddenSize }

  var separateBias: Range<Int> { resetsAfter ? candidate : 0..<0 }
  var recurrentGradients: [RecurrentGradient] {
    [
      RecurrentGradient(rows: resetAndUpdate, of: .gates, with: .recurrentInput),
      resetsAfter
        ? RecurrentGradient(rows: candidate, of: .extra, with: .recurrentInput)
        : RecurrentGradient(rows: candidate, of: .gates, with: .extra),
    ]
  }

  var recurrentParts: [Range<Int>] {
    resetsAfter ? [0..<3 * hiddenSize] : [resetAndUpdate, candidate]
  }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    let first = weights.first.forward.stepProduct(step.recurrentInput)
    if resetsAfter {
      kernels.forward(
        GRUStep(
          extent: step.extent, product: first, gates: step.gates, candidate: step.extra,
          candidateBias: weights.separateBias, previousHidden: step.previousHidden,
          hidden: step.hidden))
    } else {
      kernels.forward(
        GRUResetStep(
          extent: step.extent, product: first, gates: step.gates, reset: step.extra))
      kernels.forward(
        GRUStep(
          extent: step.extent, product: weights.last.forward.stepProduct(step.extra),
          gates: step.gates, candidate: nil, candidateBias: nil,
          previousHidden: step.previousHidden, hidden: step.hidden))
    }
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      GRUStepGradient(
        extent: step.extent, gates: step.gates, candidate: resetsAfter ? step.extra : nil,
        previousHidden: step.previousHidden, product: step.product, dHidden: step.dHidden))
    guard !resetsAfter else { return }
    let dCandidate = step.gates.dropping(2 * hiddenSize)
    kernels.backward(
      GRUResetStepGradient(
        extent: step.extent, gates: step.gates, recurrentInput: step.recurrentInput,
        product: GradientProduct(
          weights.last.backward.stepProduct(dCandidate), mask: step.product.mask),
        dHidden: step.dHidden))
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct {
    GradientProduct(
      weights.first.backward.stepProduct(gates, part: resetAndUpdate),
      and: resetsAfter
        ? weights.first.backward.stepProduct(extra, part: candidate) : nil)
  }
}
