// PackedWeight.swift — a weight matrix [out, in] prepared for both directions

import Kernels

/// A packed weight as a product takes it. Pointers only.
struct WeightView {
  private let forwardPlace: UnsafePointer<PackedView>
  private let backwardPlace: UnsafePointer<PackedView>?

  init(_ forward: PackedMatrix, _ backward: PackedMatrix?) {
    forwardPlace = forward.place
    backwardPlace = backward?.place
  }

  var forward: PackedView { forwardPlace.pointee }
  var backward: PackedView {
    guard let backwardPlace else { preconditionFailure("a backward pass without its weights") }
    return backwardPlace.pointee
  }
}

/// Forward multiplies by the transpose (x Wᵀ), backward by the matrix itself (dy W).
final class PackedWeight {
  private let forwardMatrix: PackedMatrix
  /// Made when a trainer first asks for it.
  private var backwardMatrix: PackedMatrix?
  private let source: Values
  private let rows: Int
  private let columns: Int

  /// - Parameters:
  ///   - part: the rows of the weight to take; all by default.
  ///   - gates: how many gates those rows are of, if forward is the product of a timestep.
  init(_ weight: PlacedParameter, part: Range<Int>? = nil, gates: Int? = nil) throws {
    columns = weight.shape[1]
    let part = part ?? 0..<weight.shape[0]
    rows = part.count
    source = Values(weight.values + part.lowerBound * columns)
    forwardMatrix = try PackedMatrix(depth: columns, columns: rows, gates: gates)
  }

  /// Valid until the next refresh.
  var view: WeightView { WeightView(forwardMatrix, backwardMatrix) }

  func refresh(backward needsBackward: Bool) throws {
    forwardMatrix.update(source, rowStride: 1, columnStride: columns)
    guard needsBackward else { return }
    let matrix = try backwardMatrix ?? PackedMatrix(depth: rows, columns: columns)
    backwardMatrix = matrix
    matrix.update(source, rowStride: columns, columnStride: 1)
  }
}
