// Reductions.swift — a run of elements to one number
//
// The order of additions depends only on the count and on the level.

import CProcessor
import KernelInterface

extension Level {
  public static func sumOfSquares(_ x: Values, count: Int) -> Double {
    sumOfSquares(count) {
      refrain_load_doubles(x + $0)
    } element: {
      Double(x[$0])
    }
  }

  public static func sumOfSquares(
    _ x: Values, adding y: Values, times factor: Float, count: Int
  ) -> Double {
    let factor = Double(factor)
    return sumOfSquares(count) {
      refrain_load_doubles(x + $0) + refrain_load_doubles(y + $0) * factor
    } element: {
      Double(x[$0]) + Double(y[$0]) * factor
    }
  }

  /// - Parameters:
  ///   - vector: eight of the numbers, from an index on.
  ///   - element: one of them.
  @inline(__always)
  private static func sumOfSquares(
    _ count: Int, vector: (Int) -> SIMD8<Double>, element: (Int) -> Double
  ) -> Double {
    // Four vectors of sums, so that additions do not wait for each other.
    var sums = InlineArray<4, SIMD8<Double>>(repeating: .zero)
    var offset = 0
    while offset + 32 <= count {
      for part in 0..<4 {
        let x = vector(offset + 8 * part)
        sums[part] += x * x
      }
      offset += 32
    }
    var sum = sumOfLanes((sums[0] + sums[1]) + (sums[2] + sums[3]))
    while offset < count {
      let x = element(offset)
      sum += x * x
      offset += 1
    }
    return sum
  }

  public static func dot(_ x: Values, _ y: Values, count: Int) -> Double {
    // Sixteen chains of additions, so that they do not wait for each other.
    var sums = (SIMD8<Double>.zero, SIMD8<Double>.zero)
    var offset = 0
    while offset + 16 <= count {
      sums.0 += refrain_load_doubles(x + offset) * refrain_load_doubles(y + offset)
      sums.1 += refrain_load_doubles(x + offset + 8) * refrain_load_doubles(y + offset + 8)
      offset += 16
    }
    var sum = sumOfLanes(sums.0 + sums.1)
    while offset < count {
      sum += Double(x[offset]) * Double(y[offset])
      offset += 1
    }
    return sum
  }

  public static func isFinite(_ x: Values, count: Int) -> Bool {
    // 0 · x is NaN for infinities and NaN, and NaN stays in the sum.
    var sums = Vector.zero
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      sums += load(x + j, lanes) * 0
    }
    sweep(count, part)
    return sums == sums
  }
}

@inline(always)
private func sumOfLanes(_ x: SIMD8<Double>) -> Double {
  let four = x.lowHalf + x.highHalf
  return (four[0] + four[2]) + (four[1] + four[3])
}

/// A sum over a run, vector by vector: in float within blocks of 64 vectors and in Double beyond, so
/// that long rows stay accurate.
struct RunSum {
  private var total = 0.0
  private var block = Vector.zero
  private var room = 64

  @inline(always) init() {}

  /// Adds the first `lanes` lanes.
  @inline(always) mutating func add(_ x: Vector, _ lanes: Int) {
    block += replaceRest(x, lanes, with: 0)
    room -= 1
    if room == 0 { closeBlock() }
  }

  @inline(always) private mutating func closeBlock() {
    total += Double(sum(block))
    block = .zero
    room = 64
  }

  @inline(always) var value: Double { total + Double(sum(block)) }
}

/// The largest element of a run that is not empty. NaN is passed over.
@inline(always)
func largest(_ x: Values, count: Int) -> Float {
  var largest = Vector(repeating: -.infinity)
  @inline(always) func part(_ offset: Int, _ lanes: Int) {
    let part = replaceRest(load(x + offset, lanes), lanes, with: -.infinity)
    largest = largest.replacing(with: part, where: part .> largest)
  }
  sweep(count, part)
  return largestLane(largest)
}
