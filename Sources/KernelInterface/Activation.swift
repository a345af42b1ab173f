// Activation.swift — the functions a gate or a layer may apply to each element
//
// All of them have a derivative that can be computed from the output alone, which is what backward
// passes keep. Softmax works on rows and is not among them.

/// A pointwise function with its constants.
public struct Activation: Equatable, Sendable {
  public enum Kind: UInt8, CaseIterable, Sendable {
    case linear  // α x + β (α = 1, β = 0 by default)
    case tanh
    case sigmoid
    case relu
    case hardSigmoid  // min(1, max(0, α x + β)); Keras 3: α = 1/6, β = 1/2
    case leakyRelu  // x ≥ 0 ? x : α x
    case elu  // x ≥ 0 ? x : α (eˣ − 1)
    case softplus  // log(1 + eˣ)
    case softsign  // x / (1 + |x|)
    case exponential  // eˣ
    case thresholdedRelu  // x > α ? x : 0
    case scaledTanh  // α tanh(β x)
  }

  public var kind: Kind
  public var alpha: Float
  public var beta: Float
  /// In recurrent steps, what x is clipped to before, −limit … limit. Other places know no limit.
  public var limit = Float.infinity

  public init(_ kind: Kind, alpha: Float = 1, beta: Float = 0) {
    self.kind = kind
    self.alpha = alpha
    self.beta = beta
  }

  /// Whether it is this function and nothing else, for functions without constants.
  public func isPlain(_ kind: Kind) -> Bool { self.kind == kind && limit == .infinity }

  public static let linear = Activation(.linear)
  public static let tanh = Activation(.tanh)
  public static let sigmoid = Activation(.sigmoid)
  public static let relu = Activation(.relu)
}
