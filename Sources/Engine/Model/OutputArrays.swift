// OutputArrays.swift — a caller's arrays for a model's outputs

import Kernels

/// Checks arrays shaped as the outputs of a batch; none at all is allowed.
func checkOutputs(_ views: [TensorView], _ model: Model, _ batch: Batch) throws {
  guard views.isEmpty || views.count == model.outputCount else {
    throw EngineError.count(name: "outputs", expected: model.outputCount, found: views.count)
  }
  for (index, view) in views.enumerated() {
    let value = model.graph.outputs[index]
    let timesteps = model.graph.timesteps(of: value) { batch.inputs[$0].timesteps }
    let keys = model.graph.keys(of: value) { batch.inputs[$0].timesteps }
    try view.check(
      model.outputShape(index), batch: batch.count, timesteps: timesteps, keys: keys)
  }
}

/// Copies outputs from a workspace's rows to the caller's.
///
/// - Parameter firstRow: the batch row of the workspace's row `rows.lowerBound`.
func copyOutputs(
  _ views: [TensorView], _ rows: Range<Int>, of batch: Batch, firstRow: Int, _ plan: Plan,
  _ pass: Pass
) {
  for (index, view) in views.enumerated() {
    let place = plan.outputs[index]
    for row in rows {
      let target = batch.source(firstRow + row - rows.lowerBound)
      view.floats(ofRow: target, place, from: batch.start).update(
        from: pass.pointer(place.values, row: row), count: place.width)
    }
  }
}

extension TensorView {
  /// Where a row of an array lies that is shaped as a value of the model, from a timestep on.
  func floats(ofRow row: Int, _ place: ValuePlace, from start: Int) -> MutableValues {
    guard place.hasTime else { return floats + row * place.width }
    return floats + (row * shape[1] + start) * place.stepWidth
  }
}
