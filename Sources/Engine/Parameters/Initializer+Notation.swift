// Initializer+Notation.swift — initialisers by name

extension Initializer {
  static let signatures: [Signature] = [
    signature("zeros", "All 0."),
    signature("ones", "All 1."),
    signature(
      "constant", "All the same.",
      [Option("value", .number(.any), default: .number(0), "The value.")]),
    signature(
      "uniform", "Uniform between two bounds.",
      [
        Option("minimum", .number(.any), default: .number(-0.05), "Lower bound."),
        Option("maximum", .number(.any), default: .number(0.05), "Upper bound."),
      ]),
    signature(
      "normal", "Normal distribution.",
      [
        Option("mean", .number(.any), default: .number(0), "Mean."),
        Option("deviation", .number(.nonNegative), default: .number(0.05), "Standard deviation."),
      ]),
    signature(
      "glorot_uniform", "Uniform with variance 2 / (fan in + fan out): Glorot & Bengio 2010."),
    signature(
      "glorot_normal", "Normal with variance 2 / (fan in + fan out): Glorot & Bengio 2010."),
    signature("he_uniform", "Uniform with variance 2 / fan in, for relu: He et al. 2015."),
    signature("he_normal", "Normal with variance 2 / fan in, for relu: He et al. 2015."),
    signature("lecun_uniform", "Uniform with variance 1 / fan in: LeCun et al. 1998."),
    signature("lecun_normal", "Normal with variance 1 / fan in: LeCun et al. 1998."),
    signature(
      "orthogonal", "Orthonormal columns, or rows if there are fewer: Saxe et al. 2014.",
      [Option("gain", .number(.any), default: .number(1), "Factor.")]),
  ]

  private static func signature(_ name: String, _ meaning: String, _ options: [Option] = [])
    -> Signature
  {
    Signature(kind: .initializer, name: name, meaning: meaning, options: options)
  }

  init(_ call: BoundCall) {
    self =
      switch call.name {
      case "zeros": .constant(0)
      case "ones": .constant(1)
      case "constant": .constant(call.number("value"))
      case "uniform":
        .uniform(minimum: call.number("minimum"), maximum: call.number("maximum"))
      case "normal": .normal(mean: call.number("mean"), deviation: call.number("deviation"))
      case "glorot_uniform": .varianceScaling(scale: 1, fan: .mean, isUniform: true)
      case "glorot_normal": .varianceScaling(scale: 1, fan: .mean, isUniform: false)
      case "he_uniform": .varianceScaling(scale: 2, fan: .input, isUniform: true)
      case "he_normal": .varianceScaling(scale: 2, fan: .input, isUniform: false)
      case "lecun_uniform": .varianceScaling(scale: 1, fan: .input, isUniform: true)
      case "lecun_normal": .varianceScaling(scale: 1, fan: .input, isUniform: false)
      case "orthogonal": .orthogonal(gain: call.number("gain"))
      default: preconditionFailure("no initializer \(call.name) in the registry")
      }
  }
}
