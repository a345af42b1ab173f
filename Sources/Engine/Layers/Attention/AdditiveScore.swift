// AdditiveScore.swift — the score of Bahdanau et al. 2015
//
//     hᵢⱼ = tanh(qᵢ + kⱼ)      sᵢⱼ = v · hᵢⱼ
//
// with queries and keys that were projected to U units. hᵢⱼ are Tq · Tk · U numbers, too many to keep:
// they are made for one query at a time, and made again in backward.

import Kernels

struct AdditiveScore {
  /// U.
  let units: Int
  /// `[U]`, v.
  let vector: PlacedParameter
  /// `[U]` for each row: the gradient of v from that row alone.
  let vectorGradients: Slot
  /// Where scratch begins that nobody else uses.
  var scratchOffset = 0

  /// Floats of scratch for so many keys: h, and its gradient.
  static func scratch(keys: Int, units: Int, of name: String) throws -> Int {
    try Int.product([2, keys, units], of: name)
  }

  init(units: Int, _ placement: inout Placement) throws {
    self.units = units
    vector = placement.parameters("weight_score")
    vectorGradients = placement.isTraining ? try placement.reserve(units) : .none
  }

  /// h of one query, in scratch `[keys, U]`.
  private func hidden(_ query: MutableValues, _ keys: StridedMatrix, _ pass: Pass) -> MutableValues
  {
    let hidden = pass.scratch + scratchOffset
    kernels.broadcast(query, hidden, stride: units, rows: keys.rows, columns: units)
    kernels.add(keys.base, hidden, count: keys.rows * units)
    kernels.activate(.tanh, hidden, hidden, count: keys.rows * units)
    return hidden
  }

  /// - Parameters:
  ///   - queries, keys: `[Tq, U]` and, contiguous, `[Tk, U]`.
  ///   - scores: `[Tq, Tk]`, written.
  func forward(
    _ queries: StridedMatrix, _ keys: StridedMatrix, into scores: StridedMatrix, _ pass: Pass
  ) {
    for query in 0..<queries.rows {
      let hidden = hidden(queries.row(query), keys, pass)
      let row = scores.row(query)
      for key in 0..<keys.rows {
        row[key] = Float(kernels.dot(hidden + key * units, vector.values, count: units))
      }
    }
  }

  /// With ds the scores' gradients:
  ///
  ///     dv = Σᵢⱼ dsᵢⱼ hᵢⱼ      daᵢⱼ = dsᵢⱼ v ⊙ (1 − hᵢⱼ²)      dqᵢ = Σⱼ daᵢⱼ      dkⱼ = Σᵢ daᵢⱼ
  ///
  /// - Parameter dQueries, dKeys: shaped as `queries` and `keys`; written.
  func backward(
    row: Int, _ queries: StridedMatrix, _ keys: StridedMatrix, ds: StridedMatrix,
    dQueries: StridedMatrix, dKeys: StridedMatrix, _ pass: Pass
  ) {
    let count = keys.rows * units
    let dVector = pass.pointer(vectorGradients, row: row)
    kernels.fill(dVector, 0, count: units)
    kernels.fill(dKeys.base, 0, count: count)
    for query in 0..<queries.rows {
      let hidden = hidden(queries.row(query), keys, pass)
      let da = hidden + count
      for key in 0..<keys.rows {
        let gradient = ds.row(query)[key]
        kernels.addScaled(hidden + key * units, by: gradient, dVector, count: units)
        kernels.scale(vector.values, by: gradient, da + key * units, count: units)
      }
      kernels.activateBackward(.tanh, hidden, da, da, count: count)
      kernels.add(da, dKeys.base, count: count)
      let dQuery = dQueries.row(query)
      kernels.fill(dQuery, 0, count: units)
      kernels.addColumnSums(da, stride: units, rows: keys.rows, columns: units, into: dQuery)
    }
  }
}
