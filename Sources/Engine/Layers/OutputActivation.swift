// OutputActivation.swift — what a layer may apply to its result, by name
//
// Pointwise functions, and softmax over the last axis. Softmax and sigmoid are the ones that losses
// look behind: a cross-entropy takes their logits, so no logarithm of zero is ever formed.

import Kernels

enum OutputActivation: Equatable, Sendable {
  case pointwise(Activation)
  case softmax

  static let signatures: [Signature] = [
    signature("linear", "x"),
    signature("tanh", "Hyperbolic tangent."),
    signature("sigmoid", "1 / (1 + exp(−x))"),
    signature("relu", "max(0, x)"),
    signature(
      "hard_sigmoid", "max(0, min(1, alpha x + beta))",
      [
        Option("alpha", .number(.any), default: .number(1.0 / 6), "Slope."),
        Option("beta", .number(.any), default: .number(0.5), "Value at 0."),
      ]),
    signature(
      "leaky_relu", "x where positive, slope · x elsewhere.",
      [Option("slope", .number(.nonNegative), default: .number(0.01), "Slope for negative x.")]),
    signature(
      "elu", "x where positive, alpha (exp(x) − 1) elsewhere: Clevert et al. 2016.",
      [Option("alpha", .number(.positive), default: .number(1), "Limit for negative x, negated.")]),
    signature("softplus", "log(1 + exp(x))"),
    signature("softsign", "x / (1 + |x|)"),
    signature("exponential", "exp(x)"),
    signature(
      "affine", "alpha x + beta",
      [
        Option("alpha", .number(.any), default: .number(1), "Slope."),
        Option("beta", .number(.any), default: .number(0), "Value at 0."),
      ]),
    signature(
      "scaled_tanh", "alpha tanh(beta x)",
      [
        Option("alpha", .number(.any), default: .number(1), "Limit."),
        Option("beta", .number(.any), default: .number(1), "Factor of x."),
      ]),
    signature(
      "thresholded_relu", "x where greater than alpha, 0 elsewhere: Konda et al. 2015.",
      [Option("alpha", .number(.nonNegative), default: .number(1), "Threshold.")]),
    signature("softmax", "exp(x) / Σ exp(x), over the last axis."),
  ]

  private static func signature(_ name: String, _ meaning: String, _ options: [Option] = [])
    -> Signature
  {
    Signature(kind: .activation, name: name, meaning: meaning, options: options)
  }

  init(_ call: BoundCall) {
    self =
      switch call.name {
      case "linear": .pointwise(.linear)
      case "tanh": .pointwise(.tanh)
      case "sigmoid": .pointwise(.sigmoid)
      case "relu": .pointwise(.relu)
      case "hard_sigmoid": .pointwise(Self.activation(.hardSigmoid, call))
      case "leaky_relu": .pointwise(Activation(.leakyRelu, alpha: Float(call.number("slope"))))
      case "elu": .pointwise(Activation(.elu, alpha: Float(call.number("alpha"))))
      case "softplus": .pointwise(Activation(.softplus))
      case "softsign": .pointwise(Activation(.softsign))
      case "exponential": .pointwise(Activation(.exponential))
      case "affine": .pointwise(Self.activation(.linear, call))
      case "scaled_tanh": .pointwise(Self.activation(.scaledTanh, call))
      case "thresholded_relu":
        .pointwise(Activation(.thresholdedRelu, alpha: Float(call.number("alpha"))))
      case "softmax": .softmax
      default: preconditionFailure("no activation \(call.name) in the registry")
      }
  }

  private static func activation(_ kind: Activation.Kind, _ call: BoundCall) -> Activation {
    Activation(kind, alpha: Float(call.number("alpha")), beta: Float(call.number("beta")))
  }

  /// Whether losses look behind it.
  var hasLogits: Bool { self == .softmax || self == .pointwise(.sigmoid) }

  /// y `[rows, columns]` from x, which may be y.
  func forward(_ x: Values, _ y: MutableValues, rows: Int, columns: Int) {
    switch self {
    case .softmax:
      kernels.softmax(x, y, rows: rows, columns: columns)
    case .pointwise(.linear):
      if x != Values(y) { y.update(from: x, count: rows * columns) }
    case .pointwise(let activation):
      kernels.activate(activation, x, y, count: rows * columns)
    }
  }

  /// dy becomes the gradient of what went in.
  func backward(_ y: Values, _ dy: MutableValues, rows: Int, columns: Int) {
    switch self {
    case .softmax:
      kernels.softmaxBackward(y, dy, dy, rows: rows, columns: columns)
    case .pointwise(.linear):
      break
    case .pointwise(let activation):
      kernels.activateBackward(activation, y, dy, dy, count: rows * columns)
    }
  }
}
