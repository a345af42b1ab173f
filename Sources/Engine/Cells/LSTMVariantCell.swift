// LSTMVariantCell.swift — the LSTM with its options, each of which changes the equations
//
//     i = σ(aᵢ + pᵢ ⊙ c₋)   f = σ(a_f + p_f ⊙ c₋)   g = τ(a_g)      peepholes; coupled: i = 1 − f
//     c = clip(f ⊙ c₋ + i ⊙ g)                                       cell_clip
//     o = σ(aₒ + pₒ ⊙ c)    m = o ⊙ ω(LN(c))                         layer_norm
//     h = W_hr m                                                     projection, else h = m
//
// The arithmetic is `LSTMCellStep` and `LSTMOutputStep`; between the two the cell is normalised.

import Kernels

struct LSTMVariantCell: RecurrentCell {
  let hiddenSize: Int
  let isCoupled: Bool
  private let projection: Int?
  private let hasPeephole: Bool
  private let cellLimit: Float
  private let outputActivation: Activation
  /// Whether ω differs from τ: it is named, or τ clips its argument and ω does not.
  private let hasOwnOutput: Bool
  private let sums: NormalizedSums?
  // Columns of the extra array.
  private let output: Int  // m [H], and [P] its projection's gradient, with a projection
  private let cell: Int  // c₋ and c [H] each, with peepholes
  private let normalizedCell: Int  // ĉ, its gradient and LN(c) [H] each, 1/deviation; normalised
  let extraSize: Int

  let memories = ["cell"]
  let fusesProduct = false

  init(_ call: BoundCall) throws {
    let hiddenSize = call.integer("units")
    self.hiddenSize = hiddenSize
    isCoupled = call.boolean("coupled")
    projection = call.optionalInteger("projection")
    hasPeephole = call.boolean("peephole")
    cellLimit = call.optionalNumber("cell_clip").map { Float($0) } ?? .infinity
    let isNamed = call["output_activation"] != .none
    outputActivation = try RecurrentSpec.pointwise(
      call.call(isNamed ? "output_activation" : "activation"), of: call.name)
    hasOwnOutput = isNamed || call["clip"] != .none
    var column = 0
    func take(_ count: Int) -> Int {
      defer { column += count }
      return column
    }
    output = take(projection.map { hiddenSize + $0 } ?? 0)
    cell = take(hasPeephole ? 2 * hiddenSize : 0)
    let normalizes = call.boolean("layer_norm")
    normalizedCell = take(normalizes ? 3 * hiddenSize + 1 : 0)
    let size = (isCoupled ? 3 : 4) * hiddenSize
    sums = normalizes ? NormalizedSums(size: size, column: column, parts: [0..<size]) : nil
    extraSize = column + (sums?.width ?? 0)
  }

  /// Whether LSTMCell does the same, and faster.
  var isPlain: Bool {
    !isCoupled && projection == nil && !hasPeephole && cellLimit == .infinity && sums == nil
      && !hasOwnOutput
  }

  var outputSize: Int { projection ?? hiddenSize }
  var gateCount: Int { isCoupled ? 3 : 4 }
  var addsBias: Bool { sums != nil }
  func scratchSize(rows: Int) -> Int { rows * max(gateSize, 2 * hiddenSize) }

  // Where the cell's own parameters are: those of the sums first, peepholes behind what there is.
  private static let cellScale = NormalizedSums.parameterCount
  private static let cellOffset = cellScale + 1

  var parameters: [CellParameter] {
    var parameters = sums?.parameters ?? []
    if sums != nil {
      parameters += [
        CellParameter(name: "norm_cell_weight", shape: [hiddenSize], start: .ones),
        CellParameter(name: "norm_cell_bias", shape: [hiddenSize], start: .zeros),
      ]
    }
    if hasPeephole {
      parameters.append(
        CellParameter(
          name: "weight_peephole", shape: [(gateCount - 1) * hiddenSize], start: .zeros))
    }
    if let projection {
      parameters.append(
        CellParameter(
          name: "weight_hr", shape: [projection, hiddenSize], start: .kernel, isPacked: true))
    }
    return parameters
  }

  var gradients: CellGradients {
    let all = 0..<gateSize
    let units = 0..<hiddenSize
    var gradients = CellGradients(
      recurrent: [RecurrentGradient(rows: all, of: sums.map { .extra($0.dRecurrent) } ?? .gates)])
    if let sums {
      gradients.input = .extra(sums.dInput)
      gradients.sums += sums.gradients(of: [(all, .gates)])
      let dNormalized = CellGradients.Source.extra(normalizedCell + hiddenSize)
      gradients.sums += [
        SumGradient(
          name: "norm_cell_weight", rows: units, source: dNormalized,
          factor: .extra(normalizedCell + 2 * hiddenSize)),
        SumGradient(name: "norm_cell_bias", rows: units, source: dNormalized),
      ]
    }
    if hasPeephole {
      // i and f see the cell before, o the new one.
      for gate in 0..<gateCount - 1 {
        let isOutput = gate == gateCount - 2
        gradients.sums.append(
          SumGradient(
            name: "weight_peephole", rows: gate * hiddenSize..<(gate + 1) * hiddenSize,
            source: .gates, gateColumn: (isOutput ? gateCount - 1 : gate) * hiddenSize,
            factor: .extra(isOutput ? cell + hiddenSize : cell)))
      }
    }
    if projection != nil {
      gradients.product = ("weight_hr", of: .extra(output + hiddenSize), with: .extra(output))
    }
    return gradients
  }

  private func peephole(_ weights: CellWeights) -> Values? {
    hasPeephole ? weights.own[sums == nil ? 0 : Self.cellOffset + 1] : nil
  }

  /// The first half of the arithmetic; backward asks for the same.
  private func cellStep(
    _ extent: StepExtent, _ gates: Rows, _ previousCell: Rows, _ cell: Rows, _ weights: CellWeights
  ) -> LSTMCellStep {
    LSTMCellStep(
      extent: extent, gates: gates, isCoupled: isCoupled, peephole: peephole(weights),
      cellLimit: cellLimit, previousCell: previousCell, cell: cell)
  }

  private func outputStep(
    _ extent: StepExtent, _ gates: Rows, _ extra: Rows, _ cell: Rows, _ output: Rows,
    _ weights: CellWeights
  ) -> LSTMOutputStep {
    LSTMOutputStep(
      extent: extent, gates: gates, isCoupled: isCoupled, peephole: peephole(weights),
      outputActivation: outputActivation, cell: cell,
      normalizedCell: sums == nil ? cell : extra.dropping(normalizedCell), output: output)
  }

  // MARK: Forward

  func forward(_ step: CellStep, _ weights: CellWeights) {
    addProduct(step, weights)
    if hasPeephole { keep(step.previousMemory, at: cell, step) }
    kernels.forward(cellStep(step.extent, step.gates, step.previousMemory, step.memory, weights))
    if hasPeephole { keep(step.memory, at: cell + hiddenSize, step) }
    for row in 0..<step.extent.rows where sums != nil && step.extent.counts(row) {
      let place = step.extra[row] + normalizedCell
      kernels.layerNorm(
        step.memory[row], scale: weights.own[Self.cellScale], offset: weights.own[Self.cellOffset],
        epsilon: layerNormEpsilon,
        place, normalized: place + 2 * hiddenSize, inverses: place + 3 * hiddenSize, rows: 1,
        columns: hiddenSize)
    }
    let output = projection == nil ? step.hidden : step.extra.dropping(output)
    kernels.forward(outputStep(step.extent, step.gates, step.extra, step.memory, output, weights))
    if let projection = weights.packed {
      step.extent.forEachSkipped { kernels.fill(output[$0], 0, count: hiddenSize) }
      projection.forward.multiply(output, into: step.hidden, rows: step.extent.rows, start: .zero)
    }
    step.extent.forEachSkipped {
      step.hidden[$0].update(from: step.previousHidden[$0], count: outputSize)
    }
  }

  /// Copies the cell state of the rows that count into the extra array.
  private func keep(_ memory: Rows, at column: Int, _ step: CellStep) {
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      (step.extra[row] + column).update(from: memory[row], count: hiddenSize)
    }
  }

  /// The gates' sums, complete.
  private func addProduct(_ step: CellStep, _ weights: CellWeights) {
    guard let sums else {
      weights.first.forward.multiply(
        step.recurrentInput, into: step.gates, rows: step.extent.rows, start: .sums)
      return
    }
    sums.normalizeInput(step, weights)
    let product = Rows(step.scratch, stride: gateSize)
    sums.normalizeProduct(
      part: 0, of: weights.first, with: step.recurrentInput, step, weights, into: product)
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      kernels.add(product[row], step.gates[row], count: gateSize)
    }
  }

  // MARK: Backward

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    let rows = step.extent.rows
    let dOutput = Rows(step.scratch, stride: hiddenSize)
    if let projection = weights.packed {
      let dProjected = step.extra.dropping(output + hiddenSize)
      for row in 0..<rows {
        dProjected[row].update(from: step.dHidden[row], count: outputSize)
      }
      step.extent.forEachSkipped { kernels.fill(dProjected[$0], 0, count: outputSize) }
      projection.backward.multiply(dProjected, into: dOutput, rows: rows, start: .zero)
    } else {
      for row in 0..<rows { dOutput[row].update(from: step.dHidden[row], count: hiddenSize) }
    }
    kernels.backward(
      LSTMOutputStepGradient(
        step: outputStep(step.extent, step.gates, step.extra, step.memory, dOutput, weights),
        dOutput: dOutput, dCell: step.dMemory))
    for row in 0..<rows where step.extent.counts(row) {
      addCellGradient(dOutput[row], row, step, weights)
      kernels.fill(step.dHidden[row], 0, count: outputSize)
    }
    kernels.backward(
      LSTMCellStepGradient(
        step: cellStep(step.extent, step.gates, step.previousMemory, step.memory, weights),
        dCell: step.dMemory))
    sums?.backwardInput(step, weights)
    sums?.backwardProduct(part: 0, step.gates, step, weights)
  }

  /// dc += what comes through ĉ.
  private func addCellGradient(
    _ dNormalized: MutableValues, _ row: Int, _ step: CellStepGradient, _ weights: CellWeights
  ) {
    if sums != nil {
      let place = step.extra[row] + normalizedCell
      (place + hiddenSize).update(from: dNormalized, count: hiddenSize)
      kernels.layerNormBackward(
        dNormalized, scale: weights.own[Self.cellScale], normalized: place + 2 * hiddenSize,
        inverses: place + 3 * hiddenSize, dNormalized, rows: 1, columns: hiddenSize)
    }
    kernels.add(dNormalized, step.dMemory[row], count: hiddenSize)
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    GradientProduct(
      weights.first.backward.stepProduct(sums.map { extra.dropping($0.dRecurrent) } ?? gates))
  }
}
