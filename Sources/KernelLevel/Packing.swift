// Packing.swift — the right-hand matrix in the order in which a tile reads it
//
// A panel is as wide as one vector; a tile reads several neighbouring panels at once, as many as
// its registers allow, so the last columns never cost more than one vector of padding.

import KernelInterface

extension Level {
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int,
    into packed: MutableValues
  ) {
    let width = panelWidth
    var target = packed
    for column in stride(from: 0, to: columns, by: width) {
      let source = b + column * columnStride
      let lanes = min(width, columns - column)
      if columnStride == 1 {
        for k in 0..<depth {
          store(load(source + k * rowStride, lanes), target + k * width, width)
        }
      } else {
        packScattered(source, rowStride, columnStride, depth, lanes, target)
      }
      target += depth * width
    }
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
