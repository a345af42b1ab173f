// MultiHeadAttentionRun.swift — MultiHeadAttention in a workspace
//
// Queries, keys and values of a shard are one to three products; then every row and head is worked on
// by itself, in columns of the same memory; the heads' contexts, side by side, go through the output's
// product.

import Glibc
import Kernels

final class MultiHeadAttentionRun: LayerRun {
  private let layer: MultiHeadAttentionLayer
  private let query: ValuePlace
  private let memory: ValuePlace
  private let queries: VectorPlace
  private let keys: VectorPlace
  private let values: VectorPlace
  private let context: VectorPlace
  private let weights: ValuePlace?
  /// Into queries, keys and values.
  private let projections: [Projection]
  /// How many of these make what comes step by step in a walk: the queries, which look into a memory
  /// that is there from the start. All outside of one.
  private let steppedProjections: Int
  /// In a walk along the sequence that keys and values are made of: where those of earlier timesteps are.
  private let history: (offset: Int, stride: Int)?
  private let outputProjection: Projection
  private let heads: AttentionHeads
  private let scale: Float

  init(_ layer: MultiHeadAttentionLayer, _ placement: inout Placement) throws {
    guard let packed = placement.weights as? ProjectionWeights else {
      preconditionFailure("MultiHeadAttention without its weights")
    }
    self.layer = layer
    query = placement.inputs[0]
    memory = placement.inputs[layer.keySource]
    let width = layer.width
    let specs = layer.projections
    let (x, m) = (VectorPlace(query), VectorPlace(memory))
    var projections: [Projection] = []
    func project(_ input: VectorPlace, to output: VectorPlace) {
      let index = projections.count
      projections.append(
        Projection(specs[index], packed.packed[index], from: input, to: output, &placement))
    }
    if layer.source == .itself {
      queries = try VectorPlace(like: query, stride: 3 * width, &placement)
      keys = queries.shifted(width)
      project(x, to: queries)
    } else {
      queries = try VectorPlace(like: query, stride: width, &placement)
      keys = try VectorPlace(like: memory, stride: 2 * width, &placement)
      project(x, to: queries)
      project(m, to: keys)
    }
    values = keys.shifted(width)
    if layer.source == .otherMemory { project(m, to: values) }
    self.projections = projections
    steppedProjections = placement.changes == nil ? projections.count : 1
    history = placement.changes != nil && layer.source == .itself ? placement.history : nil
    context = try VectorPlace(like: query, stride: width, &placement)
    outputProjection = Projection(
      specs[projections.count], packed.packed[projections.count], from: context,
      to: VectorPlace(placement.outputs[0]), &placement)
    weights = layer.returnsWeights ? placement.outputs[1] : nil
    heads = try AttentionHeads(
      count: layer.heads, queries: query.timesteps, keys: memory.timesteps, size: layer.keySize,
      dropout: layer.dropout, &placement)
    scale = 1 / Float(layer.keySize).squareRoot()
  }

  // MARK: A row

  private func validKeys(_ row: Int, _ pass: Pass) -> AttentionKeys {
    AttentionKeys(
      pass.validity(memory.validity), row: row, timesteps: memory.timesteps,
      isCausal: layer.isCausal)
  }

  private func queryCount(_ row: Int, _ pass: Pass) -> Int {
    Validity.length(pass.validity(query.validity), row: row, timesteps: query.timesteps)
  }

  /// A head's columns of a row.
  private func part(_ place: VectorPlace, _ head: Int, _ row: Int, _ count: Int, _ pass: Pass)
    -> StridedMatrix
  {
    place.shifted(head * layer.keySize).matrix(row, count: count, columns: layer.keySize, pass)
  }

  private func gradientPart(
    _ place: VectorPlace, _ head: Int, _ row: Int, _ count: Int, _ pass: Pass
  ) -> StridedMatrix {
    place.shifted(head * layer.keySize)
      .gradientMatrix(row, count: count, columns: layer.keySize, pass)
  }

  // MARK: Forward

  override func prepareSteps(_ rows: Range<Int>, _ pass: Pass) {
    for projection in projections.dropFirst(steppedProjections) { projection.forward(rows, pass) }
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    for projection in projections.prefix(steppedProjections) { projection.forward(rows, pass) }
    if let history, let state = pass.state {
      for row in rows {
        look(row, back: state + row * pass.stateWidth + history.offset, history.stride, pass)
      }
      outputProjection.forward(rows, pass)
      return
    }
    for row in rows {
      let valid = validKeys(row, pass)
      let count = queryCount(row, pass)
      heads.drawMasks(row: row, pass)
      let mean = weights.map { pass.pointer($0.values, row: row) }
      let area = count * memory.timesteps
      if let mean { kernels.fill(mean, 0, count: area) }
      for head in 0..<layer.heads {
        let scores = heads.weights(head, row: row, queries: count, valid, pass)
        multiply(
          part(queries, head, row, count, pass),
          part(keys, head, row, valid.count, pass).transposed, into: scores, scratch: pass.scratch)
        heads.forward(
          head, row: row, scores: scores, scale: scale, valid,
          values: part(values, head, row, valid.count, pass),
          context: part(context, head, row, count, pass), pass)
        if let mean {
          kernels.addScaled(scores.base, by: 1 / Float(layer.heads), mean, count: area)
        }
      }
    }
    outputProjection.forward(rows, pass)
  }

  /// One step: keeps the timestep's keys and values, and looks at all that were kept. Powers are relative
  /// to the largest score so far (Milakov & Gimelshein 2018), so that scores need no memory.
  ///
  /// - Parameter history: of timesteps that are `stride` floats apart.
  private func look(_ row: Int, back history: MutableValues, _ stride: Int, _ pass: Pass) {
    let (width, size) = (layer.width, layer.keySize)
    let new = history + pass.window * stride
    new.update(from: part(keys, 0, row, 1, pass).base, count: width)
    (new + width).update(from: part(values, 0, row, 1, pass).base, count: width)
    let validity = pass.validity(memory.validity)
    new[2 * width] = validity.map { $0.row(row)[0] == 1 } ?? true ? 1 : 0
    for head in 0..<layer.heads {
      let query = part(queries, head, row, 1, pass).base
      let sums = part(context, head, row, 1, pass).base
      kernels.fill(sums, 0, count: size)
      var (top, total) = (-Float.infinity, Float(0))
      for t in 0...pass.window {
        let kept = history + t * stride
        guard kept[2 * width] == 1 else { continue }
        let score = Float(kernels.dot(query, kept + head * size, count: size)) * scale
        if score > top {
          let factor = total > 0 ? exp(top - score) : 0
          total *= factor
          kernels.scale(sums, by: factor, sums, count: size)
          top = score
        }
        let power = exp(score - top)
        total += power
        kernels.addScaled(kept + width + head * size, by: power, sums, count: size)
      }
      if total != 0 { kernels.scale(sums, by: 1 / total, sums, count: size) }
    }
  }

  // MARK: Backward

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    outputProjection.backward(rows, pass)
    for row in rows {
      let valid = validKeys(row, pass)
      let count = queryCount(row, pass)
      for head in 0..<layer.heads { backward(head, row, count, valid, pass) }
    }
    for projection in projections { projection.backward(rows, pass) }
  }

  private func backward(
    _ head: Int, _ row: Int, _ count: Int, _ valid: AttentionKeys, _ pass: Pass
  ) {
    let ds = heads.backward(
      head, row: row, scale: scale, valid, values: part(values, head, row, valid.count, pass),
      dContext: gradientPart(context, head, row, count, pass),
      dWeights: weights.map { weights in
        let given = StridedMatrix(
          base: pass.pointer(weights.gradients, row: row), rows: count, columns: valid.count,
          rowStride: memory.timesteps)
        return (given, share: 1 / Float(layer.heads))
      }, dValues: gradientPart(values, head, row, valid.count, pass), adds: false, pass)
    multiply(
      ds, part(keys, head, row, valid.count, pass),
      into: gradientPart(queries, head, row, count, pass), scratch: pass.scratch)
    multiply(
      ds.transposed, part(queries, head, row, count, pass),
      into: gradientPart(keys, head, row, valid.count, pass), scratch: pass.scratch)
  }

  // MARK: Gradients of the parameters

  override var gradientTasks: Int { projections.gradientTasks + outputProjection.gradientTasks }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    guard let rest = projections.addGradients(task: task, batch: batch, pass) else { return }
    outputProjection.addGradients(task: rest, batch: batch, pass)
  }
}
