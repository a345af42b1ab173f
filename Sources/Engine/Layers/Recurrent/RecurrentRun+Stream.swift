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
    guard let (kept, next) = streamedStates(rows, pass) else { return false }
    let weights = weights.views
    if !fusesInput { projectInputs(0..<1, rows, nil, weights, pass) }
    stepForward(
      0, rows,
      fusesInput ? gatesOfInput(0, rows, weights, pass) : projectedGates(0, from: 0, rows, pass),
      from: kept, to: next, nil, weights, pass.scratch, pass)
    keep(next.hidden, in: kept.hidden, rows: rows.count, size: outputSize)
    if spec.returnsState { putOutState(kept, rows, pass) }
    return true
  }

  /// The same, prepared for every timestep; nil where it is more than a step of the cell.
  func cellTurns(_ rows: Range<Int>, _ pass: Pass) throws -> [StreamTurn]? {
    guard isFused, fusesInput, !spec.returnsState,
      let (kept, next) = streamedStates(rows, pass)
    else { return nil }
    let weights = weights.views
    let step = cellStep(
      0, rows, extent(rows, 0, nil, keepsGates: false), gatesOfInput(0, rows, weights, pass),
      from: kept, to: next, extra(0, rows, pass), pass.scratch, pass)
    let size = outputSize
    return try cell.streamTurn(step, weights).map {
      [$0, StreamTurn { keep(next.hidden, in: kept.hidden, rows: rows.count, size: size) }]
    }
  }

  /// Where the streams keep their states, and where a step leaves them: a cell may write its memory where
  /// it reads it, but no hidden state where its product reads.
  private func streamedStates(_ rows: Range<Int>, _ pass: Pass) -> (kept: State, next: State)? {
    guard let streams = pass.state, timesteps == 1, !pass.isTraining, !spec.isReverse,
      to.scores == nil, pass.marks == nil, pass.validity(to.input.validity) == nil
    else { return nil }
    let first = carried(0, in: streams, row: rows.lowerBound, pass)
    let memory = Rows(first + outputSize, stride: pass.stateWidth)
    let output = self.rows(to.output.values, rows, pass).dropping(to.output.column)
    return (
      State(hidden: Rows(first, stride: pass.stateWidth), memory: memory),
      State(hidden: output, memory: memory)
    )
  }
}

/// Takes the hidden states that a step left to where the streams keep them.
private func keep(_ next: Rows, in kept: Rows, rows: Int, size: Int) {
  for i in 0..<rows {
    UnsafeMutableRawPointer(kept[i]).copyMemory(from: next[i], byteCount: 4 * size)
  }
}
