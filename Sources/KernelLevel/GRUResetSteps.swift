// GRUResetSteps.swift — the gates of the GRU that resets before the product; see GRUResetStep

import CProcessor
import KernelInterface

extension Level {
  public static func forward(_ step: GRUResetStep) {
    if step.extent.gateActivation.isPlain(.sigmoid) {
      forwardReset(step, Sigmoid())
    } else {
      forwardReset(step, AnyFunction(activation: step.extent.gateActivation))
    }
  }

  public static func backward(_ step: GRUResetStepGradient) {
    if step.extent.gateActivation.isPlain(.sigmoid) {
      backwardReset(step, Sigmoid())
    } else {
      backwardReset(step, AnyFunction(activation: step.extent.gateActivation))
    }
  }
}

private func forwardReset(_ step: GRUResetStep, _ σ: some PointwiseFunction) {
  let fused = FusedReset(step: step, σ: σ)
  run(paired(fused), step.extent, step.product)
}

private struct FusedReset<Gate: PointwiseFunction>: FusedStep {
  /// r and z.
  typealias Gates = TwoVectors
  let step: GRUResetStep
  let σ: Gate

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var isUsual: Bool { Gate.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 2, row, unit, step.extent.hiddenSize)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    let r = step.gates[row] + unit
    let z = r + step.extent.hiddenSize
    return Gates(
      left: OneVector(vector: load(r, lanes)), right: OneVector(vector: load(z, lanes)))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    let reset = step.reset[row] + unit
    guard step.extent.isValid(row) else {
      store(.zero, reset, lanes)
      return
    }
    let rGate = step.gates[row] + unit
    let r = σ.value(gates.left.vector)
    store(r, rGate, lanes)
    store(σ.value(gates.right.vector), rGate + step.extent.hiddenSize, lanes)
    store(r * load(step.recurrentInput[row] + unit, lanes), reset, lanes)
  }
}

private func backwardReset(_ step: GRUResetStepGradient, _ σ: some PointwiseFunction) {
  runBackward(
    FusedResetGradient(step: step, σ: σ), rows: step.extent.rows,
    hiddenSize: step.extent.hiddenSize, step.product)
}

private struct FusedResetGradient<Gate: PointwiseFunction>: FusedGradient {
  typealias Gates = OneVector
  let step: GRUResetStepGradient
  let σ: Gate

  @inline(always) static var isUsual: Bool { Gate.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 1, row, unit, step.extent.hiddenSize)
    refrain_prefetch(step.recurrentInput[row] + unit)
  }

  @inline(always) func finish(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) {
    let rGate = step.gates[row] + unit
    guard step.extent.isValid(row) else {
      store(.zero, rGate, lanes)
      return
    }
    let r = load(rGate, lanes)
    let u = load(step.recurrentInput[row] + unit, lanes)
    let dHidden = step.dHidden[row] + unit
    let du = step.product.masked(OneVector(vector: sums.vector * r), row, unit, lanes)
    store(sums.vector * u * σ.derivative(ofOutput: r), rGate, lanes)
    store(load(dHidden, lanes) + du, dHidden, lanes)
  }
}
