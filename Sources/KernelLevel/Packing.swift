// Packing.swift — the right-hand matrix in the order in which a tile reads it
//
// A panel is as wide as one vector; a tile reads several neighbouring panels at once, as many as
// its registers allow, so the last columns never cost more than one vector of padding.

import CProcessor
import KernelInterface

extension Level {
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, panelStride: Int,
    into packed: MutableValues
  ) {
    if columnStride == 1 {
      for column in stride(from: 0, to: columns, by: 8 * panelWidth) {
        packRows(
          b + column, rowStride, depth, min(8 * panelWidth, columns - column),
          packed + column / panelWidth * panelStride, panelStride)
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

/// Packs a few panels whose columns are neighbours: row by row, because rows may lie a page apart.
private func packRows(
  _ source: Values, _ rowStride: Int, _ depth: Int, _ columns: Int, _ target: MutableValues,
  _ panelStride: Int
) {
  let width = Level.panelWidth
  let ahead = 8 * rowStride
  for k in 0..<depth {
    let row = source + k * rowStride
    let place = target + k * width
    @inline(always) func part(_ column: Int, _ lanes: Int) {
      refrain_prefetch_read(row + ahead + column)
      store(load(row + column, lanes), place + column / width * panelStride, width)
    }
    sweep(columns, part)
  }
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
