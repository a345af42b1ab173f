// Packing.swift — the right-hand matrix in the order in which a tile reads it
//
// A panel is as wide as one vector; a tile reads several neighbouring panels at once, as many as
// its registers allow, so the last columns never cost more than one vector of padding.

import CProcessor
import KernelInterface

extension Level {
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, panelStride: Int,
    into packed: MutableValues, sums: ColumnSums
  ) {
    if columnStride == 1 {
      @inline(always) func part(_ column: Int, _ vectors: Int) -> Rectangle {
        Rectangle(
          source: b + column, rowStride: rowStride, depth: depth,
          target: packed + column / panelWidth * panelStride, panelStride: panelStride,
          columns: min(vectors * panelWidth, columns - column), sums: sums.dropping(column))
      }
      var column = 0
      while column + 4 * panelWidth <= columns {
        packRows(part(column, 4), as: FourVectors.self)
        column += 4 * panelWidth
      }
      for column in stride(from: column, to: columns, by: panelWidth) {
        packRows(part(column, 1), as: OneVector.self)
      }
    } else {
      for column in stride(from: 0, to: columns, by: panelWidth) {
        packScattered(
          b + column * columnStride, rowStride, columnStride, depth,
          min(panelWidth, columns - column), packed + column / panelWidth * panelStride,
          panelWidth)
      }
    }
  }

  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, inGroupsOf gates: Int,
    into packed: MutableValues
  ) {
    let units = columns / gates
    for unit in stride(from: 0, to: units, by: panelWidth) {
      for gate in 0..<gates {
        packScattered(
          b + (gate * units + unit) * columnStride, rowStride, columnStride, depth,
          min(panelWidth, units - unit), packed + unit * gates * depth + gate * panelWidth,
          gates * panelWidth)
      }
    }
  }
}

/// A few panels whose columns are neighbours.
private struct Rectangle {
  let source: Values
  let rowStride: Int
  let depth: Int
  let target: MutableValues
  let panelStride: Int
  let columns: Int
  let sums: ColumnSums
}

/// Row by row, because rows may lie a page apart; four panels at a time, because a row of more panels
/// would go to more places of one set of the cache than the set has.
@inline(never)
private func packRows<Row: Strip>(_ part: Rectangle, as: Row.Type) {
  let width = Level.panelWidth
  let one = Vector(repeating: 1)
  var first = part.sums.first.map { Row(c: Values($0), columns: part.columns) } ?? .zero
  var second = part.sums.second.map { Row(c: Values($0), columns: part.columns) } ?? .zero
  var source = part.source
  var target = part.target
  for _ in 0..<part.depth {
    for vector in 0..<Row.vectors {
      refrain_prefetch_read(source + 8 * part.rowStride + vector * width)
    }
    let row = Row(c: source, columns: part.columns)
    first.add(one, row)
    second.add(one, row)
    row.write(to: target, vectorStride: part.panelStride)
    source += part.rowStride
    target += width
  }
  if let sums = part.sums.first { first.write(to: sums, columns: part.columns) }
  if let sums = part.sums.second { second.write(to: sums, columns: part.columns) }
}

/// Packs one panel whose columns are apart, such as those of a transposed matrix.
private func packScattered(
  _ source: Values, _ rowStride: Int, _ columnStride: Int, _ depth: Int, _ lanes: Int,
  _ target: MutableValues, _ targetStride: Int
) {
  let width = Level.panelWidth
  guard rowStride == 1 else {
    for k in 0..<depth {
      for lane in 0..<width {
        target[k * targetStride + lane] =
          lane < lanes ? source[k * rowStride + lane * columnStride] : 0
      }
    }
    return
  }
  @inline(always) func part(_ k: Int, _ count: Int) {
    let (source, target) = (source + k, target + k * targetStride)
    if lanes == width, count == width {
      packSquare(source, columnStride, width, width, target, targetStride)
    } else {
      packSquare(source, columnStride, count, lanes, target, targetStride)
    }
  }
  sweep(depth, part)
}

/// Rows of a panel: `count` of them, of so many columns.
@inline(always)
private func packSquare(
  _ source: Values, _ columnStride: Int, _ count: Int, _ lanes: Int, _ target: MutableValues,
  _ targetStride: Int
) {
  var square = Square(repeating: .zero)
  for lane in 0..<lanes { square[lane] = load(source + lane * columnStride, count) }
  square = transposed(square)
  for k in 0..<count { store(square[k], target + k * targetStride, Level.panelWidth) }
}
