// RNNSteps.swift — a timestep of the plain recurrent network

import KernelInterface

extension Level {
  public static func forward(_ step: RNNStep) {
    let extent = step.extent
    if extent.stateActivation.isPlain(.tanh) {
      forwardRNN(step, Tanh())
    } else {
      forwardRNN(step, AnyFunction(activation: extent.stateActivation))
    }
  }

  public static func prepare(_ step: RNNStep, at place: UnsafeMutableRawPointer) -> PreparedStep {
    guard step.extent.stateActivation.isPlain(.tanh), step.extent.rows == 1 else {
      place.initializeMemory(as: RNNStep.self, to: step)
      return { forward($0.load(as: RNNStep.self)) }
    }
    let fused = FusedRNN(step: step, τ: Tanh())
    return prepareRun(
      paired(paired(fused)), three: tripled(fused), step.extent, step.product,
      after: step.inputProduct, at: place)
  }

  public static func backward(_ step: RNNStepGradient) {
    let extent = step.extent
    if extent.stateActivation.isPlain(.tanh) {
      backwardRNN(step, Tanh())
    } else {
      backwardRNN(step, AnyFunction(activation: extent.stateActivation))
    }
  }
}

private func forwardRNN(_ step: RNNStep, _ τ: some PointwiseFunction) {
  let fused = FusedRNN(step: step, τ: τ)
  run(paired(paired(fused)), step.extent, step.product, after: step.inputProduct)
}

private struct FusedRNN<State: PointwiseFunction>: FusedStep {
  typealias Gates = OneVector
  let step: RNNStep
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var isUsual: Bool { State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(
      step.extent.keepsGates ? step.gates : step.start, 1, row, unit, step.extent.hiddenSize)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    OneVector(vector: load(step.start[row] + unit, lanes))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    let hidden = step.hidden[row] + unit
    guard step.extent.isValid(row) else {
      store(load(step.previousHidden[row] + unit, lanes), hidden, lanes)
      return
    }
    let h = τ.value(gates.vector)
    if step.extent.keepsGates { store(h, step.gates[row] + unit, lanes) }
    store(h, hidden, lanes)
  }
}

private func backwardRNN(_ step: RNNStepGradient, _ τ: some PointwiseFunction) {
  runBackward(
    FusedRNNGradient(step: step, τ: τ), rows: step.extent.rows,
    hiddenSize: step.extent.hiddenSize, step.product)
}

private struct FusedRNNGradient<State: PointwiseFunction>: FusedGradient {
  typealias Gates = OneVector
  let step: RNNStepGradient
  let τ: State

  @inline(always) static var isUsual: Bool { State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 1, row, unit, step.extent.hiddenSize)
  }

  @inline(always) func finish(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) {
    let h = step.gates[row] + unit
    let dHidden = step.dHidden[row] + unit
    let dh = load(dHidden, lanes) + step.product.masked(sums, row, unit, lanes)
    guard step.extent.isValid(row) else {
      store(dh, dHidden, lanes)
      store(.zero, h, lanes)
      return
    }
    store(dh * τ.derivative(ofOutput: load(h, lanes)), h, lanes)
    store(.zero, dHidden, lanes)
  }
}
