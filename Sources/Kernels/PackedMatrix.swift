// PackedMatrix.swift — a matrix that many products share, such as a layer's weights

/// The right-hand matrix b `[K, N]` of products, kept in the order that the kernel reads.
///
/// Its view may be used by any number of threads at the same time; `update` needs it alone.
public final class PackedMatrix: @unchecked Sendable {
  private let packed: AlignedBuffer<Float>
  private let gates: Int?
  /// As long as the matrix lives, what products need of it.
  public let place: UnsafePointer<PackedView>
  private let ownPlace: UnsafeMutablePointer<PackedView>

  /// - Parameter gates: if not nil, the matrix is for the product of a timestep of a cell with so many
  ///   gates, a divisor of `columns`, and not for `PackedView.multiply`.
  public init(depth: Int, columns: Int, gates: Int? = nil) throws(MemoryError) {
    guard depth >= 0, columns >= 0 else { throw MemoryError(bytes: nil) }
    let width = kernels.panelWidth
    let (padded, overflow) = (columns / (gates ?? 1)).addingReportingOverflow(width - 1)
    let (all, tooWide) = (padded / width * width).multipliedReportingOverflow(by: gates ?? 1)
    let (count, tooMany) = all.multipliedReportingOverflow(by: depth)
    guard !overflow, !tooWide, !tooMany else { throw MemoryError(bytes: nil) }
    packed = try AlignedBuffer(count: count)
    self.gates = gates
    let tiles: RightMatrix =
      if let gates {
        .grouped(Values(packed.pointer), depth: depth, gates: gates, panelWidth: width)
      } else {
        .packed(Values(packed.pointer), depth: depth, panelWidth: width)
      }
    ownPlace = .allocate(capacity: 1)
    ownPlace.initialize(to: PackedView(depth: depth, columns: columns, tiles: tiles))
    place = UnsafePointer(ownPlace)
  }

  deinit { ownPlace.deallocate() }

  public var view: PackedView { place.pointee }

  /// Takes over the values of `source`, whose element (k, n) is at
  /// `source[k · rowStride + n · columnStride]`. Large products also read the source itself, so it
  /// must stay, unchanged, until the next update.
  public func update(_ source: Values, rowStride: Int, columnStride: Int) {
    if let gates {
      kernels.pack(
        source, rowStride: rowStride, columnStride: columnStride, depth: view.depth,
        columns: view.columns, inGroupsOf: gates, into: packed.pointer)
    } else {
      kernels.pack(
        source, rowStride: rowStride, columnStride: columnStride, depth: view.depth,
        columns: view.columns, panelStride: view.depth * kernels.panelWidth,
        into: packed.pointer)
    }
    ownPlace.pointee.source = source
    ownPlace.pointee.sourceRowStride = rowStride
    ownPlace.pointee.sourceColumnStride = columnStride
  }
}

/// What a product needs of a packed matrix. Numbers and pointers only.
public struct PackedView {
  /// K.
  public let depth: Int
  /// N.
  public private(set) var columns: Int
  /// The matrix as a tile reads it.
  private var tiles: RightMatrix
  fileprivate var source: Values?
  fileprivate var sourceRowStride = 0
  fileprivate var sourceColumnStride = 0

  fileprivate init(depth: Int, columns: Int, tiles: RightMatrix) {
    self.depth = depth
    self.columns = columns
    self.tiles = tiles
  }

  /// The product of a timestep's pass with `input` `[B, K]`.
  ///
  /// - Parameter part: the rows of the matrix to take, which are as many as the input has columns;
  ///   all by default.
  public func stepProduct(_ input: Rows, part: Range<Int>? = nil) -> StepProduct {
    let part = part ?? 0..<depth
    var tiles = tiles
    tiles.base += part.lowerBound * tiles.rowStride
    return StepProduct(input: input, weights: tiles, depth: part.count)
  }

  /// c `[M, N]` = start + a `[M, K]` · b.
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
    into c: MutableValues, cStride: Int, rows: Int, start: ProductStart
  ) {
    let part = part ?? 0..<depth
    if ProductShape(rows: rows, columns: columns, depth: part.count).prefersBLAS,
      multiplyWithBLAS(
        a, aRowStride: aRowStride, aColumnStride: aColumnStride, part: part, into: c,
        cStride: cStride, rows: rows, start: start)
    {
      return
    }
    var tiles = tiles
    tiles.base += part.lowerBound * tiles.rowStride
    kernels.multiply(
      .strided(a, rowStride: aRowStride, columnStride: aColumnStride), tiles, c, cStride: cStride,
      rows: rows, columns: columns, depth: part.count, start: start)
  }

  /// The view of some columns only, which begin with a panel.
  ///
  /// - Parameter range: begins at a multiple of `kernels.panelWidth`.
  public func columns(_ range: Range<Int>) -> PackedView {
    var view = self
    view.columns = range.count
    view.tiles.base += range.lowerBound / kernels.panelWidth * tiles.vectorStride
    view.source = source.map { $0 + range.lowerBound * sourceColumnStride }
    return view
  }

  /// False if OpenBLAS cannot express or compute the product. Whether it can depends on strides too,
  /// but those belong to a call's place in the program as its shape does.
  func multiplyWithBLAS(
    _ a: Values, aRowStride: Int, aColumnStride: Int, part: Range<Int>, into c: MutableValues,
    cStride: Int, rows: Int, start: ProductStart
  ) -> Bool {
    guard let source, aRowStride == 1 || aColumnStride == 1,
      sourceRowStride == 1 || sourceColumnStride == 1
    else { return false }
    var accumulate = true
    switch start {
    case .zero: accumulate = false
    case .sums: break
    case .row(let values):
      // Not to be done before it is known that OpenBLAS will go on.
      guard BLAS.isUsable else { return false }
      kernels.broadcast(values, c, stride: cStride, rows: rows, columns: columns)
    }
    let aIsTransposed = aColumnStride != 1
    let bIsTransposed = sourceColumnStride != 1
    return BLAS.multiply(
      a, aStride: aIsTransposed ? aColumnStride : aRowStride, aIsTransposed: aIsTransposed,
      source + part.lowerBound * sourceRowStride,
      bStride: bIsTransposed ? sourceColumnStride : sourceRowStride,
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

/// Floats that panels of a matrix `[depth, columns]` take, the last of which may not be full.
public func panelsSize(depth: Int, columns: Int) -> Int {
  let width = kernels.panelWidth
  return depth * ((columns + width - 1) / width * width)
}
