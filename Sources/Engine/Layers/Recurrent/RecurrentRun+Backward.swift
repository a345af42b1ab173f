// RecurrentRun+Backward.swift — the walk back through time
//
// Backward goes forward's steps the other way and leaves the gates' gradients on the tape. The
// gradient of a hidden state has two parts: what comes from the layer's output and past the cell,
// which is at hand in `dHidden`, and the product of the gates' gradients of the step after it, which
// waits until a step of these rows needs the sum.

import Kernels

extension RecurrentRun {
  /// Floats for the states' gradients of a shard's rows, and for the part that zoneout carries past the
  /// cell.
  static func stepScratch(_ spec: RecurrentSpec, rows: Int) -> Int {
    let zoneouts = (spec.hiddenZoneout > 0 ? 1 : 0, spec.cellZoneout > 0 ? 1 : 0)
    let cell = spec.cell
    return rows * ((1 + zoneouts.0) * cell.outputSize + (1 + zoneouts.1) * cell.memorySize)
      + cell.scratchSize(rows: rows)
  }

  /// The gradients of the state, of a shard's rows, and memory to work in.
  private struct Gradients {
    let hidden: Rows
    let memory: Rows
    let carriedHidden: Rows
    let carriedMemory: Rows
    let scratch: MutableValues

    init(_ run: RecurrentRun, rows: Int, _ memory: MutableValues) {
      var place = memory
      func take(_ width: Int, _ isNeeded: Bool) -> Rows {
        defer { if isNeeded { place += rows * width } }
        return Rows(place, stride: width)
      }
      hidden = take(run.outputSize, true)
      self.memory = take(run.memorySize, true)
      carriedHidden = take(run.outputSize, run.zoneout.hidden != nil)
      carriedMemory = take(run.memorySize, run.zoneout.memory != nil)
      scratch = place
    }

    var state: State { State(hidden: hidden, memory: memory) }
  }

  /// The product of the last step that was taken back, and how many rows wait for it.
  private struct Waiting {
    var product: GradientProduct
    var rows = 0
  }

  func walkBack(_ rows: Range<Int>, _ pass: Pass) {
    let validity = validity(pass)
    let schedule = schedule(rows, validity, pass) { $0 == Mark.before }
    let gradients = Gradients(
      self, rows: rows.count, pass.scratch + scheduleSize(rows.count))
    startGradients(gradients.state, rows, pass)

    let mask = tape.hiddenMask.isNone ? nil : self.rows(tape.hiddenMask, rows, pass)
    let weights = weights.views
    var waiting = Waiting(product: .none(gradients.hidden, mask: mask))
    for step in (0..<timesteps).reversed() {
      let t = schedule.timestep(step)
      if spec.returnsSequences {
        addOutputGradient(gradients.hidden, t, step, schedule.firsts, validity, rows, pass)
      }
      let count = schedule.count(step)
      guard count > 0 else { continue }
      if step > 0 { prefetchTape(schedule.timestep(step - 1), rows, pass) }
      let gradient = stepGradient(
        t, rows.prefix(count), validity, after: state(entering: step + 1, schedule, rows, pass),
        gradients, waiting.product, pass)
      stepBack(gradient, t, rows.prefix(count), gradients, &waiting, weights, pass)
      if var product = cell.gradientProduct(gradient.gates, gradient.extra, weights) {
        product.mask = mask
        waiting = Waiting(product: product, rows: count)
      }
    }
    if !initialStates.isEmpty || pass.stateGradients != nil
      || to.initialStates.contains(where: pass.wantsGradient)
    {
      collect(0..<waiting.rows, waiting.product, gradients.hidden)
    }
    giveToInitialState(gradients.state, rows, pass)
    if pass.wantsGradient(to.input) { backwardThroughProjection(rows, validity, pass) }
  }

  /// Where a step's arrays lie, and what comes back to it.
  private func stepGradient(
    _ t: Int, _ rows: Range<Int>, _ validity: Validity?, after: State, _ gradients: Gradients,
    _ product: GradientProduct, _ pass: Pass
  ) -> CellStepGradient {
    let hidden = state(tape.hidden, t, rows, pass)
    return CellStepGradient(
      extent: extent(rows, t, validity, keepsGates: true),
      gates: state(tape.gates, t, rows, pass),
      recurrentInput: product.mask == nil ? hidden : state(tape.droppedHidden, t, rows, pass),
      extra: extra(t, rows, pass), previousHidden: hidden,
      previousMemory: state(tape.memory, t, rows, pass),
      memory: zoneout.memory == nil ? after.memory : candidateMemory(t, rows, pass),
      scores: scores(t, rows, pass), product: product, dHidden: gradients.hidden,
      dMemory: gradients.memory, dScores: scoreGradients(t, rows, pass),
      scratch: gradients.scratch)
  }

  /// One timestep back.
  private func stepBack(
    _ gradient: CellStepGradient, _ t: Int, _ rows: Range<Int>, _ gradients: Gradients,
    _ waiting: inout Waiting, _ weights: CellWeights, _ pass: Pass
  ) {
    let count = rows.count
    if isFused {
      collect(count..<max(count, waiting.rows), waiting.product, gradients.hidden)
      if waiting.rows > 0 { cell.backward(gradient.prefix(min(count, waiting.rows)), weights) }
      if waiting.rows < count { cell.backward(gradient.rest(from: waiting.rows), weights) }
      return
    }
    collect(0..<waiting.rows, waiting.product, gradients.hidden)
    waiting.rows = 0
    zoneout.hidden?.backward(t, gradients.hidden, carried: gradients.carriedHidden, rows, pass)
    zoneout.memory?.backward(t, gradients.memory, carried: gradients.carriedMemory, rows, pass)
    cell.backward(gradient.rest(from: 0), weights)
    for i in 0..<count {
      if zoneout.hidden != nil {
        kernels.add(gradients.carriedHidden[i], gradients.hidden[i], count: outputSize)
      }
      if zoneout.memory != nil {
        kernels.add(gradients.carriedMemory[i], gradients.memory[i], count: memorySize)
      }
    }
  }

  /// Adds the product to the gradients of rows that no step takes soon.
  private func collect(_ indices: Range<Int>, _ product: GradientProduct, _ dHidden: Rows) {
    guard !indices.isEmpty else { return }
    kernels.backward(
      HiddenGradient(
        rows: indices.count, hiddenSize: outputSize, product: product.from(indices.lowerBound),
        dHidden: dHidden.from(indices.lowerBound)))
  }

  /// Asks for what the next step of backward reads first. Walking back through time, and from row to
  /// row, is no order that a processor foresees.
  private func prefetchTape(_ t: Int, _ rows: Range<Int>, _ pass: Pass) {
    kernels.prefetch(state(tape.gates, t, rows, pass), count: rows.count, columns: gateSize)
    guard !tape.memory.isNone else { return }
    kernels.prefetch(state(tape.memory, t, rows, pass), count: rows.count, columns: memorySize)
  }

  // MARK: Ends

  /// The gradients of the final state, from the outputs that show it.
  private func startGradients(_ gradients: State, _ rows: Range<Int>, _ pass: Pass) {
    for (i, row) in rows.enumerated() {
      if spec.returnsSequences {
        kernels.fill(gradients.hidden[i], 0, count: outputSize)
      } else {
        gradients.hidden[i].update(
          from: pass.pointer(to.output.gradients, row: row) + to.output.column, count: outputSize)
      }
      kernels.fill(gradients.memory[i], 0, count: memorySize)
      for (index, place) in to.finalStates.enumerated() {
        let (gradient, count) = part(index, of: gradients, i)
        kernels.add(pass.pointer(place.gradients, row: row), gradient, count: count)
      }
      guard let array = pass.stateGradients else { continue }
      for index in 0..<stateCount {
        let (gradient, count) = part(index, of: gradients, i)
        kernels.add(carried(index, in: array, row: row, pass), gradient, count: count)
      }
    }
  }

  /// The gradients of the initial state, to where it came from.
  private func giveToInitialState(_ gradients: State, _ rows: Range<Int>, _ pass: Pass) {
    for index in 0..<stateCount {
      for (i, row) in rows.enumerated() {
        let (gradient, count) = part(index, of: gradients, i)
        if let array = pass.stateGradients {
          carried(index, in: array, row: row, pass).update(from: gradient, count: count)
        }
        if !initialStates.isEmpty {
          let target = pass.pointer(tape.initialGradients, row: row) + streamOffset(index)
          target.update(from: gradient, count: count)
          // A later window does not begin with the initial state.
          if pass.window > 0 { kernels.fill(target, 0, count: count) }
        } else if !to.initialStates.isEmpty, pass.wantsGradient(to.initialStates[index]) {
          let place = to.initialStates[index].gradients
          kernels.add(gradient, pass.pointer(place, row: row), count: count)
        }
      }
    }
  }

  /// Adds the gradient of what `putOut` put out.
  private func addOutputGradient(
    _ dHidden: Rows, _ t: Int, _ step: Int, _ firsts: UnsafePointer<Int32>, _ validity: Validity?,
    _ rows: Range<Int>, _ pass: Pass
  ) {
    for (i, row) in rows.enumerated() {
      guard let place = outputTimestep(t, step: step, row: row, first: firsts[i], validity)
      else { continue }
      let dy = pass.pointer(to.output.gradients, row: row) + to.output.column
      kernels.add(dy + place * to.output.step, dHidden[i], count: outputSize)
    }
  }

  private func backwardThroughProjection(
    _ rows: Range<Int>, _ validity: Validity?, _ pass: Pass
  ) {
    let input = weights.views.input.backward
    let source = inputGradient
    let dx = pass.pointer(to.input.gradients, row: rows.lowerBound)
    guard !tape.inputMask.isNone else {
      Validity.sequences(validity, rows: rows, timesteps: timesteps).forEachRun { first, count in
        input.multiply(
          source.rows(first, rows, pass),
          into: Rows(dx + first * inputSize, stride: inputSize), rows: count, start: .sums)
      }
      return
    }
    for row in rows {
      let count = Validity.length(validity, row: row, timesteps: timesteps)
      input.multiply(
        source.rows(0, row..<row + 1, pass),
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
