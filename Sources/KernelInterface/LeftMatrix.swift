// LeftMatrix.swift — the left-hand side of a product, as a tile reads it
//
// A tile takes column k of a few rows, then column k + 1. The rows may lie anywhere at equal distances, or
// in panels, in which the columns of as many rows as a vector has lanes follow each other.

/// A matrix `[M, K]` whose element (m, k) is at
/// `base[m · rowStride + k · columnStride + ⌊m / panelWidth⌋ · panelGap]`.
public struct LeftMatrix {
  public var base: Values
  public let rowStride: Int
  public let columnStride: Int
  public let panelGap: Int

  private init(base: Values, rowStride: Int, columnStride: Int, panelGap: Int) {
    self.base = base
    self.rowStride = rowStride
    self.columnStride = columnStride
    self.panelGap = panelGap
  }

  public static func strided(_ base: Values, rowStride: Int, columnStride: Int) -> LeftMatrix {
    LeftMatrix(base: base, rowStride: rowStride, columnStride: columnStride, panelGap: 0)
  }

  /// The transpose of what `KernelSet.pack` wrote for K = `depth`, with panels of `panelWidth`.
  public static func packed(_ panels: Values, depth: Int, panelWidth: Int) -> LeftMatrix {
    LeftMatrix(
      base: panels, rowStride: 1, columnStride: panelWidth, panelGap: (depth - 1) * panelWidth)
  }
}
