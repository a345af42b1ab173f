// ActivationTests.swift — accuracy of every activation over the whole range of floats

import Foundation
import Kernels
import Testing

/// The activations with constants that differ from their defaults.
let testedActivations: [Activation] = [
  Activation(.linear, alpha: 1.5), .tanh, .sigmoid, .relu,
  Activation(.hardSigmoid, alpha: 0.2, beta: 0.45), Activation(.leakyRelu, alpha: 0.3),
  Activation(.elu, alpha: 1.3), Activation(.softplus), Activation(.softsign),
  Activation(.exponential), Activation(.thresholdedRelu, alpha: 0.8),
  Activation(.scaledTanh, alpha: 1.7, beta: 0.6),
]

/// The definition in Double.
func reference(_ activation: Activation, _ x: Double) -> Double {
  let alpha = Double(activation.alpha)
  switch activation.kind {
  case .linear: return alpha * x + Double(activation.beta)
  case .tanh: return tanh(x)
  case .sigmoid: return 1 / (1 + exp(-x))
  case .relu: return x < 0 ? 0 : x
  case .hardSigmoid:
    let line = alpha * x + Double(activation.beta)
    return line < 0 ? 0 : line > 1 ? 1 : line
  case .leakyRelu: return x < 0 ? alpha * x : x
  case .elu: return x < 0 ? alpha * expm1(x) : x
  case .softplus: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
  case .softsign: return x.isInfinite ? (x < 0 ? -1 : 1) : x / (1 + abs(x))
  case .exponential: return exp(x)
  case .thresholdedRelu: return x > alpha ? x : 0
  case .scaledTanh: return alpha * tanh(Double(activation.beta) * x)
  }
}

/// From the input, unlike the kernels.
func referenceDerivative(_ activation: Activation, _ x: Double) -> Double {
  let alpha = Double(activation.alpha)
  switch activation.kind {
  case .linear: return alpha
  case .tanh: return 1 / (cosh(x) * cosh(x))
  case .sigmoid: return 1 / (1 + exp(-x)) / (1 + exp(x))
  case .relu: return x > 0 ? 1 : 0
  case .hardSigmoid:
    let line = alpha * x + Double(activation.beta)
    return line > 0 && line < 1 ? alpha : 0
  case .leakyRelu: return x > 0 ? 1 : alpha
  case .elu: return x > 0 ? 1 : alpha * exp(x)
  case .softplus: return 1 / (1 + exp(-x))
  case .softsign: return 1 / ((1 + abs(x)) * (1 + abs(x)))
  case .exponential: return exp(x)
  case .thresholdedRelu: return x > alpha ? 1 : 0
  case .scaledTanh:
    let beta = Double(activation.beta)
    return alpha * beta / (cosh(beta * x) * cosh(beta * x))
  }
}

/// Largest error that the doc comments allow, in ulp.
private func bound(_ kind: Activation.Kind) -> Double {
  switch kind {
  case .linear, .relu, .leakyRelu, .thresholdedRelu: 0.51
  case .softsign, .exponential: 2
  case .hardSigmoid, .sigmoid: 3
  case .softplus: 4
  case .tanh: 6
  case .scaledTanh: 8
  case .elu: 10
  }
}

@Suite struct ActivationTests {
  /// Every 4099th float, so about a million of both signs, all exponents and denormals among them.
  static let sweep: [Float] = stride(from: UInt32(0), through: 0xff80_0000, by: 4099)
    .map { Float(bitPattern: $0) }.filter { !$0.isNaN }
  static let special: [Float] = [
    0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
    .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 9.02, -9.02, 88.72,
    88.73, -87.4, -103.9, -104.1, 1, -1,
  ]

  @Test(arguments: TestedLevel.all, testedActivations)
  func valuesAreWithinTheirBounds(level: TestedLevel, activation: Activation) {
    let inputs = Self.sweep + Self.special
    let x = Memory(inputs)
    let y = Memory(count: inputs.count)
    level.kernels.activate(activation, x.constant, y.pointer, count: inputs.count)
    var worst = (error: 0.0, x: Float(0), y: Float(0))
    for (x, y) in zip(inputs, y.values) {
      let expected = reference(activation, Double(x))
      // Denormal results are rounded to few bits, and below e⁻⁸⁸ the sigmoid may be 0.
      if abs(expected) < Double(Float.leastNormalMagnitude) {
        #expect(abs(Double(y) - expected) < Double(Float.leastNormalMagnitude))
        continue
      }
      // αx + β cancels at the foot of the line.
      if activation.kind == .hardSigmoid && abs(Double(y) - expected) < 1e-7 { continue }
      let error = ulps(y, expected)
      if error > worst.error { worst = (error, x, y) }
    }
    #expect(
      worst.error <= bound(activation.kind),
      "\(activation.kind)(\(worst.x)) = \(worst.y), \(worst.error) ulp")
  }

  @Test(arguments: TestedLevel.all, testedActivations)
  func nanStaysNan(level: TestedLevel, activation: Activation) {
    let x = Memory([Float](repeating: .nan, count: 19))
    level.kernels.activate(activation, x.constant, x.pointer, count: 19)
    #expect(x.values.allSatisfy { $0.isNaN })
  }

  @Test(arguments: TestedLevel.all)
  func tanhAndSigmoidSaturate(level: TestedLevel) {
    let large: [Float] = [9.5, 20, 88, 1e3, 1e30, .infinity, -9.5, -20, -104, -1e3, -.infinity]
    let x = Memory(large)
    let y = Memory(count: large.count)
    level.kernels.activate(.tanh, x.constant, y.pointer, count: large.count)
    #expect(y.values == large.map { $0 < 0 ? -1 : 1 })
    level.kernels.activate(.sigmoid, x.constant, y.pointer, count: large.count)
    #expect(y.values[1...5].allSatisfy { $0 == 1 })
    #expect(y.values[8...].allSatisfy { $0 == 0 })

    let zero = Memory([0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude])
    level.kernels.activate(.tanh, zero.constant, zero.pointer, count: 4)
    let expected: [Float] = [0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude]
    #expect(zero.values.bits == expected.bits)
  }

  @Test(arguments: TestedLevel.all, testedActivations)
  func anElementHasTheSameBitsWhereverItLies(level: TestedLevel, activation: Activation) {
    let inputs = numbers(67, seed: 9, scale: 6)
    let x = Memory(inputs)
    let whole = Memory(count: 67)
    level.kernels.activate(activation, x.constant, whole.pointer, count: 67)
    for count in oddSizes where count <= 60 {
      let part = Memory(count: count)
      level.kernels.activate(activation, x.constant + 5, part.pointer, count: count)
      #expect(part.values.bits == Array(whole.values[5..<5 + count]).bits)
    }
  }

  @Test(arguments: TestedLevel.all, testedActivations)
  func derivativesAgree(level: TestedLevel, activation: Activation) {
    let inputs = numbers(203, seed: 10, scale: 5)
    let dy = numbers(203, seed: 11)
    let x = Memory(inputs)
    let gradient = Memory(dy)
    level.kernels.activate(activation, x.constant, x.pointer, count: 203)
    level.kernels.activateBackward(
      activation, x.constant, gradient.constant, gradient.pointer, count: 203)
    let expected = zip(inputs, dy).map {
      referenceDerivative(activation, Double($0)) * Double($1)
    }
    expectClose(gradient.values, expected, tolerance: 2e-6, "\(activation.kind)")
  }

  @Test(arguments: TestedLevel.all)
  func softplusKeepsSmallDerivatives(level: TestedLevel) {
    let x = Memory([-30])
    let one = Memory([1])
    level.kernels.activate(Activation(.softplus), x.constant, x.pointer, count: 1)
    level.kernels.activateBackward(
      Activation(.softplus), x.constant, one.constant, one.pointer, count: 1)
    #expect(ulps(one.values[0], exp(-30)) < 20)
  }
}
