// Optimizers.swift — parameter updates in one sweep; the equations are at OptimizerStep
//
// A sweep reads all its arrays before it writes one. They begin at addresses whose low 12 bits agree,
// and a processor that compares no more than those lets a read wait for the write before it.

import KernelInterface

extension Level {
  public static func update(_ step: OptimizerStep) {
    switch step.rule {
    case .sgd(let momentum, let nesterov):
      if momentum == 0 {
        descend(step)
      } else {
        descend(step, momentum: momentum, nesterov: nesterov)
      }
    case .rmsprop(let decay, let momentum, let epsilon):
      rmsprop(step, decay: decay, momentum: momentum, epsilon: epsilon)
    case .adagrad(let epsilon):
      adagrad(step, epsilon: epsilon)
    case .adam(
      let beta1, let beta2, let epsilon, let correction1, let correction2, let decoupledDecay):
      adam(
        step, beta1: beta1, beta2: beta2, epsilon: epsilon, correction1: correction1,
        correction2: correction2, kept: 1 - step.learningRate * decoupledDecay)
    }
  }
}

// One function for each rule: in a single large one the compiler stops inlining.

@inline(never)
private func descend(_ step: OptimizerStep) {
  let arrays = Arrays(step)
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let (w, g) = arrays.read(j, lanes)
    arrays.write(w - g * step.learningRate, j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func descend(_ step: OptimizerStep, momentum: Float, nesterov: Bool) {
  let arrays = Arrays(step)
  let m = step.first.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let (w, g) = arrays.read(j, lanes)
    let velocity = load(m + j, lanes) * momentum + g
    let direction = nesterov ? g + velocity * momentum : velocity
    store(velocity, m + j, lanes)
    arrays.write(w - direction * step.learningRate, j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func rmsprop(_ step: OptimizerStep, decay: Float, momentum: Float, epsilon: Float) {
  let arrays = Arrays(step)
  let v = step.second.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let (w, g) = arrays.read(j, lanes)
    let square = load(v + j, lanes) * decay + g * g * (1 - decay)
    var direction = g / (squareRoot(square) + epsilon)
    if momentum != 0, let m = step.first {
      direction = load(m + j, lanes) * momentum + direction
      store(direction, m + j, lanes)
    }
    store(square, v + j, lanes)
    arrays.write(w - direction * step.learningRate, j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func adagrad(_ step: OptimizerStep, epsilon: Float) {
  let arrays = Arrays(step)
  let v = step.second.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let (w, g) = arrays.read(j, lanes)
    let square = load(v + j, lanes) + g * g
    let direction = g / (squareRoot(square) + epsilon)
    store(square, v + j, lanes)
    arrays.write(w - direction * step.learningRate, j, lanes)
  }
  sweep(step.count, part)
}

/// - Parameter kept: what decoupled decay leaves of a parameter, 1 − η λ.
@inline(never)
private func adam(
  _ step: OptimizerStep, beta1: Float, beta2: Float, epsilon: Float, correction1: Float,
  correction2: Float, kept: Float
) {
  let arrays = Arrays(step)
  let m = step.first.unsafelyUnwrapped
  let v = step.second.unsafelyUnwrapped
  let inverse1 = 1 / correction1
  let inverse2 = 1 / correction2
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let (w, g) = arrays.read(j, lanes)
    let mean = load(m + j, lanes) * beta1 + g * (1 - beta1)
    let square = load(v + j, lanes) * beta2 + g * g * (1 - beta2)
    let direction = mean * inverse1 / (squareRoot(square * inverse2) + epsilon)
    store(mean, m + j, lanes)
    store(square, v + j, lanes)
    arrays.write(w * kept - direction * step.learningRate, j, lanes)
  }
  sweep(step.count, part)
}

/// The two arrays that every rule has: parameters and gradients.
private struct Arrays {
  private let parameters: MutableValues
  private let gradients: MutableValues
  private let scale: Float
  private let penalty: Float
  private let limit: Float
  private let decay: Float

  @inline(always) init(_ step: OptimizerStep) {
    parameters = step.parameters
    gradients = step.gradients
    scale = step.gradientScale
    penalty = step.penalty
    limit = step.clipValue
    decay = step.weightDecay
  }

  /// A vector of parameters w and of their gradients g, with penalty, scaled, clipped and with weight
  /// decay.
  @inline(always) func read(_ index: Int, _ lanes: Int) -> (w: Vector, g: Vector) {
    let w = load(parameters + index, lanes)
    let g = load(gradients + index, lanes)
    let scaled = multiplyAdd(Vector(repeating: penalty), w, g) * scale
    let upper = Vector(repeating: limit)
    let clipped = atLeast(atMost(scaled, upper), -upper)
    return (w, multiplyAdd(Vector(repeating: decay), w, clipped))
  }

  /// The new parameters; zeros take their gradients' place.
  @inline(always) func write(_ w: Vector, _ index: Int, _ lanes: Int) {
    store(w, parameters + index, lanes)
    store(.zero, gradients + index, lanes)
  }
}
