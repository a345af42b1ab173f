// Vectors.swift — loading, storing and combining vectors, and the loop over a run of elements
//
// The end of a run that is not a multiple of the vector is computed with the same vector code, the
// missing lanes being zero: an element gets the same bits wherever it lies.

import CProcessor
import KernelInterface

/// Reads `lanes` consecutive floats, 1 … the vector's width; the other lanes are 0.
@inline(always)
func load(_ source: Values, _ lanes: Int) -> Vector {
  lanes == Vector.scalarCount ? refrain_load(source) : refrain_load_first(source, lanes)
}

@inline(always)
func load(_ source: MutableValues, _ lanes: Int) -> Vector {
  load(Values(source), lanes)
}

/// Writes the first `lanes` lanes.
@inline(always)
func store(_ vector: Vector, _ target: MutableValues, _ lanes: Int) {
  if lanes == Vector.scalarCount {
    refrain_store(vector, target)
  } else {
    refrain_store_first(vector, target, lanes)
  }
}

/// `value` in the lanes from `lanes` on.
@inline(always)
func replaceRest(_ x: Vector, _ lanes: Int, with value: Float) -> Vector {
  lanes == Vector.scalarCount ? x : refrain_replace_rest(x, lanes, value)
}

/// Calls `part(offset, lanes)` for each vector of a run; `lanes` is less than the vector's width in
/// the last call only.
///
/// `part` must be a function marked @inline(always), which is then compiled twice: for whole vectors
/// without any question of lanes, and for the rest. A closure would not be inlined.
@inline(always)
func sweep(_ count: Int, _ part: (_ offset: Int, _ lanes: Int) -> Void) {
  var offset = 0
  while offset + Vector.scalarCount <= count {
    part(offset, Vector.scalarCount)
    offset += Vector.scalarCount
  }
  if offset < count { part(offset, count - offset) }
}

/// a · b + c: fused where the level has the instruction. Elsewhere `addingProduct` would be a call
/// of fmaf for each lane.
@inline(always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if LEVEL_V4 || LEVEL_V3 || arch(arm64)
    return c.addingProduct(a, b)
  #else
    return a * b + c
  #endif
}

/// (1 − w) ⊙ a + w ⊙ b
@inline(always)
func blend(_ a: Vector, _ b: Vector, by w: Vector) -> Vector {
  multiplyAdd(w, b, (1 - w) * a)
}

/// The smaller of each lane and `limit`; NaN stays NaN. One instruction, unlike `clamped`.
@inline(always)
func atMost(_ x: Vector, _ limit: Vector) -> Vector {
  x.replacing(with: limit, where: limit .< x)
}

/// The larger of each lane and `limit`; NaN stays NaN.
@inline(always)
func atLeast(_ x: Vector, _ limit: Vector) -> Vector {
  x.replacing(with: limit, where: limit .> x)
}

/// −x, as a part of the instruction that takes it; the operator subtracts from 0.
@inline(always)
func negated(_ x: Vector) -> Vector {
  unsafeBitCast(unsafeBitCast(x, to: VectorBits.self) ^ 0x8000_0000, to: Vector.self)
}

@inline(always)
func absolute(_ x: Vector) -> Vector {
  unsafeBitCast(unsafeBitCast(x, to: VectorBits.self) & 0x7fff_ffff, to: Vector.self)
}

/// Coefficients in rising order, by Horner's rule.
@inline(always)
func polynomial(
  _ x: Vector, _ c0: Float, _ c1: Float, _ c2: Float, _ c3: Float, _ c4: Float
) -> Vector {
  var sum = multiplyAdd(Vector(repeating: c4), x, Vector(repeating: c3))
  sum = multiplyAdd(sum, x, Vector(repeating: c2))
  sum = multiplyAdd(sum, x, Vector(repeating: c1))
  return multiplyAdd(sum, x, Vector(repeating: c0))
}

/// √x, correctly rounded.
@inline(always)
func squareRoot(_ x: Vector) -> Vector { refrain_square_root(x) }

/// The sum of the lanes, halves first.
@inline(always)
func sum(_ x: Vector) -> Float {
  #if LEVEL_V4
    let half = x.lowHalf + x.highHalf
    let quarter = half.lowHalf + half.highHalf
  #elseif LEVEL_V3
    let quarter = x.lowHalf + x.highHalf
  #else
    let quarter = x
  #endif
  return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}

/// The largest lane; NaN is passed over.
@inline(always)
func largestLane(_ x: Vector) -> Float {
  #if LEVEL_V4
    let half = larger(x.lowHalf, x.highHalf)
    let quarter = larger(half.lowHalf, half.highHalf)
  #elseif LEVEL_V3
    let quarter = larger(x.lowHalf, x.highHalf)
  #else
    let quarter = x
  #endif
  return max(max(quarter[0], quarter[2]), max(quarter[1], quarter[3]))
}

@inline(always)
private func larger(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> {
  x.replacing(with: y, where: y .> x)
}

@inline(always)
private func larger(_ x: SIMD4<Float>, _ y: SIMD4<Float>) -> SIMD4<Float> {
  x.replacing(with: y, where: y .> x)
}
