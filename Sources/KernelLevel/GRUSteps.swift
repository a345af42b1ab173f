// GRUSteps.swift — the pointwise half of a timestep of the GRU; equations at GRUStep

import KernelInterface

extension Level {
  public static func forward(_ step: GRUStep) {
    if step.extent.isUsual {
      forwardGRU(step, Sigmoid(), Tanh())
    } else {
      forwardGRU(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }

  public static func backward(_ step: GRUStepGradient) {
    if step.extent.isUsual {
      backwardGRU(step, Sigmoid(), Tanh())
    } else {
      backwardGRU(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }
}

private func forwardGRU(
  _ step: GRUStep, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let previousHidden = step.previousHidden[row]
    let hidden = step.hidden[row]
    guard extent.isValid(row) else {
      copy(previousHidden, hidden, size)
      continue
    }
    let rGate = step.gates[row]
    let zGate = rGate + size
    let nGate = zGate + size
    if let candidate = step.candidate {
      let q = candidate[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let r = σ.value(load(rGate + j, lanes))
        let z = σ.value(load(zGate + j, lanes))
        let n = τ.value(multiplyAdd(r, load(q + j, lanes), load(nGate + j, lanes)))
        store(r, rGate + j, lanes)
        store(z, zGate + j, lanes)
        store(n, nGate + j, lanes)
        store(interpolate(z, n, load(previousHidden + j, lanes)), hidden + j, lanes)
      }
      sweep(size, part)
    } else {
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let z = load(zGate + j, lanes)
        let n = τ.value(load(nGate + j, lanes))
        store(n, nGate + j, lanes)
        store(interpolate(z, n, load(previousHidden + j, lanes)), hidden + j, lanes)
      }
      sweep(size, part)
    }
  }
}

/// (1 − z) ⊙ n + z ⊙ h₋
@inline(always)
private func interpolate(_ z: Vector, _ n: Vector, _ previous: Vector) -> Vector {
  multiplyAdd(z, previous, (1 - z) * n)
}

private func backwardGRU(
  _ step: GRUStepGradient, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let extent = step.extent
  let size = extent.hiddenSize
  for row in 0..<extent.rows {
    let rGate = step.gates[row]
    let dHidden = step.dHidden[row]
    let dPrevious = step.dPreviousHidden[row]
    guard extent.isValid(row) else {
      copy(dHidden, dPrevious, size)
      rGate.update(repeating: 0, count: 3 * size)
      step.candidate?[row].update(repeating: 0, count: size)
      continue
    }
    let zGate = rGate + size
    let nGate = zGate + size
    let previousHidden = step.previousHidden[row]
    let candidate = step.candidate?[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let z = load(zGate + j, lanes)
      let n = load(nGate + j, lanes)
      let dh = load(dHidden + j, lanes)
      let dn = dh * (1 - z) * τ.derivative(ofOutput: n)
      let dz = dh * (load(previousHidden + j, lanes) - n) * σ.derivative(ofOutput: z)
      if let candidate {
        let r = load(rGate + j, lanes)
        let q = load(candidate + j, lanes)
        store(dn * q * σ.derivative(ofOutput: r), rGate + j, lanes)
        store(dn * r, candidate + j, lanes)
      }
      store(dz, zGate + j, lanes)
      store(dn, nGate + j, lanes)
      store(dh * z, dPrevious + j, lanes)
    }
    sweep(size, part)
  }
}
