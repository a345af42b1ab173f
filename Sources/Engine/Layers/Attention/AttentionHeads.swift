// AttentionHeads.swift — from scores to weights to contexts, and back
//
//     weights = softmax(scale · scores)      context = dropout(weights) · values
//
// What every attention has in common, whatever its scores are: Attention has one such head,
// MultiHeadAttention several. A batch row is worked on by itself, with products over all of its
// queries and keys; rows of other lengths do other amounts of work.

import Kernels

/// The weights of a layer's heads, and the steps around them. Training keeps the weights of all rows,
/// heads · Tq · Tk numbers each, for backward; inference has those of one head at a time.
struct AttentionHeads {
  let count: Int
  let queryTimesteps: Int
  let keyTimesteps: Int
  private let dropout: Float
  private let stream: UInt64
  /// `[heads, Tq, Tk]`; in training alone, as the masks.
  private let weights: Slot
  private let masks: Slot
  /// The thread's scratch: a packed matrix, then in training the scores' gradients and the weights
  /// after dropout, in inference the weights of one head, each `[Tq, Tk]`, then a row of keys.
  private let packed: Int
  private let keyRow: Int
  /// Where scratch that the layer itself may use begins.
  let scratchEnd: Int

  /// - Parameters:
  ///   - size: the most that a query, key or value has of elements.
  ///   - ownScratch: floats of scratch for the layer itself.
  init(
    count: Int, queries: Int, keys: Int, size: Int, dropout: Float, ownScratch: Int = 0,
    _ placement: inout Placement
  ) throws {
    self.count = count
    queryTimesteps = queries
    keyTimesteps = keys
    self.dropout = dropout
    stream = 2 * placement.randomStream
    // Eight of everything, so that sums of a few such sizes cannot overflow.
    let longest = max(queries, keys)
    for sizes in [[8, queries, keys], [8, longest, size], [8, size, keys], [8, ownScratch]] {
      _ = try Int.product(sizes, of: placement.name)
    }
    let isTraining = placement.isTraining
    weights = isTraining ? try placement.reserve(count, queries, keys) : .none
    masks = isTraining && dropout > 0 ? try placement.reserve(count, queries, keys) : .none
    packed = max(
      panelsSize(depth: size, columns: keys), panelsSize(depth: longest, columns: size))
    keyRow = packed + (isTraining ? 2 : 1) * queries * keys
    scratchEnd = keyRow + keys
    placement.requireScratch(scratchEnd + ownScratch)
  }

  private var area: Int { queryTimesteps * keyTimesteps }

  /// A matrix of a row's queries and keys.
  private func matrix(_ base: MutableValues, _ queries: Int, _ keys: AttentionKeys) -> StridedMatrix
  {
    StridedMatrix(base: base, rows: queries, columns: keys.count, rowStride: keyTimesteps)
  }

  /// Where scores go and weights come from.
  func weights(_ head: Int, row: Int, queries: Int, _ keys: AttentionKeys, _ pass: Pass)
    -> StridedMatrix
  {
    let base =
      weights.isNone ? pass.scratch + packed : pass.pointer(weights, row: row) + head * area
    return matrix(base, queries, keys)
  }

  /// Draws the masks of a row's heads.
  func drawMasks(row: Int, _ pass: Pass) {
    guard !masks.isNone else { return }
    dropoutMask(
      pass.pointer(masks, row: row), count: count * area, rate: dropout, seed: pass.seed,
      stream: stream, step: pass.step, row: pass.randomRow(row))
  }

  /// The weights as contexts take them.
  private func dropped(_ head: Int, _ weights: StridedMatrix, row: Int, _ pass: Pass)
    -> StridedMatrix
  {
    guard !masks.isNone else { return weights }
    var result = weights
    result.base = pass.scratch + packed + area
    let mask = pass.pointer(masks, row: row) + head * area
    for query in 0..<weights.rows {
      kernels.multiply(
        weights.row(query), mask + query * keyTimesteps, result.row(query), count: weights.columns)
    }
    return result
  }

  /// Turns a head's scores, which are where its weights will be, into weights and contexts.
  ///
  /// - Parameters:
  ///   - values: `[keys, N]`.
  ///   - context: `[queries, N]`, written.
  func forward(
    _ head: Int, row: Int, scores: StridedMatrix, scale: Float, _ keys: AttentionKeys,
    values: StridedMatrix, context: StridedMatrix, _ pass: Pass
  ) {
    keys.softmax(
      scores, scale: scale, width: keyTimesteps, scratch: pass.scratch + keyRow)
    multiply(
      dropped(head, scores, row: row, pass), values, into: context, scratch: pass.scratch)
  }

  /// The scores' gradients, in scratch that lasts until the next head's, and the values'.
  ///
  ///     dw = mask ⊙ (dContext · valuesᵀ) + given      ds = scale · w ⊙ (dw − Σ dw ⊙ w)
  ///
  /// - Parameters:
  ///   - dContext: `[queries, N]`.
  ///   - dWeights: gradients of the weights as an output of the model, `[queries, Tk]`, and the share
  ///     of them that is this head's.
  ///   - dValues: `[keys, N]`, written, or added to if `adds`; nil if they are not wanted.
  func backward(
    _ head: Int, row: Int, scale: Float, _ keys: AttentionKeys, values: StridedMatrix,
    dContext: StridedMatrix, dWeights: (StridedMatrix, share: Float)?, dValues: StridedMatrix?,
    adds: Bool, _ pass: Pass
  ) -> StridedMatrix {
    let queries = dContext.rows
    let weights = weights(head, row: row, queries: queries, keys, pass)
    if let dValues {
      multiply(
        dropped(head, weights, row: row, pass).transposed, dContext, into: dValues, adds: adds,
        scratch: pass.scratch)
    }
    let ds = matrix(pass.scratch + packed, queries, keys)
    multiply(dContext, values.transposed, into: ds, scratch: pass.scratch)
    let mask = masks.isNone ? nil : pass.pointer(masks, row: row) + head * area
    for query in 0..<queries {
      let (dw, w) = (ds.row(query), weights.row(query))
      if let mask { kernels.multiply(dw, mask + query * keyTimesteps, dw, count: keys.count) }
      if let (given, share) = dWeights {
        kernels.addScaled(given.row(query), by: share, dw, count: keys.count)
      }
      kernels.softmaxBackward(w, dw, dw, rows: 1, columns: keys.count)
      if scale != 1 { kernels.scale(dw, by: scale, dw, count: keys.count) }
    }
    return ds
  }
}
