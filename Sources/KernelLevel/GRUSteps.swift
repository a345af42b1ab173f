// GRUSteps.swift — a timestep of the GRU; equations at GRUStep

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
  guard let candidate = step.candidate else {
    let fused = FusedCandidate(step: step, τ: τ)
    run(Paired(Paired(fused)), fused, step.extent, step.product)
    return
  }
  let fused = FusedGRU(step: step, candidate: candidate, σ: σ, τ: τ)
  if step.extent.rows == 1 {
    run(Paired(fused), fused, step.extent, step.product)
  } else {
    run(fused, fused, step.extent, step.product)
  }
}

/// All of a GRU that resets after the product.
private struct FusedGRU<Gate: PointwiseFunction, State: PointwiseFunction>: FusedStep {
  /// r, z and q.
  typealias Gates = ThreeVectors
  let step: GRUStep
  let candidate: Rows
  let σ: Gate
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var gateCount: Int { 3 }
  @inline(always) var gates: Rows { step.gates }
  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    let r = step.gates[row] + unit
    let z = r + step.extent.hiddenSize
    let q = step.candidateBias.map { load($0 + unit, lanes) } ?? .zero
    return Gates(
      left: TwoVectors(
        left: OneVector(vector: load(r, lanes)), right: OneVector(vector: load(z, lanes))),
      right: OneVector(vector: q))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let hidden = step.hidden[row] + unit
    let previousHidden = load(step.previousHidden[row] + unit, lanes)
    guard step.extent.isValid(row) else {
      store(previousHidden, hidden, lanes)
      return
    }
    let rGate = step.gates[row] + unit
    let zGate = rGate + size
    let nGate = zGate + size
    let r = σ.value(gates.left.left.vector)
    let z = σ.value(gates.left.right.vector)
    let q = gates.right.vector
    let n = τ.value(multiplyAdd(r, q, load(nGate, lanes)))
    if step.extent.keepsGates {
      store(r, rGate, lanes)
      store(z, zGate, lanes)
      store(n, nGate, lanes)
      store(q, candidate[row] + unit, lanes)
    }
    store(interpolate(z, n, previousHidden), hidden, lanes)
  }
}

/// The second half of a GRU that resets before the product.
private struct FusedCandidate<State: PointwiseFunction>: FusedStep {
  typealias Gates = OneVector
  let step: GRUStep
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var gateCount: Int { 3 }
  @inline(always) var gates: Rows { step.gates }
  @inline(always) static var isUsual: Bool { State.isInline }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    OneVector(vector: load(step.gates[row] + 2 * step.extent.hiddenSize + unit, lanes))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let hidden = step.hidden[row] + unit
    let previousHidden = load(step.previousHidden[row] + unit, lanes)
    guard step.extent.isValid(row) else {
      store(previousHidden, hidden, lanes)
      return
    }
    let zGate = step.gates[row] + size + unit
    let n = τ.value(gates.vector)
    if step.extent.keepsGates { store(n, zGate + size, lanes) }
    store(interpolate(load(zGate, lanes), n, previousHidden), hidden, lanes)
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
