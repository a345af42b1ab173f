// StepReferences.swift — the cells' timesteps in Double, from the equations, one row at a time

import Kernels
import Testing

/// The pair of activations of a step.
struct ActivationPair: CustomTestStringConvertible, Sendable {
  var gate: Activation
  var state: Activation
  var testDescription: String { "\(gate.kind), \(state.kind)" }

  func σ(_ x: Double) -> Double { reference(gate, x) }
  func τ(_ x: Double) -> Double { reference(state, x) }

  /// The usual pair, and pairs in which each member differs.
  static let all = [
    ActivationPair(gate: .sigmoid, state: .tanh),
    ActivationPair(gate: .sigmoid, state: Activation(.softsign)),
    ActivationPair(gate: Activation(.softplus), state: .tanh),
    ActivationPair(gate: Activation(.elu, alpha: 0.7), state: .sigmoid),
  ]
}

struct ReferenceStep {
  var functions: ActivationPair
  var size: Int

  func rnn(a: [Double]) -> [Double] { a.map(functions.τ) }

  func lstm(a: [Double], c: [Double]) -> (gates: [Double], cell: [Double], hidden: [Double]) {
    var gates = a
    var cell = c
    var hidden = c
    for j in 0..<size {
      let i = functions.σ(a[j])
      let f = functions.σ(a[size + j])
      let g = functions.τ(a[2 * size + j])
      let o = functions.σ(a[3 * size + j])
      (gates[j], gates[size + j], gates[2 * size + j], gates[3 * size + j]) = (i, f, g, o)
      cell[j] = f * c[j] + i * g
      hidden[j] = o * functions.τ(cell[j])
    }
    return (gates, cell, hidden)
  }

  /// With q nil the pre-activations of r and z are activations already.
  func gru(a: [Double], q: [Double]?, h: [Double]) -> (gates: [Double], hidden: [Double]) {
    var gates = a
    var hidden = h
    for j in 0..<size {
      let r = q == nil ? a[j] : functions.σ(a[j])
      let z = q == nil ? a[size + j] : functions.σ(a[size + j])
      let n = functions.τ(a[2 * size + j] + (q.map { r * $0[j] } ?? 0))
      (gates[j], gates[size + j], gates[2 * size + j]) = (r, z, n)
      hidden[j] = (1 - z) * n + z * h[j]
    }
    return (gates, hidden)
  }

  func reset(a: [Double], u: [Double]) -> (gates: [Double], reset: [Double]) {
    var gates = a
    var reset = u
    for j in 0..<size {
      gates[j] = functions.σ(a[j])
      gates[size + j] = functions.σ(a[size + j])
      reset[j] = gates[j] * u[j]
    }
    return (gates, reset)
  }
}

/// The gradient of a function of x by central differences.
func gradient(at x: [Double], _ f: ([Double]) -> Double) -> [Double] {
  let step = 1e-6
  return x.indices.map { index in
    var (up, down) = (x, x)
    up[index] += step
    down[index] -= step
    return (f(up) - f(down)) / (2 * step)
  }
}

func weighted(_ weights: [Double], _ values: [Double]) -> Double {
  zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 }
}
