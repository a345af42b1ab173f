// Optimizers.swift — parameter updates in one sweep; the equations are at OptimizerStep

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
  let gradients = Gradients(step)
  let w = step.parameters
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let g = gradients.take(j, lanes)
    store(load(w + j, lanes) - g * step.learningRate, w + j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func descend(_ step: OptimizerStep, momentum: Float, nesterov: Bool) {
  let gradients = Gradients(step)
  let w = step.parameters
  let m = step.first.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let g = gradients.take(j, lanes)
    let velocity = load(m + j, lanes) * momentum + g
    store(velocity, m + j, lanes)
    let direction = nesterov ? g + velocity * momentum : velocity
    store(load(w + j, lanes) - direction * step.learningRate, w + j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func rmsprop(_ step: OptimizerStep, decay: Float, momentum: Float, epsilon: Float) {
  let gradients = Gradients(step)
  let w = step.parameters
  let v = step.second.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let g = gradients.take(j, lanes)
    let square = load(v + j, lanes) * decay + g * g * (1 - decay)
    store(square, v + j, lanes)
    var direction = g / (squareRoot(square) + epsilon)
    if momentum != 0, let m = step.first {
      direction = load(m + j, lanes) * momentum + direction
      store(direction, m + j, lanes)
    }
    store(load(w + j, lanes) - direction * step.learningRate, w + j, lanes)
  }
  sweep(step.count, part)
}

@inline(never)
private func adagrad(_ step: OptimizerStep, epsilon: Float) {
  let gradients = Gradients(step)
  let w = step.parameters
  let v = step.second.unsafelyUnwrapped
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let g = gradients.take(j, lanes)
    let square = load(v + j, lanes) + g * g
    store(square, v + j, lanes)
    let direction = g / (squareRoot(square) + epsilon)
    store(load(w + j, lanes) - direction * step.learningRate, w + j, lanes)
  }
  sweep(step.count, part)
}

/// - Parameter kept: what decoupled decay leaves of a parameter, 1 − η λ.
@inline(never)
private func adam(
  _ step: OptimizerStep, beta1: Float, beta2: Float, epsilon: Float, correction1: Float,
  correction2: Float, kept: Float
) {
  let gradients = Gradients(step)
  let w = step.parameters
  let m = step.first.unsafelyUnwrapped
  let v = step.second.unsafelyUnwrapped
  let inverse1 = 1 / correction1
  let inverse2 = 1 / correction2
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    let g = gradients.take(j, lanes)
    let mean = load(m + j, lanes) * beta1 + g * (1 - beta1)
    let square = load(v + j, lanes) * beta2 + g * g * (1 - beta2)
    store(mean, m + j, lanes)
    store(square, v + j, lanes)
    let direction = mean * inverse1 / (squareRoot(square * inverse2) + epsilon)
    store(load(w + j, lanes) * kept - direction * step.learningRate, w + j, lanes)
  }
  sweep(step.count, part)
}

/// The gradients of a step on their way to the rule.
private struct Gradients {
  private let gradients: MutableValues
  private let parameters: MutableValues
  private let scale: Float
  private let limit: Float
  private let decay: Float

  @inline(always) init(_ step: OptimizerStep) {
    gradients = step.gradients
    parameters = step.parameters
    scale = step.gradientScale
    limit = step.clipValue
    decay = step.weightDecay
  }

  /// A vector of gradients, scaled, clipped and with weight decay; zeros take its place.
  @inline(always) func take(_ index: Int, _ lanes: Int) -> Vector {
    let scaled = load(gradients + index, lanes) * scale
    store(.zero, gradients + index, lanes)
    let upper = Vector(repeating: limit)
    let clipped = atLeast(atMost(scaled, upper), -upper)
    return multiplyAdd(Vector(repeating: decay), load(parameters + index, lanes), clipped)
  }
}
