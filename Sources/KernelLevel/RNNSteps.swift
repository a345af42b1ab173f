// RNNSteps.swift — the pointwise half of a timestep of the plain recurrent network

import KernelInterface

extension Level {
  public static func forward(_ step: RNNStep) {
    let extent = step.extent
    if extent.stateActivation.kind == .tanh {
      forwardRNN(step, Tanh())
    } else {
      forwardRNN(step, AnyFunction(activation: extent.stateActivation))
    }
  }

  public static func backward(_ step: RNNStepGradient) {
    let extent = step.extent
    if extent.stateActivation.kind == .tanh {
      backwardRNN(step, Tanh())
    } else {
      backwardRNN(step, AnyFunction(activation: extent.stateActivation))
    }
  }
}

private func forwardRNN(_ step: RNNStep, _ τ: some PointwiseFunction) {
  let extent = step.extent
  for row in 0..<extent.rows {
    let hidden = step.hidden[row]
    guard extent.isValid(row) else {
      copy(step.previousHidden[row], hidden, extent.hiddenSize)
      continue
    }
    let a = step.gates[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let h = τ.value(load(a + j, lanes))
      store(h, a + j, lanes)
      store(h, hidden + j, lanes)
    }
    sweep(extent.hiddenSize, part)
  }
}

private func backwardRNN(_ step: RNNStepGradient, _ τ: some PointwiseFunction) {
  let extent = step.extent
  for row in 0..<extent.rows {
    let h = step.gates[row]
    let dHidden = step.dHidden[row]
    let dPrevious = step.dPreviousHidden[row]
    guard extent.isValid(row) else {
      copy(dHidden, dPrevious, extent.hiddenSize)
      h.update(repeating: 0, count: extent.hiddenSize)
      continue
    }
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let da = load(dHidden + j, lanes) * τ.derivative(ofOutput: load(h + j, lanes))
      store(da, h + j, lanes)
      store(.zero, dPrevious + j, lanes)
    }
    sweep(extent.hiddenSize, part)
  }
}
