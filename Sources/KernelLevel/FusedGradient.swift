// FusedGradient.swift — a timestep backward: the product that brings its gradient, then its arithmetic
//
// The hidden state's gradient is the sum of what the layer above and the state itself hand down and
// of the next timestep's product. A tile computes the product for a few rows and units, and hands
// each vector to the cell's arithmetic while it is still in a register.

import CProcessor
import KernelInterface

/// What a cell does backward with one vector of hidden units of one row. `finish` gets the product.
///
/// (Said of the protocol itself, that its gates are one vector would bring that type's copying function,
/// which the levels would share.)
protocol FusedGradient: FusedStep {}

extension FusedGradient where Gates == OneVector {
  @inline(always) static var units: Int { Vector.scalarCount }
  /// A zero that the compiler does not know: from one that it knows, it makes a second register for sums,
  /// which it copies with every row of weights.
  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> OneVector {
    OneVector(vector: Vector(repeating: Float(refrain_zero())))
  }
}

@inline(always)
func runBackward<Step: FusedGradient>(
  _ step: Step, rows: Int, hiddenSize: Int, _ product: GradientProduct
) where Step.Gates == OneVector {
  let four = paired(paired(step))
  if rows == 1 {
    run(
      four, rows: rows, hiddenSize: hiddenSize, product.first, and: product.second, tileRows: 1)
    return
  }
  #if LEVEL_V4
    // Six rows of four vectors take ten loads for 24 multiply-adds, eight rows of two take as many for 16.
    run(four, rows: rows, hiddenSize: hiddenSize, product.first, and: product.second)
  #else
    run(paired(step), rows: rows, hiddenSize: hiddenSize, product.first, and: product.second)
  #endif
}

extension GradientProduct {
  /// The product as it reaches the hidden state: after recurrent dropout.
  @inline(always)
  func masked(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) -> Vector {
    guard let mask else { return sums.vector }
    return load(mask[row] + unit, lanes) * sums.vector
  }
}

extension Level {
  public static func backward(_ step: HiddenGradient) {
    runBackward(
      FusedHidden(step: step), rows: step.rows, hiddenSize: step.hiddenSize, step.product)
  }
}

private struct FusedHidden: FusedGradient {
  typealias Gates = OneVector
  let step: HiddenGradient

  @inline(always) static var isUsual: Bool { true }
  @inline(always) func prefetch(_ row: Int, _ unit: Int) {}

  @inline(always) func finish(_ sums: OneVector, _ row: Int, _ unit: Int, _ lanes: Int) {
    let dHidden = step.dHidden[row] + unit
    store(load(dHidden, lanes) + step.product.masked(sums, row, unit, lanes), dHidden, lanes)
  }
}
