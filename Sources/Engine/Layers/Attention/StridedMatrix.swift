// StridedMatrix.swift — products of matrices that a pass has just made
//
// Attention multiplies queries by keys and weights by values: both sides are results of the same
// pass, and each is used a few times at most. So the right-hand side is packed into a thread's scratch
// for one product, instead of being kept packed as a weight is.

import Kernels

/// A matrix somewhere in memory: element (m, n) is at `base[m · rowStride + n · columnStride]`.
struct StridedMatrix {
  var base: MutableValues
  var rows: Int
  var columns: Int
  var rowStride: Int
  var columnStride = 1

  var transposed: StridedMatrix {
    StridedMatrix(
      base: base, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
  }

  /// Row m, if the elements of a row follow each other.
  func row(_ m: Int) -> MutableValues { base + m * rowStride }
}

/// c `[M, N]` = a `[M, K]` · b `[K, N]`, or c += a · b. Any size may be 0.
///
/// - Parameters:
///   - c: its rows are contiguous. Overlaps neither a nor b.
///   - adds: whether to add to what c holds.
///   - scratch: `panelsSize(depth: K, columns: N)` floats, overwritten.
func multiply(
  _ a: StridedMatrix, _ b: StridedMatrix, into c: StridedMatrix, adds: Bool = false,
  scratch: MutableValues
) {
  precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns)
  if a.rows == 1 {
    multiply(vector: a, b, into: c.base, adds: adds)
    return
  }
  kernels.pack(
    b.base, rowStride: b.rowStride, columnStride: b.columnStride, depth: b.rows,
    columns: b.columns, panelStride: b.rows * kernels.panelWidth, into: scratch)
  kernels.multiply(
    .strided(Values(a.base), rowStride: a.rowStride, columnStride: a.columnStride),
    .packed(scratch, depth: b.rows, panelWidth: kernels.panelWidth), c.base, cStride: c.rowStride,
    rows: a.rows, columns: b.columns, depth: a.columns, start: adds ? .sums : .zero)
}

/// The same for a single row, for which packing b would take longer than the product.
private func multiply(
  vector a: StridedMatrix, _ b: StridedMatrix, into c: MutableValues, adds: Bool
) {
  if !adds { kernels.fill(c, 0, count: b.columns) }
  if b.columnStride == 1 {
    for k in 0..<b.rows {
      kernels.addScaled(b.row(k), by: a.base[k * a.columnStride], c, count: b.columns)
    }
  } else if b.rowStride == 1, a.columnStride == 1 {
    for n in 0..<b.columns {
      c[n] += Float(kernels.dot(a.base, b.base + n * b.columnStride, count: b.rows))
    }
  } else {
    for n in 0..<b.columns {
      let column = b.base + n * b.columnStride
      for k in 0..<b.rows { c[n] += a.base[k * a.columnStride] * column[k * b.rowStride] }
    }
  }
}
