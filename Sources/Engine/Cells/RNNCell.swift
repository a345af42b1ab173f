// RNNCell.swift — the simple recurrence: h = τ(W x + b + U h₋)
//
// Elman 1990.

import Kernels

struct RNNCell: RecurrentCell {
  let hiddenSize: Int
  let gateCount = 1

  func forward(_ step: CellStep, _ weights: CellWeights) {
    kernels.forward(
      RNNStep(
        extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
        gates: step.gates, previousHidden: step.previousHidden, hidden: step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      RNNStepGradient(
        extent: step.extent, gates: step.gates, product: step.product, dHidden: step.dHidden))
  }
}
