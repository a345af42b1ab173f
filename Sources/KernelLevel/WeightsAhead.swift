// WeightsAhead.swift — asking for a step's weights before they are multiplied
//
// All tiles of a strip of hidden units read the same weights, one tile after the other. The first-level
// cache holds a few rows of them; the second-level cache holds the strip, but not the next one if the layer
// is large and the caches are shared. So a tile asks for the rows that it comes to soon, and the strip's
// first tiles ask, line by line, for the weights of the strip that follows.

import CProcessor
import KernelInterface

struct WeightsAhead {
  /// What is asked for next of the following strip, and by how many floats that moves with each row.
  private var place: Values
  private let step: Int

  /// A line holds as many floats as a vector with AVX-512, the only level where this was seen to help:
  /// there a row of weights is as many lines as the strip has vectors, and that is how many tiles ask.
  private static let floatsOfLine = 16
  #if LEVEL_V4
    /// A tile of fewer sums has too few multiply-adds beside the loads.
    private static let leastSums = 18
  #else
    private static let leastSums = Int.max
  #endif
  private static let rowsAhead = 4

  /// - Parameters:
  ///   - weights: those of the strip that follows, in groups `[depth, vectors of a group]`.
  ///   - tile: which of its strip's tiles asks, the first being 0.
  @inline(always)
  init<Row: Strip>(_ weights: RightMatrix, depth: Int, for strip: Row.Type, tile: Int) {
    place = weights.base
    step = tile < Row.vectors ? Self.floatsOfLine : 0
    let inGroup = Row.vectors / Row.groups
    let (group, line) = (tile / inGroup, tile % inGroup)
    if tile < Row.vectors {
      place += group * weights.vectorStride + line * depth * Self.floatsOfLine
    }
  }

  /// Called with each row of weights, by a tile that has `rows` rows.
  ///
  /// - Parameter vector: where the row has its vector of that number.
  @inline(always)
  mutating func ask<Row: Strip>(_ strip: Row.Type, rows: Int, _ vector: (Int) -> Values) {
    guard rows * Row.vectors >= Self.leastSums else { return }
    // A number that is known when compiling takes no register.
    let distance = Self.rowsAhead * Row.vectors / Row.groups * Vector.scalarCount
    Row.forEachVector(from: 0) { refrain_prefetch_read(vector($0) + distance) }
    refrain_prefetch_later(place)
    place += step
  }
}
