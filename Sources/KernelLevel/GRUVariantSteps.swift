// GRUVariantSteps.swift — the GRU from finished sums, with attention, and the minimal gated unit;
// equations at GRUSumsStep, MGUResetStep and MGUStep

import KernelInterface

extension Level {
  public static func forward(_ step: GRUSumsStep) {
    if step.extent.isUsual {
      forwardSums(step, Sigmoid(), Tanh())
    } else {
      forwardSums(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }

  public static func backward(_ gradient: GRUSumsStepGradient) {
    if gradient.step.extent.isUsual {
      backwardSums(gradient, Sigmoid(), Tanh())
    } else {
      backwardSums(
        gradient, AnyFunction(activation: gradient.step.extent.gateActivation),
        AnyFunction(activation: gradient.step.extent.stateActivation))
    }
  }

  public static func forward(_ step: MGUResetStep) {
    let σ = AnyFunction(activation: step.extent.gateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let reset = step.reset[row]
      guard step.extent.isValid(row) else {
        clear(reset, size)
        continue
      }
      let gate = step.gates[row]
      let u = step.recurrentInput[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let f = σ.value(load(gate + j, lanes))
        store(f, gate + j, lanes)
        store(f * load(u + j, lanes), reset + j, lanes)
      }
      sweep(size, part)
    }
  }

  public static func backward(_ gradient: MGUResetStepGradient) {
    let step = gradient.step
    let σ = AnyFunction(activation: step.extent.gateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let gate = step.gates[row]
      let dReset = gradient.dReset[row]
      guard step.extent.isValid(row) else {
        clear(gate, size)
        clear(dReset, size)
        continue
      }
      let u = step.recurrentInput[row]
      let dForget = gradient.dForget[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let f = load(gate + j, lanes)
        let ds = load(dReset + j, lanes)
        let df = multiplyAdd(ds, load(u + j, lanes), load(dForget + j, lanes))
        store(df * σ.derivative(ofOutput: f), gate + j, lanes)
        store(ds * f, dReset + j, lanes)
      }
      sweep(size, part)
    }
  }

  public static func forward(_ step: MGUStep) {
    let τ = AnyFunction(activation: step.extent.stateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let previousHidden = step.previousHidden[row]
      let hidden = step.hidden[row]
      guard step.extent.isValid(row) else {
        copy(previousHidden, hidden, size)
        continue
      }
      let gate = step.gates[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let f = load(gate + j, lanes)
        let n = τ.value(load(gate + size + j, lanes))
        store(n, gate + size + j, lanes)
        store(blend(load(previousHidden + j, lanes), n, by: f), hidden + j, lanes)
      }
      sweep(size, part)
    }
  }

  public static func backward(_ gradient: MGUStepGradient) {
    let step = gradient.step
    let τ = AnyFunction(activation: step.extent.stateActivation)
    let size = step.extent.hiddenSize
    for row in 0..<step.extent.rows {
      let gate = step.gates[row]
      let dForget = gradient.dForget[row]
      guard step.extent.isValid(row) else {
        clear(gate, 2 * size)
        clear(dForget, size)
        continue
      }
      let previousHidden = step.previousHidden[row]
      let dHidden = gradient.dHidden[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let f = load(gate + j, lanes)
        let n = load(gate + size + j, lanes)
        let dh = load(dHidden + j, lanes)
        store(dh * (n - load(previousHidden + j, lanes)), dForget + j, lanes)
        store(dh * f * τ.derivative(ofOutput: n), gate + size + j, lanes)
        store(dh * (1 - f), dHidden + j, lanes)
      }
      sweep(size, part)
    }
  }
}

private func forwardSums(
  _ step: GRUSumsStep, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let size = step.extent.hiddenSize
  for row in 0..<step.extent.rows {
    let previousHidden = step.previousHidden[row]
    let hidden = step.hidden[row]
    guard step.extent.isValid(row) else {
      copy(previousHidden, hidden, size)
      continue
    }
    let rGate = step.gates[row]
    let zGate = rGate + size
    let nGate = zGate + size
    let candidate = step.candidate?[row]
    let kept = Vector(repeating: 1 - (step.scores?[row].pointee ?? 0))
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      var z = load(zGate + j, lanes)
      var sum = load(nGate + j, lanes)
      if let candidate {
        let r = σ.value(load(rGate + j, lanes))
        z = σ.value(z)
        sum = multiplyAdd(r, load(candidate + j, lanes), sum)
        store(r, rGate + j, lanes)
        store(z, zGate + j, lanes)
      }
      let n = τ.value(sum)
      store(n, nGate + j, lanes)
      store(blend(n, load(previousHidden + j, lanes), by: z * kept), hidden + j, lanes)
    }
    sweep(size, part)
  }
}

private func backwardSums(
  _ gradient: GRUSumsStepGradient, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let step = gradient.step
  let size = step.extent.hiddenSize
  for row in 0..<step.extent.rows {
    let rGate = step.gates[row]
    let zGate = rGate + size
    let nGate = zGate + size
    let candidate = step.candidate?[row]
    guard step.extent.isValid(row) else {
      clear(rGate, 3 * size)
      if let candidate { clear(candidate, size) }
      continue
    }
    let previousHidden = step.previousHidden[row]
    let dHidden = gradient.dHidden[row]
    let kept = Vector(repeating: 1 - (step.scores?[row].pointee ?? 0))
    var dKept = Vector.zero
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let z = load(zGate + j, lanes)
      let n = load(nGate + j, lanes)
      let dh = load(dHidden + j, lanes)
      let update = z * kept
      let dUpdate = dh * (load(previousHidden + j, lanes) - n)
      let dn = dh * (1 - update) * τ.derivative(ofOutput: n)
      if let candidate {
        let r = load(rGate + j, lanes)
        store(dn * load(candidate + j, lanes) * σ.derivative(ofOutput: r), rGate + j, lanes)
        store(dn * r, candidate + j, lanes)
      }
      dKept = multiplyAdd(dUpdate, z, dKept)
      store(dUpdate * kept * σ.derivative(ofOutput: z), zGate + j, lanes)
      store(dn, nGate + j, lanes)
      store(dh * update, dHidden + j, lanes)
    }
    sweep(size, part)
    if let dScores = gradient.dScores { dScores[row].pointee -= sum(dKept) }
  }
}
