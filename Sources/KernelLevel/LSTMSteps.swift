// LSTMSteps.swift — the pointwise half of a timestep of the LSTM; equations at LSTMStep

import KernelInterface

extension Level {
  public static func forward(_ step: LSTMStep) {
    if step.extent.isUsual {
      forwardLSTM(step, Sigmoid(), Tanh())
    } else {
      forwardLSTM(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }

  public static func backward(_ step: LSTMStepGradient) {
    if step.extent.isUsual {
      backwardLSTM(step, Sigmoid(), Tanh())
    } else {
      backwardLSTM(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }
}

private func forwardLSTM(
  _ step: LSTMStep, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let hidden = step.hidden[row]
    let cell = step.cell[row]
    let previousCell = step.previousCell[row]
    guard extent.isValid(row) else {
      copy(step.previousHidden[row], hidden, size)
      copy(previousCell, cell, size)
      continue
    }
    let iGate = step.gates[row]
    let fGate = iGate + size
    let gGate = fGate + size
    let oGate = gGate + size
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let i = σ.value(load(iGate + j, lanes))
      let f = σ.value(load(fGate + j, lanes))
      let g = τ.value(load(gGate + j, lanes))
      let o = σ.value(load(oGate + j, lanes))
      let c = multiplyAdd(f, load(previousCell + j, lanes), i * g)
      store(i, iGate + j, lanes)
      store(f, fGate + j, lanes)
      store(g, gGate + j, lanes)
      store(o, oGate + j, lanes)
      store(c, cell + j, lanes)
      store(o * τ.value(c), hidden + j, lanes)
    }
    sweep(size, part)
  }
}

private func backwardLSTM(
  _ step: LSTMStepGradient, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let iGate = step.gates[row]
    let dHidden = step.dHidden[row]
    let dCell = step.dCell[row]
    let dPrevious = step.dPreviousHidden[row]
    guard extent.isValid(row) else {
      copy(dHidden, dPrevious, size)
      iGate.update(repeating: 0, count: 4 * size)
      continue
    }
    let fGate = iGate + size
    let gGate = fGate + size
    let oGate = gGate + size
    let cell = step.cell[row]
    let previousCell = step.previousCell[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let i = load(iGate + j, lanes)
      let f = load(fGate + j, lanes)
      let g = load(gGate + j, lanes)
      let o = load(oGate + j, lanes)
      let dh = load(dHidden + j, lanes)
      let squashed = τ.value(load(cell + j, lanes))
      let dc = multiplyAdd(dh * o, τ.derivative(ofOutput: squashed), load(dCell + j, lanes))
      let di = dc * g * σ.derivative(ofOutput: i)
      let df = dc * load(previousCell + j, lanes) * σ.derivative(ofOutput: f)
      let dg = dc * i * τ.derivative(ofOutput: g)
      store(di, iGate + j, lanes)
      store(df, fGate + j, lanes)
      store(dg, gGate + j, lanes)
      store(dh * squashed * σ.derivative(ofOutput: o), oGate + j, lanes)
      store(dc * f, dCell + j, lanes)
      store(.zero, dPrevious + j, lanes)
    }
    sweep(size, part)
  }
}
