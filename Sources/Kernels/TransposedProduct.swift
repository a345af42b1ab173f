// TransposedProduct.swift — the product that makes weight gradients
//
// Its depth is batch · timesteps, far larger than the result. b is packed block by block into the
// caller's scratch; a is read as it lies, since a tile takes neighbouring elements of its rows.

/// Rows of b packed at a time, and columns of b packed at a time: together 1 MB at most.
private let blockDepth = 256
private let blockColumns = 1024

/// Floats that `accumulateTransposedProduct` needs as scratch, at most 256 · 1024 plus padding.
public func transposedProductScratch(columns: Int, depth: Int) -> Int {
  let width = kernels.panelWidth
  let columns = min(max(columns, 0), blockColumns)
  return min(max(depth, 0), blockDepth) * ((columns + width - 1) / width * width)
}

/// c `[M, N]` += aᵀ · b with a `[K, M]` and b `[K, N]`. Every element is one chain of multiply-adds
/// over k in increasing order.
///
/// - Parameters:
///   - aStride, bStride, cStride: distances between rows, in elements.
///   - c: overlaps none of the others.
///   - scratch: `transposedProductScratch(columns: N, depth: K)` floats, overwritten.
public func accumulateTransposedProduct(
  a: Values, aStride: Int, b: Values, bStride: Int, c: MutableValues, cStride: Int,
  rows: Int, columns: Int, depth: Int, scratch: MutableValues
) {
  for firstColumn in stride(from: 0, to: columns, by: blockColumns) {
    let width = min(blockColumns, columns - firstColumn)
    for firstK in stride(from: 0, to: depth, by: blockDepth) {
      let part = min(blockDepth, depth - firstK)
      kernels.pack(
        b + firstK * bStride + firstColumn, rowStride: bStride, columnStride: 1, depth: part,
        columns: width, into: scratch)
      kernels.multiply(
        a + firstK * aStride, aRowStride: 1, aColumnStride: aStride, scratch, c + firstColumn,
        cStride: cStride, rows: rows, columns: width, depth: part, accumulate: true)
    }
  }
}
