// Vectors.swift — loading, storing and combining vectors, and the loop over a run of elements
//
// The end of a run that is not a multiple of the vector is computed with the same vector code, the
// missing lanes being zero: an element gets the same bits wherever it lies.

import KernelInterface

/// Reads `lanes` consecutive floats, 1 … the vector's width; the other lanes are 0.
@inline(__always)
func load(_ source: Values, _ lanes: Int) -> Vector {
  if lanes == Vector.scalarCount {
    return UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
  }
  return loadPart(source, lanes)
}

@inline(__always)
func load(_ source: MutableValues, _ lanes: Int) -> Vector {
  load(Values(source), lanes)
}

/// Writes the first `lanes` lanes.
@inline(__always)
func store(_ vector: Vector, _ target: MutableValues, _ lanes: Int) {
  if lanes == Vector.scalarCount {
    UnsafeMutableRawPointer(target).storeBytes(of: vector, as: Vector.self)
  } else {
    storePart(vector, target, lanes)
  }
}

@inline(never)
private func loadPart(_ source: Values, _ lanes: Int) -> Vector {
  var vector = Vector.zero
  withUnsafeMutableBytes(of: &vector) { bytes in
    let target = bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    for lane in 0..<lanes { target[lane] = source[lane] }
  }
  return vector
}

@inline(never)
private func storePart(_ vector: Vector, _ target: MutableValues, _ lanes: Int) {
  withUnsafeBytes(of: vector) { bytes in
    let source = bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    for lane in 0..<lanes { target[lane] = source[lane] }
  }
}

/// Calls `body(offset, lanes)` for each vector of a run; `lanes` is less than the vector's width in
/// the last call only.
@inline(__always)
func sweep(_ count: Int, _ body: (_ offset: Int, _ lanes: Int) -> Void) {
  var offset = 0
  while offset + Vector.scalarCount <= count {
    body(offset, Vector.scalarCount)
    offset += Vector.scalarCount
  }
  if offset < count { body(offset, count - offset) }
}

/// a · b + c: fused where the level has the instruction. Elsewhere `addingProduct` would be a call
/// of fmaf for each lane.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if LEVEL_V4 || LEVEL_V3 || arch(arm64)
    return c.addingProduct(a, b)
  #else
    return a * b + c
  #endif
}

/// The smaller of each lane and `limit`; NaN stays NaN. One instruction, unlike `clamped`.
@inline(__always)
func atMost(_ x: Vector, _ limit: Vector) -> Vector {
  x.replacing(with: limit, where: limit .< x)
}

/// The larger of each lane and `limit`; NaN stays NaN.
@inline(__always)
func atLeast(_ x: Vector, _ limit: Vector) -> Vector {
  x.replacing(with: limit, where: limit .> x)
}

@inline(__always)
func absolute(_ x: Vector) -> Vector {
  unsafeBitCast(unsafeBitCast(x, to: VectorBits.self) & 0x7fff_ffff, to: Vector.self)
}

/// Coefficients in rising order, by Horner's rule.
@inline(__always)
func polynomial(
  _ x: Vector, _ c0: Float, _ c1: Float, _ c2: Float, _ c3: Float, _ c4: Float
) -> Vector {
  var sum = multiplyAdd(Vector(repeating: c4), x, Vector(repeating: c3))
  sum = multiplyAdd(sum, x, Vector(repeating: c2))
  sum = multiplyAdd(sum, x, Vector(repeating: c1))
  return multiplyAdd(sum, x, Vector(repeating: c0))
}
