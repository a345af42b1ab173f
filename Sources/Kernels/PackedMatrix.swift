// PackedMatrix.swift — a matrix that many products share, such as a layer's weights

/// The right-hand matrix b `[K, N]` of products, kept in the order that the kernel reads.
///
/// Any number of threads may multiply at the same time; `update` needs it alone.
public final class PackedMatrix: @unchecked Sendable {
  /// K.
  public let depth: Int
  /// N.
  public let columns: Int

  /// G, the gates of a step's product; 1 for a matrix that `multiply` takes.
  public let groups: Int

  private let packed: AlignedBuffer<Float>
  private var source: Values?
  private var sourceRowStride = 0
  private var sourceColumnStride = 0

  /// - Parameter groups: a divisor of `columns`; with more than 1 the matrix is for the product of a
  ///   cell's timestep, see `stepProduct`.
  public init(depth: Int, columns: Int, groups: Int = 1) throws(MemoryError) {
    guard depth >= 0, columns >= 0 else { throw MemoryError(bytes: nil) }
    let width = kernels.panelWidth
    let (padded, overflow) = (columns / groups).addingReportingOverflow(width - 1)
    let (all, tooWide) = (padded / width * width).multipliedReportingOverflow(by: groups)
    let (count, tooMany) = all.multipliedReportingOverflow(by: depth)
    guard !overflow, !tooWide, !tooMany else { throw MemoryError(bytes: nil) }
    self.depth = depth
    self.columns = columns
    self.groups = groups
    packed = try AlignedBuffer(count: count)
  }

  /// Takes over the values of `source`, whose element (k, n) is at
  /// `source[k · rowStride + n · columnStride]`. Large products also read the source itself, so it
  /// must stay, unchanged, until the next update.
  public func update(_ source: Values, rowStride: Int, columnStride: Int) {
    kernels.pack(
      source, rowStride: rowStride, columnStride: columnStride, depth: depth, columns: columns,
      inGroups: groups, into: packed.pointer)
    self.source = source
    sourceRowStride = rowStride
    sourceColumnStride = columnStride
  }

  /// The matrix as a tile reads it.
  private var tiles: RightMatrix {
    .packed(packed.pointer, depth: depth, panelWidth: kernels.panelWidth)
  }

  /// The recurrent product of a timestep whose hidden state is `input`.
  public func stepProduct(_ input: Rows) -> StepProduct {
    StepProduct(input: input, weights: tiles, depth: depth)
  }

  /// c `[M, N]` = a `[M, K]` · b, or c += with `accumulate`.
  ///
  /// Whether the kernel or OpenBLAS computes it depends on the shape alone, so the bits of a product
  /// are the same for any number of threads.
  ///
  /// - Parameters:
  ///   - a: element (m, k) is at `a[m · aRowStride + k · aColumnStride]`.
  ///   - part: the rows of b to take, which are as many as a has columns; all by default.
  ///   - c: element (m, n) is at `c[m · cStride + n]`. Overlaps neither a nor the source.
  public func multiply(
    _ a: Values, aRowStride: Int, aColumnStride: Int = 1, part: Range<Int>? = nil,
    into c: MutableValues, cStride: Int, rows: Int, accumulate: Bool
  ) {
    let part = part ?? 0..<depth
    if ProductShape(rows: rows, columns: columns, depth: part.count).prefersBLAS,
      multiplyWithBLAS(
        a, aRowStride: aRowStride, aColumnStride: aColumnStride, part: part, into: c,
        cStride: cStride, rows: rows, accumulate: accumulate)
    {
      return
    }
    var tiles = tiles
    tiles.base += part.lowerBound * tiles.rowStride
    kernels.multiply(
      a, aRowStride: aRowStride, aColumnStride: aColumnStride, tiles, c, cStride: cStride,
      rows: rows, columns: columns, depth: part.count, accumulate: accumulate)
  }

  /// False if OpenBLAS cannot express or compute the product. Whether it can depends on strides too,
  /// but those belong to a call's place in the program as its shape does.
  func multiplyWithBLAS(
    _ a: Values, aRowStride: Int, aColumnStride: Int, part: Range<Int>, into c: MutableValues,
    cStride: Int, rows: Int, accumulate: Bool
  ) -> Bool {
    guard let source, aRowStride == 1 || aColumnStride == 1,
      sourceRowStride == 1 || sourceColumnStride == 1
    else { return false }
    let aIsTransposed = aColumnStride != 1
    let bIsTransposed = sourceColumnStride != 1
    return BLAS.multiply(
      a, aStride: aIsTransposed ? aColumnStride : aRowStride, aIsTransposed: aIsTransposed,
      source + part.lowerBound * sourceRowStride, bStride: bIsTransposed ? sourceColumnStride : sourceRowStride,
      bIsTransposed: bIsTransposed, c, cStride: cStride, rows: rows, columns: columns,
      depth: part.count, accumulate: accumulate)
  }
}

/// M, N and K of a product.
struct ProductShape {
  var rows: Int
  var columns: Int
  var depth: Int

  /// Large products go to OpenBLAS where it is wanted; see `BLAS.isWanted`.
  var prefersBLAS: Bool { rows >= 512 && columns >= 512 && depth >= 256 && BLAS.isWanted }
}
