// RecurrentRun+Stream.swift — a stream's timestep: the walk over time without time
//
// A stream takes a microsecond, of which a walk's schedule, and states that are copied to a workspace and
// back, would be a good part. Here the step reads the states where the streams keep them.

import Kernels

extension RecurrentRun {
  /// Takes one timestep of the streams of some rows.
  ///
  /// - Returns: whether it did. A sequence, and a timestep that may not count for all rows, are a walk's.
  func takeStreamedStep(_ rows: Range<Int>, _ pass: Pass) -> Bool {
    guard let streams = pass.state, timesteps == 1, !pass.isTraining, !spec.isReverse,
      to.scores == nil, pass.marks == nil, pass.validity(to.input.validity) == nil
    else { return false }
    let weights = weights.views
    let kept = carried(0, in: streams, row: rows.lowerBound, pass)
    let hidden = Rows(kept, stride: pass.stateWidth)
    // A cell may write its memory where it reads it, but no hidden state where its product reads.
    let memory = Rows(kept + outputSize, stride: pass.stateWidth)
    let output = self.rows(to.output.values, rows, pass).dropping(to.output.column)
    if !fusesInput { projectInputs(0..<1, rows, nil, weights, pass) }
    stepForward(
      0, rows,
      fusesInput ? gatesOfInput(0, rows, weights, pass) : projectedGates(0, from: 0, rows, pass),
      from: State(hidden: hidden, memory: memory), to: State(hidden: output, memory: memory), nil,
      weights, pass.scratch, pass)
    for i in 0..<rows.count { hidden[i].update(from: output[i], count: outputSize) }
    if spec.returnsState { putOutState(State(hidden: hidden, memory: memory), rows, pass) }
    return true
  }
}
