// Trainer+Update.swift — clipped gradients to changed parameters

import Kernels

extension Trainer {
  /// Forgets the gradients collected so far.
  public func zeroGradients() {
    kernels.fill(gradients.pointer, 0, count: gradients.count)
    hasGradients = false
  }

  func scaleGradients(by factor: Float) {
    kernels.scale(gradients.pointer, by: factor, gradients.pointer, count: gradients.count)
  }

  /// A parameter's gradient, laid out as the parameter.
  public func gradient(_ name: String) throws -> UnsafeMutableBufferPointer<Float> {
    let entry = try model.parameters.entry(named: name)
    hasGradients = true
    return UnsafeMutableBufferPointer(start: gradients.pointer + entry.offset, count: entry.count)
  }

  /// Clips the gradients, changes the parameters, and sets the gradients to zero.
  ///
  /// - Returns: the global norm before clipping.
  @discardableResult
  public func update() throws -> Double {
    guard hasGradients else {
      throw EngineError.order("an update needs a backward pass before it")
    }
    let norm = try globalNorm()
    var scale = 1.0
    if let limit = options.clipNorm, norm > limit { scale = limit / norm }

    let step = OptimizerStep(
      rule: options.optimizer.rule(update: updates + 1), learningRate: Float(learningRate),
      gradientScale: Float(scale), penalty: 0, clipValue: Float(options.clipValue ?? .infinity),
      weightDecay: options.optimizer.weightDecay, count: gradients.count,
      parameters: model.parameters.values.pointer, gradients: gradients.pointer,
      first: firstMoments?.pointer, second: secondMoments?.pointer)
    executor.pool.runBlocks(
      tasks: pieces.count, UpdateWork(pieces: pieces, scales: scales.pointer, step: step))
    updates += 1
    hasGradients = false
    pending = nil
    model.parameters.changed()
    return norm
  }

  /// The norm of all gradients together, once each parameter's are clipped where that is asked for: sets
  /// the scales of the pieces.
  private func globalNorm() throws -> Double {
    executor.pool.runBlocks(
      tasks: pieces.count,
      SquareWork(
        pieces: pieces, parameters: Values(model.parameters.values.pointer),
        gradients: Values(gradients.pointer), squares: squares.pointer))
    var total = 0.0
    var index = 0
    for entry in model.parameters.entries {
      var square = 0.0
      let first = index
      while index < pieces.count, entry.range.contains(pieces[index].range.lowerBound) {
        square += squares.pointer[index]
        index += 1
      }
      guard square.isFinite else {
        throw EngineError.notFinite(
          "update \(updates + 1): the gradient of \(entry.name) is not finite; "
            + "the parameters are as they were")
      }
      var scale = 1.0
      if let limit = options.clipParameterNorm, square > limit * limit {
        scale = limit / square.squareRoot()
        square = limit * limit
      }
      for piece in first..<index { scales.pointer[piece] = Float(scale) }
      total += square
    }
    return total.squareRoot()
  }
}
