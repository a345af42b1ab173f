// PointwiseFunctions.swift — each activation beside its derivative
//
// Derivatives are computed from the output y, which is what a forward pass keeps. At the kink of a
// piecewise function the derivative is that of the left side.

import KernelInterface

/// A function of one element, applied to whole vectors.
protocol PointwiseFunction {
  func value(_ x: Vector) -> Vector
  /// f′(x) for the x that gave y.
  func derivative(ofOutput y: Vector) -> Vector
}

struct Linear: PointwiseFunction {
  var alpha: Float
  @inline(__always) func value(_ x: Vector) -> Vector { x * alpha }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector { Vector(repeating: alpha) }
}

struct Tanh: PointwiseFunction {
  @inline(__always) func value(_ x: Vector) -> Vector { hyperbolicTangent(x) }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector { 1 - y * y }
}

struct Sigmoid: PointwiseFunction {
  @inline(__always) func value(_ x: Vector) -> Vector { logisticSigmoid(x) }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector { y * (1 - y) }
}

struct Relu: PointwiseFunction {
  @inline(__always) func value(_ x: Vector) -> Vector { atLeast(x, .zero) }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector {
    Vector.zero.replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct HardSigmoid: PointwiseFunction {
  var alpha: Float
  var beta: Float
  @inline(__always) func value(_ x: Vector) -> Vector {
    let line = multiplyAdd(x, Vector(repeating: alpha), Vector(repeating: beta))
    return atMost(atLeast(line, .zero), Vector(repeating: 1))
  }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector {
    let one = Vector(repeating: 1)
    return Vector.zero.replacing(with: Vector(repeating: alpha), where: (y .> .zero) .& (y .< one))
  }
}

struct LeakyRelu: PointwiseFunction {
  var alpha: Float
  @inline(__always) func value(_ x: Vector) -> Vector {
    x.replacing(with: x * alpha, where: x .< .zero)
  }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector {
    Vector(repeating: alpha).replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct Elu: PointwiseFunction {
  var alpha: Float
  @inline(__always) func value(_ x: Vector) -> Vector {
    let below = exponentialMinusOne(atMost(x, .zero)) * alpha
    return x.replacing(with: below, where: x .< .zero)
  }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector {
    (y + alpha).replacing(with: Vector(repeating: 1), where: y .> .zero)
  }
}

struct Softplus: PointwiseFunction {
  /// log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|), which neither overflows nor cancels.
  @inline(__always) func value(_ x: Vector) -> Vector {
    atLeast(x, .zero) + logarithmOfOnePlus(exponential(-absolute(x)))
  }
  /// The sigmoid of x is 1 − e⁻ʸ.
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector { -exponentialMinusOne(-y) }
}

struct Softsign: PointwiseFunction {
  @inline(__always) func value(_ x: Vector) -> Vector {
    let limit = Vector(repeating: Float.greatestFiniteMagnitude)
    let finite = atLeast(atMost(x, limit), -limit)
    return finite / (absolute(finite) + 1)
  }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector {
    let rest = 1 - absolute(y)
    return rest * rest
  }
}

struct Exponential: PointwiseFunction {
  @inline(__always) func value(_ x: Vector) -> Vector { exponential(x) }
  @inline(__always) func derivative(ofOutput y: Vector) -> Vector { y }
}

/// What is done with an activation once its type is known.
protocol FunctionUser {
  associatedtype Result
  func use(_ function: some PointwiseFunction) -> Result
}

/// The one place where an activation's kind becomes a type.
@inline(__always)
func withFunction<User: FunctionUser>(_ activation: Activation, _ user: User) -> User.Result {
  let alpha = activation.alpha
  return switch activation.kind {
  case .linear: user.use(Linear(alpha: alpha))
  case .tanh: user.use(Tanh())
  case .sigmoid: user.use(Sigmoid())
  case .relu: user.use(Relu())
  case .hardSigmoid: user.use(HardSigmoid(alpha: alpha, beta: activation.beta))
  case .leakyRelu: user.use(LeakyRelu(alpha: alpha))
  case .elu: user.use(Elu(alpha: alpha))
  case .softplus: user.use(Softplus())
  case .softsign: user.use(Softsign())
  case .exponential: user.use(Exponential())
  }
}

/// Any activation, chosen anew for each vector: for the rare pairs of a recurrent step.
struct AnyFunction: PointwiseFunction {
  var activation: Activation

  private struct Value: FunctionUser {
    let x: Vector
    @inline(__always) func use(_ function: some PointwiseFunction) -> Vector { function.value(x) }
  }
  private struct Derivative: FunctionUser {
    let y: Vector
    @inline(__always) func use(_ function: some PointwiseFunction) -> Vector {
      function.derivative(ofOutput: y)
    }
  }

  @inline(never) func value(_ x: Vector) -> Vector { withFunction(activation, Value(x: x)) }
  @inline(never) func derivative(ofOutput y: Vector) -> Vector {
    withFunction(activation, Derivative(y: y))
  }
}
