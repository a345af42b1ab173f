// RecurrentWeights.swift — the parameters of one direction of a recurrent layer, packed

import Kernels

/// The weights of one direction as a pass takes them. Numbers and pointers only: a timestep counts
/// no references.
struct CellWeights {
  /// weight_ih, and what its product starts from.
  let input: WeightView
  let projectionStart: ProductStart
  /// Gates before any product, the same in all rows: the biases' sum, or zeros.
  let gatesStart: Rows
  /// weight_hh: the first and the last of the cell's `recurrentParts`; weight_ih again without any.
  let first: WeightView
  let last: WeightView
  /// The biases that are added to the input projection, or, with `addsBias`, by the cell.
  let bias: Values?
  /// bias_hh of the cell's `separateBias`; nil without.
  let separateBias: Values?
  /// The cell's own parameters, in their order.
  let own: InlineArray<6, Values?>
  /// The one of them that is packed.
  let packed: WeightView?

  /// Of a step that is given its inputs.
  func inputProduct(_ step: CellStep) -> StepProduct? {
    step.input.map { input.step.stepProduct($0) }
  }
}

final class RecurrentWeights: LayerWeights {
  /// Its pointers stay valid; a form that is packed for the first time is in the views after that.
  private(set) var views: CellWeights
  private let input: PackedWeight
  /// One for each of the cell's `recurrentParts`, which are two at the most.
  private let recurrent: [PackedWeight]
  private let packed: PackedWeight?
  /// `[G·H]`: the sum of the biases that are added together; zeros without biases.
  private let biasSum: AlignedBuffer<Float>
  private let biases: [PlacedParameter]
  private let separate: Range<Int>

  init(_ spec: RecurrentSpec, _ source: ParameterSource) throws {
    let cell = spec.cell
    let input = try PackedWeight(
      source("weight_ih" + spec.suffix), stepGates: cell.fusesInput ? cell.gateCount : nil)
    let recurrent = try cell.recurrentParts.map {
      try PackedWeight(
        source("weight_hh" + spec.suffix), part: $0,
        gates: cell.fusesProduct ? $0.count / cell.hiddenSize : nil)
    }
    let packed = try cell.parameters.first(where: \.isPacked).map {
      try PackedWeight(source($0.name + spec.suffix))
    }
    var own = InlineArray<6, Values?>(repeating: nil)
    for (index, parameter) in cell.parameters.enumerated() {
      own[index] = Values(source(parameter.name + spec.suffix).values)
    }
    separate = cell.separateBias
    biases = spec.biasNames.map { source($0) }
    biasSum = try AlignedBuffer(count: cell.gateSize)
    let bias = biases.isEmpty ? nil : Values(biasSum.pointer)
    self.input = input
    self.recurrent = recurrent
    self.packed = packed
    views = CellWeights(
      input: input.view,
      projectionStart: bias.map { cell.addsBias ? .zero : .row($0) } ?? .zero,
      gatesStart: Rows(biasSum.pointer, stride: 0),
      first: (recurrent.first ?? input).view, last: (recurrent.last ?? input).view, bias: bias,
      separateBias: spec.hasRecurrentBias && !separate.isEmpty
        ? Values(source("bias_hh" + spec.suffix).values + separate.lowerBound) : nil,
      own: own, packed: packed?.view)
  }

  func refresh(_ forms: PackedForms) throws {
    try input.refresh(forms)
    for part in recurrent { try part.refresh(forms) }
    try packed?.refresh(forms)
    views = CellWeights(
      input: input.view, projectionStart: views.projectionStart, gatesStart: views.gatesStart,
      first: (recurrent.first ?? input).view, last: (recurrent.last ?? input).view,
      bias: views.bias, separateBias: views.separateBias, own: views.own, packed: packed?.view)
    guard forms.contains(.forward) else { return }
    let sum = biasSum.pointer
    kernels.fill(sum, 0, count: biasSum.count)
    for (index, bias) in biases.enumerated() {
      // Of bias_hh, which comes second, a part may be added elsewhere.
      let left = index == 0 ? 0..<0 : separate
      for part in [0..<left.lowerBound, left.upperBound..<biasSum.count] {
        kernels.add(bias.values + part.lowerBound, sum + part.lowerBound, count: part.count)
      }
    }
  }
}
