// TransposedProduct.swift — the product that makes weight gradients
//
// Its depth is batch · timesteps, far larger than the result, so it goes block by block through the
// depth. Of each block, a and b are brought into the order in which tiles read them: the rows of a
// lie as far apart as a timestep's gates, and a column of them would use few sets of the cache. Rows
// that lie beyond a sequence's length are left out on the way.

/// What is packed at a time, at the most: K, M, and N of each target; 1.3 MB. The depth is such that the
/// columns of b which a tile has side by side take no more than 32 kB, and stay in the first-level cache while
/// the rows pass. b is packed once for all rows, which pass it part by part.
private var blockDepth: Int { min(256, 8192 / kernels.tileWidth) }
private let blockRows = 256
private let blockColumns = 512
/// b is read as it lies if its rows are no longer than this: then they follow each other closely, and
/// there are not enough columns for packing to be worth it.
private let longestRow = 64

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

/// Floats that `accumulateTransposedProduct` needs as scratch, at most 256 · (256 + 2 · 512).
///
/// - Parameters columns, second: N of the targets, 0 for one that is not there.
public func transposedProductScratch(
  rows: Int, columns: Int, second: Int = 0, depth: Int
) -> Int {
  let depth = min(max(depth, 0), blockDepth)
  func panels(_ columns: Int, atMost limit: Int) -> Int {
    panelsSize(depth: depth, columns: min(max(columns, 0), limit))
  }
  return panels(rows, atMost: blockRows) + panels(columns, atMost: blockColumns)
    + panels(second, atMost: blockColumns)
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
///   - first, second: a is packed once for both, in parts of their columns.
///   - depth: the rows of a and b that take part.
///   - scratch: `transposedProductScratch(rows: M, columns: N, second: N, depth: B · T)` floats,
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
    let columns = max(first.columns, second?.columns ?? 0)
    for column in stride(from: 0, to: columns, by: blockColumns) {
      product.add(block, column, first, second)
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
  /// Panels of a, then those of the targets' b.
  let scratch: MutableValues

  /// Some columns of a target, with b ready for tiles.
  private struct Columns {
    let b: RightMatrix
    let c: MutableValues
    let cStride: Int
    let count: Int
  }

  /// Adds a block's products for the columns from that one on, as many as are packed at a time.
  func add(_ block: Block, _ column: Int, _ first: TransposedTarget, _ second: TransposedTarget?) {
    var panels = scratch + panelsSize(depth: block.depth, columns: min(rows, blockRows))
    let firstColumns = columns(block, first, column, &panels)
    let secondColumns = second.flatMap { columns(block, $0, column, &panels) }
    let sums = column == 0 ? ColumnSums(first: first.sums, second: second?.sums) : ColumnSums()
    for row in stride(from: 0, to: rows, by: blockRows) {
      let count = min(blockRows, rows - row)
      pack(a + row, aStride, block, count, scratch, sums.dropping(row))
      if let firstColumns { multiply(block, row, count, firstColumns) }
      if let secondColumns { multiply(block, row, count, secondColumns) }
    }
  }

  private func multiply(_ block: Block, _ row: Int, _ count: Int, _ columns: Columns) {
    kernels.multiply(
      .packed(Values(scratch), depth: block.depth, panelWidth: kernels.panelWidth), columns.b,
      columns.c + row * columns.cStride, cStride: columns.cStride, rows: count,
      columns: columns.count, depth: block.depth, start: .sums)
  }

  /// Brings a block of b into order, unless tiles can take it as it lies.
  ///
  /// - Parameter panels: where it may go; moved behind it.
  private func columns(
    _ block: Block, _ target: TransposedTarget, _ column: Int, _ panels: inout MutableValues
  ) -> Columns? {
    guard column < target.columns else { return nil }
    let width = kernels.panelWidth
    let count = min(blockColumns, target.columns - column)
    let b: RightMatrix
    if block.runs == 1, count % width == 0, target.bStride <= longestRow {
      b = .rows(
        target.b + block.first * target.bStride + column, stride: target.bStride,
        panelWidth: width)
    } else {
      pack(target.b + column, target.bStride, block, count, panels, ColumnSums())
      b = .packed(Values(panels), depth: block.depth, panelWidth: width)
      panels += panelsSize(depth: block.depth, columns: count)
    }
    return Columns(b: b, c: target.c + column, cStride: target.cStride, count: count)
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
