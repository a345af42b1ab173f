// RNNCell.swift — the simple recurrence: h = τ(W x + b + U h₋)
//
// Elman 1990. With `layer_norm` the two products are normalised first.

import Kernels

/// See RNNCell.
struct RNNLayer: RecurrentLayerType {
  static let traits = RecurrentTraits(hasGateActivation: false, canNormalize: true, canClip: true)
  static let signature = Signature(
    kind: .layer, name: "RNN", meaning: "Simple recurrent layer (Elman 1990).",
    options: RecurrentSpec.options(traits), aliases: ["SimpleRNN"])

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let size = call.integer("units")
    let cell: any RecurrentCell =
      call.boolean("layer_norm") ? NormalizedRNNCell(size) : RNNCell(hiddenSize: size)
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, Self.traits)
  }
}

struct RNNCell: RecurrentCell {
  let hiddenSize: Int
  let gateCount = 1
  let fusesInput = true

  func forward(_ step: CellStep, _ weights: CellWeights) {
    kernels.forward(kernelStep(step, weights))
  }

  func streamTurn(_ step: CellStep, _ weights: CellWeights) throws -> StreamTurn? {
    let step = kernelStep(step, weights)
    return try StreamTurn { kernels.prepare(step, at: $0) }
  }

  @inline(__always)
  private func kernelStep(_ step: CellStep, _ weights: CellWeights) -> RNNStep {
    RNNStep(
      extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
      inputProduct: weights.inputProduct(step), start: step.start, gates: step.gates,
      previousHidden: step.previousHidden, hidden: step.hidden)
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      RNNStepGradient(
        extent: step.extent, gates: step.gates, product: step.product, dHidden: step.dHidden))
  }
}

struct NormalizedRNNCell: RecurrentCell {
  let hiddenSize: Int
  let gateCount = 1
  let fusesProduct = false
  let addsBias = true
  private let sums: NormalizedSums

  init(_ size: Int) {
    hiddenSize = size
    sums = NormalizedSums(size: size, column: 0, parts: [0..<size])
  }

  var extraSize: Int { sums.width }
  func scratchSize(rows: Int) -> Int { rows * hiddenSize }
  var parameters: [CellParameter] { sums.parameters }
  var gradients: CellGradients {
    CellGradients(
      input: .extra(sums.dInput),
      recurrent: [RecurrentGradient(rows: 0..<hiddenSize, of: .extra(sums.dRecurrent))],
      sums: sums.gradients(of: [(0..<hiddenSize, .gates)]))
  }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    sums.normalizeInput(step, weights)
    let product = Rows(step.scratch, stride: hiddenSize)
    sums.normalizeProduct(
      part: 0, of: weights.first, with: step.recurrentInput, step, weights, into: product)
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      kernels.add(product[row], step.gates[row], count: hiddenSize)
    }
    kernels.forward(
      RNNStep(
        extent: step.extent, product: .none(step.recurrentInput), start: step.gates,
        gates: step.gates, previousHidden: step.previousHidden, hidden: step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      RNNStepGradient(
        extent: step.extent, gates: step.gates, product: step.product, dHidden: step.dHidden))
    sums.backwardInput(step, weights)
    sums.backwardProduct(part: 0, step.gates, step, weights)
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    GradientProduct(weights.first.backward.stepProduct(extra.dropping(sums.dRecurrent)))
  }
}
