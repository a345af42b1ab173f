// Evaluation.swift — a model measured on a data set, in inference mode

import Kernels

/// Measures a model against targets, batch by batch.
struct Evaluation {
  private let source: DataSource
  private let objective: Objective
  private let model: Model
  private let executor: Executor
  private let batchSize: Int
  private let data: CheckedData?

  /// - Throws: if arrays in memory do not fit the model.
  init(
    _ source: DataSource, _ objective: Objective, _ model: Model, pool: WorkerPool, batchSize: Int
  ) throws {
    self.source = source
    self.objective = objective
    self.model = model
    self.batchSize = batchSize
    executor = Executor(model, isTraining: false, pool: pool)
    if case .arrays(let arrays) = source {
      data = try CheckedData(arrays, model, objective)
    } else {
      data = nil
    }
  }

  /// What an evaluation collects besides the loss.
  typealias Collector = (_ y: Values, _ target: Loss.ItemTarget, _ weight: Double) throws -> Void

  /// - Parameter collect: sees every item that counts.
  func run(epoch: Int = 0, collect: Collector? = nil) throws -> LossSums {
    var total = LossSums(outputs: model.outputCount)
    var sums = BatchSums(outputs: model.outputCount)
    var sorter = LengthSorter()
    defer { withExtendedLifetime(sorter) {} }
    switch source {
    case .arrays:
      guard let data else { preconditionFailure("arrays were checked") }
      let count = data.batch.count
      let rows = UnsafeBufferPointer(start: try sorter.order(of: data.batch).rows, count: count)
      var batch = Batch()
      for first in stride(from: 0, to: count, by: batchSize) {
        let end = min(count, first + batchSize)
        batch.select(UnsafeBufferPointer(rebasing: rows[first..<end]), of: data.batch)
        total += try run(batch, data.targets, &sums, collect)
      }
    case .batches(let next):
      var index = 0
      while let arrays = try next(epoch, index) {
        let checked = try CheckedData(arrays, model, objective)
        var batch = checked.batch
        try batch.sortByLength(&sorter)
        total += try run(batch, checked.targets, &sums, collect)
        index += 1
      }
    }
    return total
  }

  private func run(
    _ batch: Batch, _ targets: Targets, _ sums: inout BatchSums, _ collect: Collector?
  ) throws -> LossSums {
    let plan = try executor.prepare(batch)
    var collected = [[CollectedItem]](repeating: [], count: collect == nil ? 0 : batch.count)
    sums.total.clear()
    let scales = sums.scales
    sums.addRows(batch.count) { results in
      collected.withUnsafeMutableBufferPointer { collected in
        executor.forEachShard(
          plan, Executor.Settings(),
          MeasureWork(
            objective: objective, batch: batch, targets: targets, scales: scales, sums: results,
            collected: collected, size: objective.first.shape.lastAxis))
      }
    }
    objective.applyReductions(to: &sums.total)
    if let collect {
      for item in collected.joined() {
        try item.y.withUnsafeBufferPointer { y in
          guard let y = y.baseAddress else { return }
          try item.target.withTarget { try collect(y, $0, item.weight) }
        }
      }
    }
    return sums.total
  }
}

/// What a thread does with a shard: the forward pass, their losses, and a copy of what counts.
private struct MeasureWork: ShardWork {
  let objective: Objective
  let batch: Batch
  let targets: Targets
  let scales: [Double]
  /// One per row; of what is collected, none if nobody asks.
  let sums: UnsafeMutableBufferPointer<LossSums>
  let collected: UnsafeMutableBufferPointer<[CollectedItem]>
  /// Elements of an item.
  let size: Int

  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
    batch.load(rows, at: 0, plan, pass)
    executor.forward(0..<rows.count, plan, pass)
    for (local, row) in rows.enumerated() { measure(row, at: local, plan, pass) }
  }

  private func measure(_ row: Int, at local: Int, _ plan: Plan, _ pass: Pass) {
    objective.evaluate(
      addingTo: &sums[row], row, at: local, targets, scales: scales, batch, plan, pass,
      writesGradients: false)
    objective.addDivisors(to: &sums[row], row, at: local, targets, batch, plan, pass)
    guard !collected.isEmpty else { return }
    objective.forEachResult(row, at: local, targets, batch, plan, pass) { y, target, weight in
      collected[row].append(
        CollectedItem(
          y: Array(UnsafeBufferPointer(start: y, count: size)),
          target: CollectedTarget(target, size: size), weight: weight))
    }
  }
}

/// An item that outlives its pass.
private struct CollectedItem {
  let y: [Float]
  let target: CollectedTarget
  let weight: Double
}

/// A target that outlives its pass.
private enum CollectedTarget {
  case id(Int)
  case values([Float])

  init(_ target: Loss.ItemTarget, size: Int) {
    switch target {
    case .id(let id): self = .id(id)
    case .values(let values):
      self = .values(Array(UnsafeBufferPointer(start: values, count: size)))
    }
  }

  func withTarget(_ body: (Loss.ItemTarget) throws -> Void) rethrows {
    switch self {
    case .id(let id): try body(.id(id))
    case .values(let values):
      try values.withUnsafeBufferPointer { values in
        guard let values = values.baseAddress else { return }
        try body(.values(values))
      }
    }
  }
}
