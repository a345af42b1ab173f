// PackedMatrix.swift — a matrix that many products share
//
// Packing once pays because a weight is multiplied at every timestep. Very large products go to
// OpenBLAS instead, which takes the matrix as it is; the choice looks at sizes only, never at the
// number of threads, so it cannot change results.

/// The right-hand side `[K, N]` of products.
public final class PackedMatrix: @unchecked Sendable {
  public let depth: Int
  public let columns: Int
  private let packed: AlignedBuffer<Float>
  private var source: Values?
  private var rowStride = 0
  private var columnStride = 0

  public init(depth: Int, columns: Int) throws(MemoryError) {
    self.depth = depth
    self.columns = columns
    let width = kernels.panelWidth
    let padded = (columns + width - 1) / width * width
    let (count, overflow) = padded.multipliedReportingOverflow(by: depth)
    guard !overflow else { throw MemoryError(count: .max, elementSize: 4) }
    packed = try AlignedBuffer(count: count)
  }

  /// Packs a matrix whose element (k, n) is at `source[k · rowStride + n · columnStride]`. The source
  /// must stay where it is until the next update.
  public func update(_ source: Values, rowStride: Int, columnStride: Int) {
    kernels.pack(
      source, rowStride: rowStride, columnStride: columnStride, depth: depth, columns: columns,
      into: packed.pointer)
    self.source = source
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// c `[M, N]` = a `[M, K]` times this matrix, or c += with `accumulate`.
  public func multiply(
    _ a: Values, aRowStride: Int, into c: MutableValues, cStride: Int, rows: Int, accumulate: Bool
  ) {
    if ProductSize.suitsBLAS(rows: rows, columns: columns, depth: depth), let source {
      let isTransposed = rowStride == 1
      if BLAS.multiply(
        a, aStride: aRowStride, aTransposed: false, source,
        bStride: isTransposed ? columnStride : rowStride, bTransposed: isTransposed, c,
        cStride: cStride, rows: rows, columns: columns, depth: depth, accumulate: accumulate)
      {
        return
      }
    }
    kernels.multiply(
      a, aRowStride: aRowStride, aColumnStride: 1, packed.pointer, c, cStride: cStride, rows: rows,
      columns: columns, depth: depth, accumulate: accumulate)
  }
}

/// When a product is large enough for OpenBLAS.
enum ProductSize {
  /// All three sizes: OpenBLAS blocks for every level of cache, our kernel for the first two.
  private static let least = 512

  static func suitsBLAS(rows: Int, columns: Int, depth: Int) -> Bool {
    min(rows, columns, depth) >= least
  }
}
