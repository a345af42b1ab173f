// RightMatrix.swift — the right-hand side of a product, as a tile reads it
//
// A tile takes row k of a few neighbouring vectors, then row k + 1. Three layouts are worth reading:
// panels, in which the rows of a vector follow each other; groups, in which the rows of a cell's
// gates do; and a matrix as it lies, if its rows are short and its columns fill whole vectors.

/// A matrix `[K, N]` whose row k has its vector v at `base[k · rowStride + v · vectorStride]`. Where
/// the vectors of G gates form a group, it is group v that is found there, gate after gate.
public struct RightMatrix {
  public var base: Values
  public var rowStride: Int
  public var vectorStride: Int

  private init(base: Values, rowStride: Int, vectorStride: Int) {
    self.base = base
    self.rowStride = rowStride
    self.vectorStride = vectorStride
  }

  /// What `KernelSet.pack` wrote for K = `depth`, with panels of `panelWidth`.
  public static func packed(_ panels: Values, depth: Int, panelWidth: Int) -> RightMatrix {
    RightMatrix(base: panels, rowStride: panelWidth, vectorStride: depth * panelWidth)
  }

  /// What `KernelSet.pack(inGroupsOf:)` wrote.
  public static func grouped(_ groups: Values, depth: Int, gates: Int, panelWidth: Int)
    -> RightMatrix
  {
    let rowStride = gates * panelWidth
    return RightMatrix(base: groups, rowStride: rowStride, vectorStride: depth * rowStride)
  }

  /// A row-major matrix. N must be a multiple of `panelWidth`, because whole vectors are read.
  public static func rows(_ base: Values, stride: Int, panelWidth: Int) -> RightMatrix {
    RightMatrix(base: base, rowStride: stride, vectorStride: panelWidth)
  }
}

/// Where the sums of a matrix's columns are added: two places at the most, `[N]` each. To each, rows are
/// added one after the other.
public struct ColumnSums {
  public var first: MutableValues?
  public var second: MutableValues?
  public init(first: MutableValues? = nil, second: MutableValues? = nil) {
    self.first = first
    self.second = second
  }

  /// Those from a later column on.
  public func dropping(_ columns: Int) -> ColumnSums {
    ColumnSums(first: first.map { $0 + columns }, second: second.map { $0 + columns })
  }
}
