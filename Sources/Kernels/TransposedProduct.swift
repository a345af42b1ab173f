// TransposedProduct.swift — the product that makes weight gradients
//
// Its depth is batch · timesteps, far larger than the result, so it goes block by block through the
// depth. Of each block, a and b are brought into the order in which tiles read them: the rows of a
// lie as far apart as a timestep's gates, and a column of them would use few sets of the cache.

/// The block: K, M and N. 1.25 MB at the most.
private let blockDepth = 256
private let blockRows = 128
private let blockColumns = 1024
/// b is read as it lies if its rows are no longer than this: then they follow each other closely.
private let longestRow = 128

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
///   - scratch: `transposedProductScratch(columns: N, depth: K)` floats, overwritten.
public func accumulateTransposedProduct(
  a: Values, aStride: Int, b: Values, bStride: Int, c: MutableValues, cStride: Int,
  sums: MutableValues?, rows: Int, columns: Int, depth: Int, scratch: MutableValues
) {
  let width = kernels.panelWidth
  for firstColumn in stride(from: 0, to: columns, by: blockColumns) {
    let partColumns = min(blockColumns, columns - firstColumn)
    for firstK in stride(from: 0, to: depth, by: blockDepth) {
      let part = min(blockDepth, depth - firstK)
      let b = rightMatrix(
        b + firstK * bStride + firstColumn, stride: bStride, depth: part, columns: partColumns,
        scratch + part * blockRows)
      for firstRow in stride(from: 0, to: rows, by: blockRows) {
        let partRows = min(blockRows, rows - firstRow)
        kernels.pack(
          a + firstK * aStride + firstRow, rowStride: aStride, columnStride: 1, depth: part,
          columns: partRows, into: scratch)
        for row in stride(from: 0, to: partRows, by: width) {
          let panel = scratch + row * part
          let panelRows = min(width, partRows - row)
          kernels.multiply(
            panel, aRowStride: 1, aColumnStride: width, b,
            c + (firstRow + row) * cStride + firstColumn, cStride: cStride, rows: panelRows,
            columns: partColumns, depth: part, accumulate: true)
          if let sums, firstColumn == 0 {
            kernels.addColumnSums(
              panel, stride: width, rows: part, columns: panelRows, into: sums + firstRow + row)
          }
        }
      }
    }
  }
}

/// A block of b for tiles: as it lies, or packed into the scratch.
private func rightMatrix(
  _ b: Values, stride: Int, depth: Int, columns: Int, _ scratch: MutableValues
) -> RightMatrix {
  let width = kernels.panelWidth
  if columns % width == 0, stride <= longestRow {
    return .rows(b, stride: stride, panelWidth: width)
  }
  kernels.pack(
    b, rowStride: stride, columnStride: 1, depth: depth, columns: columns, into: scratch)
  return .packed(scratch, depth: depth, panelWidth: width)
}
