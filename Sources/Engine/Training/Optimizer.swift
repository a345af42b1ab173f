// Optimizer.swift — how gradients change parameters
//
// The equations are at `OptimizerStep`; here are the names, the options and what is remembered
// between updates.

import Glibc
import Kernels

/// An optimiser with its options.
struct Optimizer: Equatable, Sendable {
  enum Rule: Equatable, Sendable {
    case sgd(momentum: Float, nesterov: Bool)
    case rmsprop(decay: Float, momentum: Float, epsilon: Float)
    case adagrad(epsilon: Float)
    case adam(beta1: Double, beta2: Double, epsilon: Float, decoupledDecay: Float)
  }

  let rule: Rule
  let learningRate: Double
  let weightDecay: Float
  let canonical: String

  private static func rate(_ value: Double) -> Option {
    Option(
      "learning_rate", .number(.nonNegative), default: .number(value),
      "Step size per update; a schedule scales it.")
  }
  private static let decay = Option(
    "weight_decay", .number(.nonNegative), default: .number(0),
    "Added to the gradient, times the parameter.")
  private static func epsilon(_ value: Double) -> Option {
    Option(
      "epsilon", .number(.nonNegative), default: .number(value), "Added to the denominator.")
  }
  private static let fraction = OptionType.number(.fraction)

  static let signatures: [Signature] = [
    Signature(
      kind: .optimizer, name: "SGD", meaning: "Gradient descent, with momentum if wanted.",
      options: [
        rate(0.01),
        Option("momentum", fraction, default: .number(0), "Share of the last step that goes on."),
        Option("nesterov", .boolean, default: .boolean(false), "Whether to look one step ahead."),
        decay,
      ]),
    Signature(
      kind: .optimizer, name: "RMSprop",
      meaning: "Steps divided by a running root mean square (Tieleman & Hinton 2012).",
      options: [
        rate(0.001),
        Option("decay", fraction, default: .number(0.9), "Of the running mean square."),
        Option("momentum", fraction, default: .number(0), "Share of the last step that goes on."),
        epsilon(1e-7), decay,
      ]),
    Signature(
      kind: .optimizer, name: "Adagrad",
      meaning: "Steps divided by the root of all squares so far (Duchi et al. 2011).",
      options: [rate(0.001), epsilon(1e-7), decay]),
    Signature(
      kind: .optimizer, name: "Adam",
      meaning: "Running mean over running root mean square (Kingma & Ba 2015).",
      options: [
        rate(0.001),
        Option("beta1", fraction, default: .number(0.9), "Decay of the running mean."),
        Option("beta2", fraction, default: .number(0.999), "Decay of the running mean square."),
        epsilon(1e-7), decay,
      ]),
    Signature(
      kind: .optimizer, name: "AdamW",
      meaning: "Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019).",
      options: [
        rate(0.001),
        Option("beta1", fraction, default: .number(0.9), "Decay of the running mean."),
        Option("beta2", fraction, default: .number(0.999), "Decay of the running mean square."),
        epsilon(1e-7),
        Option(
          "weight_decay", .number(.nonNegative), default: .number(0.004),
          "Share of each parameter taken away per update, times the learning rate."),
      ]),
  ]

  init(_ call: BoundCall) {
    learningRate = call.number("learning_rate")
    canonical = call.canonical
    let decay = Float(call.number("weight_decay"))
    weightDecay = call.name == "AdamW" ? 0 : decay
    func float(_ name: String) -> Float { Float(call.number(name)) }
    switch call.name {
    case "SGD":
      rule = .sgd(momentum: float("momentum"), nesterov: call.boolean("nesterov"))
    case "RMSprop":
      rule = .rmsprop(
        decay: float("decay"), momentum: float("momentum"), epsilon: float("epsilon"))
    case "Adagrad":
      rule = .adagrad(epsilon: float("epsilon"))
    case "Adam", "AdamW":
      rule = .adam(
        beta1: call.number("beta1"), beta2: call.number("beta2"), epsilon: float("epsilon"),
        decoupledDecay: call.name == "AdamW" ? decay : 0)
    default: preconditionFailure("no optimizer \(call.name) in the registry")
    }
  }

  /// Whether there is a first moment (momentum or mean), and a second (squares).
  var hasFirstMoment: Bool {
    switch rule {
    case .sgd(let momentum, _), .rmsprop(_, let momentum, _): momentum > 0
    case .adagrad: false
    case .adam: true
    }
  }
  var hasSecondMoment: Bool { if case .sgd = rule { false } else { true } }

  /// The rule of update number `update`, which counts from 1.
  func rule(update: Int) -> OptimizerStep.Rule {
    switch rule {
    case .sgd(let momentum, let nesterov):
      .sgd(momentum: momentum, nesterov: nesterov)
    case .rmsprop(let decay, let momentum, let epsilon):
      .rmsprop(decay: decay, momentum: momentum, epsilon: epsilon)
    case .adagrad(let epsilon):
      .adagrad(epsilon: epsilon)
    case .adam(let beta1, let beta2, let epsilon, let decoupledDecay):
      .adam(
        beta1: Float(beta1), beta2: Float(beta2), epsilon: epsilon,
        correction1: Float(1 - pow(beta1, Double(update))),
        correction2: Float(1 - pow(beta2, Double(update))), decoupledDecay: decoupledDecay)
    }
  }
}
