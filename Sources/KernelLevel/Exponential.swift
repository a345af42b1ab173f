// Exponential.swift — eˣ, its relatives, and tanh, on vectors
//
// Errors are given in ulp of the result and hold at every level; the tests sweep the whole range.
// Denormal results are right unless the processor flushes them. NaN gives NaN.
//
// The polynomials are minimax fits (iteratively reweighted least squares in Double, then rounded).

import CProcessor
import KernelInterface

/// eˣ within 2 ulp; +∞ above 88.73, 0 below −104.
///
/// 2ⁿ is applied as two factors, where there is no instruction for it, because n reaches from −150 to
/// 128, beyond the exponents of normal floats.
@inline(always)
func exponential(_ x: Vector) -> Vector {
  let e = ReducedPower(atLeast(atMost(x, Vector(repeating: 89)), Vector(repeating: -104)))
  #if LEVEL_V4
    return refrain_scale(e.power, e.n)
  #else
    let exponent = e.exponent
    let half = exponent &>> 1
    return e.power * powerOfTwo(half) * powerOfTwo(exponent &- half)
  #endif
}

/// eˣ = 2ⁿ eʳ with n the integer nearest to x / ln 2, so |r| ≤ ln 2 / 2. ln 2 is subtracted in two parts,
/// of which n times the first is exact (Cody & Waite 1980).
private struct ReducedPower {
  /// eʳ
  let power: Vector
  let n: Vector
  /// Its low bits are n − 1.
  private let shifted: Vector

  /// - Parameter x: from −104 to 89.
  @inline(always)
  init(_ x: Vector) {
    // Adding 1.5 · 2²³ leaves the rounded integer in the low bits of the sum.
    let shift = Vector(repeating: 12_582_912 - 1)
    shifted = multiplyAdd(x, Vector(repeating: 1.442_695), shift)
    n = shifted - shift
    var r = multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
    r = multiplyAdd(n, Vector(repeating: 2.121_944_4e-4), r)
    let tail = polynomial(
      r, 0.499_999_94, 0.166_665_2, 0.041_668_404, 0.008_368_899, 0.001_381_422_2)
    power = multiplyAdd(r * r, tail, r) + 1
  }

  /// n, as whole numbers.
  @inline(always) var exponent: SignedBits {
    unsafeBitCast(shifted, to: SignedBits.self) &- (0x4b40_0000 - 1)
  }

  /// 1 + eˣ for x ≥ −86.
  @inline(always) var plusOne: Vector {
    #if LEVEL_V4
      return refrain_scale(power, n) + 1
    #else
      // Half of eˣ is a normal float: n − 1 is added to its exponent, which is 23 bits up.
      let scale = unsafeBitCast(shifted, to: SignedBits.self) &<< 23
      let half = unsafeBitCast(power, to: SignedBits.self) &+ scale
      return multiplyAdd(
        unsafeBitCast(half, to: Vector.self), Vector(repeating: 2), Vector(repeating: 1))
    #endif
  }
}

/// 2ⁿ for −126 ≤ n ≤ 127.
@inline(always)
private func powerOfTwo(_ n: SignedBits) -> Vector {
  unsafeBitCast((n &+ 127) &<< 23, to: Vector.self)
}

/// log(1 + u) for 0 ≤ u ≤ 1, within 3 ulp.
///
/// log(1 + u) = 2 artanh(s) with s = u / (2 + u) ≤ 1/3, whose series has only odd powers.
@inline(always)
func logarithmOfOnePlus(_ u: Vector) -> Vector {
  let s = u / (u + 2)
  let square = s * s
  var tail = multiplyAdd(
    Vector(repeating: 0.280_119_9), square, Vector(repeating: 0.280_018_06))
  tail = multiplyAdd(tail, square, Vector(repeating: 0.400_215_27))
  tail = multiplyAdd(tail, square, Vector(repeating: 0.666_664_2))
  return multiplyAdd(square * s, tail, s + s)
}

/// tanh within 6 ulp, never beyond ±1; exact for ±0 and denormals.
///
/// x P(x²) / Q(x²) with both of degree 4, fitted for the least relative error on |x| ≤ 9.02, where
/// tanh rounds to 1.
@inline(always)
func hyperbolicTangent(_ x: Vector) -> Vector {
  let limit = Vector(repeating: 9.02)
  let x = atLeast(atMost(x, limit), -limit)
  let square = x * x
  let p = polynomial(
    square, 1, 0.133_826_96, 0.003_497_467_6, 2.063_597_6e-5, 1.338_448_5e-8)
  let q = polynomial(
    square, 1, 0.467_160_17, 0.025_884_4, 3.288_533_2e-4, 7.790_332_6e-7)
  let one = Vector(repeating: 1)
  return atLeast(atMost(x * p / q, one), -one)
}

/// 1 / (1 + e⁻ˣ) within 3 ulp where the result is a normal number.
@inline(always)
func logisticSigmoid(_ x: Vector) -> Vector {
  let x = atLeast(atMost(x, Vector(repeating: 86)), Vector(repeating: -89))
  return 1 / ReducedPower(negated(x)).plusOne
}

/// eˣ − 1 for x ≤ 0, within 10 ulp: 2t / (1 − t) with t = tanh(x / 2), which does not cancel.
@inline(always)
func exponentialMinusOne(_ x: Vector) -> Vector {
  let t = hyperbolicTangent(x * 0.5)
  return (t + t) / (1 - t)
}
