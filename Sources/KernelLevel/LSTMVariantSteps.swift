// LSTMVariantSteps.swift — the LSTM with peepholes, coupled gates and a clipped or normalised cell;
// equations at LSTMCellStep and LSTMOutputStep

import KernelInterface

extension Level {
  public static func forward(_ step: LSTMCellStep) {
    if step.extent.isUsual {
      forwardCell(step, Sigmoid(), Tanh())
    } else {
      forwardCell(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.extent.stateActivation))
    }
  }

  public static func backward(_ gradient: LSTMCellStepGradient) {
    if gradient.step.extent.isUsual {
      backwardCell(gradient, Sigmoid(), Tanh())
    } else {
      backwardCell(
        gradient, AnyFunction(activation: gradient.step.extent.gateActivation),
        AnyFunction(activation: gradient.step.extent.stateActivation))
    }
  }

  public static func forward(_ step: LSTMOutputStep) {
    if step.isUsual {
      forwardOutput(step, Sigmoid(), Tanh())
    } else {
      forwardOutput(
        step, AnyFunction(activation: step.extent.gateActivation),
        AnyFunction(activation: step.outputActivation))
    }
  }

  public static func backward(_ gradient: LSTMOutputStepGradient) {
    if gradient.step.isUsual {
      backwardOutput(gradient, Sigmoid(), Tanh())
    } else {
      backwardOutput(
        gradient, AnyFunction(activation: gradient.step.extent.gateActivation),
        AnyFunction(activation: gradient.step.outputActivation))
    }
  }
}

extension LSTMOutputStep {
  fileprivate var isUsual: Bool {
    extent.gateActivation.isPlain(.sigmoid) && outputActivation.isPlain(.tanh)
  }
}

/// Where the gates of a row lie, and their peepholes.
private struct GatePlaces {
  let i, f, g, o: MutableValues
  let pI, pF, pO: Values?
  let isCoupled: Bool

  @inline(always)
  init(_ gates: MutableValues, isCoupled: Bool, _ peephole: Values?, _ size: Int) {
    self.isCoupled = isCoupled
    // Coupled gates are f g o: then i is none of them, and never touched.
    i = gates
    f = isCoupled ? gates : gates + size
    g = f + size
    o = g + size
    pI = peephole
    pF = peephole.map { isCoupled ? $0 : $0 + size }
    pO = pF.map { $0 + size }
  }
}

/// a + p ⊙ c
@inline(always)
private func peep(_ a: Vector, _ peephole: Values?, _ c: Vector, _ j: Int, _ lanes: Int) -> Vector {
  guard let peephole else { return a }
  return multiplyAdd(load(peephole + j, lanes), c, a)
}

private func forwardCell(
  _ step: LSTMCellStep, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let size = step.extent.hiddenSize
  let limit = Vector(repeating: step.cellLimit)
  for row in 0..<step.extent.rows {
    let previousCell = step.previousCell[row]
    let cell = step.cell[row]
    guard step.extent.isValid(row) else {
      copy(previousCell, cell, size)
      continue
    }
    let gates = GatePlaces(step.gates[row], isCoupled: step.isCoupled, step.peephole, size)
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let previous = load(previousCell + j, lanes)
      let f = σ.value(peep(load(gates.f + j, lanes), gates.pF, previous, j, lanes))
      let g = τ.value(load(gates.g + j, lanes))
      var i = 1 - f
      if !gates.isCoupled {
        i = σ.value(peep(load(gates.i + j, lanes), gates.pI, previous, j, lanes))
        store(i, gates.i + j, lanes)
      }
      store(f, gates.f + j, lanes)
      store(g, gates.g + j, lanes)
      let c = multiplyAdd(f, previous, i * g)
      store(atLeast(atMost(c, limit), -limit), cell + j, lanes)
    }
    sweep(size, part)
  }
}

private func backwardCell(
  _ gradient: LSTMCellStepGradient, _ σ: some PointwiseFunction, _ τ: some PointwiseFunction
) {
  let step = gradient.step
  let size = step.extent.hiddenSize
  let limit = Vector(repeating: step.cellLimit)
  for row in 0..<step.extent.rows {
    let gates = GatePlaces(step.gates[row], isCoupled: step.isCoupled, step.peephole, size)
    guard step.extent.isValid(row) else {
      clear(gates.i, (step.isCoupled ? 2 : 3) * size)
      continue
    }
    let previousCell = step.previousCell[row]
    let dCell = gradient.dCell[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let previous = load(previousCell + j, lanes)
      let f = load(gates.f + j, lanes)
      let g = load(gates.g + j, lanes)
      let i = gates.isCoupled ? 1 - f : load(gates.i + j, lanes)
      let c = multiplyAdd(f, previous, i * g)
      let isOutside = (c .> limit) .| (c .< -limit)
      let dc = load(dCell + j, lanes).replacing(with: Vector.zero, where: isOutside)
      var df = dc * previous
      var dPrevious = dc * f
      if gates.isCoupled {
        df -= dc * g
      } else {
        let di = dc * g * σ.derivative(ofOutput: i)
        store(di, gates.i + j, lanes)
        dPrevious = peep(dPrevious, gates.pI, di, j, lanes)
      }
      df *= σ.derivative(ofOutput: f)
      store(df, gates.f + j, lanes)
      store(dc * i * τ.derivative(ofOutput: g), gates.g + j, lanes)
      store(peep(dPrevious, gates.pF, df, j, lanes), dCell + j, lanes)
    }
    sweep(size, part)
  }
}

private func forwardOutput(
  _ step: LSTMOutputStep, _ σ: some PointwiseFunction, _ ω: some PointwiseFunction
) {
  let size = step.extent.hiddenSize
  for row in 0..<step.extent.rows where step.extent.isValid(row) {
    let gates = GatePlaces(step.gates[row], isCoupled: step.isCoupled, step.peephole, size)
    let cell = step.cell[row]
    let normalizedCell = step.normalizedCell[row]
    let output = step.output[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let o = σ.value(peep(load(gates.o + j, lanes), gates.pO, load(cell + j, lanes), j, lanes))
      store(o, gates.o + j, lanes)
      store(o * ω.value(load(normalizedCell + j, lanes)), output + j, lanes)
    }
    sweep(size, part)
  }
}

private func backwardOutput(
  _ gradient: LSTMOutputStepGradient, _ σ: some PointwiseFunction, _ ω: some PointwiseFunction
) {
  let step = gradient.step
  let size = step.extent.hiddenSize
  for row in 0..<step.extent.rows {
    let gates = GatePlaces(step.gates[row], isCoupled: step.isCoupled, step.peephole, size)
    let dOutput = gradient.dOutput[row]
    guard step.extent.isValid(row) else {
      clear(gates.o, size)
      clear(dOutput, size)
      continue
    }
    let normalizedCell = step.normalizedCell[row]
    let dCell = gradient.dCell[row]
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let dm = load(dOutput + j, lanes)
      let o = load(gates.o + j, lanes)
      let squashed = ω.value(load(normalizedCell + j, lanes))
      let da = dm * squashed * σ.derivative(ofOutput: o)
      store(da, gates.o + j, lanes)
      store(dm * o * ω.derivative(ofOutput: squashed), dOutput + j, lanes)
      store(peep(load(dCell + j, lanes), gates.pO, da, j, lanes), dCell + j, lanes)
    }
    sweep(size, part)
  }
}
