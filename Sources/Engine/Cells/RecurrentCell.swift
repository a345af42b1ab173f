// RecurrentCell.swift — what a timestep computes
//
// A recurrent layer projects all inputs at once, walks over time, and keeps the tape; a cell says
// what happens in between. To add one: a file like LSTMCell.swift, forward beside backward; its
// arithmetic, if no kernel has it, as a step beside LSTMSteps.swift; and a line in the registry.
//
// With H hidden units, G gates and batch rows B, the arrays of a timestep are `Rows` of
//
//     gates            [B, G·H]  input projection on entry, activations after forward,
//                                gradients of the pre-activations after backward
//     recurrentInput   [B, H]    the hidden state that the product takes: h₋, after recurrent dropout
//     previousHidden   [B, H]    h₋ itself
//     extra            [B, H]    what a cell keeps besides; only with `keepsExtra`

import Kernels

protocol RecurrentCell: Sendable {
  var hiddenSize: Int { get }
  var gateCount: Int { get }
  /// Whether there is a cell state c beside the hidden state h.
  var hasCellState: Bool { get }
  /// Whether a timestep keeps an extra array for backward.
  var keepsExtra: Bool { get }
  /// The rows of weight_hh that take part in each product of a timestep: one gate after the other.
  var recurrentParts: [Range<Int>] { get }
  /// The rows of bias_hh that are not simply added to the input projection.
  var separateBias: Range<Int> { get }
  /// What the gradient of each part of weight_hh is made of, once backward has run.
  var recurrentGradients: [RecurrentGradient] { get }

  func forward(_ step: CellStep, _ weights: CellWeights)
  func backward(_ step: CellStepGradient, _ weights: CellWeights)
  /// What the product with weight_hh makes of the gradients that `backward` left.
  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct
}

extension RecurrentCell {
  var hasCellState: Bool { false }
  var keepsExtra: Bool { false }
  var gateSize: Int { gateCount * hiddenSize }
  var recurrentParts: [Range<Int>] { [0..<gateSize] }
  var separateBias: Range<Int> { 0..<0 }
  var recurrentGradients: [RecurrentGradient] {
    [RecurrentGradient(rows: 0..<gateSize, of: .gates, with: .recurrentInput)]
  }
  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct {
    GradientProduct(weights.first.backward.stepProduct(gates))
  }
  /// 2 with a cell state, else 1.
  var stateCount: Int { hasCellState ? 2 : 1 }
  /// Floats of state that a stream carries.
  var stateSize: Int { stateCount * hiddenSize }
}

/// d weight_hh[rows] = Σ over batch and time of (gradient)ᵀ (input).
struct RecurrentGradient: Sendable {
  enum Gradient: Sendable {
    /// The same columns of the gates' gradients.
    case gates
    /// The extra array.
    case extra
  }
  enum Input: Sendable { case recurrentInput, extra }

  let rows: Range<Int>
  let gradient: Gradient
  let input: Input

  init(rows: Range<Int>, of gradient: Gradient, with input: Input) {
    self.rows = rows
    self.gradient = gradient
    self.input = input
  }
}

/// One timestep forward.
struct CellStep {
  let extent: StepExtent
  let gates: Rows
  let recurrentInput: Rows
  let extra: Rows
  let previousHidden: Rows
  /// Written. Never where `recurrentInput` lies, which the product reads meanwhile.
  let hidden: Rows
  let previousCell: Rows
  /// Written; in inference the same as `previousCell`.
  let cell: Rows
}

/// One timestep backward.
struct CellStepGradient {
  var extent: StepExtent
  let gates: Rows
  let recurrentInput: Rows
  let extra: Rows
  let previousHidden: Rows
  let previousCell: Rows
  let cell: Rows
  /// What h receives through the step after this one, by way of `recurrentInput`.
  let product: GradientProduct
  /// The rest of the gradient of h on entry; on return, that of h₋ except through the products.
  let dHidden: Rows
  /// The gradient of c on entry, of c₋ on return.
  let dCell: Rows

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
      previousCell: previousCell.from(row), cell: cell.from(row),
      product: product.from(row).nothing, dHidden: dHidden.from(row), dCell: dCell.from(row))
  }
}

/// The weights of one direction as a pass takes them. Numbers and pointers only: a timestep counts
/// no references.
struct CellWeights {
  /// weight_ih, and what its product starts from.
  let input: WeightView
  let projectionStart: ProductStart
  /// weight_hh: the first and the last of the cell's `recurrentParts`.
  let first: WeightView
  let last: WeightView
  /// bias_hh of the cell's `separateBias`; nil without.
  let separateBias: Values?
}

/// The parameters of one direction of a recurrent layer, packed.
final class RecurrentWeights: LayerWeights {
  /// Valid until the next refresh.
  private(set) var views: CellWeights
  private let input: PackedWeight
  /// One for each of the cell's `recurrentParts`, which are one or two.
  private let recurrent: [PackedWeight]
  /// `[G·H]`: the sum of the biases that the input projection starts from; nil without biases.
  private let projectionBias: AlignedBuffer<Float>?
  private let biases: [PlacedParameter]
  private let separate: Range<Int>

  init(_ spec: RecurrentSpec, _ source: ParameterSource) throws {
    let cell = spec.cell
    let input = try PackedWeight(source("weight_ih" + spec.suffix))
    let weight = source("weight_hh" + spec.suffix)
    let recurrent = try cell.recurrentParts.map {
      try PackedWeight(weight, part: $0, gates: $0.count / cell.hiddenSize)
    }
    separate = cell.separateBias
    biases = spec.biasNames.map { source($0) }
    projectionBias = biases.isEmpty ? nil : try AlignedBuffer(count: cell.gateSize)
    self.input = input
    self.recurrent = recurrent
    views = CellWeights(
      input: input.view, projectionStart: projectionBias.map { .row($0.pointer) } ?? .zero,
      first: recurrent[0].view, last: recurrent[recurrent.count - 1].view,
      separateBias: spec.hasRecurrentBias && !separate.isEmpty
        ? Values(source("bias_hh" + spec.suffix).values + separate.lowerBound) : nil)
  }

  func refresh(backward: Bool) throws {
    try input.refresh(backward: backward)
    for part in recurrent { try part.refresh(backward: backward) }
    views = CellWeights(
      input: input.view, projectionStart: views.projectionStart, first: recurrent[0].view,
      last: recurrent[recurrent.count - 1].view, separateBias: views.separateBias)
    guard let projectionBias else { return }
    let sum = projectionBias.pointer
    kernels.fill(sum, 0, count: projectionBias.count)
    for (index, bias) in biases.enumerated() {
      // Of bias_hh, which comes second, a part may be added elsewhere.
      let left = index == 0 ? 0..<0 : separate
      for part in [0..<left.lowerBound, left.upperBound..<projectionBias.count] {
        kernels.add(bias.values + part.lowerBound, sum + part.lowerBound, count: part.count)
      }
    }
  }
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
