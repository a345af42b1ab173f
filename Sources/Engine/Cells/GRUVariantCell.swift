// GRUVariantCell.swift — the GRU whose sums are normalised, and the one that attention steers
//
//     layer_norm   r z n of normalised sums: see NormalizedSums
//     AUGRU        h = (1 − z̃) ⊙ n + z̃ ⊙ h₋,  z̃ = (1 − s) z      with a score s for each timestep
//
// AUGRU: Zhou et al. 2019, in the convention of oneDNN, whose update gate also keeps. The rest is
// GRUCell's, but from finished sums: `GRUSumsStep`.

import Kernels

/// A GRU whose update is weighed by scores, such as attention to each timestep.
struct AUGRULayer: RecurrentLayerType {
  static let traits = RecurrentTraits(hasScores: true)
  static let signature = Signature(
    kind: .layer, name: "AUGRU",
    meaning: "Gated recurrent unit with attention, of [sequence, scores] (Zhou et al. 2019).",
    options: RecurrentSpec.options(traits, more: [GRULayer.resetOption]))

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let form = GRUCell(
      hiddenSize: call.integer("units"), resetsAfter: call.boolean("reset_after"))
    spec = try RecurrentSpec(
      call, inputs: inputs, cell: GRUVariantCell(form, normalizes: false), Self.traits)
  }
}

struct GRUVariantCell: RecurrentCell {
  private let form: GRUCell
  private let sums: NormalizedSums?

  let gateCount = 3
  let fusesProduct = false

  init(_ form: GRUCell, normalizes: Bool) {
    self.form = form
    sums =
      normalizes
      ? NormalizedSums(
        size: 3 * form.hiddenSize, column: form.hiddenSize, parts: form.recurrentParts) : nil
  }

  var hiddenSize: Int { form.hiddenSize }
  /// q or s, then what normalisation keeps.
  var extraSize: Int { hiddenSize + (sums?.width ?? 0) }
  var addsBias: Bool { sums != nil }
  var separateBias: Range<Int> { form.separateBias }
  var recurrentParts: [Range<Int>] { form.recurrentParts }
  var parameters: [CellParameter] { sums?.parameters ?? [] }
  func scratchSize(rows: Int) -> Int { rows * gateSize }

  var gradients: CellGradients {
    guard let sums else { return form.gradients }
    let (first, candidate) = (form.resetAndUpdate, form.candidate)
    var gradients = CellGradients(
      input: .extra(sums.dInput),
      recurrent: [
        RecurrentGradient(rows: first, of: .extra(sums.dRecurrent)),
        RecurrentGradient(
          rows: candidate, of: .extra(sums.dRecurrent + candidate.lowerBound),
          with: form.resetsAfter ? .recurrentInput : .extra(0)),
      ])
    gradients.sums = sums.gradients(of: [
      (first, .gates), (candidate, form.resetsAfter ? .extra(0) : .gates),
    ])
    return gradients
  }

  // MARK: Forward

  func forward(_ step: CellStep, _ weights: CellWeights) {
    sums?.normalizeInput(step, weights)
    let (first, candidate) = (form.resetAndUpdate, form.candidate)
    let product = Rows(step.scratch, stride: gateSize)
    multiply(part: 0, weights.first, step.recurrentInput, step, weights, into: product)
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      kernels.add(product[row], step.gates[row], count: first.count)
      guard form.resetsAfter else { continue }
      let q = step.extra[row]
      q.update(from: product[row] + candidate.lowerBound, count: hiddenSize)
      if let bias = weights.separateBias { kernels.add(bias, q, count: hiddenSize) }
    }
    if !form.resetsAfter {
      kernels.forward(
        GRUResetStep(
          extent: step.extent, product: .none(step.recurrentInput), gates: step.gates,
          recurrentInput: step.recurrentInput, reset: step.extra))
      multiply(part: 1, weights.last, step.extra, step, weights, into: product)
      for row in 0..<step.extent.rows where step.extent.counts(row) {
        kernels.add(product[row], step.gates[row] + candidate.lowerBound, count: hiddenSize)
      }
    }
    kernels.forward(
      sumsStep(
        step.extent, step.gates, step.extra, step.scores, step.previousHidden, step.hidden))
  }

  /// The product of a part of the gates, normalised or not.
  private func multiply(
    part: Int, _ weight: WeightView, _ input: Rows, _ step: CellStep, _ weights: CellWeights,
    into product: Rows
  ) {
    if let sums {
      sums.normalizeProduct(
        part: part, of: weight, with: input, step, weights, into: product)
    } else {
      weight.forward.multiply(input, into: product, rows: step.extent.rows, start: .zero)
    }
  }

  private func sumsStep(
    _ extent: StepExtent, _ gates: Rows, _ extra: Rows, _ scores: RowScalars?,
    _ previousHidden: Rows, _ hidden: Rows
  ) -> GRUSumsStep {
    GRUSumsStep(
      extent: extent, gates: gates, candidate: form.resetsAfter ? extra : nil, scores: scores,
      previousHidden: previousHidden, hidden: hidden)
  }

  // MARK: Backward

  func backward(_ step: CellStepGradient, _ weights: CellWeights) {
    kernels.backward(
      GRUSumsStepGradient(
        step: sumsStep(
          step.extent, step.gates, step.extra, step.scores, step.previousHidden,
          step.previousHidden),
        dScores: step.dScores, dHidden: step.dHidden))
    let (first, candidate) = (form.resetAndUpdate, form.candidate)
    let dCandidate = step.gates.dropping(candidate.lowerBound)
    guard let sums else {
      if !form.resetsAfter { form.backwardReset(of: dCandidate, step, weights) }
      return
    }
    if form.resetsAfter {
      let dSums = Rows(step.scratch, stride: gateSize)
      for row in 0..<step.extent.rows {
        dSums[row].update(from: step.gates[row], count: first.count)
        (dSums[row] + first.count).update(from: step.extra[row], count: hiddenSize)
      }
      sums.backwardProduct(part: 0, dSums, step, weights)
    } else {
      sums.backwardProduct(part: 1, dCandidate, step, weights)
      form.backwardReset(
        of: step.extra.dropping(sums.dRecurrent + candidate.lowerBound), step, weights)
      sums.backwardProduct(part: 0, step.gates, step, weights)
    }
    sums.backwardInput(step, weights)
  }

  func gradientProduct(_ gates: Rows, _ extra: Rows, _ weights: CellWeights) -> GradientProduct? {
    guard let sums else { return form.gradientProduct(gates, extra, weights) }
    let source = extra.dropping(sums.dRecurrent)
    return GradientProduct(
      weights.first.backward.stepProduct(
        source, part: 0..<weights.first.backward.depth))
  }
}
