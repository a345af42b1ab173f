// TransposedProduct.swift — the product that makes weight gradients
//
// Its depth is batch · timesteps, far larger than the result, so it goes block by block through the
// depth. Of each block, a and b are brought into the order in which tiles read them: the rows of a
// lie as far apart as a timestep's gates, and a column of them would use few sets of the cache. Rows
// that lie beyond a sequence's length are left out on the way.

/// The block: K, M and N. 1.25 MB at the most.
private let blockDepth = 256
private let blockRows = 128
private let blockColumns = 1024
/// b is read as it lies if its rows are no longer than this: then they follow each other closely.
private let longestRow = 128

/// The rows of arrays `[B, T, …]` that count: the first few timesteps of each sequence.
public struct SequenceRows {
  let batch: Int
  let timesteps: Int
  /// `[B]`; nil if all timesteps count.
  let lengths: UnsafePointer<Int32>?

  public init(batch: Int, timesteps: Int, lengths: UnsafePointer<Int32>?) {
    self.batch = batch
    self.timesteps = timesteps
    self.lengths = lengths
  }

  /// Calls `body` with runs of consecutive rows.
  public func forEachRun(_ body: (_ first: Int, _ count: Int) -> Void) {
    guard let lengths else { return body(0, batch * timesteps) }
    for sequence in 0..<batch { body(sequence * timesteps, Int(lengths[sequence])) }
  }
}

/// Floats that `accumulateTransposedProduct` needs as scratch, at most 256 · (128 + 1024)
/// plus padding.
public func transposedProductScratch(columns: Int, depth: Int) -> Int {
  let width = kernels.panelWidth
  let columns = min(max(columns, 0), blockColumns)
  return min(max(depth, 0), blockDepth) * ((columns + width - 1) / width * width + blockRows)
}

/// c `[M, N]` += aᵀ · b with a `[K, M]` and b `[K, N]`, and sums `[M]` += the sum over the rows of a.
/// Every element is one chain of additions over k in increasing order.
///
/// - Parameters:
///   - aStride, bStride, cStride: distances between rows, in elements.
///   - c: overlaps none of the others.
///   - sums: nil if they are not wanted.
///   - depth: the rows of a and b that take part.
///   - scratch: `transposedProductScratch(columns: N, depth: B · T)` floats, overwritten.
public func accumulateTransposedProduct(
  a: Values, aStride: Int, b: Values, bStride: Int, c: MutableValues, cStride: Int,
  sums: MutableValues?, rows: Int, columns: Int, depth: SequenceRows, scratch: MutableValues
) {
  let product = TransposedProduct(
    a: a, aStride: aStride, b: b, bStride: bStride, c: c, cStride: cStride, sums: sums, rows: rows,
    columns: columns, scratch: scratch)
  var block = Block()
  depth.forEachRun { first, count in
    var first = first
    var count = count
    while count > 0 {
      let part = min(count, blockDepth - block.depth)
      block.append(first, part)
      first += part
      count -= part
      if block.isFull {
        product.add(block)
        block = Block()
      }
    }
  }
  if block.depth > 0 { product.add(block) }
}

/// Some rows of a and b: runs of consecutive ones, in a fixed number of places.
private struct Block {
  private static let places = 32
  private var firsts = InlineArray<32, Int>(repeating: 0)
  private var counts = InlineArray<32, Int>(repeating: 0)
  private(set) var runs = 0
  private(set) var depth = 0

  var isFull: Bool { depth == blockDepth || runs == Self.places }

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
  let b: Values
  let bStride: Int
  let c: MutableValues
  let cStride: Int
  let sums: MutableValues?
  let rows: Int
  let columns: Int
  let scratch: MutableValues

  func add(_ block: Block) {
    let width = kernels.panelWidth
    for firstColumn in stride(from: 0, to: columns, by: blockColumns) {
      let partColumns = min(blockColumns, columns - firstColumn)
      let b = rightMatrix(block, firstColumn, partColumns)
      for firstRow in stride(from: 0, to: rows, by: blockRows) {
        let partRows = min(blockRows, rows - firstRow)
        pack(a + firstRow, aStride, block, partRows, scratch)
        for row in stride(from: 0, to: partRows, by: width) {
          let panel = scratch + row * block.depth
          let panelRows = min(width, partRows - row)
          kernels.multiply(
            panel, aRowStride: 1, aColumnStride: width, b,
            c + (firstRow + row) * cStride + firstColumn, cStride: cStride, rows: panelRows,
            columns: partColumns, depth: block.depth, start: .sums)
          if let sums, firstColumn == 0 {
            kernels.addColumnSums(
              panel, stride: width, rows: block.depth, columns: panelRows,
              into: sums + firstRow + row)
          }
        }
      }
    }
  }

  /// A block of b for tiles: as it lies, or packed into the scratch.
  private func rightMatrix(_ block: Block, _ column: Int, _ columns: Int) -> RightMatrix {
    let width = kernels.panelWidth
    if block.runs == 1, columns % width == 0, bStride <= longestRow {
      var first = 0
      block.forEachRun { run, _, _ in first = run }
      return .rows(b + first * bStride + column, stride: bStride, panelWidth: width)
    }
    let target = scratch + block.depth * blockRows
    pack(b + column, bStride, block, columns, target)
    return .packed(target, depth: block.depth, panelWidth: width)
  }

  private func pack(
    _ source: Values, _ stride: Int, _ block: Block, _ columns: Int, _ target: MutableValues
  ) {
    let width = kernels.panelWidth
    block.forEachRun { first, count, row in
      kernels.pack(
        source + first * stride, rowStride: stride, columnStride: 1, depth: count,
        columns: columns, panelStride: block.depth * width, into: target + row * width)
    }
  }
}
