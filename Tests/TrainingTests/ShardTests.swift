// ShardTests.swift — rows in the order of their lengths, and divided among threads

import Testing

@testable import Engine

@Suite struct LengthSorterTests {
  @Test func longestFirstAndOthersInOrder() throws {
    var sorter = LengthSorter()
    for lengths in [[3, 0, 3, 5, 1, 5], [2], [0, 0, 0], [1, 9, 4, 9]] {
      try withBatch(lengths, timesteps: 9) { batch in
        let expected = lengths.indices.sorted { (-lengths[$0], $0) < (-lengths[$1], $1) }
        let order = try sorter.order(of: batch)
        let sorted = UnsafeBufferPointer(start: order.rows, count: lengths.count)
        #expect(Array(sorted) == expected)
        let numbers = UnsafeBufferPointer(start: order.numbers, count: lengths.count)
        #expect(Array(numbers) == expected)
      }
    }
  }
}

@Suite struct ShardTests {
  private static let rows = [1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65, 100, 131, 1000]

  private func shards(_ rows: Int, largest: Int, threads: Int) -> [Range<Int>] {
    var shards = Shards(largest: largest, threads: threads)
    shards.divide(rows: rows)
    return shards.ranges
  }

  /// The shards of a batch with such lengths.
  private func shards(_ lengths: [Int], largest: Int, threads: Int) throws -> [Range<Int>] {
    var found: [Range<Int>] = []
    try withBatch(lengths, timesteps: 100) { batch in
      var (batch, sorter) = (batch, LengthSorter())
      try batch.sortByLength(&sorter)
      var shards = Shards(largest: largest, threads: threads)
      shards.divide(batch)
      found = shards.ranges
      withExtendedLifetime(sorter) {}
    }
    return found
  }

  private func expectOneAfterTheOther(_ shards: [Range<Int>], rows: Int, largest: Int) {
    #expect(shards.map(\.lowerBound) == [0] + shards.dropLast().map(\.upperBound))
    #expect(shards.last?.upperBound == rows)
    #expect(shards.allSatisfy { (1...largest).contains($0.count) })
  }

  @Test(arguments: rows, [1, 2, 3, 4, 8])
  func everyThreadGetsAsMuch(rows: Int, threads: Int) {
    for largest in [8, 32, 64] {
      let shards = shards(rows, largest: largest, threads: threads)
      expectOneAfterTheOther(shards, rows: rows, largest: largest)
      let sizes = shards.map(\.count)
      #expect(sizes.max()! - sizes.min()! <= 1)
      #expect(shards.count <= threads || shards.count % threads == 0)
      #expect(shards.count >= min(threads, rows / 8))
    }
  }

  @Test func whatAThreadTakesAtATime() {
    #expect(shards(32, largest: 8, threads: 1) == [0..<8, 8..<16, 16..<24, 24..<32])
    #expect(shards(24, largest: 8, threads: 2) == [0..<6, 6..<12, 12..<18, 18..<24])
    #expect(shards(50, largest: 64, threads: 1) == [0..<50])
    #expect(shards(50, largest: 64, threads: 2) == [0..<25, 25..<50])
  }

  /// The longest sequences come first, and a thread that had as many of them as another has of the short
  /// ones would be the last to end.
  @Test(arguments: [16, 32, 64, 131], [2, 3, 4])
  func lengthsAreSharedAmongThreads(rows: Int, threads: Int) throws {
    let lengths = (0..<rows).map { 1 + $0 * 99 / (rows - 1) }
    let falling = Array(lengths.reversed())
    for largest in [8, 32, 64] {
      let shards = try shards(lengths, largest: largest, threads: threads)
      expectOneAfterTheOther(shards, rows: rows, largest: largest)
      // Eight rows at the least ask for another thread.
      let share = lengths.reduce(0, +) / min(threads, rows / 8)
      let most = shards.map { falling[$0].reduce(0, +) }.max()!
      #expect(most <= share + 100)
    }
    let even = try shards([Int](repeating: 50, count: rows), largest: 8, threads: threads)
    #expect(even.count == shards(rows, largest: 8, threads: threads).count)
  }

  @Test func oneThreadTakesAsManyRowsAtATimeWhateverTheirLengths() throws {
    let lengths = (0..<32).map { $0 * 3 }
    let shards = try shards(lengths, largest: 8, threads: 1)
    #expect(shards == [0..<8, 8..<16, 16..<24, 24..<32])
  }

  @Test func sequencesOfNoTimestepsAreDividedToo() throws {
    let shards = try shards([Int](repeating: 0, count: 40), largest: 8, threads: 2)
    expectOneAfterTheOther(shards, rows: 40, largest: 8)
  }
}
