// Reductions.swift — a run of elements to one number
//
// The order of additions depends only on the count and on the level.

import KernelInterface

extension Level {
  public static func dot(_ x: Values, _ y: Values, count: Int) -> Double {
    var sums = DoubleVector.zero
    var offset = 0
    while offset + Vector.scalarCount <= count {
      let x = widen(load(x + offset, Vector.scalarCount))
      let y = widen(load(y + offset, Vector.scalarCount))
      sums += x * y
      offset += Vector.scalarCount
    }
    var sum = sums.sum()
    while offset < count {
      sum += Double(x[offset]) * Double(y[offset])
      offset += 1
    }
    return sum
  }

  public static func isFinite(_ x: Values, count: Int) -> Bool {
    // 0 · x is NaN for infinities and NaN, and NaN stays in the sum.
    var sums = Vector.zero
    sweep(count) { sums += load(x + $0, $1) * 0 }
    return sums == sums
  }
}

@inline(__always)
private func widen(_ x: Vector) -> DoubleVector { DoubleVector(x) }

/// Σ of the vectors that `term` gives, added in float within blocks of 64 vectors and in Double
/// beyond, so that long rows stay accurate. Lanes past the end are ignored.
@inline(__always)
func sumOverRun(_ count: Int, _ term: (_ offset: Int, _ lanes: Int) -> Vector) -> Double {
  let block = 64 * Vector.scalarCount
  var sum = 0.0
  var start = 0
  while start < count {
    var sums = Vector.zero
    sweep(min(block, count - start)) {
      sums += keep(term(start + $0, $1), $1)
    }
    sum += Double(sums.sum())
    start += block
  }
  return sum
}

/// The largest element of a run that is not empty. NaN is passed over.
@inline(__always)
func largest(_ x: Values, count: Int) -> Float {
  var largest = Vector(repeating: -.infinity)
  sweep(count) { offset, lanes in
    let part = replaceRest(load(x + offset, lanes), lanes, with: -.infinity)
    largest = largest.replacing(with: part, where: part .> largest)
  }
  return largest.max()
}

/// Zero in the lanes from `lanes` on.
@inline(__always)
private func keep(_ x: Vector, _ lanes: Int) -> Vector {
  replaceRest(x, lanes, with: 0)
}

@inline(__always)
private func replaceRest(_ x: Vector, _ lanes: Int, with value: Float) -> Vector {
  if lanes == Vector.scalarCount { return x }
  var x = x
  for lane in lanes..<Vector.scalarCount { x[lane] = value }
  return x
}
