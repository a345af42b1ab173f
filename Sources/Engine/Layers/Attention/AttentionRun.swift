// AttentionRun.swift — Attention in a workspace
//
// Queries and keys are projected for a whole shard at once, then every row is worked on by itself.
// Gradients of vectors that all rows share (a learned query, a bias in its place, the additive score's
// v) are kept for each row and added up in the order of the rows afterwards.

import Glibc
import Kernels

final class AttentionRun: LayerRun {
  private let layer: AttentionLayer
  private let memory: VectorPlace
  /// What scores are made of: the memory, or its projection.
  private let keys: VectorPlace
  /// nil with a learned query.
  private let query: VectorPlace?
  private let learnedQuery: PlacedParameter?
  /// For each row, the gradient of what stands in the query's place.
  private let learnedGradients: Slot
  /// Zeros in the place of a query, for an additive score of one input without a bias.
  private let noQuery: Slot
  private let projections: [Projection]
  /// Those of a memory that a walk's queries look into: projected once, before the first step.
  private let memoryProjections: [Projection]
  /// Whether the queries of a walk come step by step, to a memory that is there from the start.
  private let isWalked: Bool
  private let heads: AttentionHeads
  private let additive: AdditiveScore?
  private let context: ValuePlace
  private let weights: ValuePlace?
  private let queryTimesteps: Int
  private let scale: Float
  private let stateOffset: Int

  init(_ layer: AttentionLayer, _ placement: inout Placement) throws {
    guard let packed = placement.weights as? ProjectionWeights else {
      preconditionFailure("Attention without its weights")
    }
    self.layer = layer
    stateOffset = placement.stateOffset
    let memory = VectorPlace(placement.inputs[layer.keySource])
    var keys = memory
    var query = layer.hasLearnedQuery ? nil : VectorPlace(placement.inputs[0])
    let isWalked = placement.changes.map { !$0[layer.keySource] } ?? false
    var projections: [Projection] = []
    var memoryProjections: [Projection] = []
    for (projection, weight) in zip(layer.projections, packed.packed) {
      let (index, spec) = projection
      let isKey = spec.weight == "weight_key"
      let source = placement.inputs[index]
      let target = try VectorPlace(like: source, stride: layer.scoreSize, &placement)
      let made = Projection(spec, weight, from: VectorPlace(source), to: target, &placement)
      if isWalked && isKey { memoryProjections.append(made) } else { projections.append(made) }
      if isKey { keys = target } else { query = target }
    }
    self.memory = memory
    self.keys = keys
    self.query = query
    self.projections = projections
    self.memoryProjections = memoryProjections
    self.isWalked = isWalked
    queryTimesteps = query?.timesteps ?? 1

    var learned: PlacedParameter?
    var noQuery = Slot.none
    if layer.hasLearnedQuery {
      if layer.score != .additive {
        learned = placement.parameters("query")
      } else if layer.usesBias {
        learned = placement.parameters("bias")
      } else {
        noQuery = try placement.reserve(layer.scoreSize)
      }
    }
    learnedQuery = learned
    self.noQuery = noQuery
    learnedGradients =
      layer.hasLearnedQuery && placement.isTraining
      ? try placement.reserve(layer.scoreSize) : .none

    var additive =
      layer.score == .additive ? try AdditiveScore(units: layer.scoreSize, &placement) : nil
    let own =
      additive == nil
      ? 0
      : try AdditiveScore.scratch(
        keys: memory.timesteps, units: layer.scoreSize, of: placement.name)
    heads = try AttentionHeads(
      count: 1, queries: queryTimesteps, keys: memory.timesteps,
      size: max(layer.memorySize, layer.scoreSize), dropout: layer.dropout, ownScratch: own,
      &placement)
    additive?.scratchOffset = heads.scratchEnd
    self.additive = additive
    context = placement.outputs[0]
    weights = layer.returnsWeights ? placement.outputs[1] : nil
    scale = layer.score == .scaledDot ? 1 / Float(layer.scoreSize).squareRoot() : 1
  }

  // MARK: A row's matrices

  private func validKeys(_ row: Int, _ pass: Pass) -> AttentionKeys {
    AttentionKeys(pass.validity(memory.validity), row: row, timesteps: memory.timesteps)
  }

  /// How many queries a row has.
  private func queryCount(_ row: Int, _ pass: Pass) -> Int {
    guard let query else { return 1 }
    return Validity.length(pass.validity(query.validity), row: row, timesteps: query.timesteps)
  }

  private func queries(_ row: Int, _ count: Int, _ pass: Pass) -> StridedMatrix {
    let size = layer.scoreSize
    if let query { return query.matrix(row, count: count, columns: size, pass) }
    let base = learnedQuery?.values ?? pass.pointer(noQuery, row: row)
    if learnedQuery == nil { kernels.fill(base, 0, count: size) }
    return StridedMatrix(base: base, rows: 1, columns: size, rowStride: size)
  }

  /// Where the gradients of a row's queries go; nil if nobody asks for them.
  private func queryGradients(_ row: Int, _ count: Int, _ pass: Pass) -> StridedMatrix? {
    let size = layer.scoreSize
    if let query {
      guard query.wantsGradient(pass) else { return nil }
      return query.gradientMatrix(row, count: count, columns: size, pass)
    }
    return StridedMatrix(
      base: pass.pointer(learnedGradients, row: row), rows: 1, columns: size, rowStride: size)
  }

  // MARK: Forward

  override func prepareSteps(_ rows: Range<Int>, _ pass: Pass) {
    for projection in memoryProjections { projection.forward(rows, pass) }
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    for projection in projections { projection.forward(rows, pass) }
    for row in rows {
      if let state = pass.state, !isWalked {
        step(row, state + row * pass.stateWidth + stateOffset, pass)
        continue
      }
      let valid = validKeys(row, pass)
      let count = queryCount(row, pass)
      let scores = heads.weights(0, row: row, queries: count, valid, pass)
      score(row, scores, pass)
      heads.drawMasks(row: row, pass)
      heads.forward(
        0, row: row, scores: scores, scale: scale, valid,
        values: memory.matrix(row, count: valid.count, columns: layer.memorySize, pass),
        context: StridedMatrix(
          base: pass.pointer(context.values, row: row), rows: count, columns: layer.memorySize,
          rowStride: layer.memorySize), pass)
      if let weights {
        // The rows of both are as long as the memory.
        pass.pointer(weights.values, row: row).update(
          from: scores.base, count: count * memory.timesteps)
      }
    }
  }

  /// The scores of a row's queries and keys, not yet scaled.
  private func score(_ row: Int, _ scores: StridedMatrix, _ pass: Pass) {
    let queries = queries(row, scores.rows, pass)
    let keys = keys.matrix(row, count: scores.columns, columns: layer.scoreSize, pass)
    if let additive {
      additive.forward(queries, keys, into: scores, pass)
    } else {
      multiply(queries, keys.transposed, into: scores, scratch: pass.scratch)
    }
  }

  /// One timestep of a stream: the softmax of all scores so far, with powers relative to the largest
  /// (Milakov & Gimelshein 2018).
  ///
  /// - Parameter state: Σ exp(s − top), top, and Σ exp(s − top) m; a sum of 0 before the first.
  private func step(_ row: Int, _ state: MutableValues, _ pass: Pass) {
    let valid = validKeys(row, pass)
    let sums = state + 2
    if valid.counts(0) { add(row, valid, state, pass) }
    let y = pass.pointer(context.values, row: row)
    if state[0] > 0 {
      kernels.scale(sums, by: 1 / state[0], y, count: layer.memorySize)
    } else {
      kernels.fill(y, 0, count: layer.memorySize)
    }
  }

  /// Adds a timestep to a stream's sums.
  private func add(_ row: Int, _ valid: AttentionKeys, _ state: MutableValues, _ pass: Pass) {
    let scores = heads.weights(0, row: row, queries: 1, valid, pass)
    score(row, scores, pass)
    let score = scores.base[0] * scale
    let x = pass.pointer(memory.values, row: row)
    let sums = state + 2
    let top = state[0] > 0 ? max(state[1], score) : score
    let factor = state[0] > 0 ? exp(state[1] - top) : 0
    let power = exp(score - top)
    state[0] = state[0] * factor + power
    state[1] = top
    kernels.scale(sums, by: factor, sums, count: layer.memorySize)
    kernels.addScaled(x, by: power, sums, count: layer.memorySize)
  }

  // MARK: Backward

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    for row in rows { backward(row, pass) }
    for projection in projections { projection.backward(rows, pass) }
  }

  private func backward(_ row: Int, _ pass: Pass) {
    let valid = validKeys(row, pass)
    let count = queryCount(row, pass)
    let size = layer.memorySize
    let ds = heads.backward(
      0, row: row, scale: scale, valid,
      values: memory.matrix(row, count: valid.count, columns: size, pass),
      dContext: StridedMatrix(
        base: pass.pointer(context.gradients, row: row), rows: count, columns: size,
        rowStride: size),
      dWeights: weights.map { weights in
        let given = StridedMatrix(
          base: pass.pointer(weights.gradients, row: row), rows: count, columns: valid.count,
          rowStride: memory.timesteps)
        return (given, share: 1)
      },
      dValues: memory.wantsGradient(pass)
        ? memory.gradientMatrix(row, count: valid.count, columns: size, pass) : nil,
      adds: true, pass)
    backward(row, ds, pass)
  }

  /// From the scores' gradients to the queries' and keys'.
  private func backward(_ row: Int, _ ds: StridedMatrix, _ pass: Pass) {
    let size = layer.scoreSize
    let queries = queries(row, ds.rows, pass)
    let keys = keys.matrix(row, count: ds.columns, columns: size, pass)
    let dQueries = queryGradients(row, ds.rows, pass)
    let dKeys =
      self.keys.wantsGradient(pass)
      ? self.keys.gradientMatrix(row, count: ds.columns, columns: size, pass) : nil
    if let additive {
      guard let dQueries, let dKeys else { preconditionFailure("projections want gradients") }
      additive.backward(
        row: row, queries, keys, ds: ds, dQueries: dQueries, dKeys: dKeys, pass)
      return
    }
    if let dQueries {
      multiply(ds, keys, into: dQueries, adds: query != nil, scratch: pass.scratch)
    }
    if let dKeys {
      multiply(
        ds.transposed, queries, into: dKeys, adds: self.keys.value != nil, scratch: pass.scratch)
    }
  }

  // MARK: Gradients of the parameters

  override var gradientTasks: Int {
    projections.gradientTasks + (learnedQuery == nil ? 0 : 1) + (additive == nil ? 0 : 1)
  }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    guard let rest = projections.addGradients(task: task, batch: batch, pass) else { return }
    let (parameter, gradients) =
      if let learnedQuery, rest == 0 {
        (learnedQuery, learnedGradients)
      } else if let additive {
        (additive.vector, additive.vectorGradients)
      } else {
        preconditionFailure("no task \(task)")
      }
    kernels.addColumnSums(
      pass.pointer(gradients), stride: gradients.width, rows: batch, columns: gradients.width,
      into: parameter.gradient(pass))
  }
}
