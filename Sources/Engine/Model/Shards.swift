// Shards.swift — the rows of a batch, divided among threads
//
// A shard goes through the whole model on one thread. The division changes no sum: a row is computed alone,
// a gradient is one chain over all rows, and losses are summed row by row. So it may depend on the number of
// threads, of which each finds as much to do as the others.

import Kernels

/// A division of rows into shards, which follow each other. Made again and again, it keeps its memory.
struct Shards {
  /// Rows of a shard at the most.
  let largest: Int
  /// Threads that the rows are divided among.
  private let threads: Int
  /// The rows of each shard.
  private(set) var ranges: [Range<Int>] = []

  /// Fewer rows than these do not ask for another thread: they read the weights as often as many.
  private static let fewest = 8

  init(largest: Int, threads: Int) {
    self.largest = largest
    // The sums of OpenBLAS depend on how many rows it gets.
    self.threads = BLAS.isWanted ? 2 : threads
  }

  /// Rows of a shard at the most. Small models stay small enough for the cache; a large recurrent weight,
  /// which every timestep reads again, is worth sharing among more rows, and one of a megabyte or more, which
  /// hardly fits a second-level cache beside the rest, among more still.
  static func largest(for graph: Graph) -> Int {
    let weight =
      graph.nodes.flatMap(\.layer.parameters).filter { $0.name.hasPrefix("weight_hh") }
      .map { $0.shape.reduce(1, *) }.max() ?? 0
    return weight <= 1 << 16 ? 8 : weight < 1 << 18 || BLAS.isWanted ? 32 : 64
  }

  /// Divides rows that have as much to do, each as the others.
  mutating func divide(rows: Int) { divide(rows, work: rows) { _ in 1 } }

  /// Divides a batch, which is in the order of its lengths if they differ.
  mutating func divide(_ batch: Batch) {
    guard threads > 1, batch.hasLengths else { return divide(rows: batch.count) }
    func work(_ row: Int) -> Int { batch.length(ofRow: batch.source(row)) + 1 }
    let total = (0..<batch.count).reduce(0) { $0 + work($1) }
    divide(batch.count, work: total, work)
  }

  /// Into shards of as many rows, and as many for every thread if there are more than threads; but none
  /// has more to do than is a thread's share of all work.
  private mutating func divide(_ rows: Int, work total: Int, _ work: (_ row: Int) -> Int) {
    var planned = max((rows - 1) / largest + 1, min(threads, rows / Self.fewest))
    if planned > threads { planned = (planned + threads - 1) / threads * threads }
    let sharing = min(planned, threads)
    let share = (total + sharing - 1) / sharing
    ranges.removeAll(keepingCapacity: true)
    var end = 0
    while end < rows {
      let remaining = max(1, planned - ranges.count)
      let size = min(largest, (rows - end + remaining - 1) / remaining)
      let start = end
      var sum = 0
      // To the nearest row, and one at the least.
      while end < min(rows, start + size), end == start || sum + work(end) / 2 < share {
        sum += work(end)
        end += 1
      }
      ranges.append(start..<end)
    }
  }
}
