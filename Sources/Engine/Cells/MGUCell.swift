// MGUCell.swift — minimal gated unit: one gate that forgets, resets and updates
//
//     f = σ(W x + b + U h₋)   n = τ(W x + b + U (f ⊙ h₋))   h = (1 − f) ⊙ h₋ + f ⊙ n
//
// Zhou, Wu, Zhang & Zhou 2016. The gates are in the order f n; f ⊙ h₋ is the cell's extra array.

import Kernels

/// See MGUCell.
struct MGULayer: RecurrentLayerType {
  static let signature = Signature(
    kind: .layer, name: "MGU", meaning: "Minimal gated unit (Zhou et al. 2016).",
    options: RecurrentSpec.options(RecurrentTraits()))

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    spec = try RecurrentSpec(
      call, inputs: inputs, cell: MGUCell(hiddenSize: call.integer("units")), RecurrentTraits())
  }
}

struct MGUCell: RecurrentCell {
  let hiddenSize: Int
  let gateCount = 2
  let fusesProduct = false

  var extraSize: Int { hiddenSize }
  func scratchSize(rows: Int) -> Int { 2 * rows * hiddenSize }
  private var forget: Range<Int> { 0..<hiddenSize }
  private var candidate: Range<Int> { hiddenSize..<2 * hiddenSize }
  var recurrentParts: [Range<Int>] { [forget, candidate] }
  var gradients: CellGradients {
    CellGradients(recurrent: [
      RecurrentGradient(rows: forget, of: .gates),
      RecurrentGradient(rows: candidate, of: .gates, with: .extra(0)),
    ])
  }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    let rows = step.extent.rows
    weights.first.forward.multiply(
      step.recurrentInput, into: step.gates, rows: rows, start: .sums)
    kernels.forward(
      MGUResetStep(
        extent: step.extent, gates: step.gates, recurrentInput: step.recurrentInput,
        reset: step.extra))
    weights.last.forward.multiply(
      step.extra, into: step.gates.dropping(hiddenSize), rows: rows, start: .sums)
    kernels.forward(
      MGUStep(
        extent: step.extent, gates: step.gates, previousHidden: step.previousHidden,
        hidden: step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    let rows = step.extent.rows
    let dForget = Rows(step.scratch, stride: hiddenSize)
    let dReset = Rows(step.scratch + rows * hiddenSize, stride: hiddenSize)
    kernels.backward(
      MGUStepGradient(
        step: MGUStep(
          extent: step.extent, gates: step.gates, previousHidden: step.previousHidden,
          hidden: step.previousHidden),
        dForget: dForget, dHidden: step.dHidden))
    weights.last.backward.multiply(
      step.gates.dropping(hiddenSize), into: dReset, rows: rows, start: .zero)
    kernels.backward(
      MGUResetStepGradient(
        step: MGUResetStep(
          extent: step.extent, gates: step.gates, recurrentInput: step.recurrentInput,
          reset: step.extra),
        dForget: dForget, dReset: dReset))
    for row in 0..<rows {
      if let mask = step.product.mask {
        kernels.addProduct(dReset[row], mask[row], step.dHidden[row], count: hiddenSize)
      } else {
        kernels.add(dReset[row], step.dHidden[row], count: hiddenSize)
      }
    }
  }
}
