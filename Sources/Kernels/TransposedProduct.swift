// TransposedProduct.swift — the product that makes weight gradients
//
// Its depth is batch · timesteps, far larger than the result, so it goes block by block through the
// depth. Of each block, a and b are brought into the order in which tiles read them: the rows of a
// lie as far apart as a timestep's gates, and a column of them would use few sets of the cache. Rows
// that lie beyond a sequence's length are left out on the way.

/// The block at the most: K, M and N; 1.5 MB. Its depth is such that the columns of b which a tile has
/// side by side take no more than 32 kB, and stay in the first-level cache while the rows pass. b is
/// packed once for all rows of the block.
private var blockDepth: Int { min(256, 8192 / kernels.tileWidth) }
private let blockRows = 512
private let blockColumns = 1024
/// b is read as it lies if its rows are no longer than this: then they follow each other closely.
private let longestRow = 128

/// The rows of arrays `[B, T, …]` that count: the first few timesteps of each sequence.
public struct SequenceRows {
  let batch: Int
  let timesteps: Int
  /// `[B]`; nil if all timesteps count.
  let lengths: UnsafePointer<Int32>?
  let rowsPerTimestep: Int

  public init(
    batch: Int, timesteps: Int, lengths: UnsafePointer<Int32>?, rowsPerTimestep: Int = 1
  ) {
    self.batch = batch
    self.timesteps = timesteps
    self.lengths = lengths
    self.rowsPerTimestep = rowsPerTimestep
  }

  /// How many rows count.
  fileprivate var count: Int {
    var count = 0
    forEachRun { count += $1 }
    return count
  }

  /// Calls `body` with runs of consecutive rows, which go on from one sequence to the next where
  /// nothing lies between them.
  public func forEachRun(_ body: (_ first: Int, _ count: Int) -> Void) {
    guard let lengths else { return body(0, batch * timesteps * rowsPerTimestep) }
    var (first, count) = (0, 0)
    for sequence in 0..<batch {
      let start = sequence * timesteps * rowsPerTimestep
      if first + count != start {
        if count > 0 { body(first, count) }
        (first, count) = (start, 0)
      }
      count += Int(lengths[sequence]) * rowsPerTimestep
    }
    if count > 0 { body(first, count) }
  }
}

/// Floats that `accumulateTransposedProduct` needs as scratch, at most 256 · (512 + 1024).
public func transposedProductScratch(rows: Int, columns: Int, depth: Int) -> Int {
  let depth = min(max(depth, 0), blockDepth)
  return panelsSize(depth: depth, columns: min(max(rows, 0), blockRows))
    + panelsSize(depth: depth, columns: min(max(columns, 0), blockColumns))
}

/// A right-hand side b `[K, N]` and its result c `[M, N]`.
public struct TransposedTarget {
  public var b: Values
  public var bStride: Int
  public var columns: Int
  /// Overlaps neither a nor b.
  public var c: MutableValues
  public var cStride: Int
  /// `[M]`; nil if they are not wanted.
  public var sums: MutableValues?

  public init(
    b: Values, bStride: Int, columns: Int, c: MutableValues, cStride: Int, sums: MutableValues?
  ) {
    self.b = b
    self.bStride = bStride
    self.columns = columns
    self.c = c
    self.cStride = cStride
    self.sums = sums
  }
}

/// c `[M, N]` += aᵀ · b with a `[K, M]` and b `[K, N]`, and sums `[M]` += the sum over the rows of a.
/// Every element is one chain of additions over k in increasing order.
///
/// - Parameters:
///   - aStride: distance between rows, in elements; likewise those of the targets.
///   - rows: M.
///   - first, second: a is packed once for both.
///   - depth: the rows of a and b that take part.
///   - scratch: `transposedProductScratch(rows: M, columns: N, depth: B · T)` floats for the larger N,
///     overwritten.
public func accumulateTransposedProduct(
  a: Values, aStride: Int, rows: Int, into first: TransposedTarget,
  and second: TransposedTarget? = nil, depth: SequenceRows, scratch: MutableValues
) {
  let product = TransposedProduct(a: a, aStride: aStride, rows: rows, scratch: scratch)
  let total = depth.count
  guard total > 0 else { return }
  // Blocks of nearly the same size.
  let blocks = (total + blockDepth - 1) / blockDepth
  let empty = Block(depth: (total + blocks - 1) / blocks)
  func add(_ block: Block) {
    for firstRow in stride(from: 0, to: rows, by: blockRows) {
      let part = firstRow..<min(rows, firstRow + blockRows)
      product.pack(
        block, part, ColumnSums(first: first.sums, second: second?.sums).dropping(firstRow))
      product.add(block, part, to: first)
      if let second { product.add(block, part, to: second) }
    }
  }
  var block = empty
  depth.forEachRun { first, count in
    var first = first
    var count = count
    while count > 0 {
      let part = min(count, block.space)
      block.append(first, part)
      first += part
      count -= part
      if block.isFull {
        add(block)
        block = empty
      }
    }
  }
  if block.depth > 0 { add(block) }
}

/// Some rows of a and b: runs of consecutive ones, in a fixed number of places.
private struct Block {
  private static let places = 32
  private var firsts = InlineArray<32, Int>(repeating: 0)
  private var counts = InlineArray<32, Int>(repeating: 0)
  private(set) var runs = 0
  private(set) var depth = 0
  /// Of a full one.
  private let fullDepth: Int

  init(depth fullDepth: Int) { self.fullDepth = fullDepth }

  /// The first row of the first run.
  var first: Int { firsts[0] }
  /// How many rows may follow.
  var space: Int { fullDepth - depth }
  var isFull: Bool { space == 0 || runs == Self.places }

  mutating func append(_ first: Int, _ count: Int) {
    firsts[runs] = first
    counts[runs] = count
    runs += 1
    depth += count
  }

  /// Calls `body` with each run and the row of the block at which it begins.
  func forEachRun(_ body: (_ first: Int, _ count: Int, _ row: Int) -> Void) {
    var row = 0
    for run in 0..<runs {
      body(firsts[run], counts[run], row)
      row += counts[run]
    }
  }
}

private struct TransposedProduct {
  let a: Values
  let aStride: Int
  let rows: Int
  /// Panels of a, then those of b.
  let scratch: MutableValues

  func pack(_ block: Block, _ part: Range<Int>, _ sums: ColumnSums) {
    pack(a + part.lowerBound, aStride, block, part.count, scratch, sums)
  }

  /// Adds the packed rows of a to their rows of a target.
  func add(_ block: Block, _ part: Range<Int>, to target: TransposedTarget) {
    for firstColumn in stride(from: 0, to: target.columns, by: blockColumns) {
      let columns = min(blockColumns, target.columns - firstColumn)
      kernels.multiply(
        .packed(Values(scratch), depth: block.depth, panelWidth: kernels.panelWidth),
        rightMatrix(block, target, firstColumn, columns),
        target.c + part.lowerBound * target.cStride + firstColumn, cStride: target.cStride,
        rows: part.count, columns: columns, depth: block.depth, start: .sums)
    }
  }

  /// A block of b for tiles: as it lies, or packed into the scratch.
  private func rightMatrix(
    _ block: Block, _ target: TransposedTarget, _ column: Int, _ columns: Int
  ) -> RightMatrix {
    let width = kernels.panelWidth
    if block.runs == 1, columns % width == 0, target.bStride <= longestRow {
      return .rows(
        target.b + block.first * target.bStride + column, stride: target.bStride,
        panelWidth: width)
    }
    let panels = scratch + panelsSize(depth: block.depth, columns: min(rows, blockRows))
    pack(target.b + column, target.bStride, block, columns, panels, ColumnSums())
    return .packed(panels, depth: block.depth, panelWidth: width)
  }

  private func pack(
    _ source: Values, _ stride: Int, _ block: Block, _ columns: Int, _ target: MutableValues,
    _ sums: ColumnSums
  ) {
    let width = kernels.panelWidth
    block.forEachRun { first, count, row in
      kernels.pack(
        source + first * stride, rowStride: stride, columnStride: 1, depth: count,
        columns: columns, panelStride: block.depth * width, into: target + row * width, sums: sums)
    }
  }
}
