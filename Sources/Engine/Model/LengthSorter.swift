// LengthSorter.swift — sequences of similar length next to each other
//
// What pads the shorter sequences of a batch or a shard is not computed, but costs what it holds
// up: rows in the order of their lengths make batches and shards of one length each.

/// Sorts rows by their lengths, the longest first; rows of one length keep their order. Reuses its
/// memory.
struct LengthSorter {
  /// For each length, where its rows begin.
  private var starts: [Int] = []
  private var sorted: [Int] = []

  /// - Parameters:
  ///   - longest: no row is longer.
  ///   - length: of a row, 0 … longest.
  mutating func sort(
    _ rows: UnsafeMutableBufferPointer<Int>, longest: Int, length: (_ row: Int) -> Int
  ) {
    if starts.count < longest + 2 { starts = [Int](repeating: 0, count: longest + 2) }
    if sorted.count < rows.count { sorted = [Int](repeating: 0, count: rows.count) }
    for index in starts.indices { starts[index] = 0 }
    for row in rows { starts[longest - length(row) + 1] += 1 }
    for index in 1..<longest + 2 { starts[index] += starts[index - 1] }
    for row in rows {
      let key = longest - length(row)
      sorted[starts[key]] = row
      starts[key] += 1
    }
    for index in rows.indices { rows[index] = sorted[index] }
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
      input.hasTime ? max(longest, input.view.lengths.map { Int($0[row]) } ?? input.timesteps) : longest
    }
  }
}
