// RecurrentCell.swift — what a timestep computes
//
// A recurrent layer projects all inputs at once, walks over time, and keeps the tape; a cell says
// what happens in between. To add one: a file like MGUCell.swift, forward beside backward, with the
// layer's options; its arithmetic, if no kernel has it, as a step beside MinimalSteps.swift; and a line
// in the registry.
//
// With H hidden units, P the width of the hidden state (H unless it is projected), M memories, G gates
// and batch rows B, the arrays of a timestep are `Rows` of
//
//     gates            [B, G·H]  input projection on entry, activations after forward,
//                                gradients of the pre-activations after backward
//     recurrentInput   [B, P]    the hidden state that the product takes: h₋, after recurrent dropout
//     previousHidden   [B, P]    h₋ itself
//     memory           [B, M·H]  the cell state of an LSTM, and what other cells remember besides h
//     extra            [B, …]    what a cell keeps besides for its backward

import Kernels

protocol RecurrentCell: Sendable {
  /// H.
  var hiddenSize: Int { get }
  /// P.
  var outputSize: Int { get }
  var gateCount: Int { get }
  /// Names of the states of H floats beside the hidden state.
  var memories: [String] { get }
  /// Floats of `extra` in each row of a timestep; 0 without.
  var extraSize: Int { get }
  /// Floats of scratch for a timestep of so many rows, forward or backward.
  func scratchSize(rows: Int) -> Int

  /// Whether the steps of the kernel compute the recurrent product themselves: then its weights are
  /// packed for them, and backward gets the product of the timestep after it. A cell that does not
  /// fuse finds dHidden whole.
  var fusesProduct: Bool { get }
  /// Whether they compute the inputs' product too, if forward asks for it.
  var fusesInput: Bool { get }
  /// The rows of weight_hh that take part in each product of a timestep: one gate after the other, at
  /// most two parts; none without a recurrent product.
  var recurrentParts: [Range<Int>] { get }
  /// The rows of bias_hh that are not simply added to the input projection.
  var separateBias: Range<Int> { get }
  /// Whether biases are added by the cell and not to the input projection.
  var addsBias: Bool { get }
  /// Parameters besides weight_ih, weight_hh and the biases, at most six.
  var parameters: [CellParameter] { get }
  /// What the parameters' gradients are made of, once backward has run.
  var gradients: CellGradients { get }

  func forward(_ step: CellStep, _ weights: CellWeights)
  /// The same for a step that is computed again and again; nil if it takes more than one kernel call.
  func streamTurn(_ step: CellStep, _ weights: CellWeights) throws -> StreamTurn?
  func backward(_ step: CellStepGradient, _ weights: CellWeights)
  /// What the product with weight_hh makes of the gradients that `backward` left; nil without one.
  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct?
}

extension RecurrentCell {
  var outputSize: Int { hiddenSize }
  var memories: [String] { [] }
  var extraSize: Int { 0 }
  func scratchSize(rows: Int) -> Int { 0 }
  var fusesProduct: Bool { true }
  var fusesInput: Bool { false }
  var gateSize: Int { gateCount * hiddenSize }
  var recurrentParts: [Range<Int>] { [0..<gateSize] }
  var separateBias: Range<Int> { 0..<0 }
  var addsBias: Bool { false }
  var parameters: [CellParameter] { [] }
  var gradients: CellGradients {
    CellGradients(recurrent: [RecurrentGradient(rows: 0..<gateSize, of: .gates)])
  }
  func streamTurn(_ step: CellStep, _ weights: CellWeights) throws -> StreamTurn? { nil }
  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    GradientProduct(weights.first.backward.stepProduct(gates))
  }
  /// M·H.
  var memorySize: Int { memories.count * hiddenSize }
  /// The hidden state and the memories.
  var stateCount: Int { 1 + memories.count }
  /// Floats of state that a stream carries.
  var stateSize: Int { outputSize + memorySize }
}

// MARK: Parameters

/// A parameter that only some cells have.
struct CellParameter: Sendable {
  enum Start: Sendable { case zeros, ones, kernel }

  let name: String
  let shape: [Int]
  let start: Start
  /// A matrix `[P, H]` that a product takes. A cell has one at most.
  var isPacked = false
}

/// What the gradients of a cell's parameters are made of: arrays of the tape.
struct CellGradients: Sendable {
  /// Of weight_ih: `[B, T, G·H]`.
  var input = Source.gates
  var recurrent: [RecurrentGradient]
  /// Of a matrix among the cell's own parameters.
  var product: (name: String, of: Source, with: Source)?
  /// Of vectors: Σ source, or Σ source ⊙ factor.
  var sums: [SumGradient] = []

  /// Columns of the tape.
  enum Source: Equatable, Sendable {
    /// Those of the gates' gradients that the rows of a parameter stand for.
    case gates
    /// The extra array from a column on.
    case extra(Int)
    /// The hidden state as the product takes it.
    case recurrentInput
  }
}

/// d weight_hh[rows] = Σ over batch and time of (gradient)ᵀ (input), and the same of bias_hh.
struct RecurrentGradient: Sendable {
  let rows: Range<Int>
  let gradient: CellGradients.Source
  let input: CellGradients.Source

  init(
    rows: Range<Int>, of gradient: CellGradients.Source,
    with input: CellGradients.Source = .recurrentInput
  ) {
    self.rows = rows
    self.gradient = gradient
    self.input = input
  }
}

/// d parameter[rows] = Σ over batch and time of source ⊙ factor.
struct SumGradient: Sendable {
  /// One of the cell's own.
  let name: String
  let rows: Range<Int>
  /// With `.gates` the column `gateColumn` belongs to the first of the rows.
  let source: CellGradients.Source
  var gateColumn = 0
  var factor: CellGradients.Source?
}

// MARK: Timesteps

/// One timestep forward.
struct CellStep {
  let extent: StepExtent
  /// What the gates' sums start from: `gates` itself, or one row for all if `input` is there.
  let start: Rows
  let gates: Rows
  /// x, if its product is the step's to add; nil if `start` has it.
  let input: Rows?
  let recurrentInput: Rows
  let extra: Rows
  let previousHidden: Rows
  /// Written. Never where `recurrentInput` lies, which the product reads meanwhile.
  let hidden: Rows
  let previousMemory: Rows
  /// Written; in inference the same as `previousMemory`, unless zoneout follows.
  let memory: Rows
  /// A second input's scores; nil without.
  let scores: RowScalars?
  let scratch: MutableValues
}

/// One timestep backward.
struct CellStepGradient {
  var extent: StepExtent
  let gates: Rows
  let recurrentInput: Rows
  let extra: Rows
  let previousHidden: Rows
  let previousMemory: Rows
  let memory: Rows
  let scores: RowScalars?
  /// What h receives through the step after this one, by way of `recurrentInput`.
  var product: GradientProduct
  /// The rest of the gradient of h on entry; on return, that of h₋ except through the products.
  let dHidden: Rows
  /// The gradient of the memory on entry, of the previous one on return.
  let dMemory: Rows
  /// Added to; nil if it is not wanted.
  let dScores: RowScalars?
  let scratch: MutableValues

  /// The first rows only.
  func prefix(_ rows: Int) -> CellStepGradient {
    var prefix = self
    prefix.extent.rows = rows
    return prefix
  }

  /// The rows from `row` on, which no product reaches.
  func rest(from row: Int) -> CellStepGradient {
    CellStepGradient(
      extent: extent.from(row), gates: gates.from(row), recurrentInput: recurrentInput.from(row),
      extra: extra.from(row), previousHidden: previousHidden.from(row),
      previousMemory: previousMemory.from(row), memory: memory.from(row),
      scores: scores?.from(row), product: product.from(row).nothing, dHidden: dHidden.from(row),
      dMemory: dMemory.from(row), dScores: dScores?.from(row), scratch: scratch)
  }
}

extension StepExtent {
  /// Whether a row takes part.
  func counts(_ row: Int) -> Bool { valid.map { $0[row * validStride] == 1 } ?? true }

  /// Calls `body` for each row that does not take part.
  func forEachSkipped(_ body: (Int) -> Void) {
    guard valid != nil else { return }
    for row in 0..<rows where !counts(row) { body(row) }
  }
}

extension RowScalars {
  /// The rows from a later one on.
  func from(_ row: Int) -> RowScalars { RowScalars(self[row], stride: stride) }
}

extension PackedView {
  /// c `[B, N]` = start + a `[B, K]` · the matrix.
  func multiply(_ a: Rows, into c: Rows, rows: Int, start: ProductStart) {
    multiply(
      a.base, aRowStride: a.stride, into: c.base, cStride: c.stride, rows: rows, start: start)
  }
}

extension Rows {
  /// The same rows from a later column on.
  func dropping(_ columns: Int) -> Rows { Rows(base + columns, stride: stride) }
}
