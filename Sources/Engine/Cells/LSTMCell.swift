// LSTMCell.swift — long short-term memory
//
//     i f g o = σ σ τ σ (W x + b + U h₋)     c = f ⊙ c₋ + i ⊙ g     h = o ⊙ τ(c)
//
// Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000. A
// timestep's arithmetic, and its derivation, is `LSTMStep` and `LSTMStepGradient`. With the options
// that change these equations, LSTMVariantCell takes over.

import Kernels

/// See LSTMCell and LSTMVariantCell.
struct LSTMLayer: RecurrentLayerType {
  static let traits = RecurrentTraits(canNormalize: true, canClip: true, hasCell: true)
  static let signature = Signature(
    kind: .layer, name: "LSTM", meaning: "Long short-term memory (Hochreiter & Schmidhuber 1997).",
    options: RecurrentSpec.options(
      traits,
      more: [
        Option(
          "unit_forget_bias", .boolean, default: .boolean(true),
          "Whether the forget gate's bias starts at 1 (Jozefowicz et al. 2015)."),
        Option(
          "peephole", .boolean, default: .boolean(false),
          "Whether the gates see the cell state (Gers & Schmidhuber 2000)."),
        Option(
          "coupled", .boolean, default: .boolean(false),
          "Whether the input gate is 1 − the forget gate; the gates are then f g o."),
        Option(
          "projection", .optional(.integer(1...maximumSize)), default: .none,
          "Width of the hidden state, a projection of the units (Sak et al. 2014); none: units."),
        Option(
          "cell_clip", .optional(.number(.positive)), default: .none,
          "Limit of the cell state; none: no limit."),
        Option(
          "output_activation", .optional(.call(.activation)), default: .none,
          "Of the cell state on its way out; none: as activation."),
      ]))

  let spec: RecurrentSpec
  let forgetGate: Int?

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let variant = try LSTMVariantCell(call)
    let cell: any RecurrentCell =
      variant.isPlain ? LSTMCell(hiddenSize: variant.hiddenSize) : variant
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, Self.traits)
    forgetGate = call.boolean("unit_forget_bias") ? (variant.isCoupled ? 0 : 1) : nil
  }
}

struct LSTMCell: RecurrentCell {
  let hiddenSize: Int
  let memories = ["cell"]
  var gateCount: Int { 4 }
  var fusesInput: Bool { true }

  func forward(_ step: CellStep, _ weights: CellWeights) {
    kernels.forward(kernelStep(step, weights))
  }

  func streamTurn(_ step: CellStep, _ weights: CellWeights) throws -> StreamTurn? {
    let step = kernelStep(step, weights)
    return try StreamTurn { kernels.prepare(step, at: $0) }
  }

  @inline(__always)
  private func kernelStep(_ step: CellStep, _ weights: CellWeights) -> LSTMStep {
    LSTMStep(
      extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
      inputProduct: weights.inputProduct(step), start: step.start, gates: step.gates,
      previousCell: step.previousMemory, cell: step.memory, previousHidden: step.previousHidden,
      hidden: step.hidden)
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      LSTMStepGradient(
        extent: step.extent, gates: step.gates, previousCell: step.previousMemory,
        cell: step.memory, product: step.product, dHidden: step.dHidden, dCell: step.dMemory))
  }
}
