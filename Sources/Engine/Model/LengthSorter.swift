// LengthSorter.swift — sequences of similar length next to each other
//
// What pads the shorter sequences of a batch or a shard is not computed, but costs what it holds
// up: rows in the order of their lengths make batches and shards of one length each.

import Kernels

/// Sorts rows by their lengths, the longest first; rows of one length keep their order. Reuses its
/// memory.
struct LengthSorter {
  /// For each length, where its rows begin.
  private var starts: AlignedBuffer<Int>?
  private var sorted: AlignedBuffer<Int>?
  private var rows: AlignedBuffer<Int>?

  /// - Throws: `MemoryError`.
  mutating func sort(_ rows: UnsafeMutableBufferPointer<Int>, of batch: Batch) throws {
    let longest = batch.longest
    let starts = try Self.memory(&starts, longest + 2)
    let sorted = try Self.memory(&sorted, rows.count)
    for index in 0..<longest + 2 { starts[index] = 0 }
    for row in rows { starts[longest - batch.length(ofRow: row) + 1] += 1 }
    for index in 1..<longest + 2 { starts[index] += starts[index - 1] }
    for row in rows {
      let key = longest - batch.length(ofRow: row)
      sorted[starts[key]] = row
      starts[key] += 1
    }
    for index in rows.indices { rows[index] = sorted[index] }
  }

  /// All rows of a batch, in the order of their lengths if they can differ. They stay until the
  /// sorter is used again.
  mutating func sort(_ batch: Batch) throws -> UnsafeBufferPointer<Int> {
    let rows = UnsafeMutableBufferPointer(
      start: try Self.memory(&rows, batch.count), count: batch.count)
    for row in rows.indices { rows[row] = row }
    if batch.hasLengths { try sort(rows, of: batch) }
    return UnsafeBufferPointer(rows)
  }

  private static func memory(_ buffer: inout AlignedBuffer<Int>?, _ count: Int) throws
    -> UnsafeMutablePointer<Int>
  {
    if let buffer, buffer.count >= count { return buffer.pointer }
    let made = try AlignedBuffer<Int>(count: count)
    buffer = made
    return made.pointer
  }
}

extension Batch {
  /// Whether rows can differ in length.
  var hasLengths: Bool { inputs.contains { $0.view.lengths != nil } }

  /// Timesteps of the longest sequence.
  var longest: Int { inputs.reduce(1) { max($0, $1.timesteps) } }

  /// The length of one of the caller's rows, of its longest input.
  func length(ofRow row: Int) -> Int {
    inputs.reduce(0) { longest, input in
      input.hasTime
        ? max(longest, input.view.lengths.map { Int($0[row]) } ?? input.timesteps) : longest
    }
  }
}
