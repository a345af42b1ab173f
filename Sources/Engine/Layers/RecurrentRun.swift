// RecurrentRun.swift — one direction of a recurrent layer over whole sequences
//
// The input projection of all timesteps is a product before the loop; only the recurrent part is
// sequential. (Without training, the projection keeps some timesteps ahead of the loop, as many as
// stay in the cache.) In training, forward writes a tape, which backward (BPTT: Werbos 1990) reads
// from the last step to the first, turning activations into gradients in place; the weights'
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
    /// h, and c for cells that have it; empty for zeros.
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
  }

  /// Arrays `[B, T, …]` that forward leaves for backward. In inference `gates` has as many timesteps
  /// as are projected at a time; the hidden state changes between `finalHidden` and `hidden`, the cell state stays in
  /// `finalCell`, and `extra` is one timestep.
  struct Tape {
    var gates: Slot
    /// The state that enters each timestep.
    var hidden = Slot.none
    var cell = Slot.none
    /// `hidden` after recurrent dropout.
    var droppedHidden = Slot.none
    var droppedInput = Slot.none
    var extra = Slot.none
    var inputMask = Slot.none
    var hiddenMask = Slot.none
    var finalHidden: Slot
    var finalCell = Slot.none
  }

  let spec: RecurrentSpec
  let cell: any RecurrentCell
  let weights: RecurrentWeights
  let to: Connections
  let tape: Tape
  let timesteps: Int
  let inputSize: Int
  let hiddenSize: Int
  let gateSize: Int
  let stateCount: Int
  /// Timesteps whose inputs are projected at a time.
  let projectedTimesteps: Int
  private let weightIH: PlacedParameter
  private let weightHH: PlacedParameter
  private let biasIH: PlacedParameter?
  private let biasHH: PlacedParameter?
  private let gradientPieces: [GradientPiece]

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
    gateSize = cell.gateSize
    stateCount = cell.stateCount

    let training = placement.isTraining
    let history = training ? timesteps : 1
    projectedTimesteps =
      training
      ? timesteps
      : Self.projectedTimesteps(
        timesteps, rowSize: placement.rowsPerCall * cell.gateSize)
    var tape = Tape(
      gates: try placement.reserve(projectedTimesteps, cell.gateSize),
      finalHidden: try placement.reserve(hiddenSize))
    if cell.hasCellState { tape.finalCell = try placement.reserve(hiddenSize) }
    if cell.keepsExtra { tape.extra = try placement.reserve(history, hiddenSize) }
    tape.hidden = try placement.reserve(history, hiddenSize)
    if training {
      if cell.hasCellState { tape.cell = try placement.reserve(timesteps, hiddenSize) }
      if spec.recurrentDropout > 0 {
        tape.hiddenMask = try placement.reserve(hiddenSize)
        tape.droppedHidden = try placement.reserve(timesteps, hiddenSize)
      }
      if spec.dropout > 0 {
        tape.inputMask = try placement.reserve(inputSize)
        tape.droppedInput = try placement.reserve(timesteps, inputSize)
      }
      placement.requireScratch(
        max(
          transposedProductScratch(columns: max(inputSize, hiddenSize), depth: .max),
          RecurrentSchedule.size(rows: placement.rowsPerCall, timesteps: timesteps)
            + Self.stepScratch(rows: placement.rowsPerCall, hiddenSize: hiddenSize),
          timesteps * inputSize))
    } else {
      placement.requireScratch(
        RecurrentSchedule.size(rows: placement.rowsPerCall, timesteps: timesteps))
    }
    self.tape = tape

    weightIH = placement.parameters("weight_ih" + spec.suffix)
    weightHH = placement.parameters("weight_hh" + spec.suffix)
    biasIH = spec.usesBias ? placement.parameters("bias_ih" + spec.suffix) : nil
    biasHH = spec.hasRecurrentBias ? placement.parameters("bias_hh" + spec.suffix) : nil
    gradientPieces = cell.recurrentGradients.flatMap(GradientPiece.pieces)
  }

  /// As many timesteps as keep the projection of a shard's rows in a second-level cache, but no fewer
  /// than make a good product.
  private static func projectedTimesteps(_ timesteps: Int, rowSize: Int) -> Int {
    min(timesteps, max(8, (1 << 18) / rowSize / 8 * 8))
  }

  // MARK: Time

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

  // MARK: Gradients of the parameters

  /// Rows of the weights whose gradients are made of the same array: those of both weights where one
  /// array serves both, because it is packed only once then.
  private struct GradientPiece {
    let rows: Range<Int>
    let gradient: RecurrentGradient.Gradient
    /// Whether the rows of weight_ih get their gradient, too.
    let includesInput: Bool
    /// What the gradient of the rows of weight_hh takes; nil: they have a piece of their own.
    let recurrentInput: RecurrentGradient.Input?
    let parts: GradientParts

    private init(
      _ rows: Range<Int>, _ gradient: RecurrentGradient.Gradient, includesInput: Bool,
      _ recurrentInput: RecurrentGradient.Input?
    ) {
      self.rows = rows
      self.gradient = gradient
      self.includesInput = includesInput
      self.recurrentInput = recurrentInput
      parts = GradientParts(rows: rows.count)
    }

    static func pieces(_ part: RecurrentGradient) -> [GradientPiece] {
      switch part.gradient {
      case .gates:
        [GradientPiece(part.rows, .gates, includesInput: true, part.input)]
      case .extra:
        [
          GradientPiece(part.rows, .gates, includesInput: true, nil),
          GradientPiece(part.rows, .extra, includesInput: false, part.input),
        ]
      }
    }
  }

  var gradientTasks: Int { gradientPieces.reduce(0) { $0 + $1.parts.count } }

  func addGradients(task: Int, batch: Int, _ pass: Pass) {
    var task = task
    for piece in gradientPieces {
      if task < piece.parts.count {
        let part = piece.parts.range(task)
        let first = piece.rows.lowerBound
        addGradients(piece, first + part.lowerBound..<first + part.upperBound, batch, pass)
        return
      }
      task -= piece.parts.count
    }
  }

  /// d weight[rows] += Σ gradientᵀ input and d bias[rows] += Σ gradient, over all rows and timesteps.
  private func addGradients(
    _ piece: GradientPiece, _ rows: Range<Int>, _ batch: Int, _ pass: Pass
  ) {
    let array = piece.gradient == .gates ? tape.gates : tape.extra
    let column =
      piece.gradient == .gates ? rows.lowerBound : rows.lowerBound - piece.rows.lowerBound
    let x = tape.droppedInput.isNone ? to.input.values : tape.droppedInput
    let input = piece.includesInput ? target(rows, with: x, weightIH, biasIH, pass) : nil
    let recurrent = piece.recurrentInput.map { kind in
      let hidden = tape.droppedHidden.isNone ? tape.hidden : tape.droppedHidden
      return target(
        rows, with: kind == .recurrentInput ? hidden : tape.extra, weightHH, biasHH, pass)
    }
    guard let first = input ?? recurrent else { return }
    accumulateTransposedProduct(
      a: pass.pointer(array) + column, aStride: array.width / timesteps, rows: rows.count,
      into: first, and: input == nil ? nil : recurrent,
      depth: Validity.sequences(
        pass.validity(to.input.validity), rows: 0..<batch, timesteps: timesteps),
      scratch: pass.scratch)
  }

  private func target(
    _ rows: Range<Int>, with input: Slot, _ weight: PlacedParameter, _ bias: PlacedParameter?,
    _ pass: Pass
  ) -> TransposedTarget {
    let width = input.width / timesteps
    return TransposedTarget(
      b: pass.pointer(input), bStride: width, columns: width,
      c: weight.gradient(pass) + rows.lowerBound * width, cStride: width,
      sums: bias.map { $0.gradient(pass) + rows.lowerBound })
  }

  // MARK: Places

  /// A slot `[B, H]` as rows.
  func rows(_ slot: Slot, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    Rows(pass.base + max(0, slot.offset) + rows.lowerBound * slot.width, stride: slot.width)
  }

  /// Timestep t of a slot `[B, T, N]` as rows.
  func state(_ slot: Slot, _ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    let place = self.rows(slot, rows, pass)
    return slot.isNone ? place : place.dropping(t * (slot.width / timesteps))
  }

  /// The gates of a timestep, of which the first that is projected with it is `first`.
  func gates(_ t: Int, from first: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    self.rows(tape.gates, rows, pass).dropping((t - first) * gateSize)
  }

  func extra(_ t: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    pass.isTraining ? state(tape.extra, t, rows, pass) : self.rows(tape.extra, rows, pass)
  }
}
