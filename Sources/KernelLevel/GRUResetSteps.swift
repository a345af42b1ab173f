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
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let reset = step.reset[row]
    guard extent.isValid(row) else {
      reset.update(repeating: 0, count: size)
      continue
    }
    let rGate = step.gates[row]
    let zGate = rGate + size
    let u = step.recurrentInput[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let r = σ.value(load(rGate + j, lanes))
      store(r, rGate + j, lanes)
      store(σ.value(load(zGate + j, lanes)), zGate + j, lanes)
      store(r * load(u + j, lanes), reset + j, lanes)
    }
    sweep(size, part)
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
