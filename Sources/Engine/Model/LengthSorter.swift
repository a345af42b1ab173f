// LengthSorter.swift — sequences of similar length next to each other
//
// What pads the shorter sequences of a batch is not computed, but a step takes the rows up to the last
// that goes on: rows in the order of their lengths drop out as they end. So every batch is taken in that
// order, and an epoch's batches are made of sequences of similar length, for fewer steps.

import Kernels

/// Sorts rows by their lengths, the longest first; rows of one length keep their order. Reuses its
/// memory.
struct LengthSorter {
  /// For each length, where its rows begin.
  private var starts: AlignedBuffer<Int>?
  private var sorted: AlignedBuffer<Int>?
  private var rows: AlignedBuffer<Int>?
  private var numbers: AlignedBuffer<Int>?

  /// Sorts some of the caller's rows.
  ///
  /// - Throws: `MemoryError`.
  mutating func sort(_ rows: UnsafeMutableBufferPointer<Int>, of batch: Batch) throws {
    try sort(rows, longest: batch.longest) { batch.length(ofRow: $0) }
  }

  /// The order of all rows of a batch that is in no order yet but that of its caller. It stays until the
  /// sorter is used again.
  mutating func order(of batch: Batch) throws -> Batch.Order {
    let rows = try Self.memory(&rows, batch.count)
    let numbers = try Self.memory(&numbers, batch.count)
    for row in 0..<batch.count { numbers[row] = row }
    if batch.hasLengths {
      try sort(
        UnsafeMutableBufferPointer(start: numbers, count: batch.count), longest: batch.longest
      ) { batch.length(ofRow: batch.source($0)) }
    }
    for row in 0..<batch.count { rows[row] = batch.source(numbers[row]) }
    return Batch.Order(rows: rows, numbers: numbers)
  }

  private mutating func sort(
    _ rows: UnsafeMutableBufferPointer<Int>, longest: Int, length: (Int) -> Int
  ) throws {
    let starts = try Self.memory(&starts, longest + 2)
    let sorted = try Self.memory(&sorted, rows.count)
    for index in 0..<longest + 2 { starts[index] = 0 }
    for row in rows { starts[longest - length(row) + 1] += 1 }
    for index in 1..<longest + 2 { starts[index] += starts[index - 1] }
    for row in rows {
      let key = longest - length(row)
      sorted[starts[key]] = row
      starts[key] += 1
    }
    for index in rows.indices { rows[index] = sorted[index] }
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
  /// Takes its rows in the order of their lengths, if they can differ.
  ///
  /// - Parameter sorter: has the order; not to be used again while this batch is.
  mutating func sortByLength(_ sorter: inout LengthSorter) throws {
    if hasLengths, count > 1 { reorder(try sorter.order(of: self)) }
  }

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
