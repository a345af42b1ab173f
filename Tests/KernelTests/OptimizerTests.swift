// OptimizerTests.swift — several updates of each rule against its equations in Double

import Kernels
import Testing

/// A parameter with its moments.
private struct Reference {
  var w: Double
  var m = 0.0
  var v = 0.0

  mutating func update(_ rule: OptimizerStep.Rule, rate: Double, g: Double) {
    switch rule {
    case .sgd(let momentum, let nesterov):
      m = Double(momentum) * m + g
      w -= rate * (nesterov ? g + Double(momentum) * m : m)
    case .rmsprop(let decay, let momentum, let epsilon):
      v = Double(decay) * v + (1 - Double(decay)) * g * g
      m = Double(momentum) * m + g / (v.squareRoot() + Double(epsilon))
      w -= rate * m
    case .adagrad(let epsilon):
      v += g * g
      w -= rate * g / (v.squareRoot() + Double(epsilon))
    case .adam(let beta1, let beta2, let epsilon, let c1, let c2, let decay):
      m = Double(beta1) * m + (1 - Double(beta1)) * g
      v = Double(beta2) * v + (1 - Double(beta2)) * g * g
      w -= rate * Double(decay) * w
      w -= rate * (m / Double(c1)) / ((v / Double(c2)).squareRoot() + Double(epsilon))
    }
  }
}

@Suite struct OptimizerTests {
  /// The rule of update t, from 1.
  static let rules: [@Sendable (Int) -> OptimizerStep.Rule] = [
    { _ in .sgd(momentum: 0, nesterov: false) },
    { _ in .sgd(momentum: 0.9, nesterov: false) },
    { _ in .sgd(momentum: 0.8, nesterov: true) },
    { _ in .rmsprop(decay: 0.9, momentum: 0, epsilon: 1e-3) },
    { _ in .rmsprop(decay: 0.9, momentum: 0.7, epsilon: 1e-3) },
    { _ in .adagrad(epsilon: 1e-3) },
    { t in
      .adam(
        beta1: 0.9, beta2: 0.99, epsilon: 1e-3, correction1: 1 - power(0.9, t),
        correction2: 1 - power(0.99, t), decoupledDecay: 0)
    },
    { t in
      .adam(
        beta1: 0.9, beta2: 0.99, epsilon: 1e-3, correction1: 1 - power(0.9, t),
        correction2: 1 - power(0.99, t), decoupledDecay: 0.3)
    },
  ]

  @Test(arguments: TestedLevel.all, rules.indices)
  func updatesAgree(level: TestedLevel, index: Int) {
    for count in [1, 15, 16, 37] {
      for (scale, penalty, clip, decay) in [(1, 0, Float.infinity, 0), (0.5, 0.3, 0.6, 0.2)]
        as [(Float, Float, Float, Float)]
      {
        let parameters = Memory(numbers(count, seed: 1))
        let gradients = Memory(count: count)
        let first = Memory([Float](repeating: 0, count: count))
        let second = Memory([Float](repeating: 0, count: count))
        var references = parameters.values.map { Reference(w: Double($0)) }
        for t in 1...4 {
          let rule = Self.rules[index](t)
          let g = numbers(count, seed: 100 + UInt64(t))
          for (position, value) in g.enumerated() { gradients.pointer[position] = value }
          level.kernels.update(
            OptimizerStep(
              rule: rule, learningRate: 0.05, gradientScale: scale, penalty: penalty,
              clipValue: clip, weightDecay: decay, count: count, parameters: parameters.pointer,
              gradients: gradients.pointer, first: first.pointer, second: second.pointer))
          for position in 0..<count {
            let w = references[position].w
            let scaled = (Double(g[position]) + Double(penalty) * w) * Double(scale)
            let clipped = min(max(scaled, -Double(clip)), Double(clip))
            references[position].update(
              rule, rate: Double(Float(0.05)),
              g: clipped + Double(decay) * w)
          }
        }
        expectClose(
          parameters.values, references.map(\.w), tolerance: 3e-6, "rule \(index), \(count)")
        #expect(gradients.values.allSatisfy { $0 == 0 })
        _ = (first.values, second.values)
      }
    }
  }

  @Test(arguments: TestedLevel.all)
  func rulesWithoutMomentsDoNotNeedTheirMemory(level: TestedLevel) {
    let w = Memory([1, 2, 3])
    let g = Memory([1, 1, .nan])
    level.kernels.update(
      OptimizerStep(
        rule: .sgd(momentum: 0, nesterov: false), learningRate: 0.5, gradientScale: 1,
        penalty: 0, clipValue: 10, weightDecay: 0, count: 3, parameters: w.pointer,
        gradients: g.pointer, first: nil, second: nil))
    #expect(w.values[..<2] == [0.5, 1.5] && w.values[2].isNaN)
  }
}

private func power(_ base: Float, _ exponent: Int) -> Float {
  (0..<exponent).reduce(1) { result, _ in result * base }
}
