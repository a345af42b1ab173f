// PointwiseFunctions.swift — each activation beside its derivative
//
// Derivatives are computed from the output y, which is what a forward pass keeps. At the kink of a
// piecewise function the derivative is that of the left side.

import KernelInterface

/// A function of one element, applied to whole vectors.
protocol PointwiseFunction {
  /// Whether the function is compiled into the loop that applies it.
  static var isInline: Bool { get }
  func value(_ x: Vector) -> Vector
  /// f′(x) for the x that gave y.
  func derivative(ofOutput y: Vector) -> Vector
}

extension PointwiseFunction {
  @inline(always) static var isInline: Bool { true }
}

struct Linear: PointwiseFunction {
  var alpha: Float
  var beta: Float
  @inline(always) func value(_ x: Vector) -> Vector {
    multiplyAdd(x, Vector(repeating: alpha), Vector(repeating: beta))
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector { Vector(repeating: alpha) }
}

struct Tanh: PointwiseFunction {
  @inline(always) func value(_ x: Vector) -> Vector { hyperbolicTangent(x) }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector { 1 - y * y }
}

struct Sigmoid: PointwiseFunction {
  @inline(always) func value(_ x: Vector) -> Vector { logisticSigmoid(x) }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector { y * (1 - y) }
}

struct Relu: PointwiseFunction {
  @inline(always) func value(_ x: Vector) -> Vector { atLeast(x, .zero) }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    Vector.zero.replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct HardSigmoid: PointwiseFunction {
  var alpha: Float
  var beta: Float
  @inline(always) func value(_ x: Vector) -> Vector {
    let line = multiplyAdd(x, Vector(repeating: alpha), Vector(repeating: beta))
    return atMost(atLeast(line, .zero), Vector(repeating: 1))
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    let one = Vector(repeating: 1)
    return Vector.zero.replacing(with: Vector(repeating: alpha), where: (y .> .zero) .& (y .< one))
  }
}

struct LeakyRelu: PointwiseFunction {
  var alpha: Float
  @inline(always) func value(_ x: Vector) -> Vector {
    x.replacing(with: x * alpha, where: x .< .zero)
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    Vector(repeating: alpha).replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct Elu: PointwiseFunction {
  var alpha: Float
  @inline(always) func value(_ x: Vector) -> Vector {
    let below = exponentialMinusOne(atMost(x, .zero)) * alpha
    return x.replacing(with: below, where: x .< .zero)
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    (y + alpha).replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct Softplus: PointwiseFunction {
  /// log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|), which neither overflows nor cancels.
  @inline(always) func value(_ x: Vector) -> Vector {
    atLeast(x, .zero) + logarithmOfOnePlus(exponential(-absolute(x)))
  }
  /// The sigmoid of x is 1 − e⁻ʸ.
  @inline(always) func derivative(ofOutput y: Vector) -> Vector { -exponentialMinusOne(-y) }
}

struct Softsign: PointwiseFunction {
  @inline(always) func value(_ x: Vector) -> Vector {
    let limit = Vector(repeating: Float.greatestFiniteMagnitude)
    let finite = atLeast(atMost(x, limit), -limit)
    return finite / (absolute(finite) + 1)
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    let rest = 1 - absolute(y)
    return rest * rest
  }
}

struct Exponential: PointwiseFunction {
  @inline(always) func value(_ x: Vector) -> Vector { exponential(x) }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector { y }
}

/// Konda et al. 2015.
struct ThresholdedRelu: PointwiseFunction {
  var alpha: Float
  @inline(always) func value(_ x: Vector) -> Vector {
    // Where the comparison fails for NaN, it stays.
    x.replacing(with: Vector.zero, where: x .<= Vector(repeating: alpha))
  }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    Vector(repeating: 1).replacing(with: Vector.zero, where: y .== .zero)
  }
}

/// α tanh(β x), whose derivative is αβ (1 − tanh²) = β (α − y² / α).
struct ScaledTanh: PointwiseFunction {
  var alpha: Float
  var beta: Float
  @inline(always) func value(_ x: Vector) -> Vector { hyperbolicTangent(x * beta) * alpha }
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    alpha == 0 ? .zero : (alpha - y * y / alpha) * beta
  }
}

/// What is done with an activation once its type is known.
///
/// The argument is no property: a type that conforms to a protocol and holds a vector would get a
/// copying function that all modules share by name, compiled for whichever level the linker meets
/// first.
protocol FunctionUser {
  associatedtype Argument
  static func use(_ function: some PointwiseFunction, _ argument: Argument)
}

/// The one place where an activation's kind becomes a type.
@inline(always)
func withFunction<User: FunctionUser>(
  _ activation: Activation, _ user: User.Type, _ argument: User.Argument
) {
  let alpha = activation.alpha
  switch activation.kind {
  case .linear: user.use(Linear(alpha: alpha, beta: activation.beta), argument)
  case .tanh: user.use(Tanh(), argument)
  case .sigmoid: user.use(Sigmoid(), argument)
  case .relu: user.use(Relu(), argument)
  case .hardSigmoid: user.use(HardSigmoid(alpha: alpha, beta: activation.beta), argument)
  case .leakyRelu: user.use(LeakyRelu(alpha: alpha), argument)
  case .elu: user.use(Elu(alpha: alpha), argument)
  case .softplus: user.use(Softplus(), argument)
  case .softsign: user.use(Softsign(), argument)
  case .exponential: user.use(Exponential(), argument)
  case .thresholdedRelu: user.use(ThresholdedRelu(alpha: alpha), argument)
  case .scaledTanh: user.use(ScaledTanh(alpha: alpha, beta: activation.beta), argument)
  }
}

/// Any activation, chosen anew for each vector, and its limit: for the rare pairs of a recurrent step.
struct AnyFunction: PointwiseFunction {
  @inline(always) static var isInline: Bool { false }

  var activation: Activation

  private enum Value: FunctionUser {
    @inline(always)
    static func use(_ function: some PointwiseFunction, _ x: UnsafeMutablePointer<Vector>) {
      x.pointee = function.value(x.pointee)
    }
  }
  private enum Derivative: FunctionUser {
    @inline(always)
    static func use(_ function: some PointwiseFunction, _ y: UnsafeMutablePointer<Vector>) {
      y.pointee = function.derivative(ofOutput: y.pointee)
    }
  }

  @inline(always) func value(_ x: Vector) -> Vector {
    var x = x
    if activation.limit < .infinity { x = atLeast(atMost(x, limit), -limit) }
    replaceWithValue(&x)
    return x
  }
  /// 0 where x was clipped, which y shows: no other x gives the value at the limit, unless the function
  /// is flat there.
  @inline(always) func derivative(ofOutput y: Vector) -> Vector {
    var slope = y
    replaceWithDerivative(&slope)
    guard activation.limit < .infinity else { return slope }
    let ends = (value(-limit), value(limit))
    return slope.replacing(with: Vector.zero, where: (y .== ends.0) .| (y .== ends.1))
  }
  @inline(always) private var limit: Vector { Vector(repeating: activation.limit) }

  // Through memory for the same reason as parts of vectors.
  @inline(never) private func replaceWithValue(_ x: UnsafeMutablePointer<Vector>) {
    withFunction(activation, Value.self, x)
  }
  @inline(never) private func replaceWithDerivative(_ y: UnsafeMutablePointer<Vector>) {
    withFunction(activation, Derivative.self, y)
  }
}
