// RecurrentRun+Forward.swift — the walk over time
//
// Forward projects the inputs, then goes from step to step.

import Kernels

extension RecurrentRun {
  func walk(_ rows: Range<Int>, _ pass: Pass) {
    joinScores(rows, pass)
    let validity = validity(pass)
    let schedule = schedule(rows, validity, pass) { $0 != Mark.none }
    let weights = weights.views
    if pass.isTraining {
      drawMasks(rows, pass)
      dropInputs(rows, validity, pass)
    }

    let final = finalState(rows, pass)
    var state = state(entering: schedule.start, schedule, rows, pass)
    setInitialState(state, rows, pass)
    copyState(schedule.rest(from: schedule.start)..<rows.count, state, final)

    let stepsTakeInput = stepsTakeInput(rows)
    var projected = 0..<0
    for step in 0..<timesteps {
      let t = schedule.timestep(step)
      if !stepsTakeInput, !projected.contains(t) {
        let last = schedule.timestep(min(timesteps, step + projectedTimesteps) - 1)
        projected = min(t, last)..<max(t, last) + 1
        projectInputs(projected, rows, validity, weights, pass)
      }
      let count = schedule.count(step)
      // Before the first step that takes rows, those that have steps to come have their state already.
      var live = step < schedule.start ? schedule.rest(from: schedule.start) : 0
      if schedule.start..<schedule.end ~= step {
        let next = self.state(entering: step + 1, schedule, rows, pass)
        if count > 0 {
          let sums =
            stepsTakeInput
            ? gatesOfInput(t, rows, weights, pass)
            : projectedGates(t, from: projected.lowerBound, rows, pass)
          stepForward(
            t, rows.prefix(count), sums, from: state, to: next, validity, weights,
            pass.scratch + scheduleSize(rows.count), pass)
        }
        let rest = schedule.rest(from: step + 1)
        copyState(count..<max(count, rest), state, next)
        copyState(rest..<max(count, rest), next, final)
        state = next
        live = max(count, rest)
      }
      if pass.isTraining, let validity { clearSkipped(count, t, validity, rows, pass) }
      if spec.returnsSequences {
        putOut(state.hidden, live, t, step, schedule.firsts, validity, rows, pass)
      }
    }
    setMarks(schedule, rows, pass)
    finish(rows, pass)
  }

  /// Whether the inputs' product is computed step by step, without ever lying in memory. Few rows have more
  /// of it to compute at once if it goes ahead of the steps.
  private func stepsTakeInput(_ rows: Range<Int>) -> Bool {
    fusesInput && (timesteps == 1 || rows.count >= 8)
  }

  /// One timestep of the rows that it takes.
  func stepForward(
    _ t: Int, _ rows: Range<Int>, _ sums: GateSums, from state: State, to next: State,
    _ validity: Validity?, _ weights: CellWeights, _ scratch: MutableValues, _ pass: Pass
  ) {
    let extent = extent(rows, t, validity, keepsGates: pass.isTraining)
    let extra = extra(t, rows, pass)
    if clearsExtra {
      extent.forEachSkipped { kernels.fill(extra[$0], 0, count: cell.extraSize) }
    }
    let memory = zoneout.memory == nil ? next.memory : candidateMemory(t, rows, pass)
    cell.forward(
      cellStep(
        t, rows, extent, sums, from: state, to: State(hidden: next.hidden, memory: memory), extra,
        scratch, pass),
      weights)
    guard hasZoneout else { return }
    zoneout.hidden?.forward(
      t, from: state.hidden, next.hidden, into: next.hidden, extent, rows, pass)
    zoneout.memory?.forward(t, from: state.memory, memory, into: next.memory, extent, rows, pass)
  }

  @inline(__always)
  func cellStep(
    _ t: Int, _ rows: Range<Int>, _ extent: StepExtent, _ sums: GateSums, from state: State,
    to next: State, _ extra: Rows, _ scratch: MutableValues, _ pass: Pass
  ) -> CellStep {
    CellStep(
      extent: extent, start: sums.start, gates: sums.gates, input: sums.input,
      recurrentInput: recurrentInput(state.hidden, t, rows, pass), extra: extra,
      previousHidden: state.hidden, hidden: next.hidden, previousMemory: state.memory,
      memory: next.memory, scores: scores(t, rows, pass), scratch: scratch)
  }

  /// Takes the state of some of a shard's rows to another place, unless it is the same.
  private func copyState(_ indices: Range<Int>, _ from: State, _ to: State) {
    for i in indices {
      if from.hidden.base != to.hidden.base {
        to.hidden[i].update(from: from.hidden[i], count: outputSize)
      }
      if memorySize > 0, from.memory.base != to.memory.base {
        to.memory[i].update(from: from.memory[i], count: memorySize)
      }
    }
  }

  /// One mask per sequence, a function of seed, pass, layer and row alone.
  private func drawMasks(_ rows: Range<Int>, _ pass: Pass) {
    drawMask(tape.inputMask, spec.dropout, stream: 2 * to.randomStream, rows, pass)
    drawMask(tape.hiddenMask, spec.recurrentDropout, stream: 2 * to.randomStream + 1, rows, pass)
    zoneout.hidden?.draw(rows, pass)
    zoneout.memory?.draw(rows, pass)
  }

  private func drawMask(
    _ mask: Slot, _ rate: Float, stream: UInt64, _ rows: Range<Int>, _ pass: Pass
  ) {
    guard !mask.isNone else { return }
    for row in rows {
      dropoutMask(
        pass.pointer(mask, row: row), count: mask.width, rate: rate, seed: pass.seed,
        stream: stream, step: pass.step, row: pass.randomRow(row))
    }
  }

  private func dropInputs(_ rows: Range<Int>, _ validity: Validity?, _ pass: Pass) {
    guard !tape.droppedInput.isNone else { return }
    for row in rows {
      let mask = pass.pointer(tape.inputMask, row: row)
      let from = pass.pointer(to.input.values, row: row)
      let dropped = pass.pointer(tape.droppedInput, row: row)
      for t in 0..<Validity.length(validity, row: row, timesteps: timesteps) {
        kernels.multiply(from + t * inputSize, mask, dropped + t * inputSize, count: inputSize)
      }
    }
  }

  /// Fills the gates of some timesteps with W x + b.
  func projectInputs(
    _ times: Range<Int>, _ rows: Range<Int>, _ validity: Validity?, _ weights: CellWeights,
    _ pass: Pass
  ) {
    let input = tape.droppedInput.isNone ? to.input.values : tape.droppedInput
    let x = pass.pointer(input, row: rows.lowerBound) + times.lowerBound * inputSize
    let gates = pass.pointer(tape.gates, row: rows.lowerBound)
    func project(_ row: Int, _ count: Int) {
      weights.input.forward.multiply(
        Rows(x + row * input.width, stride: inputSize),
        into: Rows(gates + row * tape.gates.width, stride: gateSize), rows: count,
        start: weights.projectionStart)
    }
    if validity == nil, times.count == timesteps, projectedTimesteps == timesteps {
      project(0, rows.count * timesteps)
      return
    }
    for (i, row) in rows.enumerated() {
      let end = min(times.upperBound, Validity.length(validity, row: row, timesteps: timesteps))
      if end > times.lowerBound { project(i, end - times.lowerBound) }
    }
  }

  private func setInitialState(_ state: State, _ rows: Range<Int>, _ pass: Pass) {
    for index in 0..<stateCount {
      for (i, row) in rows.enumerated() {
        let (target, count) = part(index, of: state, i)
        if let state = pass.state {
          target.update(from: carried(index, in: state, row: row, pass), count: count)
        } else if !to.initialStates.isEmpty {
          let initial = pass.pointer(to.initialStates[index].values, row: row)
          target.update(from: initial, count: count)
        } else if !initialStates.isEmpty {
          target.update(from: initialStates[index].values, count: count)
        } else {
          kernels.fill(target, 0, count: count)
        }
      }
    }
  }

  /// Zeros on the tape where a timestep within a row's length has no step, because products over
  /// all timesteps within the lengths pass there.
  private func clearSkipped(
    _ count: Int, _ t: Int, _ validity: Validity, _ rows: Range<Int>, _ pass: Pass
  ) {
    for row in rows.dropFirst(count) where t < Int(validity.lengths[row]) {
      clear(tape.gates, t, row, pass)
      clear(tape.hidden, t, row, pass)
      clear(tape.droppedHidden, t, row, pass)
      clear(tape.extra, t, row, pass)
    }
  }

  private func clear(_ slot: Slot, _ t: Int, _ row: Int, _ pass: Pass) {
    guard !slot.isNone else { return }
    let width = slot.width / timesteps
    kernels.fill(pass.pointer(slot, row: row) + t * width, 0, count: width)
  }

  /// The hidden state that the recurrent product takes.
  private func recurrentInput(_ hidden: Rows, _ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    guard !tape.droppedHidden.isNone else { return hidden }
    let dropped = state(tape.droppedHidden, t, rows, pass)
    for (i, row) in rows.enumerated() {
      kernels.multiply(
        hidden[i], pass.pointer(tape.hiddenMask, row: row), dropped[i], count: outputSize)
    }
    return dropped
  }

  /// - Parameter live: the rows below have their state in `hidden`, the others have ended.
  private func putOut(
    _ hidden: Rows, _ live: Int, _ t: Int, _ step: Int, _ firsts: UnsafePointer<Int32>,
    _ validity: Validity?, _ rows: Range<Int>, _ pass: Pass
  ) {
    for (i, row) in rows.enumerated() {
      let y = pass.pointer(to.output.values, row: row) + to.output.column
      if let place = outputTimestep(t, step: step, row: row, first: firsts[i], validity) {
        let state = i < live ? hidden[i] : pass.pointer(tape.finalHidden, row: row)
        let target = y + place * to.output.step
        if target != state { target.update(from: state, count: outputSize) }
      } else {
        let length = Validity.length(validity, row: row, timesteps: timesteps)
        let place = spec.isReverse && !to.staysAligned && t < length ? length - 1 - t : t
        kernels.fill(y + place * to.output.step, 0, count: outputSize)
      }
    }
  }

  /// Copies the final state to wherever it is wanted.
  private func finish(_ rows: Range<Int>, _ pass: Pass) {
    for row in rows {
      let final = finalState(row..<row + 1, pass)
      if !spec.returnsSequences {
        (pass.pointer(to.output.values, row: row) + to.output.column)
          .update(from: final.hidden[0], count: outputSize)
      }
      guard let array = pass.state else { continue }
      for index in 0..<stateCount {
        let (state, count) = part(index, of: final, 0)
        carried(index, in: array, row: row, pass).update(from: state, count: count)
      }
    }
    if spec.returnsState { putOutState(finalState(rows, pass), rows, pass) }
    if !spec.isReverse || to.staysAligned || !spec.returnsSequences { return }
    reverseValidity(rows, pass)
  }

  /// Copies a state to the values that show it.
  func putOutState(_ state: State, _ rows: Range<Int>, _ pass: Pass) {
    for index in 0..<stateCount {
      for (i, row) in rows.enumerated() {
        let (values, count) = part(index, of: state, i)
        pass.pointer(to.finalStates[index].values, row: row).update(from: values, count: count)
      }
    }
  }

  /// The sequence comes out in processing order, and so do its flags.
  private func reverseValidity(_ rows: Range<Int>, _ pass: Pass) {
    guard let index = to.outputValidity else { return }
    let source = validity(pass)
    let reversed = pass.validities[index]
    for row in rows {
      let length = Validity.length(source, row: row, timesteps: timesteps)
      reversed.lengths[row] = Int32(length)
      for t in 0..<timesteps {
        reversed.row(row)[t] = t < length ? source.map { $0.row(row)[length - 1 - t] } ?? 1 : 0
      }
    }
  }
}
