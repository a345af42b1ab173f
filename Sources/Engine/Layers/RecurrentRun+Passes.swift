// RecurrentRun+Passes.swift — the walk over time, forward and backward
//
// Forward projects the inputs, then goes from step to step; backward goes the same steps the other
// way and leaves the gates' gradients on the tape.

import Kernels

extension RecurrentRun {
  // MARK: Forward

  func forward(_ rows: Range<Int>, _ pass: Pass) {
    let validity = pass.validity(to.input.validity)
    let schedule = RecurrentSchedule(
      rows, timesteps: timesteps, isReverse: spec.isReverse, validity, pass.scratch)
    let weights = weights.views
    if pass.isTraining {
      drawMasks(rows, pass)
      dropInputs(rows, validity, pass)
    }

    let final = (
      hidden: self.rows(tape.finalHidden, rows, pass), cell: self.rows(tape.finalCell, rows, pass)
    )
    var (hidden, cellState) = states(entering: schedule.start, schedule, rows, pass)
    setInitialState(hidden, cellState, rows, pass)
    copyState(schedule.rest(from: schedule.start)..<rows.count, (hidden, cellState), final)

    var projected = 0..<0
    for step in 0..<timesteps {
      let t = schedule.timestep(step)
      if !projected.contains(t) {
        let last = schedule.timestep(min(timesteps, step + projectedTimesteps) - 1)
        projected = min(t, last)..<max(t, last) + 1
        projectInputs(projected, rows, validity, weights, pass)
      }
      let count = schedule.count(step)
      var live = 0
      if schedule.start..<schedule.end ~= step {
        let next = states(entering: step + 1, schedule, rows, pass)
        if count > 0 {
          cell.forward(
            CellStep(
              extent: spec.extent(
                rows: count, validity: validity, row: rows.lowerBound, timestep: t,
                keepsGates: pass.isTraining),
              gates: gates(t, from: projected.lowerBound, rows, pass),
              recurrentInput: recurrentInput(hidden, t, rows.prefix(count), pass),
              extra: extra(t, rows, pass),
              previousHidden: hidden, hidden: next.hidden, previousCell: cellState,
              cell: next.cell),
            weights)
        }
        let rest = schedule.rest(from: step + 1)
        copyState(count..<max(count, rest), (hidden, cellState), next)
        copyState(rest..<max(count, rest), next, final)
        (hidden, cellState) = next
        live = max(count, rest)
      }
      if pass.isTraining, let validity { clearSkipped(count, t, validity, rows, pass) }
      if spec.returnsSequences {
        putOut(hidden, live, t, step, schedule.firsts, validity, rows, pass)
      }
    }
    finish(rows, pass)
  }

  /// Takes the state of some of a shard's rows to another place, unless it is the same.
  private func copyState(
    _ indices: Range<Int>, _ from: (hidden: Rows, cell: Rows), _ to: (hidden: Rows, cell: Rows)
  ) {
    for i in indices {
      if from.hidden.base != to.hidden.base {
        to.hidden[i].update(from: from.hidden[i], count: hiddenSize)
      }
      if stateCount > 1, from.cell.base != to.cell.base {
        to.cell[i].update(from: from.cell[i], count: hiddenSize)
      }
    }
  }

  /// Where the hidden and the cell state lie that enter a step. After the last step that takes rows,
  /// they are the final ones.
  private func states(
    entering step: Int, _ schedule: RecurrentSchedule, _ rows: Range<Int>, _ pass: Pass
  ) -> (hidden: Rows, cell: Rows) {
    let left = schedule.end - step
    let final = (
      hidden: self.rows(tape.finalHidden, rows, pass), cell: self.rows(tape.finalCell, rows, pass)
    )
    guard left > 0 else { return final }
    guard pass.isTraining else {
      // A step may not write where its product reads.
      return left % 2 == 0 ? final : (self.rows(tape.hidden, rows, pass), final.cell)
    }
    let t = schedule.timestep(step)
    return (state(tape.hidden, t, rows, pass), state(tape.cell, t, rows, pass))
  }

  /// One mask per sequence, a function of seed, pass, layer and row alone.
  private func drawMasks(_ rows: Range<Int>, _ pass: Pass) {
    drawMask(tape.inputMask, spec.dropout, stream: 2 * to.randomStream, rows, pass)
    drawMask(tape.hiddenMask, spec.recurrentDropout, stream: 2 * to.randomStream + 1, rows, pass)
  }

  private func drawMask(
    _ mask: Slot, _ rate: Float, stream: UInt64, _ rows: Range<Int>, _ pass: Pass
  ) {
    guard !mask.isNone else { return }
    for row in rows {
      dropoutMask(
        pass.pointer(mask, row: row), count: mask.width, rate: rate, seed: pass.seed,
        stream: stream, step: pass.step, row: UInt64(pass.firstRow + row))
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
  private func projectInputs(
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

  private func setInitialState(
    _ hidden: Rows, _ cellState: Rows, _ rows: Range<Int>, _ pass: Pass
  ) {
    for index in 0..<stateCount {
      let target = index == 0 ? hidden : cellState
      for (i, row) in rows.enumerated() {
        if let state = pass.state {
          let lane = state + row * pass.stateWidth + to.stateOffset
          target[i].update(from: lane + index * hiddenSize, count: hiddenSize)
        } else if to.initialStates.isEmpty {
          kernels.fill(target[i], 0, count: hiddenSize)
        } else {
          let initial = pass.pointer(to.initialStates[index].values, row: row)
          target[i].update(from: initial, count: hiddenSize)
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
        hidden[i], pass.pointer(tape.hiddenMask, row: row), dropped[i], count: hiddenSize)
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
        (y + place * to.output.step).update(from: state, count: hiddenSize)
      } else {
        let length = Validity.length(validity, row: row, timesteps: timesteps)
        let place = spec.isReverse && !to.staysAligned && t < length ? length - 1 - t : t
        kernels.fill(y + place * to.output.step, 0, count: hiddenSize)
      }
    }
  }

  /// Copies the final state to wherever it is wanted.
  private func finish(_ rows: Range<Int>, _ pass: Pass) {
    for row in rows {
      if !spec.returnsSequences {
        (pass.pointer(to.output.values, row: row) + to.output.column)
          .update(from: pass.pointer(tape.finalHidden, row: row), count: hiddenSize)
      }
      for index in 0..<stateCount {
        let final = pass.pointer(index == 0 ? tape.finalHidden : tape.finalCell, row: row)
        if spec.returnsState {
          pass.pointer(to.finalStates[index].values, row: row)
            .update(from: final, count: hiddenSize)
        }
        if let state = pass.state {
          (state + row * pass.stateWidth + to.stateOffset + index * hiddenSize)
            .update(from: final, count: hiddenSize)
        }
      }
    }
    if !spec.isReverse || to.staysAligned || !spec.returnsSequences { return }
    reverseValidity(rows, pass)
  }

  /// The sequence comes out in processing order, and so do its flags.
  private func reverseValidity(_ rows: Range<Int>, _ pass: Pass) {
    guard let index = to.outputValidity else { return }
    let source = pass.validity(to.input.validity)
    let reversed = pass.validities[index]
    for row in rows {
      let length = Validity.length(source, row: row, timesteps: timesteps)
      reversed.lengths[row] = Int32(length)
      for t in 0..<timesteps {
        reversed.row(row)[t] = t < length ? source.map { $0.row(row)[length - 1 - t] } ?? 1 : 0
      }
    }
  }

  // MARK: Backward

  /// Floats for the states' gradients of a shard's rows.
  static func stepScratch(rows: Int, hiddenSize: Int) -> Int { 2 * rows * hiddenSize }

  func backward(_ rows: Range<Int>, _ pass: Pass) {
    let validity = pass.validity(to.input.validity)
    let schedule = RecurrentSchedule(
      rows, timesteps: timesteps, isReverse: spec.isReverse, validity, pass.scratch)

    let buffers = pass.scratch + RecurrentSchedule.size(rows: rows.count, timesteps: timesteps)
    let dHidden = Rows(buffers, stride: hiddenSize)
    let dCell = Rows(buffers + rows.count * hiddenSize, stride: hiddenSize)
    startGradients(dHidden, dCell, rows, pass)

    let mask = tape.hiddenMask.isNone ? nil : self.rows(tape.hiddenMask, rows, pass)
    let weights = weights.views
    // The product of the last step that was taken back, and how many rows wait for it.
    var (product, waiting) = (GradientProduct.none(dHidden, mask: mask), 0)
    for step in (0..<timesteps).reversed() {
      let t = schedule.timestep(step)
      if spec.returnsSequences {
        takeIn(dHidden, t, step, schedule.firsts, validity, rows, pass)
      }
      let count = schedule.count(step)
      guard count > 0 else { continue }
      if step > 0 { prefetchTape(schedule.timestep(step - 1), rows, pass) }
      collect(count..<max(count, waiting), product, dHidden)
      let hidden = state(tape.hidden, t, rows, pass)
      let gradient = CellStepGradient(
        extent: spec.extent(
          rows: count, validity: validity, row: rows.lowerBound, timestep: t, keepsGates: true),
        gates: state(tape.gates, t, rows, pass),
        recurrentInput: mask == nil ? hidden : state(tape.droppedHidden, t, rows, pass),
        extra: extra(t, rows, pass), previousHidden: hidden,
        previousCell: state(tape.cell, t, rows, pass),
        cell: states(entering: step + 1, schedule, rows, pass).cell,
        product: product, dHidden: dHidden, dCell: dCell)
      if waiting > 0 { cell.backward(gradient.prefix(min(count, waiting)), weights) }
      if waiting < count { cell.backward(gradient.rest(from: waiting), weights) }
      product = cell.gradientProduct(gradient.gates, gradient.extra, weights)
      product.mask = mask
      waiting = count
    }
    if to.initialStates.contains(where: pass.wantsGradient) {
      collect(0..<waiting, product, dHidden)
    }
    for (index, initial) in to.initialStates.enumerated() where pass.wantsGradient(initial) {
      let gradient = index == 0 ? dHidden : dCell
      for (i, row) in rows.enumerated() {
        kernels.add(gradient[i], pass.pointer(initial.gradients, row: row), count: hiddenSize)
      }
    }
    if pass.wantsGradient(to.input) { backwardThroughProjection(rows, validity, pass) }
  }

  /// Adds the product to the gradients of rows that no step takes soon.
  private func collect(_ indices: Range<Int>, _ product: GradientProduct, _ dHidden: Rows) {
    guard !indices.isEmpty else { return }
    kernels.backward(
      HiddenGradient(
        rows: indices.count, hiddenSize: hiddenSize, product: product.from(indices.lowerBound),
        dHidden: dHidden.from(indices.lowerBound)))
  }

  /// Asks for what the next step of backward reads first. Walking back through time, and from row to
  /// row, is no order that a processor foresees.
  private func prefetchTape(_ t: Int, _ rows: Range<Int>, _ pass: Pass) {
    kernels.prefetch(state(tape.gates, t, rows, pass), count: rows.count, columns: gateSize)
    guard !tape.cell.isNone else { return }
    kernels.prefetch(state(tape.cell, t, rows, pass), count: rows.count, columns: hiddenSize)
  }

  /// The gradients of the final state, from the outputs that show it.
  private func startGradients(_ dHidden: Rows, _ dCell: Rows, _ rows: Range<Int>, _ pass: Pass) {
    for (i, row) in rows.enumerated() {
      if spec.returnsSequences {
        kernels.fill(dHidden[i], 0, count: hiddenSize)
      } else {
        dHidden[i].update(
          from: pass.pointer(to.output.gradients, row: row) + to.output.column, count: hiddenSize)
      }
      kernels.fill(dCell[i], 0, count: hiddenSize)
      for (index, place) in to.finalStates.enumerated() {
        kernels.add(
          pass.pointer(place.gradients, row: row), (index == 0 ? dHidden : dCell)[i],
          count: hiddenSize)
      }
    }
  }

  /// Adds the gradient of what `putOut` put out.
  private func takeIn(
    _ dHidden: Rows, _ t: Int, _ step: Int, _ firsts: UnsafePointer<Int32>, _ validity: Validity?,
    _ rows: Range<Int>, _ pass: Pass
  ) {
    for (i, row) in rows.enumerated() {
      guard let place = outputTimestep(t, step: step, row: row, first: firsts[i], validity)
      else { continue }
      let dy = pass.pointer(to.output.gradients, row: row) + to.output.column
      kernels.add(dy + place * to.output.step, dHidden[i], count: hiddenSize)
    }
  }

  private func backwardThroughProjection(
    _ rows: Range<Int>, _ validity: Validity?, _ pass: Pass
  ) {
    let input = weights.views.input.backward
    let gates = pass.pointer(tape.gates, row: rows.lowerBound)
    let dx = pass.pointer(to.input.gradients, row: rows.lowerBound)
    guard !tape.inputMask.isNone else {
      Validity.sequences(validity, rows: rows, timesteps: timesteps).forEachRun { first, count in
        input.multiply(
          Rows(gates + first * gateSize, stride: gateSize),
          into: Rows(dx + first * inputSize, stride: inputSize), rows: count, start: .sums)
      }
      return
    }
    for row in rows {
      let count = Validity.length(validity, row: row, timesteps: timesteps)
      input.multiply(
        Rows(pass.pointer(tape.gates, row: row), stride: gateSize),
        into: Rows(pass.scratch, stride: inputSize), rows: count, start: .zero)
      let mask = pass.pointer(tape.inputMask, row: row)
      let dx = pass.pointer(to.input.gradients, row: row)
      for t in 0..<count {
        kernels.addProduct(
          pass.scratch + t * inputSize, mask, dx + t * inputSize, count: inputSize)
      }
    }
  }
}
