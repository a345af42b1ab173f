// SLSTMSteps.swift — the scalar cell of xLSTM; equations at SLSTMStep

import KernelInterface

extension Level {
  public static func forward(_ step: SLSTMStep) {
    let σ = AnyFunction(activation: step.extent.gateActivation)
    let τ = AnyFunction(activation: step.extent.stateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let previousMemory = step.previousMemory[row]
      let memory = step.memory[row]
      let hidden = step.hidden[row]
      guard step.extent.isValid(row) else {
        copy(previousMemory, memory, 3 * size)
        copy(step.previousHidden[row], hidden, size)
        continue
      }
      let gate = step.gates[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let gates = StabilizedGates(step, gate + j, previousMemory + j, lanes)
        let g = τ.value(load(gate + 2 * size + j, lanes))
        let o = σ.value(load(gate + 3 * size + j, lanes))
        let c = multiplyAdd(gates.f, load(previousMemory + j, lanes), gates.i * g)
        let n = multiplyAdd(gates.f, gates.previousNormalizer, gates.i)
        store(g, gate + 2 * size + j, lanes)
        store(o, gate + 3 * size + j, lanes)
        store(c, memory + j, lanes)
        store(n, memory + size + j, lanes)
        store(gates.m, memory + 2 * size + j, lanes)
        store(o * c / n, hidden + j, lanes)
      }
      sweep(size, part)
    }
  }

  public static func backward(_ gradient: SLSTMStepGradient) {
    let step = gradient.step
    let σ = AnyFunction(activation: step.extent.gateActivation)
    let τ = AnyFunction(activation: step.extent.stateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let gate = step.gates[row]
      guard step.extent.isValid(row) else {
        clear(gate, 4 * size)
        continue
      }
      let previousMemory = step.previousMemory[row]
      let memory = step.memory[row]
      let dHidden = gradient.dHidden[row]
      let dMemory = gradient.dMemory[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let gates = StabilizedGates(step, gate + j, previousMemory + j, lanes)
        let g = load(gate + 2 * size + j, lanes)
        let o = load(gate + 3 * size + j, lanes)
        let c = load(memory + j, lanes)
        let n = load(memory + size + j, lanes)
        let dh = load(dHidden + j, lanes)
        let ratio = c / n
        let dRatio = dh * o / n
        let dc = load(dMemory + j, lanes) + dRatio
        let dn = load(dMemory + size + j, lanes) - dRatio * ratio
        // Those of i and f times i and f: of their exponents.
        let di = (dc * g + dn) * gates.i
        let df =
          multiplyAdd(dc, load(previousMemory + j, lanes), dn * gates.previousNormalizer)
          * gates.f
        let dm = load(dMemory + 2 * size + j, lanes) - di - df
        let da = di + dm.replacing(with: Vector.zero, where: gates.isCarried)
        let dl = df + dm.replacing(with: Vector.zero, where: .!gates.isCarried)
        store(da, gate + j, lanes)
        store(dl * gates.dLogForget, gate + size + j, lanes)
        store(dc * gates.i * τ.derivative(ofOutput: g), gate + 2 * size + j, lanes)
        store(dh * ratio * σ.derivative(ofOutput: o), gate + 3 * size + j, lanes)
        store(dc * gates.f, dMemory + j, lanes)
        store(dn * gates.f, dMemory + size + j, lanes)
        store(dl, dMemory + 2 * size + j, lanes)
        store(.zero, dHidden + j, lanes)
      }
      sweep(size, part)
    }
  }
}

/// log σ(x) = −log(1 + e⁻ˣ)
@inline(always)
private func logarithmOfSigmoid(_ x: Vector) -> Vector { -Softplus().value(-x) }

/// The exponential gates of one vector of units.
private struct StabilizedGates {
  let i, f, m: Vector
  let previousNormalizer: Vector
  /// Where m is l + m₋.
  let isCarried: SIMDMask<Vector.MaskStorage>
  /// l′(a_f)
  let dLogForget: Vector

  @inline(always)
  init(_ step: SLSTMStep, _ gate: MutableValues, _ previousMemory: MutableValues, _ lanes: Int) {
    let size = step.extent.hiddenSize
    let a = load(gate, lanes)
    let forget = load(gate + size, lanes)
    previousNormalizer = load(previousMemory + size, lanes)
    let l = step.isExponential ? forget : logarithmOfSigmoid(forget)
    dLogForget = step.isExponential ? Vector(repeating: 1) : logisticSigmoid(-forget)
    let carried = l + load(previousMemory + 2 * size, lanes)
    isCarried = (carried .> a) .& (previousNormalizer .!= .zero)
    m = a.replacing(with: carried, where: isCarried)
    i = exponential(a - m)
    f = exponential(carried - m).replacing(with: Vector.zero, where: previousNormalizer .== .zero)
  }
}
