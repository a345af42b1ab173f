// EpochOrder.swift — in which order an epoch takes its sequences
//
// It follows from the trainer's seed and the epoch's number alone, so a fit that was interrupted goes
// on in the middle of an epoch. Shuffling and batches of similar length do not contradict each other:
// the shuffled sequences are sorted within pools of many batches, and the batches are shuffled.

import Kernels

enum EpochOrder {
  /// Batches that are sorted together. More would make a batch's lengths more alike, but the same
  /// sequences would meet again and again.
  private static let poolBatches = 50

  /// - Parameter bucketed: whether a batch's sequences have similar lengths.
  static func shuffled(
    _ batch: Batch, batchSize: Int, bucketed: Bool, seed: UInt64, epoch: Int
  ) throws -> [Int] {
    var random = RandomSequence(seed: seed, stream: 1 << 63 | UInt64(epoch))
    var order = random.permutation(batch.count)
    guard bucketed, batch.hasLengths else { return order }

    var sorter = LengthSorter()
    try order.withUnsafeMutableBufferPointer { order in
      let pool = poolBatches.multipliedReportingOverflow(by: batchSize)
      let size = pool.overflow ? order.count : min(pool.partialValue, order.count)
      for first in stride(from: 0, to: order.count, by: max(1, size)) {
        let end = min(order.count, first + size)
        try sorter.sort(UnsafeMutableBufferPointer(rebasing: order[first..<end]), of: batch)
      }
    }
    // The last batch may be smaller, and stays at the end.
    let whole = order.count / batchSize
    return random.permutation(whole).flatMap { order[$0 * batchSize..<($0 + 1) * batchSize] }
      + order[(whole * batchSize)...]
  }
}
