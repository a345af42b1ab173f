// MinimalSteps.swift — minGRU and minLSTM; equations at MinimalStep

import KernelInterface

extension Level {
  public static func forward(_ step: MinimalStep) {
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
      let nGate = gate + (step.isLSTM ? 2 : 1) * size
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let w = newWeight(gate + j, step.isLSTM, size, lanes)
        let n = τ.value(load(nGate + j, lanes))
        store(n, nGate + j, lanes)
        store(blend(load(previousHidden + j, lanes), n, by: w), hidden + j, lanes)
      }
      sweep(size, part)
    }
  }

  public static func backward(_ gradient: MinimalStepGradient) {
    let step = gradient.step
    let τ = AnyFunction(activation: step.extent.stateActivation)
    let size = step.extent.hiddenSize
    let gateCount = step.isLSTM ? 3 : 2
    for row in 0..<step.extent.rows {
      let gate = step.gates[row]
      guard step.extent.isValid(row) else {
        clear(gate, gateCount * size)
        continue
      }
      let nGate = gate + (gateCount - 1) * size
      let previousHidden = step.previousHidden[row]
      let dHidden = gradient.dHidden[row]
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let w = newWeight(gate + j, step.isLSTM, size, lanes)
        let n = load(nGate + j, lanes)
        let dh = load(dHidden + j, lanes)
        // dx of w = σ(x).
        let dx = dh * (n - load(previousHidden + j, lanes)) * w * (1 - w)
        if step.isLSTM {
          // x = log σ(aᵢ) − log σ(a_f), and (log σ)′(a) = σ(−a).
          let f = load(gate + j, lanes)
          let i = load(gate + size + j, lanes)
          store(-dx * logisticSigmoid(-f), gate + j, lanes)
          store(dx * logisticSigmoid(-i), gate + size + j, lanes)
        } else {
          store(dx, gate + j, lanes)
        }
        store(dh * w * τ.derivative(ofOutput: n), nGate + j, lanes)
        store(dh * (1 - w), dHidden + j, lanes)
      }
      sweep(size, part)
    }
  }
}

/// The weight of the new value: z of a minGRU; σ(aᵢ) / (σ(a_f) + σ(aᵢ)) of a minLSTM. With
/// F = 1 / σ(a_f) = 1 + exp(−a_f), and I likewise, that is F / (F + I); both are divided by the largest
/// of their terms, so that none overflows where both gates are shut.
@inline(always)
private func newWeight(_ gate: MutableValues, _ isLSTM: Bool, _ size: Int, _ lanes: Int) -> Vector {
  let first = load(gate, lanes)
  guard isLSTM else { return logisticSigmoid(first) }
  let second = load(gate + size, lanes)
  let top = atLeast(atLeast(-first, -second), .zero)
  let one = exponential(-top)
  let forget = one + exponential(-first - top)
  let input = one + exponential(-second - top)
  return forget / (forget + input)
}
