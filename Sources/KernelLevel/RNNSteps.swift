// RNNSteps.swift — a timestep of the plain recurrent network

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
  let fused = FusedRNN(step: step, τ: τ)
  run(Paired(Paired(fused)), fused, step.extent, step.product)
}

private struct FusedRNN<State: PointwiseFunction>: FusedStep {
  typealias Gates = OneVector
  let step: RNNStep
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var gateCount: Int { 1 }
  @inline(always) var gates: Rows { step.gates }
  @inline(always) static var isUsual: Bool { State.isInline }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    OneVector(vector: load(step.gates[row] + unit, lanes))
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
