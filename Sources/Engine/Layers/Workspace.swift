// Workspace.swift — where everything of a pass lies in memory
//
// One block holds the values, gradients and tapes of all layers for a number of batch rows and
// timesteps. It is planned once per shape: layers reserve `Slot`s, which are offsets, so a larger
// block can take the place of a smaller one. Every array is row-major with the batch outermost, so
// a slot serves any batch up to the planned one, and a shard of rows is a contiguous piece.

import Kernels

/// A place for `width` floats per batch row.
struct Slot: Sendable {
  var offset: Int
  /// Floats from one batch row to the next.
  var width: Int

  /// For values that a pass does not have.
  static let none = Slot(offset: -1, width: 0)
  var isNone: Bool { offset < 0 }
}

/// One value of the model within a workspace. Numbers only, so that a pass copies it freely.
struct ValuePlace: Sendable {
  /// Among the model's values.
  let index: Int
  let type: ElementType
  let hasTime: Bool
  /// Elements of one batch row at one timestep, and of those the last axis.
  let stepWidth: Int
  let lastAxis: Int
  let isModelInput: Bool
  /// Timesteps, 1 for values without a time axis.
  let timesteps: Int
  let values: Slot
  /// `.none` in workspaces for inference.
  var gradients: Slot
  /// Which timesteps count; an index into the pass's validities, nil without a time axis.
  let validity: Int?
  /// For a softmax or sigmoid output: what went into it, which losses prefer.
  var logits: Slot = .none

  /// Elements of one batch row.
  var width: Int { values.width }
}

/// What a layer is given to place itself: its inputs and outputs, and a way to reserve memory.
struct Placement {
  let isTraining: Bool
  /// Batch rows that one call of a run may get.
  let rowsPerCall: Int
  /// That share the gradients' work.
  let threads: Int
  let name: String
  let inputs: [ValuePlace]
  /// Runs may add `logits`.
  var outputs: [ValuePlace]
  let weights: (any LayerWeights)?
  let parameters: ParameterSource
  /// Where the layer's state begins in a lane's state.
  let stateOffset: Int
  /// Among the model's layers.
  let layerIndex: Int
  /// In a walk, for each input, whether it changes from step to step; nil otherwise.
  let changes: [Bool]?
  /// In a walk, where what the layer keeps of the first timestep begins in a row's state, and floats
  /// from one timestep to the next.
  let history: (offset: Int, stride: Int)?
  /// A number that tells this layer's random masks from those of others.
  let randomStream: UInt64
  var reservations: Reservations

  mutating func reserve(_ widths: Int...) throws -> Slot {
    try reservations.reserve(Int.product(widths, of: name))
  }

  /// For each of the threads, `count` floats that last as long as one call.
  mutating func requireScratch(_ count: Int) { reservations.requireScratch(count) }
}

/// Memory asked for so far.
struct Reservations {
  let batch: Int
  private(set) var floats = 0
  private(set) var scratch = 0

  init(batch: Int) { self.batch = batch }

  /// `width` floats for each batch row, from a cache line on.
  mutating func reserve(_ width: Int) throws -> Slot {
    let count = try Int.product([width, batch], of: "workspace")
    let (end, overflow) = floats.addingReportingOverflow(count)
    guard !overflow, end <= Int.max / 8 else {
      throw EngineError.memory("workspace: this batch takes more memory than there can be")
    }
    defer { floats = (end + 15) / 16 * 16 }
    return Slot(offset: floats, width: width)
  }

  mutating func requireScratch(_ count: Int) { scratch = max(scratch, (count + 15) / 16 * 16) }
}

/// Which timesteps of a value count.
struct Validity {
  /// Bytes `[B, T]`, 1 where a timestep counts; meaningful unless `isFull`.
  var flags: UnsafeMutablePointer<UInt8>
  /// `[B]`: each row's length; a flag beyond it is 0.
  var lengths: UnsafeMutablePointer<Int32>
  var timesteps: Int
  /// Every timestep of every row counts.
  var isFull: Bool

  func row(_ row: Int) -> UnsafeMutablePointer<UInt8> { flags + row * timesteps }

  /// Lets every timestep of a row count.
  func fill(_ row: Int) {
    self.row(row).update(repeating: 1, count: timesteps)
    lengths[row] = Int32(timesteps)
  }

  /// Lets only that count which counts in another one, too.
  func narrow(_ row: Int, to other: Validity) {
    lengths[row] = min(lengths[row], other.lengths[row])
    for t in 0..<timesteps { self.row(row)[t] &= other.row(row)[t] }
  }

  /// A row's length; without a validity, all timesteps.
  static func length(_ validity: Validity?, row: Int, timesteps: Int) -> Int {
    validity.map { Int($0.lengths[row]) } ?? timesteps
  }

  /// The timesteps within their lengths, of some rows or, without a validity, all of them.
  static func sequences(
    _ validity: Validity?, rows: Range<Int>, timesteps: Int, rowsPerTimestep: Int = 1
  ) -> SequenceRows {
    SequenceRows(
      batch: rows.count, timesteps: timesteps,
      lengths: validity.map { UnsafePointer($0.lengths + rows.lowerBound) },
      rowsPerTimestep: rowsPerTimestep)
  }
}

/// Timesteps that follow each other in a workspace, of one row or of several.
struct TimestepRun {
  /// Counted from the workspace's row 0.
  let first: Int
  let count: Int
  /// Of a row.
  let timesteps: Int
}

/// What runs need to know about the pass they take part in.
struct Pass {
  /// The workspace's memory.
  let base: MutableValues
  /// The parameters' gradients, laid out as the parameters; nil in inference.
  let gradients: MutableValues?
  /// This thread's scratch.
  let scratch: MutableValues
  let validities: UnsafeMutablePointer<Validity>
  /// Dropout is on, and tapes are written.
  let isTraining: Bool
  /// Whether gradients of the model's float inputs are wanted.
  let needsInputGradients: Bool
  /// For each value of the model, whether its gradient is that of its logits; nil: none is.
  let fused: UnsafePointer<Bool>?
  /// Seed and number of this pass, for random masks.
  let seed: UInt64
  let step: UInt64
  /// The batch row that row 0 of the workspace stands for.
  let firstRow: Int
  /// Of the batch's rows, for random masks; nil if row i has number i.
  let rowNumbers: UnsafePointer<Int>?
  /// A stream's state `[lanes, state width]` to continue from and to leave behind; nil for whole
  /// sequences from the initial state.
  let state: MutableValues?
  /// Floats from one row's state to the next.
  var stateWidth: Int
  /// Which window of longer sequences this pass takes; 0 where they begin.
  let window: Int
  /// In windows, where the layers' marks begin in a row's state: one for each, whether it has taken a
  /// timestep of the row.
  let marks: Int?
  /// Laid out as the state: the gradient of what a window leaves behind, which backward replaces by that
  /// of what it began with; nil if gradients stop there.
  let stateGradients: MutableValues?

  /// The random numbers of a layer that differ from timestep to timestep, and so from window to window.
  func timed(_ stream: UInt64) -> UInt64 { stream + UInt64(window) << 52 }

  /// The number of a workspace's row for what is drawn for it.
  func randomRow(_ row: Int) -> UInt64 {
    UInt64(rowNumbers.map { $0[firstRow + row] } ?? firstRow + row)
  }

  /// A layer's part of a row's state, or of its gradient.
  func state(_ array: MutableValues, row: Int, offset: Int) -> MutableValues {
    array + row * stateWidth + offset
  }

  func pointer(_ slot: Slot, row: Int = 0) -> MutableValues {
    base + slot.offset + row * slot.width
  }

  /// Where a run begins in a slot that has as much for every timestep.
  func pointer(_ slot: Slot, _ run: TimestepRun) -> MutableValues {
    base + slot.offset + run.first * (slot.width / run.timesteps)
  }

  /// Visits the timesteps of some rows within their lengths. What pads a row is not computed: the
  /// model's values are set to zero there, and whatever else lies there is not read.
  ///
  /// - Parameter validity: which timesteps count; an index into the pass's validities.
  func forEachRun(
    of rows: Range<Int>, timesteps: Int, validity: Int?, _ body: (TimestepRun) -> Void
  ) {
    let start = rows.lowerBound * timesteps
    Validity.sequences(self.validity(validity), rows: rows, timesteps: timesteps).forEachRun {
      body(TimestepRun(first: start + $0, count: $1, timesteps: timesteps))
    }
  }

  /// Visits the timesteps of a value within their rows' lengths.
  func forEachRun(of rows: Range<Int>, _ place: ValuePlace, _ body: (TimestepRun) -> Void) {
    forEachRun(of: rows, timesteps: place.timesteps, validity: place.validity, body)
  }

  /// The same row by row, for layers that work on a row with what is that row's alone.
  func forEachRow(
    of rows: Range<Int>, _ place: ValuePlace, _ body: (_ row: Int, TimestepRun) -> Void
  ) {
    for row in rows { forEachRun(of: row..<row + 1, place) { body(row, $0) } }
  }

  /// Whether anyone asks for this value's gradient.
  func wantsGradient(_ value: ValuePlace) -> Bool {
    !value.gradients.isNone && (needsInputGradients || !value.isModelInput)
  }

  /// Whether the gradient found at this value is already that of its logits.
  func isFused(_ value: ValuePlace) -> Bool {
    guard let fused else { return false }
    return fused[value.index]
  }

  /// nil where every timestep counts.
  func validity(_ index: Int?) -> Validity? {
    guard let index else { return nil }
    let validity = validities[index]
    return validity.isFull ? nil : validity
  }

  /// The same pass with another thread's scratch.
  func with(scratch: MutableValues) -> Pass {
    Pass(
      base: base, gradients: gradients, scratch: scratch, validities: validities,
      isTraining: isTraining,
      needsInputGradients: needsInputGradients, fused: fused, seed: seed, step: step,
      firstRow: firstRow, rowNumbers: rowNumbers, state: state, stateWidth: stateWidth,
      window: window,
      marks: marks, stateGradients: stateGradients)
  }
}
