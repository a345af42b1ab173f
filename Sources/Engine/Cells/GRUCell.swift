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

/// See GRUCell and GRUVariantCell.
struct GRULayer: RecurrentLayerType {
  static let traits = RecurrentTraits(canNormalize: true, canClip: true)
  static let signature = Signature(
    kind: .layer, name: "GRU", meaning: "Gated recurrent unit (Cho et al. 2014).",
    options: RecurrentSpec.options(traits, more: [resetOption]))

  static let resetOption = Option(
    "reset_after", .boolean, default: .boolean(true),
    "Whether the reset gate is applied after the product (cuDNN, Keras) or before it (ONNX).")

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let form = GRUCell(
      hiddenSize: call.integer("units"), resetsAfter: call.boolean("reset_after"))
    let cell: any RecurrentCell =
      call.boolean("layer_norm") ? GRUVariantCell(form, normalizes: true) : form
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, Self.traits)
  }
}

struct GRUCell: RecurrentCell {
  let hiddenSize: Int
  let resetsAfter: Bool
  let gateCount = 3

  var extraSize: Int { hiddenSize }
  var fusesInput: Bool { resetsAfter }
  var resetAndUpdate: Range<Int> { 0..<2 * hiddenSize }
  var candidate: Range<Int> { 2 * hiddenSize..<3 * hiddenSize }

  var separateBias: Range<Int> { resetsAfter ? candidate : 0..<0 }
  var gradients: CellGradients {
    CellGradients(recurrent: [
      RecurrentGradient(rows: resetAndUpdate, of: .gates),
      resetsAfter
        ? RecurrentGradient(rows: candidate, of: .extra(0))
        : RecurrentGradient(rows: candidate, of: .gates, with: .extra(0)),
    ])
  }

  var recurrentParts: [Range<Int>] {
    resetsAfter ? [0..<3 * hiddenSize] : [resetAndUpdate, candidate]
  }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    if resetsAfter {
      kernels.forward(kernelStep(step, weights))
    } else {
      kernels.forward(
        GRUResetStep(
          extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
          gates: step.gates, recurrentInput: step.recurrentInput, reset: step.extra))
      kernels.forward(
        GRUStep(
          extent: step.extent, product: weights.last.forward.stepProduct(step.extra),
          start: step.gates, gates: step.gates, candidate: nil, candidateBias: nil,
          previousHidden: step.previousHidden, hidden: step.hidden))
    }
  }

  func streamTurn(_ step: CellStep, _ weights: CellWeights) throws -> StreamTurn? {
    guard resetsAfter else { return nil }
    let step = kernelStep(step, weights)
    return try StreamTurn { kernels.prepare(step, at: $0) }
  }

  @inline(__always)
  private func kernelStep(_ step: CellStep, _ weights: CellWeights) -> GRUStep {
    GRUStep(
      extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
      inputProduct: weights.inputProduct(step), start: step.start, gates: step.gates,
      candidate: step.extra, candidateBias: weights.separateBias,
      previousHidden: step.previousHidden, hidden: step.hidden)
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      GRUStepGradient(
        extent: step.extent, gates: step.gates, candidate: resetsAfter ? step.extra : nil,
        previousHidden: step.previousHidden, product: step.product, dHidden: step.dHidden))
    guard !resetsAfter else { return }
    backwardReset(of: step.gates.dropping(candidate.lowerBound), step, weights)
  }

  /// Takes the candidate's gradient through its product to the reset gate and to h₋.
  func backwardReset(of dCandidate: Rows, _ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      GRUResetStepGradient(
        extent: step.extent, gates: step.gates, recurrentInput: step.recurrentInput,
        product: GradientProduct(
          weights.last.backward.stepProduct(dCandidate), mask: step.product.mask),
        dHidden: step.dHidden))
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    GradientProduct(
      weights.first.backward.stepProduct(gates, part: resetAndUpdate),
      and: resetsAfter
        ? weights.first.backward.stepProduct(extra, part: candidate) : nil)
  }
}
