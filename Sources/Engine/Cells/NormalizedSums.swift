// NormalizedSums.swift — layer normalisation inside a cell: Ba, Kiros & Hinton 2016
//
//     a = LN(W x) ⊙ γ + LN(U h₋) ⊙ γ′ + b
//
// The two products are normalised apart from each other, each over all gates of a row (a product with
// a part of the gates over that part), and the biases follow. What backward needs is kept in the cell's
// extra array, from `column` on:
//
//     x̂ [G·H]   û [G·H]   d(W x) [G·H]   d(U h₋) [G·H]   1/deviation of W x and of each product

import Kernels

/// 1/σ is taken of the variance plus this.
let layerNormEpsilon: Float = 1e-5

struct NormalizedSums: Sendable {
  /// G·H.
  let size: Int
  /// Of the extra array.
  let column: Int
  /// The parts of the gates that have a product of their own.
  let parts: [Range<Int>]

  var width: Int { 4 * size + 1 + parts.count }
  var dInput: Int { column + 2 * size }
  var dRecurrent: Int { column + 3 * size }
  private var recurrent: Int { column + size }
  private var inverses: Int { column + 4 * size }

  // Where its parameters are among the cell's own: first.
  private static let inputScale = 0
  private static let recurrentScale = 1
  static let parameterCount = 2

  /// Scales of the two products.
  var parameters: [CellParameter] {
    ["norm_ih_weight", "norm_hh_weight"].map {
      CellParameter(name: $0, shape: [size], start: .ones)
    }
  }

  /// - Parameter sums: where the gradient of the scaled û lies, part by part.
  func gradients(of sums: [(rows: Range<Int>, source: CellGradients.Source)]) -> [SumGradient] {
    [
      SumGradient(
        name: "norm_ih_weight", rows: 0..<size, source: .gates, factor: .extra(column))
    ]
      + sums.map { rows, source in
        SumGradient(
          name: "norm_hh_weight", rows: rows, source: source, gateColumn: rows.lowerBound,
          factor: .extra(recurrent + rows.lowerBound))
      }
  }

  // MARK: Forward

  /// Normalises the input projection in `gates`, and adds the biases.
  func normalizeInput(_ step: CellStep, _ weights: CellWeights) {
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      kernels.layerNorm(
        step.gates[row], scale: weights.own[Self.inputScale], offset: weights.bias,
        epsilon: layerNormEpsilon,
        step.gates[row], normalized: step.extra[row] + column, inverses: step.extra[row] + inverses,
        rows: 1, columns: size)
    }
  }

  /// Computes the product of a part of the gates and normalises it.
  ///
  /// - Parameter sums: `[B, part]`, written in the rows that count.
  func normalizeProduct(
    part index: Int, of weight: WeightView, with input: Rows, _ step: CellStep,
    _ weights: CellWeights, into sums: Rows
  ) {
    let part = parts[index]
    let product = step.extra.dropping(recurrent + part.lowerBound)
    weight.forward.multiply(input, into: product, rows: step.extent.rows, start: .zero)
    step.extent.forEachSkipped { kernels.fill(product[$0], 0, count: part.count) }
    for row in 0..<step.extent.rows where step.extent.counts(row) {
      kernels.layerNorm(
        product[row], scale: weights.own[Self.recurrentScale].map { $0 + part.lowerBound },
        offset: nil,
        epsilon: layerNormEpsilon, sums[row], normalized: product[row],
        inverses: step.extra[row] + inverses + 1 + index, rows: 1, columns: part.count)
    }
  }

  // MARK: Backward

  /// d(U h₋) of a part from the gradient of its scaled û.
  func backwardProduct(
    part index: Int, _ dSums: Rows, _ step: CellStepGradient, _ weights: CellWeights
  ) {
    let part = parts[index]
    for row in 0..<step.extent.rows {
      let extra = step.extra[row]
      let target = extra + dRecurrent + part.lowerBound
      guard step.extent.counts(row) else {
        kernels.fill(target, 0, count: part.count)
        continue
      }
      kernels.layerNormBackward(
        dSums[row], scale: weights.own[Self.recurrentScale].map { $0 + part.lowerBound },
        normalized: extra + recurrent + part.lowerBound, inverses: extra + inverses + 1 + index,
        target, rows: 1, columns: part.count)
    }
  }

  /// d(W x) from the gates' gradients.
  func backwardInput(_ step: CellStepGradient, _ weights: CellWeights) {
    for row in 0..<step.extent.rows {
      let extra = step.extra[row]
      guard step.extent.counts(row) else {
        kernels.fill(extra + dInput, 0, count: size)
        continue
      }
      kernels.layerNormBackward(
        step.gates[row], scale: weights.own[Self.inputScale], normalized: extra + column,
        inverses: extra + inverses, extra + dInput, rows: 1, columns: size)
    }
  }
}
