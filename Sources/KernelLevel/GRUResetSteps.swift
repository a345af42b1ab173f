// GRUResetSteps.swift — the gates of the GRU that resets before the product; see GRUResetStep

import KernelInterface

extension Level {
  public static func forward(_ step: GRUResetStep) {
    if step.extent.gateActivation.kind == .sigmoid {
      forwardReset(step, Sigmoid())
    } else {
      forwardReset(step, AnyFunction(activation: step.extent.gateActivation))
    }
  }

  public static func backward(_ step: GRUResetStepGradient) {
    if step.extent.gateActivation.kind == .sigmoid {
      backwardReset(step, Sigmoid())
    } else {
      backwardReset(step, AnyFunction(activation: step.extent.gateActivation))
    }
  }
}

private func forwardReset(_ step: GRUResetStep, _ σ: some PointwiseFunction) {
  let fused = FusedReset(step: step, σ: σ)
  run(Paired(fused), fused, step.extent, step.product)
}

private struct FusedReset<Gate: PointwiseFunction>: FusedStep {
  /// r and z.
  typealias Gates = TwoVectors
  let step: GRUResetStep
  let σ: Gate

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var gateCount: Int { 2 }
  @inline(always) var gates: Rows { step.gates }
  @inline(always) static var isUsual: Bool { Gate.isInline }

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
    store(r * load(step.product.input[row] + unit, lanes), reset, lanes)
  }
}

private func backwardReset(_ step: GRUResetStepGradient, _ σ: some PointwiseFunction) {
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let rGate = step.gates[row]
    let dReset = step.dReset[row]
    guard extent.isValid(row) else {
      rGate.update(repeating: 0, count: size)
      dReset.update(repeating: 0, count: size)
      continue
    }
    let u = step.recurrentInput[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let r = load(rGate + j, lanes)
      let ds = load(dReset + j, lanes)
      store(ds * load(u + j, lanes) * σ.derivative(ofOutput: r), rGate + j, lanes)
      store(ds * r, dReset + j, lanes)
    }
    sweep(size, part)
  }
}
