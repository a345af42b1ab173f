// LSTMSteps.swift — a timestep of the LSTM; equations at LSTMStep

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
  let fused = FusedLSTM(step: step, σ: σ, τ: τ)
  if step.extent.rows == 1 {
    run(Paired(fused), fused, step.extent, step.product)
  } else {
    run(fused, fused, step.extent, step.product)
  }
}

private struct FusedLSTM<Gate: PointwiseFunction, State: PointwiseFunction>: FusedStep {
  typealias Gates = FourVectors
  let step: LSTMStep
  let σ: Gate
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var gateCount: Int { 4 }
  @inline(always) var gates: Rows { step.gates }
  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    let size = step.extent.hiddenSize
    let i = step.gates[row] + unit
    let f = i + size
    let g = f + size
    let o = g + size
    return Gates(
      left: TwoVectors(
        left: OneVector(vector: load(i, lanes)), right: OneVector(vector: load(f, lanes))),
      right: TwoVectors(
        left: OneVector(vector: load(g, lanes)), right: OneVector(vector: load(o, lanes))))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let previousCell = load(step.previousCell[row] + unit, lanes)
    let hidden = step.hidden[row] + unit
    let cell = step.cell[row] + unit
    guard step.extent.isValid(row) else {
      store(load(step.previousHidden[row] + unit, lanes), hidden, lanes)
      store(previousCell, cell, lanes)
      return
    }
    let i = σ.value(gates.left.left.vector)
    let f = σ.value(gates.left.right.vector)
    let g = τ.value(gates.right.left.vector)
    let o = σ.value(gates.right.right.vector)
    let c = multiplyAdd(f, previousCell, i * g)
    if step.extent.keepsGates {
      let iGate = step.gates[row] + unit
      let fGate = iGate + size
      let gGate = fGate + size
      let oGate = gGate + size
      store(i, iGate, lanes)
      store(f, fGate, lanes)
      store(g, gGate, lanes)
      store(o, oGate, lanes)
    }
    store(c, cell, lanes)
    store(o * τ.value(c), hidden, lanes)
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
