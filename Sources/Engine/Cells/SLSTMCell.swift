// SLSTMCell.swift — the scalar cell of xLSTM: exponential gates, a normaliser and a stabiliser
//
//     i = exp(aᵢ)   f = σ(a_f) or exp(a_f)   c = f ⊙ c₋ + i ⊙ τ(a_g)   n = f ⊙ n₋ + i
//     h = σ(aₒ) ⊙ c / n
//
// Beck et al. 2024, as one head. c and n are kept divided by exp(m), with m chosen so that no
// exponential overflows: `SLSTMStep` has the equations as they are computed. The memory is c n m.

import Kernels

/// See SLSTMCell.
struct SLSTMLayer: RecurrentLayerType {
  static let signature = Signature(
    kind: .layer, name: "SLSTM",
    meaning: "The scalar LSTM of xLSTM, with exponential gates (Beck et al. 2024).",
    options: RecurrentSpec.options(
      RecurrentTraits(),
      more: [
        Option(
          "unit_forget_bias", .boolean, default: .boolean(true),
          "Whether the forget gate's bias starts at 1."),
        Option(
          "forget_gate", .choice(["sigmoid", "exponential"]), default: .text("sigmoid"),
          "What the forget gate applies to its sum."),
      ]))

  let spec: RecurrentSpec
  let forgetGate: Int?

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = SLSTMCell(
      hiddenSize: call.integer("units"), isExponential: call.text("forget_gate") == "exponential")
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, RecurrentTraits())
    forgetGate = call.boolean("unit_forget_bias") ? 1 : nil
  }
}

struct SLSTMCell: RecurrentCell {
  let hiddenSize: Int
  let isExponential: Bool
  let gateCount = 4
  let memories = ["cell", "normalizer", "stabilizer"]
  let fusesProduct = false

  func forward(_ step: CellStep, _ weights: CellWeights) {
    weights.first.forward.multiply(
      step.recurrentInput, into: step.gates, rows: step.extent.rows, start: .sums)
    kernels.forward(
      scalarStep(
        step.extent, step.gates, step.previousMemory, step.memory, step.previousHidden,
        step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      SLSTMStepGradient(
        step: scalarStep(
          step.extent, step.gates, step.previousMemory, step.memory, step.previousHidden,
          step.previousHidden),
        dHidden: step.dHidden, dMemory: step.dMemory))
  }

  private func scalarStep(
    _ extent: StepExtent, _ gates: Rows, _ previousMemory: Rows, _ memory: Rows,
    _ previousHidden: Rows, _ hidden: Rows
  ) -> SLSTMStep {
    SLSTMStep(
      extent: extent, gates: gates, isExponential: isExponential, previousMemory: previousMemory,
      memory: memory, previousHidden: previousHidden, hidden: hidden)
  }
}
