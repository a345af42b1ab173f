// Packing.swift — the right-hand matrix in the order in which a tile reads it
//
// A panel is as wide as one vector; a tile reads several neighbouring panels at once, as many as
// its registers allow, so the last columns never cost more than one vector of padding.

import CProcessor
import KernelInterface

extension Level {
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int,
    into packed: MutableValues
  ) {
    if columnStride == 1 {
      for column in stride(from: 0, to: columns, by: 8 * panelWidth) {
        packRows(
          b + column, rowStride, depth, min(8 * panelWidth, columns - column),
          packed + column * depth)
      }
    } else {
      for column in stride(from: 0, to: columns, by: panelWidth) {
        packScattered(
          b + column * columnStride, rowStride, columnStride, depth,
          min(panelWidth, columns - column), packed + column * depth)
      }
    }
  }
}

extension Level {
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, inGroups groups: Int,
    into packed: MutableValues
  ) {
    let units = columns / groups
    var target = packed
    for unit in stride(from: 0, to: units, by: panelWidth) {
      for group in 0..<groups {
        pack(
          b + (group * units + unit) * columnStride, rowStride: rowStride,
          columnStride: columnStride, depth: depth, columns: min(panelWidth, units - unit),
          into: target)
        target += depth * panelWidth
      }
    }
  }
}

/// Packs a few panels whose columns are neighbours: row by row, because rows may lie a page apart.
private func packRows(
  _ source: Values, _ rowStride: Int, _ depth: Int, _ columns: Int, _ target: MutableValues
) {
  let width = Level.panelWidth
  let ahead = 8 * rowStride
  for k in 0..<depth {
    let row = source + k * rowStride
    let place = target + k * width
    @inline(always) func part(_ column: Int, _ lanes: Int) {
      refrain_prefetch_read(row + ahead + column)
      store(load(row + column, lanes), place + column * depth, width)
    }
    sweep(columns, part)
  }
}

/// Packs one panel whose columns are apart, such as those of a transposed matrix.
private func packScattered(
  _ source: Values, _ rowStride: Int, _ columnStride: Int, _ depth: Int, _ lanes: Int,
  _ target: MutableValues
) {
  let width = Level.panelWidth
  if lanes < width { target.update(repeating: 0, count: depth * width) }
  // Eight rows at a time: every column is read by the cache line, and so is the target written.
  for start in stride(from: 0, to: depth, by: 8) {
    let end = min(start + 8, depth)
    for lane in 0..<lanes {
      let column = source + lane * columnStride
      for k in start..<end { target[k * width + lane] = column[k * rowStride] }
    }
  }
}
