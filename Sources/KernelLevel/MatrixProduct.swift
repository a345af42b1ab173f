// MatrixProduct.swift — the product with a packed matrix, tile by tile
//
// Rows and columns are divided into tiles of nearly the same size: nine rows are 5 + 4, not 8 + 1,
// because a tile with few accumulators waits for its own additions. One row, or a few where vectors
// are short, which is what streaming makes, take wider tiles for the same reason.
//
// Deep products are computed in blocks of k, with c carrying the sums from block to block: rounding
// happens at the same places as in a single pass, so blocks do not show in the result.

import CProcessor
import KernelInterface

/// Sizes of the blocks; a block of b for one tile (depth × columns of the tile) and one of a
/// (rows × depth) stay in the second-level cache. Less depth, with b in the first, gained nothing here:
/// c passes once for each block.
private let blockDepth = 320
private let blockRows = 256

/// How many vectors a tile of so many rows may be wide.
func vectorsOfTile(rows: Int) -> Int {
  #if LEVEL_V4
    return rows == 1 ? 8 : 4
  #elseif LEVEL_V3
    return rows == 1 ? 8 : rows <= 3 ? 4 : 2
  #else
    return rows <= 2 ? 4 : 2
  #endif
}

/// How many rows a tile may have that is so wide, where `vectorsOfTile` allows it at all.
@inline(always)
private func rowsOfTile(vectors: Int) -> Int {
  if vectors > 4 { return 1 }
  #if LEVEL_V4
    // 24 accumulators, four vectors of b and one of a, of 32 registers: ten loads for 24 multiply-adds.
    // Eight rows of three vectors would take eleven; of two, ten for 16.
    return vectors < 4 ? 8 : 6
  #elseif LEVEL_V3
    // 12 accumulators, two vectors of b and one of a, of 16 registers.
    return vectors <= 2 ? 6 : 3
  #else
    // 8 accumulators; the product needs a register besides, for want of a fused multiply-add.
    return vectors <= 2 ? 4 : 2
  #endif
}

/// One product; the factors are those of the block at hand, all rows of it.
private struct Product {
  var factors: Factors
  var c: MutableValues
  var cStride: Int
  /// What c is set to before, with its own distance between rows; nil for zeros.
  var start: MutableValues?
  var startStride: Int

  /// The same for the rows from that row on, which is left out once at the most; see `Factors`.
  @inline(always)
  func dropping(_ row: Int) -> Product {
    var product = self
    product.factors = factors.dropping(row)
    product.c += row * cStride
    product.start = start.map { $0 + row * startStride }
    return product
  }
}

extension Level {
  public static func multiply(
    _ a: LeftMatrix, _ b: RightMatrix, _ c: MutableValues, cStride: Int, rows: Int, columns: Int,
    depth: Int, start: ProductStart
  ) {
    guard rows > 0, columns > 0 else { return }
    guard depth > 0 else {
      switch start {
      case .zero: for row in 0..<rows { fill(c + row * cStride, 0, count: columns) }
      case .sums: break
      case .row(let values): broadcast(values, c, stride: cStride, rows: rows, columns: columns)
      }
      return
    }
    forEachPart(of: rows, atMost: blockRows) { firstRow, rows in
      forEachPart(of: depth, atMost: blockDepth) { firstK, part in
        var product = Product(
          factors: Factors(a, b, depth: part), c: c, cStride: cStride, start: c,
          startStride: cStride)
        product.factors.a.base += firstK * a.columnStride
        product.factors.b.base += firstK * b.rowStride
        if firstK == 0 {
          switch start {
          case .zero: product.start = nil
          case .sums: break
          case .row(let values):
            product.start = MutableValues(mutating: values)
            product.startStride = 0
          }
        }
        multiplyBlock(product, firstRow..<firstRow + rows, columns: columns)
      }
    }
  }
}

/// Calls `body(start, size)` for parts of nearly the same size, the larger ones first, that cover
/// 0 ..< count.
@inline(always)
func forEachPart(of count: Int, atMost limit: Int, _ body: (Int, Int) -> Void) {
  let parts = (count + limit - 1) / limit
  var start = 0
  for part in 0..<parts {
    let left = parts - part
    let size = (count - start + left - 1) / left
    body(start, size)
    start += size
  }
}

/// Rows that fit a block of depth, all columns.
private func multiplyBlock(_ product: Product, _ rows: Range<Int>, columns: Int) {
  let width = Vector.scalarCount
  let vectors = (columns + width - 1) / width
  let limit = vectorsOfTile(rows: rows.count)
  forEachPart(of: vectors, atMost: limit) { firstVector, vectors in
    var part = product
    part.factors.b.base += firstVector * product.factors.b.vectorStride
    part.c += firstVector * width
    if let start = part.start { part.start = start + firstVector * width }
    let columns = min(vectors * width, columns - firstVector * width)
    multiplyStrip(part, rows, vectors: vectors, columns: columns)
  }
}

/// All rows of one strip of columns.
private func multiplyStrip(_ product: Product, _ rows: Range<Int>, vectors: Int, columns: Int) {
  switch vectors {
  case 1: multiplyStrip(product, rows, columns: columns, as: OneVector.self)
  case 2: multiplyStrip(product, rows, columns: columns, as: TwoVectors.self)
  case 3: multiplyStrip(product, rows, columns: columns, as: ThreeVectors.self)
  case 4: multiplyStrip(product, rows, columns: columns, as: FourVectors.self)
  case 5: multiplyStrip(product, rows, columns: columns, as: Beside<FourVectors, OneVector>.self)
  case 6: multiplyStrip(product, rows, columns: columns, as: SixVectors.self)
  case 7: multiplyStrip(product, rows, columns: columns, as: Beside<SixVectors, OneVector>.self)
  default: multiplyStrip(product, rows, columns: columns, as: EightVectors.self)
  }
}

@inline(always)
private func multiplyStrip<Row: Strip>(
  _ product: Product, _ rows: Range<Int>, columns: Int, as: Row.Type
) {
  let limit = rowsOfTile(vectors: Row.vectors)
  forEachPart(of: rows.count, atMost: limit) { first, size in
    let row = rows.lowerBound + first
    let isLast = row + size == rows.upperBound
    let next = isLast ? product.c + Row.vectors * Vector.scalarCount : product.c
    prefetchRows(
      next + (isLast ? rows.lowerBound : row + size) * product.cStride, stride: product.cStride,
      vectors: Row.vectors, rows: size)
    let part = product.dropping(row)
    switch size {
    case 1: multiplyTile(part, columns: columns, as: OneRow<Row>.self)
    case 2 where limit >= 2: multiplyTile(part, columns: columns, as: TwoRows<Row>.self)
    case 3 where limit >= 3: multiplyTile(part, columns: columns, as: ThreeRows<Row>.self)
    case 4 where limit >= 4: multiplyTile(part, columns: columns, as: FourRows<Row>.self)
    case 5 where limit >= 5: multiplyTile(part, columns: columns, as: FiveRows<Row>.self)
    case 6 where limit >= 6: multiplyTile(part, columns: columns, as: SixRows<Row>.self)
    case 7 where limit >= 7: multiplyTile(part, columns: columns, as: SevenRows<Row>.self)
    case 8 where limit >= 8: multiplyTile(part, columns: columns, as: EightRows<Row>.self)
    default: break
    }
  }
}

/// Asks for the rows of c that the next tile begins with, those below or the first of the next strip:
/// c is often the one operand that no cache has.
@inline(always)
private func prefetchRows(_ c: MutableValues, stride: Int, vectors: Int, rows: Int) {
  for row in 0..<rows {
    for vector in 0..<vectors {
      refrain_prefetch(c + row * stride + vector * Vector.scalarCount)
    }
  }
}

@inline(never)
private func multiplyTile<T: Tile>(_ product: Product, columns: Int, as: T.Type) {
  var tile = T.zero
  if let start = product.start { tile = T(c: start, stride: product.startStride, columns: columns) }
  tile.addProduct(product.factors)
  tile.write(to: product.c, stride: product.cStride, columns: columns)
}
