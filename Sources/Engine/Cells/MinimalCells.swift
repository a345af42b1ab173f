// MinimalCells.swift — minGRU and minLSTM, whose gates see the input but not the hidden state
//
//     minGRU    z = σ(W x + b)                  h = (1 − z) ⊙ h₋ + z ⊙ n      n = τ(W x + b)
//     minLSTM   f i = σ(W x + b), f′ = f/(f+i)  h = f′ ⊙ h₋ + (1 − f′) ⊙ n
//
// Feng et al. 2024. All products of a sequence are one, before the loop: what is left of a timestep
// is a weighted mean of two vectors.

import Kernels

/// See MinimalCell.
struct MinGRULayer: RecurrentLayerType {
  static let traits = RecurrentTraits(
    activation: "linear", hasGateActivation: false, hasProduct: false)
  static let signature = Signature(
    kind: .layer, name: "MinGRU",
    meaning: "Minimal GRU, whose gate sees the input alone (Feng et al. 2024).",
    options: RecurrentSpec.options(traits))

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = MinimalCell(hiddenSize: call.integer("units"), isLSTM: false)
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, Self.traits)
  }
}

/// See MinimalCell.
struct MinLSTMLayer: RecurrentLayerType {
  static let traits = MinGRULayer.traits
  static let signature = Signature(
    kind: .layer, name: "MinLSTM",
    meaning: "Minimal LSTM, whose gates see the input alone (Feng et al. 2024).",
    options: RecurrentSpec.options(traits))

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = MinimalCell(hiddenSize: call.integer("units"), isLSTM: true)
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, Self.traits)
  }
}

struct MinimalCell: RecurrentCell {
  let hiddenSize: Int
  /// Gates f i n; else z n.
  let isLSTM: Bool
  let fusesProduct = false
  let recurrentParts: [Range<Int>] = []
  let gradients = CellGradients(recurrent: [])
  var gateCount: Int { isLSTM ? 3 : 2 }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    kernels.forward(minimalStep(step.extent, step.gates, step.previousHidden, step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      MinimalStepGradient(
        step: minimalStep(step.extent, step.gates, step.previousHidden, step.previousHidden),
        dHidden: step.dHidden))
  }

  private func minimalStep(
    _ extent: StepExtent, _ gates: Rows, _ previousHidden: Rows, _ hidden: Rows
  ) -> MinimalStep {
    MinimalStep(
      extent: extent, gates: gates, isLSTM: isLSTM, previousHidden: previousHidden, hidden: hidden)
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    nil
  }
}
