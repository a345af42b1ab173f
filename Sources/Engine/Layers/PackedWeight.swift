// PackedWeight.swift — a weight matrix [out, in] prepared for the products that take it

import Kernels

/// Forms in which weights are packed.
struct PackedForms: OptionSet {
  let rawValue: Int

  static let forward = PackedForms(rawValue: 1)
  static let backward = PackedForms(rawValue: 2)
  /// Of weights of a layer's inputs: for a product within a timestep.
  static let step = PackedForms(rawValue: 4)

  static let inference: PackedForms = [.forward, .step]
  static let training: PackedForms = [.forward, .backward, .step]
}

/// A packed weight as a product takes it. Pointers only.
struct WeightView {
  private let forwardPlace: UnsafePointer<PackedView>
  private let backwardPlace: UnsafePointer<PackedView>?
  private let stepPlace: UnsafePointer<PackedView>?

  init(_ forward: PackedMatrix, _ backward: PackedMatrix?, _ step: PackedMatrix?) {
    forwardPlace = forward.place
    backwardPlace = backward?.place
    stepPlace = step?.place
  }

  var forward: PackedView { forwardPlace.pointee }
  var backward: PackedView {
    guard let backwardPlace else { preconditionFailure("a backward pass without its weights") }
    return backwardPlace.pointee
  }
  var step: PackedView {
    guard let stepPlace else { preconditionFailure("a timestep without its inputs' weights") }
    return stepPlace.pointee
  }
}

/// Forward multiplies by the transpose (x Wᵀ), backward by the matrix itself (dy W).
final class PackedWeight {
  private let forwardMatrix: PackedMatrix
  /// Made when a trainer first asks for it.
  private var backwardMatrix: PackedMatrix?
  /// Made when a session first asks for it.
  private var stepMatrix: PackedMatrix?
  private let stepGates: Int?
  private let source: Values
  private let rows: Int
  private let columns: Int

  /// - Parameters:
  ///   - part: the rows of the weight to take; all by default.
  ///   - gates: how many gates those rows are of, if forward is the product of a timestep.
  ///   - stepGates: how many they are of, if there is the form for steps beside forward's.
  init(
    _ weight: PlacedParameter, part: Range<Int>? = nil, gates: Int? = nil, stepGates: Int? = nil
  ) throws {
    columns = weight.shape[1]
    self.stepGates = stepGates
    let part = part ?? 0..<weight.shape[0]
    rows = part.count
    source = Values(weight.values + part.lowerBound * columns)
    forwardMatrix = try PackedMatrix(depth: columns, columns: rows, gates: gates)
  }

  /// Valid as long as this object, which never replaces a form; one that is packed for the first time
  /// is in the views after that.
  var view: WeightView { WeightView(forwardMatrix, backwardMatrix, stepMatrix) }

  func refresh(_ forms: PackedForms) throws {
    if forms.contains(.forward) {
      forwardMatrix.update(source, rowStride: 1, columnStride: columns)
    }
    if forms.contains(.backward) {
      let matrix = try backwardMatrix ?? PackedMatrix(depth: rows, columns: columns)
      backwardMatrix = matrix
      matrix.update(source, rowStride: columns, columnStride: 1)
    }
    if forms.contains(.step), let stepGates {
      let matrix = try stepMatrix ?? PackedMatrix(depth: columns, columns: rows, gates: stepGates)
      stepMatrix = matrix
      matrix.update(source, rowStride: 1, columnStride: columns)
    }
  }
}
