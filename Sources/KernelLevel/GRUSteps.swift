// GRUSteps.swift — a timestep of the GRU; equations at GRUStep

import CProcessor
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

  public static func prepare(_ step: GRUStep, at place: UnsafeMutableRawPointer) -> PreparedStep {
    guard step.extent.isUsual, step.extent.rows == 1, let candidate = step.candidate else {
      place.initializeMemory(as: GRUStep.self, to: step)
      return { forward($0.load(as: GRUStep.self)) }
    }
    let fused = FusedGRU(step: step, candidate: candidate, σ: Sigmoid(), τ: Tanh())
    return prepareRun(
      paired(fused), three: tripled(fused), step.extent, step.product, after: step.inputProduct,
      at: place)
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
    run(paired(paired(fused)), step.extent, step.product)
    return
  }
  let fused = FusedGRU(step: step, candidate: candidate, σ: σ, τ: τ)
  if step.extent.rows == 1 {
    run(paired(fused), step.extent, step.product, after: step.inputProduct)
  } else {
    run(fused, step.extent, step.product, after: step.inputProduct)
  }
}

/// All of a GRU that resets after the product.
private struct FusedGRU<Gate: PointwiseFunction, State: PointwiseFunction>: FusedStep {
  /// r, z and q; during the inputs' product r, z and n.
  typealias Gates = ThreeVectors
  let step: GRUStep
  let candidate: Rows
  let σ: Gate
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }
  @inline(always) static var turns: Bool { true }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(
      step.extent.keepsGates ? step.gates : step.start, 3, row, unit, step.extent.hiddenSize)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    let r = step.start[row] + unit
    let z = r + step.extent.hiddenSize
    let n = z + step.extent.hiddenSize
    return Gates(
      left: TwoVectors(
        left: OneVector(vector: load(r, lanes)), right: OneVector(vector: load(z, lanes))),
      right: OneVector(vector: step.inputProduct == nil ? startOfQ(unit, lanes) : load(n, lanes)))
  }

  /// n's sum makes room for q's.
  @inline(always) func turn(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    store(gates.right.vector, step.gates[row] + 2 * step.extent.hiddenSize + unit, lanes)
    return Gates(left: gates.left, right: OneVector(vector: startOfQ(unit, lanes)))
  }

  @inline(always) private func startOfQ(_ unit: Int, _ lanes: Int) -> Vector {
    step.candidateBias.map { load($0 + unit, lanes) } ?? .zero
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
    store(blend(n, previousHidden, by: z), hidden, lanes)
  }
}

/// The second half of a GRU that resets before the product.
private struct FusedCandidate<State: PointwiseFunction>: FusedStep {
  typealias Gates = OneVector
  let step: GRUStep
  let τ: State

  @inline(always) static var units: Int { Vector.scalarCount }
  @inline(always) static var isUsual: Bool { State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 3, row, unit, step.extent.hiddenSize)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    OneVector(vector: load(step.start[row] + 2 * step.extent.hiddenSize + unit, lanes))
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
    store(blend(n, previousHidden, by: load(zGate, lanes)), hidden, lanes)
  }
}

private func backwardGRU(
  _ step: GRUStepGradient, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  runBackward(
    FusedGRUGradient(step: step, σ: σ, τ: τ), rows: step.extent.rows,
    hiddenSize: step.extent.hiddenSize, step.product)
}

private struct FusedGRUGradient<Gate: PointwiseFunction, State: PointwiseFunction>: FusedGradient {
  typealias Gates = OneVector
  let step: GRUStepGradient
  let σ: Gate
  let τ: State

  @inline(always) static var isUsual: Bool { Gate.isInline && State.isInline }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    prefetchGates(step.gates, 3, row, unit, step.extent.hiddenSize)
    refrain_prefetch(step.previousHidden[row] + unit)
    if let candidate = step.candidate { refrain_prefetch(candidate[row] + unit) }
  }

  @inline(always) func finish(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let rGate = step.gates[row] + unit
    let zGate = rGate + size
    let nGate = zGate + size
    let candidate = step.candidate.map { $0[row] + unit }
    let dHidden = step.dHidden[row] + unit
    let dh = load(dHidden, lanes) + step.product.masked(sums, row, unit, lanes)
    guard step.extent.isValid(row) else {
      store(dh, dHidden, lanes)
      store(.zero, rGate, lanes)
      store(.zero, zGate, lanes)
      store(.zero, nGate, lanes)
      if let candidate { store(.zero, candidate, lanes) }
      return
    }
    let z = load(zGate, lanes)
    let n = load(nGate, lanes)
    let previousHidden = load(step.previousHidden[row] + unit, lanes)
    let dn = dh * (1 - z) * τ.derivative(ofOutput: n)
    if let candidate {
      let r = load(rGate, lanes)
      let q = load(candidate, lanes)
      store(dn * q * σ.derivative(ofOutput: r), rGate, lanes)
      store(dn * r, candidate, lanes)
    }
    store(dh * (previousHidden - n) * σ.derivative(ofOutput: z), zGate, lanes)
    store(dn, nGate, lanes)
    store(dh * z, dHidden, lanes)
  }
}
