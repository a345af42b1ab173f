// TrainingWork.swift — what threads do in a training step
//
// The trainer says what is to be done and in which order; here is what one thread does with
// a shard of a batch, or with one piece of the parameters.

import Kernels

/// The forward pass.
struct ForwardWork: ShardWork {
  let batch: Batch

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    let place = executor.place(rows)
    batch.load(rows, at: place.lowerBound, plan, pass)
    executor.forward(place, plan, pass)
  }
}

/// The outputs of a forward pass, copied to the caller.
struct OutputWork: ShardWork {
  let batch: Batch
  let outputs: [TensorView]

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    copyOutputs(outputs, rows, of: batch, firstRow: rows.lowerBound, plan, pass)
  }
}

/// The backward pass from the caller's gradients.
struct BackwardWork: ShardWork {
  let batch: Batch
  let outputGradients: [TensorView]
  let inputGradients: InputGradients

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    executor.clearGradients(rows, plan, pass)
    for (index, view) in outputGradients.enumerated() {
      let place = plan.outputs[index]
      guard place.hasTime || batch.isAtEnd else { continue }
      for row in rows {
        let given = view.floats(ofRow: batch.source(row), place, from: batch.start)
        pass.pointer(place.gradients, row: row).update(from: given, count: place.width)
      }
    }
    executor.backward(rows, plan, pass)
    inputGradients.copy(rows, at: rows.lowerBound, batch, plan, pass)
  }
}

/// The losses, and the backward pass from them.
struct LossWork: ShardWork {
  let objective: Objective
  let batch: Batch
  let targets: Targets
  let scales: [Double]
  /// One per row.
  let sums: UnsafeMutableBufferPointer<LossSums>
  let inputGradients: InputGradients

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    let place = executor.place(rows)
    executor.clearGradients(place, plan, pass)
    for (row, local) in zip(rows, place) {
      objective.evaluate(
        addingTo: &sums[row], row, at: local, targets, scales: scales, batch, plan, pass,
        writesGradients: true)
    }
    executor.backward(place, plan, pass)
    inputGradients.copy(rows, at: place.lowerBound, batch, plan, pass)
  }
}

/// The whole way of a shard, from its inputs to the parameters' gradients, while the cache has it.
struct RoundTripWork: ShardWork {
  let forward: ForwardWork
  let loss: LossWork

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    forward.perform(rows, executor, plan, pass)
    loss.perform(rows, executor, plan, pass)
    executor.addGradients(rows, plan, pass)
  }
}

/// Where a caller wants the gradients of the inputs.
struct InputGradients {
  /// One per input, nil where it is not wanted; or empty.
  let views: [TensorView?]

  /// - Parameter offset: the workspace's row for the first of `rows`.
  func copy(_ rows: Range<Int>, at offset: Int, _ batch: Batch, _ plan: Plan, _ pass: Pass) {
    for (index, view) in views.enumerated() {
      guard let view else { continue }
      let place = plan.inputs[index]
      for row in rows {
        let local = offset + row - rows.lowerBound
        let target = view.floats(ofRow: batch.source(row), place, from: batch.start)
        let gradient = pass.pointer(place.gradients, row: local)
        if place.hasTime || batch.isAtEnd {
          target.update(from: gradient, count: place.width)
        } else {
          // Every window adds to the gradient of what has no timesteps.
          kernels.add(gradient, target, count: place.width)
        }
        clearMasked(target, place, local, pass)
      }
    }
  }

  /// A timestep that does not count has no gradient.
  ///
  /// - Parameter row: of the workspace.
  private func clearMasked(
    _ gradient: MutableValues, _ place: ValuePlace, _ row: Int, _ pass: Pass
  ) {
    guard let validity = pass.validity(place.validity) else { return }
    for t in 0..<place.timesteps where validity.row(row)[t] == 0 {
      kernels.fill(gradient + t * place.stepWidth, 0, count: place.stepWidth)
    }
  }
}

/// Some of the parameters, which an update takes at a time.
struct ParameterPiece {
  let range: Range<Int>
  /// What of a parameter its gradient has added: twice the factor of the sum of squares.
  let penalty: Float
}

/// The sum of the gradients' squares, penalties included, for each piece of the parameters.
struct SquareWork: Work {
  let pieces: [ParameterPiece]
  let parameters: Values
  let gradients: Values
  /// One per piece.
  let squares: UnsafeMutablePointer<Double>

  func perform(task index: Int, worker: Int) {
    let (range, penalty) = (pieces[index].range, pieces[index].penalty)
    let piece = gradients + range.lowerBound
    squares[index] =
      penalty == 0
      ? kernels.sumOfSquares(piece, count: range.count)
      : kernels.sumOfSquares(
        piece, adding: parameters + range.lowerBound, times: penalty, count: range.count)
  }
}

/// The optimiser's step, for each piece of the parameters.
struct UpdateWork: Work {
  let pieces: [ParameterPiece]
  /// For each of them, what clipping its own parameter multiplies its gradients by.
  let scales: UnsafePointer<Float>
  /// Of all parameters.
  let step: OptimizerStep

  func perform(task index: Int, worker: Int) {
    let first = pieces[index].range.lowerBound
    var own = step
    own.gradientScale *= scales[index]
    own.penalty = pieces[index].penalty
    own.count = pieces[index].range.count
    own.parameters += first
    own.gradients += first
    own.first = step.first.map { $0 + first }
    own.second = step.second.map { $0 + first }
    kernels.update(own)
  }
}
