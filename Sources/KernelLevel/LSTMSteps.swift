// LSTMSteps.swift — a timestep of the LSTM; equations at LSTMStep

import CProcessor
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

  public static func prepare(_ step: LSTMStep, at place: UnsafeMutableRawPointer) -> PreparedStep {
    guard step.extent.isUsual, step.extent.rows == 1 else {
      place.initializeMemory(as: LSTMStep.self, to: step)
      return { forward($0.load(as: LSTMStep.self)) }
    }
    let fused = FusedLSTM(step: step, σ: Sigmoid(), τ: Tanh())
    return prepareRun(
      paired(fused), three: tripled(fused), step.extent, step.product, after: step.inputProduct,
      at: place)
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
    run(paired(fused), step.extent, step.product, after: step.inputProduct)
  } else {
    run(fused, step.extent, step.product, after: step.inputProduct)
  }
}

private struct FusedLSTM<Gate: PointwiseFunction, State: PointwiseFunction>: FusedStep {
  typealias Gates = FourVectors
  let step: LSTMStep
  let σ: Gate
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(
      step.extent.keepsGates ? step.gates : step.start, 4, row, unit, step.extent.hiddenSize)
    refrain_prefetch(step.previousCell[row] + unit)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    let size = step.extent.hiddenSize
    let i = step.start[row] + unit
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
  runBackward(
    FusedLSTMGradient(step: step, σ: σ, τ: τ), rows: step.extent.rows,
    hiddenSize: step.extent.hiddenSize, step.product)
}

private struct FusedLSTMGradient<Gate: PointwiseFunction, State: PointwiseFunction>: FusedGradient {
  typealias Gates = OneVector
  let step: LSTMStepGradient
  let σ: Gate
  let τ: State

  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 4, row, unit, step.extent.hiddenSize)
    refrain_prefetch(step.previousCell[row] + unit)
  }

  @inline(always) func finish(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let iGate = step.gates[row] + unit
    let fGate = iGate + size
    let gGate = fGate + size
    let oGate = gGate + size
    let dHidden = step.dHidden[row] + unit
    let dCell = step.dCell[row] + unit
    let dh = load(dHidden, lanes) + step.product.masked(sums, row, unit, lanes)
    guard step.extent.isValid(row) else {
      store(dh, dHidden, lanes)
      store(.zero, iGate, lanes)
      store(.zero, fGate, lanes)
      store(.zero, gGate, lanes)
      store(.zero, oGate, lanes)
      return
    }
    let i = load(iGate, lanes)
    let f = load(fGate, lanes)
    let g = load(gGate, lanes)
    let o = load(oGate, lanes)
    let squashed = τ.value(load(step.cell[row] + unit, lanes))
    let dc = multiplyAdd(dh * o, τ.derivative(ofOutput: squashed), load(dCell, lanes))
    let previousCell = load(step.previousCell[row] + unit, lanes)
    store(dc * g * σ.derivative(ofOutput: i), iGate, lanes)
    store(dc * previousCell * σ.derivative(ofOutput: f), fGate, lanes)
    store(dc * i * τ.derivative(ofOutput: g), gGate, lanes)
    store(dh * squashed * σ.derivative(ofOutput: o), oGate, lanes)
    store(dc * f, dCell, lanes)
    store(.zero, dHidden, lanes)
  }
}
