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
  if lanes < Level.panelWidth {
    for k in 0..<depth { store(.zero, target + k * targetStride, Level.panelWidth) }
  }
  // Eight rows at a time: every column is read by the cache line, and so is the target written.
  for start in stride(from: 0, to: depth, by: 8) {
    let end = min(start + 8, depth)
    for lane in 0..<lanes {
      let column = source + lane * columnStride
      for k in start..<end { target[k * targetStride + lane] = column[k * rowStride] }
    }
  }
}
