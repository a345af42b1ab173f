// OptimizerStep.swift — the arguments of one parameter update, with its equations
//
// g is the gradient after the pass's own preparation: g ← gradientScale · (g + penalty · w), then
// clamped to ±clipValue, then g ← g + weightDecay · w. Reading gradients and moments, and writing moments
// and parameters, is one sweep; the gradient is set to zero behind it.

/// One update of `count` consecutive parameters.
public struct OptimizerStep {
  public enum Rule: Sendable {
    /// m ← μ m + g;  w ← w − η m, or with Nesterov w ← w − η (g + μ m). Without momentum w ← w − η g
    /// and `first` is not touched. Sutskever et al. 2013, in PyTorch's form (no dampening).
    case sgd(momentum: Float, nesterov: Bool)
    /// v ← ρ v + (1 − ρ) g²;  u = g / (√v + ε);  w ← w − η u, or with momentum m ← μ m + u,
    /// w ← w − η m. `first` is m, `second` is v. Tieleman & Hinton 2012, ε as PyTorch.
    case rmsprop(decay: Float, momentum: Float, epsilon: Float)
    /// v ← v + g²;  w ← w − η g / (√v + ε). `second` is v. Duchi et al. 2011.
    case adagrad(epsilon: Float)
    /// m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;
    /// w ← w − η (m / c₁) / (√(v / c₂) + ε), with the bias corrections c = 1 − βᵗ given.
    /// Kingma & Ba 2015. `decoupledDecay` λ: w ← w − η λ w first (Loshchilov & Hutter 2019).
    case adam(
      beta1: Float, beta2: Float, epsilon: Float, correction1: Float, correction2: Float,
      decoupledDecay: Float)
  }

  public var rule: Rule
  public var learningRate: Float
  public var gradientScale: Float
  public var penalty: Float
  /// +∞ for none.
  public var clipValue: Float
  public var weightDecay: Float
  public var count: Int
  public var parameters: MutableValues
  public var gradients: MutableValues
  /// Moments `[count]`; nil where the rule has none.
  public var first: MutableValues?
  public var second: MutableValues?

  public init(
    rule: Rule, learningRate: Float, gradientScale: Float, penalty: Float, clipValue: Float,
    weightDecay: Float, count: Int, parameters: MutableValues, gradients: MutableValues,
    first: MutableValues?, second: MutableValues?
  ) {
    self.rule = rule
    self.learningRate = learningRate
    self.gradientScale = gradientScale
    self.penalty = penalty
    self.clipValue = clipValue
    self.weightDecay = weightDecay
    self.count = count
    self.parameters = parameters
    self.gradients = gradients
    self.first = first
    self.second = second
  }
}
