// Optimizers.swift — parameter updates in one sweep; the equations are at OptimizerStep

import KernelInterface

extension Level {
  public static func update(_ step: OptimizerStep) {
    let w = step.parameters
    let rate = step.learningRate

    /// The moments of a rule that has them; OptimizerStep promises that they are there.
    func moment(_ pointer: MutableValues?) -> MutableValues { pointer.unsafelyUnwrapped }

    switch step.rule {
    case .sgd(let momentum, let nesterov):
      if momentum == 0 {
        forEachGradient(step) { index, lanes, g in
          store(load(w + index, lanes) - g * rate, w + index, lanes)
        }
      } else {
        let m = moment(step.first)
        forEachGradient(step) { index, lanes, g in
          let velocity = load(m + index, lanes) * momentum + g
          store(velocity, m + index, lanes)
          let direction = nesterov ? g + velocity * momentum : velocity
          store(load(w + index, lanes) - direction * rate, w + index, lanes)
        }
      }

    case .rmsprop(let decay, let momentum, let epsilon):
      let v = moment(step.second)
      forEachGradient(step) { index, lanes, g in
        let square = load(v + index, lanes) * decay + g * g * (1 - decay)
        store(square, v + index, lanes)
        var direction = g / (square.squareRoot() + epsilon)
        if momentum != 0 {
          let m = moment(step.first)
          direction = load(m + index, lanes) * momentum + direction
          store(direction, m + index, lanes)
        }
        store(load(w + index, lanes) - direction * rate, w + index, lanes)
      }

    case .adagrad(let epsilon):
      let v = moment(step.second)
      forEachGradient(step) { index, lanes, g in
        let square = load(v + index, lanes) + g * g
        store(square, v + index, lanes)
        let direction = g / (square.squareRoot() + epsilon)
        store(load(w + index, lanes) - direction * rate, w + index, lanes)
      }

    case .adam(
      let beta1, let beta2, let epsilon, let correction1, let correction2, let decoupledDecay):
      let m = moment(step.first)
      let v = moment(step.second)
      let inverse1 = 1 / correction1
      let inverse2 = 1 / correction2
      let kept = 1 - rate * decoupledDecay
      forEachGradient(step) { index, lanes, g in
        let mean = load(m + index, lanes) * beta1 + g * (1 - beta1)
        let square = load(v + index, lanes) * beta2 + g * g * (1 - beta2)
        store(mean, m + index, lanes)
        store(square, v + index, lanes)
        let direction = mean * inverse1 / ((square * inverse2).squareRoot() + epsilon)
        store(load(w + index, lanes) * kept - direction * rate, w + index, lanes)
      }
    }
  }
}

/// Calls `body` with each vector of gradients, scaled, clipped and with weight decay, and sets the
/// gradients to zero.
@inline(__always)
private func forEachGradient(
  _ step: OptimizerStep, _ body: (_ index: Int, _ lanes: Int, _ g: Vector) -> Void
) {
  let gradients = step.gradients
  let parameters = step.parameters
  let upper = Vector(repeating: step.clipValue)
  let lower = -upper
  let scale = step.gradientScale
  let decay = Vector(repeating: step.weightDecay)
  sweep(step.count) { index, lanes in
    let scaled = load(gradients + index, lanes) * scale
    store(.zero, gradients + index, lanes)
    let clipped = atLeast(atMost(scaled, upper), lower)
    body(index, lanes, multiplyAdd(decay, load(parameters + index, lanes), clipped))
  }
}
