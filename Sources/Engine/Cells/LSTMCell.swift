// LSTMCell.swift — long short-term memory
//
//     i f g o = σ σ τ σ (W x + b + U h₋)     c = f ⊙ c₋ + i ⊙ g     h = o ⊙ τ(c)
//
// Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000. A
// timestep's arithmetic, and its derivation, is `LSTMStep` and `LSTMStepGradient`.

import Kernels

struct LSTMCell: RecurrentCell {
  let hiddenSize: Int
  let gateCount = 4
  let hasCellState = true

  func forward(_ step: CellStep, _ weights: CellWeights) {
    kernels.forward(
      LSTMStep(
        extent: step.extent, product: weights.first.forward.stepProduct(step.recurrentInput),
        gates: step.gates, previousCell: step.previousCell, cell: step.cell,
        previousHidden: step.previousHidden, hidden: step.hidden))
  }

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      LSTMStepGradient(
        extent: step.extent, gates: step.gates, previousCell: step.previousCell, cell: step.cell,
        product: step.product, dHidden: step.dHidden, dCell: step.dCell))
  }
}
