// TransposedProduct.swift — c += aᵀ b, the shape of weight gradients
//
// a and b have a row for every timestep of every sequence, so the sum is long: K rows are taken in
// blocks, b is packed block by block into scratch, and c carries the sums.

/// Rows of a and b that are taken at a time.
private let blockDepth = 256

/// Floats of scratch that a product with `columns` columns needs.
public func transposedProductScratch(columns: Int) -> Int {
  let width = kernels.panelWidth
  return (columns + width - 1) / width * width * blockDepth
}

/// c `[M, N]` += aᵀ b, with a `[K, M]` and b `[K, N]`.
public func accumulateTransposedProduct(
  a: Values, aStride: Int, b: Values, bStride: Int, c: MutableValues, cStride: Int, rows: Int,
  columns: Int, depth: Int, scratch: MutableValues
) {
  for first in Swift.stride(from: 0, to: depth, by: blockDepth) {
    let part = min(blockDepth, depth - first)
    kernels.pack(
      b + first * bStride, rowStride: bStride, columnStride: 1, depth: part, columns: columns,
      into: scratch)
    kernels.multiply(
      a + first * aStride, aRowStride: 1, aColumnStride: aStride, scratch, c, cStride: cStride,
      rows: rows, columns: columns, depth: part, accumulate: true)
  }
}
