// LossSums.swift — sums from which losses and accuracies follow
//
// Training makes them for every batch, so there are ways to make them again in the same memory.

/// Sums over items, from which a loss and an accuracy follow. Rows are added in their order.
struct LossSums: Equatable {
  /// For each output with a loss, the sum of its items' losses, times its weight, and what it is
  /// divided by; 0 and 0 behind them.
  var losses: [Double]
  var divisors: [Double]
  var correct = 0.0
  var decisions = 0.0

  init(outputs: Int) {
    losses = [Double](repeating: 0, count: outputs)
    divisors = losses
  }

  /// Sets everything to 0.
  mutating func clear() {
    for i in losses.indices {
      losses[i] = 0
      divisors[i] = 0
    }
    correct = 0
    decisions = 0
  }

  /// Becomes the same as sums of as many outputs, in memory of its own.
  mutating func copy(_ other: LossSums) {
    for i in losses.indices {
      losses[i] = other.losses[i]
      divisors[i] = other.divisors[i]
    }
    correct = other.correct
    decisions = other.decisions
  }

  var loss: Double { zip(losses, divisors).reduce(0) { $0 + ($1.1 > 0 ? $1.0 / $1.1 : 0) } }
  var accuracy: Double { decisions > 0 ? correct / decisions : .nan }

  static func += (sums: inout LossSums, other: LossSums) {
    for i in 0..<sums.losses.count {
      sums.losses[i] += other.losses[i]
      sums.divisors[i] += other.divisors[i]
    }
    sums.correct += other.correct
    sums.decisions += other.decisions
  }
}

/// A batch's sums, in memory that the next batch uses again.
struct BatchSums {
  /// One per row, each written by the thread that has the row.
  private var rows: [LossSums] = []
  /// Of the whole batch.
  var total: LossSums
  /// For each output with a loss, what its gradients are multiplied by.
  var scales: [Double]
  private let outputs: Int

  init(outputs: Int) {
    self.outputs = outputs
    total = LossSums(outputs: outputs)
    scales = [Double](repeating: 0, count: outputs)
  }

  /// Lets `body` add to the sums of so many rows, which are 0, and adds them to the total in their order.
  mutating func addRows(_ count: Int, _ body: (UnsafeMutableBufferPointer<LossSums>) -> Void) {
    while rows.count < count { rows.append(LossSums(outputs: outputs)) }
    for index in 0..<count { rows[index].clear() }
    rows.withUnsafeMutableBufferPointer { body($0) }
    for index in 0..<count { total += rows[index] }
  }
}
