// EpochOrderTests.swift — every sequence once an epoch, in batches of similar length

import Testing

@testable import Engine

private func order(_ batch: Batch, _ size: Int, bucketed: Bool = true, epoch: Int = 0) throws
  -> [Int]
{
  try EpochOrder.shuffled(batch, batchSize: size, bucketed: bucketed, seed: 3, epoch: epoch)
}

/// Timesteps that are computed: each batch costs its longest sequence times its size.
private func cost(_ order: [Int], _ batch: Batch, _ size: Int) -> Int {
  stride(from: 0, to: order.count, by: size).reduce(0) { total, first in
    let rows = order[first..<min(order.count, first + size)]
    return total + rows.count * rows.map(batch.length(ofRow:)).max()!
  }
}

@Suite struct EpochOrderTests {
  @Test(arguments: [(1, 1), (7, 10), (64, 8), (1000, 32), (1001, 32), (5000, 16)])
  func everySequenceIsTakenOnce(count: Int, size: Int) throws {
    try withBatch(count) { batch in
      for bucketed in [false, true] {
        let order = try order(batch, size, bucketed: bucketed)
        #expect(order.sorted() == Array(0..<count))
      }
    }
  }

  @Test func bucketsSpareMostOfThePadding() throws {
    try withBatch(2000) { batch in
      let needed = (0..<2000).map(batch.length(ofRow:)).reduce(0, +)
      let (mixed, bucketed) = (try order(batch, 32, bucketed: false), try order(batch, 32))
      #expect(cost(mixed, batch, 32) > needed * 18 / 10)
      #expect(cost(bucketed, batch, 32) < needed * 105 / 100)
    }
  }

  @Test func rowsOfABatchFallInLength() throws {
    try withBatch(1600) { batch in
      let order = try order(batch, 32)
      for first in stride(from: 0, to: 1600, by: 32) {
        let lengths = order[first..<first + 32].map(batch.length(ofRow:))
        #expect(lengths == lengths.sorted(by: >))
      }
    }
  }

  /// Long and short batches are mixed, not taken one after the other.
  @Test func batchesAreShuffled() throws {
    try withBatch(1600) { batch in
      let order = try order(batch, 32)
      let longest = stride(from: 0, to: 1600, by: 32).map { batch.length(ofRow: order[$0]) }
      #expect(longest != longest.sorted(by: >))
      let firstHalf: Int = longest.prefix(25).reduce(0, +)
      let all: Int = longest.reduce(0, +)
      #expect(3 * firstHalf < 2 * all)
    }
  }

  @Test func seedAndEpochDecide() throws {
    try withBatch(300) { batch in
      let first = try order(batch, 16)
      let (again, next) = (try order(batch, 16), try order(batch, 16, epoch: 1))
      #expect(first == again && first != next)
    }
  }

  /// Without lengths there is nothing to sort.
  @Test func bucketsNeedLengths() throws {
    try withBatch(300, hasLengths: false) { batch in
      let (bucketed, plain) = (try order(batch, 16), try order(batch, 16, bucketed: false))
      #expect(bucketed == plain)
    }
  }
}
