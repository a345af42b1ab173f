// PackedWeight.swift — a weight matrix [out, in] prepared for both directions

import Kernels

/// Forward multiplies by the transpose (x Wᵀ), backward by the matrix itself (dy W).
final class PackedWeight {
  let forward: PackedMatrix
  /// Made when a trainer first asks for it.
  private(set) var backward: PackedMatrix!
  private let source: Values
  private let rows: Int
  private let columns: Int

  /// - Parameters:
  ///   - part: the rows of the weight to take; all by default.
  ///   - gates: how many gates those rows are of, if forward is the product of a timestep.
  init(_ weight: PlacedParameter, part: Range<Int>? = nil, gates: Int = 1) throws {
    columns = weight.shape[1]
    let part = part ?? 0..<weight.shape[0]
    rows = part.count
    source = Values(weight.values + part.lowerBound * columns)
    forward = try PackedMatrix(depth: columns, columns: rows, groups: gates)
  }

  func refresh(backward needsBackward: Bool) throws {
    forward.update(source, rowStride: 1, columnStride: columns)
    guard needsBackward else { return }
    if backward == nil { backward = try PackedMatrix(depth: rows, columns: columns) }
    backward.update(source, rowStride: columns, columnStride: 1)
  }
}
