// RecurrentSchedule.swift — which rows of a shard a step takes
//
// Time goes forward or backward, rows have lengths and masks. A step takes the rows up to the last
// that its timestep counts for, so rows in the order of their lengths drop out as they end.

import Kernels

/// Which rows a shard's steps take, in the order of this direction.
struct RecurrentSchedule {
  let timesteps: Int
  let isReverse: Bool
  /// Whether every step takes every row.
  let isWhole: Bool
  /// The first step that takes a row, and one more than the last; equal if none does.
  private(set) var start: Int
  private(set) var end: Int
  /// `[rows]`: for each row the first step that counts, −1 if it was before these.
  let firsts: UnsafeMutablePointer<Int32>
  /// `[T]`: a step takes the rows below.
  private let counts: UnsafeMutablePointer<Int32>
  /// `[T + 1]`: the largest count of this step and all later ones.
  private let rest: UnsafeMutablePointer<Int32>

  /// 4-byte words that a schedule takes.
  static func size(rows: Int, timesteps: Int) -> Int { rows + 2 * timesteps + 1 }

  init(
    _ rows: Range<Int>, timesteps: Int, isReverse: Bool, _ validity: Validity?,
    _ memory: MutableValues
  ) {
    self.timesteps = timesteps
    self.isReverse = isReverse
    isWhole = validity == nil
    firsts = UnsafeMutableRawPointer(memory).bindMemory(
      to: Int32.self, capacity: Self.size(rows: rows.count, timesteps: timesteps))
    counts = firsts + rows.count
    rest = counts + timesteps
    counts.update(repeating: Int32(validity == nil ? rows.count : 0), count: timesteps)
    firsts.update(repeating: Int32(validity == nil ? 0 : timesteps), count: rows.count)
    if let validity {
      for (i, row) in rows.enumerated() {
        let flags = validity.row(row)
        for step in (0..<timesteps).reversed() {
          guard flags[isReverse ? timesteps - 1 - step : step] == 1 else { continue }
          firsts[i] = Int32(step)
          counts[step] = Int32(i + 1)
        }
      }
    }
    start = timesteps
    end = 0
    rest[timesteps] = 0
    for step in (0..<timesteps).reversed() {
      rest[step] = max(rest[step + 1], counts[step])
      guard counts[step] > 0 else { continue }
      start = step
      end = max(end, step + 1)
    }
    start = min(start, end)
  }

  /// A row that had steps before these.
  func continueRow(_ i: Int) { firsts[i] = -1 }

  func timestep(_ step: Int) -> Int { isReverse ? timesteps - 1 - step : step }
  /// Rows that a step takes: 0 ..< this.
  func count(_ step: Int) -> Int { Int(counts[step]) }
  /// Rows that a step or a later one takes: 0 ..< this.
  func rest(from step: Int) -> Int { Int(rest[step]) }
}
