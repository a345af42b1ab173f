// RecurrentRun.swift — one direction of a recurrent layer over whole sequences
//
// The input projection is a product before the loop, of all timesteps or, without training, of as many as
// stay in the cache; only the recurrent part is sequential. Where a step has rows enough, it computes the
// projection as well (`stepsTakeInput`). In training, forward writes a tape, which backward (BPTT: Werbos
// 1990) reads from the last step to the first, turning activations into gradients in place; the weights'
// gradients are then single products over the whole tape.
//
// The subtle point is time that does not count. A timestep that is skipped carries the state, so
// the final state is always that of the row's own end. A step takes the rows up to the last that it
// counts for: rows in the order of their lengths cost nothing once they have ended. What a skipped
// timestep puts out is 0, or, where a mask and not the length skips it, the previous output again
// (Keras's rule).

import Kernels

final class RecurrentRun: LayerRun {
  /// A place for vectors of H floats inside wider rows: `column` floats into each timestep.
  struct Target {
    var values: Slot
    var gradients: Slot
    var column = 0
    /// Floats from one timestep to the next.
    var step: Int

    init(_ place: ValuePlace, column: Int = 0) {
      values = place.values
      gradients = place.gradients
      self.column = column
      step = place.stepWidth
    }

    init(values: Slot, gradients: Slot, step: Int) {
      self.values = values
      self.gradients = gradients
      self.step = step
    }
  }

  /// What a direction is connected to.
  struct Connections {
    let input: ValuePlace
    /// `[B, T, 1]`, for cells that take them.
    let scores: ValuePlace?
    /// h, and the cell's memories; empty for zeros, or for learned ones.
    let initialStates: [ValuePlace]
    let output: Target
    let finalStates: [ValuePlace]
    let outputValidity: Int?
    /// Whether a masked timestep puts out the previous output again.
    let repeatsMasked: Bool
    /// Whether a reverse direction's sequence stays aligned with the input.
    var staysAligned = false
    let stateOffset: Int
    let randomStream: UInt64
    /// Among the model's layers.
    let layerIndex: Int
  }

  /// Whether a row has had a step: none, one before this window, or its first in it.
  enum Mark {
    static let none: Float = 0
    static let before: Float = 1
    static let here: Float = 2
  }

  /// Arrays `[B, T, …]` that forward leaves for backward. In inference `gates` has as many timesteps
  /// as are projected at a time (of which steps that project use one), the hidden state changes between
  /// `finalHidden` and `hidden`, the memory stays in `finalMemory`, and `extra` and `candidateMemory` are
  /// one timestep.
  struct Tape {
    var gates: Slot
    /// The state that enters each timestep.
    var hidden = Slot.none
    var memory = Slot.none
    /// What the cell makes of the memory, before zoneout.
    var candidateMemory = Slot.none
    /// `hidden` after recurrent dropout.
    var droppedHidden = Slot.none
    var droppedInput = Slot.none
    var extra = Slot.none
    var inputMask = Slot.none
    var hiddenMask = Slot.none
    var finalHidden: Slot
    var finalMemory = Slot.none
    /// `[B, …]`: the gradients of an initial state that is learned.
    var initialGradients = Slot.none
  }

  let spec: RecurrentSpec
  let cell: any RecurrentCell
  let weights: RecurrentWeights
  let to: Connections
  let tape: Tape
  let timesteps: Int
  let inputSize: Int
  /// Units of the gates, and width of the hidden state.
  let hiddenSize: Int
  let outputSize: Int
  let memorySize: Int
  let gateSize: Int
  let stateCount: Int
  let fusesInput: Bool
  /// Timesteps whose inputs are projected at a time.
  let projectedTimesteps: Int
  let zoneout: (hidden: Zoneout?, memory: Zoneout?)
  private(set) var hasZoneout = false
  /// Whether a timestep is the cell's fused steps and nothing else.
  private(set) var isFused = false
  /// Whether the cell's extra array must hold zeros where a row skips a timestep.
  private(set) var clearsExtra = false
  /// The parameters of a learned initial state; empty without.
  let initialStates: [PlacedParameter]
  let parameterGradients: RecurrentGradients
  /// Flags and lengths of what counts in a sequence and in its scores; nil without scores.
  private let joined: (flags: Slot, lengths: Slot)?

  init(
    _ spec: RecurrentSpec, _ weights: RecurrentWeights, _ placement: inout Placement,
    _ connections: Connections
  ) throws {
    self.spec = spec
    self.weights = weights
    to = connections
    cell = spec.cell
    timesteps = connections.input.timesteps
    inputSize = spec.inputSize
    hiddenSize = cell.hiddenSize
    outputSize = cell.outputSize
    memorySize = cell.memorySize
    gateSize = cell.gateSize
    stateCount = cell.stateCount
    fusesInput = cell.fusesInput

    let training = placement.isTraining
    let history = training ? timesteps : 1
    projectedTimesteps =
      training
      ? timesteps
      : Self.projectedTimesteps(timesteps, rowSize: placement.rowsPerCall * cell.gateSize)
    let stream = 2 * connections.randomStream + 1 << 48
    zoneout = (
      hidden: try Zoneout(
        rate: spec.hiddenZoneout, width: outputSize, timesteps: timesteps, stream: stream,
        &placement),
      memory: try Zoneout(
        rate: spec.cellZoneout, width: memorySize, timesteps: timesteps, stream: stream + 1,
        &placement)
    )
    var tape = Tape(
      gates: try placement.reserve(projectedTimesteps, cell.gateSize),
      finalHidden: try placement.reserve(outputSize))
    if memorySize > 0 { tape.finalMemory = try placement.reserve(memorySize) }
    if cell.extraSize > 0 { tape.extra = try placement.reserve(history, cell.extraSize) }
    if zoneout.memory != nil {
      tape.candidateMemory = try placement.reserve(history, memorySize)
    }
    tape.hidden = try placement.reserve(history, outputSize)
    if training {
      if memorySize > 0 { tape.memory = try placement.reserve(timesteps, memorySize) }
      if spec.recurrentDropout > 0 {
        tape.hiddenMask = try placement.reserve(outputSize)
        tape.droppedHidden = try placement.reserve(timesteps, outputSize)
      }
      if spec.dropout > 0 {
        tape.inputMask = try placement.reserve(inputSize)
        tape.droppedInput = try placement.reserve(timesteps, inputSize)
      }
      if spec.learnsInitialState { tape.initialGradients = try placement.reserve(cell.stateSize) }
      placement.requireScratch(
        max(
          RecurrentSchedule.size(rows: placement.rowsPerCall, timesteps: timesteps)
            + Self.stepScratch(spec, rows: placement.rowsPerCall),
          timesteps * inputSize))
    } else {
      placement.requireScratch(
        RecurrentSchedule.size(rows: placement.rowsPerCall, timesteps: timesteps)
          + cell.scratchSize(rows: placement.rowsPerCall))
    }
    self.tape = tape
    joined =
      connections.scores == nil
      ? nil
      : (
        flags: try placement.reserve((timesteps + 3) / 4), lengths: try placement.reserve(1)
      )
    let parameters = placement.parameters
    initialStates = spec.initialStateNames.map { parameters($0) }
    parameterGradients = RecurrentGradients(
      spec, tape, connections, parameters, timesteps, threads: placement.threads)
    if placement.isTraining { placement.requireScratch(parameterGradients.scratchSize) }
    super.init()
    hasZoneout = zoneout.hidden != nil || zoneout.memory != nil
    isFused = cell.fusesProduct && !hasZoneout
    clearsExtra = !cell.fusesProduct && cell.extraSize > 0
  }

  /// As many timesteps as keep the projection of a call's rows in a second-level cache, but no fewer
  /// than make a good product.
  private static func projectedTimesteps(_ timesteps: Int, rowSize: Int) -> Int {
    min(timesteps, max(8, (1 << 18) / rowSize / 8 * 8))
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    if !takeStreamedStep(rows, pass) { walk(rows, pass) }
  }
  override func backward(_ rows: Range<Int>, _ pass: Pass) { walkBack(rows, pass) }
  override func streamTurns(_ rows: Range<Int>, _ pass: Pass) throws -> [StreamTurn] {
    try cellTurns(rows, pass) ?? super.streamTurns(rows, pass)
  }

  // MARK: Time

  /// Which timesteps count: those of the sequence, and of its scores.
  func validity(_ pass: Pass) -> Validity? {
    guard let joined, needsJoin(pass) else { return pass.validity(to.input.validity) }
    return Validity(
      flags: UnsafeMutableRawPointer(pass.pointer(joined.flags))
        .assumingMemoryBound(to: UInt8.self),
      lengths: UnsafeMutableRawPointer(pass.pointer(joined.lengths))
        .assumingMemoryBound(to: Int32.self),
      timesteps: timesteps, isFull: false)
  }

  private func needsJoin(_ pass: Pass) -> Bool {
    guard let scores = to.scores, scores.validity != to.input.validity else { return false }
    return pass.validity(scores.validity) != nil
  }

  func joinScores(_ rows: Range<Int>, _ pass: Pass) {
    guard needsJoin(pass), let joined = validity(pass) else { return }
    for row in rows {
      joined.fill(row)
      for source in [to.input.validity, to.scores?.validity] {
        if let validity = pass.validity(source) { joined.narrow(row, to: validity) }
      }
    }
  }

  /// The steps of some rows.
  ///
  /// - Parameter hasStarted: of a row's mark, whether the row had steps before this window.
  func schedule(
    _ rows: Range<Int>, _ validity: Validity?, _ pass: Pass, _ hasStarted: (Float) -> Bool
  ) -> RecurrentSchedule {
    let schedule = RecurrentSchedule(
      rows, timesteps: timesteps, isReverse: spec.isReverse, validity, pass.scratch)
    guard pass.state != nil else { return schedule }
    for (i, row) in rows.enumerated() {
      // A stream has no marks: what it has not begun yet has its initial state.
      if mark(row, pass).map({ hasStarted($0.pointee) }) ?? true { schedule.continueRow(i) }
    }
    return schedule
  }

  /// In windows, whether this layer has taken a step of a row.
  private func mark(_ row: Int, _ pass: Pass) -> MutableValues? {
    guard let marks = pass.marks, let state = pass.state else { return nil }
    return pass.state(state, row: row, offset: marks + to.layerIndex)
  }

  func setMarks(_ schedule: RecurrentSchedule, _ rows: Range<Int>, _ pass: Pass) {
    for (i, row) in rows.enumerated() {
      guard let mark = mark(row, pass) else { return }
      let first = Int(schedule.firsts[i])
      mark.pointee = first < 0 ? Mark.before : first < timesteps ? Mark.here : Mark.none
    }
  }

  /// Where a row's output of a timestep goes, or nil if nothing is put out there.
  func outputTimestep(_ t: Int, step: Int, row: Int, first: Int32, _ validity: Validity?)
    -> Int?
  {
    let length = Validity.length(validity, row: row, timesteps: timesteps)
    guard t < length else { return nil }
    if let validity, validity.row(row)[t] == 0, !(to.repeatsMasked && step > Int(first)) {
      return nil
    }
    return spec.isReverse && !to.staysAligned ? length - 1 - t : t
  }

  /// What a step of some rows is told of them.
  func extent(_ rows: Range<Int>, _ t: Int, _ validity: Validity?, keepsGates: Bool) -> StepExtent {
    StepExtent(
      rows: rows.count, hiddenSize: hiddenSize,
      valid: validity.map { UnsafePointer($0.row(rows.lowerBound) + t) },
      validStride: validity?.timesteps ?? 0, gateActivation: spec.gateActivation,
      stateActivation: spec.stateActivation, keepsGates: keepsGates)
  }

  // MARK: Gradients of the parameters

  override var gradientTasks: Int { parameterGradients.count }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    parameterGradients.add(task: task, batch: batch, validity(pass), pass)
  }

  /// Of the product with weight_ih.
  var inputGradient: TapeColumns { parameterGradients.input }

  // MARK: Places

  /// A hidden state and a memory, of some rows.
  struct State {
    let hidden: Rows
    let memory: Rows
  }

  /// One of the states of a row: the hidden state, then the memories.
  func part(_ index: Int, of state: State, _ i: Int) -> (MutableValues, count: Int) {
    index == 0
      ? (state.hidden[i], outputSize)
      : (state.memory[i] + (index - 1) * hiddenSize, hiddenSize)
  }

  /// Where a state begins in what a stream keeps of the layer.
  func streamOffset(_ index: Int) -> Int {
    index == 0 ? 0 : outputSize + (index - 1) * hiddenSize
  }

  /// Where a state of a row lies in what is carried from pass to pass, or its gradient.
  func carried(_ index: Int, in array: MutableValues, row: Int, _ pass: Pass) -> MutableValues {
    pass.state(array, row: row, offset: to.stateOffset + streamOffset(index))
  }

  func finalState(_ rows: Range<Int>, _ pass: Pass) -> State {
    State(
      hidden: self.rows(tape.finalHidden, rows, pass),
      memory: self.rows(tape.finalMemory, rows, pass))
  }

  /// Where the state lies that enters a step. After the last step that takes rows, it is the final one.
  func state(entering step: Int, _ schedule: RecurrentSchedule, _ rows: Range<Int>, _ pass: Pass)
    -> State
  {
    let left = schedule.end - step
    let final = finalState(rows, pass)
    guard left > 0 else { return final }
    guard pass.isTraining else {
      // A step may not write where its product reads. A sequence is put out where it is computed.
      let other = State(hidden: self.rows(tape.hidden, rows, pass), memory: final.memory)
      guard schedule.isWhole, spec.returnsSequences else { return left % 2 == 0 ? final : other }
      guard step > 0 else { return other }
      return State(hidden: output(of: step - 1, schedule, rows, pass), memory: final.memory)
    }
    let t = schedule.timestep(step)
    return State(
      hidden: state(tape.hidden, t, rows, pass), memory: state(tape.memory, t, rows, pass))
  }

  /// Where the hidden state that leaves a step is put out, of rows that take every step.
  private func output(
    of step: Int, _ schedule: RecurrentSchedule, _ rows: Range<Int>, _ pass: Pass
  ) -> Rows {
    let t = schedule.timestep(step)
    let place = spec.isReverse && !to.staysAligned ? timesteps - 1 - t : t
    return self.rows(to.output.values, rows, pass)
      .dropping(to.output.column + place * to.output.step)
  }

  /// A slot `[B, N]` as rows.
  func rows(_ slot: Slot, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    Rows(pass.base + max(0, slot.offset) + rows.lowerBound * slot.width, stride: slot.width)
  }

  /// Timestep t of a slot `[B, T, N]` as rows.
  func state(_ slot: Slot, _ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    let place = self.rows(slot, rows, pass)
    return slot.isNone ? place : place.dropping(t * (slot.width / timesteps))
  }

  /// Where a step's gates are, and what they are made of.
  struct GateSums {
    let start: Rows
    let gates: Rows
    let input: Rows?
  }

  /// The gates of a step that computes the inputs' product itself.
  func gatesOfInput(_ t: Int, _ rows: Range<Int>, _ weights: CellWeights, _ pass: Pass) -> GateSums
  {
    let input = tape.droppedInput.isNone ? to.input.values : tape.droppedInput
    return GateSums(
      start: weights.gatesStart, gates: gates(t, from: pass.isTraining ? 0 : t, rows, pass),
      input: self.rows(input, rows, pass).dropping(t * inputSize))
  }

  /// Those that the projection has filled from the timestep `first` on.
  func projectedGates(_ t: Int, from first: Int, _ rows: Range<Int>, _ pass: Pass) -> GateSums {
    let gates = gates(t, from: first, rows, pass)
    return GateSums(start: gates, gates: gates, input: nil)
  }

  private func gates(_ t: Int, from first: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    self.rows(tape.gates, rows, pass).dropping((t - first) * gateSize)
  }

  func extra(_ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    pass.isTraining ? state(tape.extra, t, rows, pass) : self.rows(tape.extra, rows, pass)
  }

  /// What the cell makes of the memory, before zoneout.
  func candidateMemory(_ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    pass.isTraining
      ? state(tape.candidateMemory, t, rows, pass) : self.rows(tape.candidateMemory, rows, pass)
  }

  func scores(_ t: Int, _ rows: Range<Int>, _ pass: Pass) -> RowScalars? {
    to.scores.map {
      RowScalars(
        pass.pointer($0.values, row: rows.lowerBound) + t, stride: $0.values.width)
    }
  }

  func scoreGradients(_ t: Int, _ rows: Range<Int>, _ pass: Pass) -> RowScalars? {
    guard let scores = to.scores, pass.wantsGradient(scores) else { return nil }
    return RowScalars(
      pass.pointer(scores.gradients, row: rows.lowerBound) + t, stride: scores.gradients.width)
  }

  /// Words at the beginning of the scratch that a schedule takes.
  func scheduleSize(_ rows: Int) -> Int { RecurrentSchedule.size(rows: rows, timesteps: timesteps) }
}
