// RandomNumbers.swift — random numbers that are functions of their position
//
// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011) turns a counter and a key into four random words.
// There is no state to pass from thread to thread: whoever knows the key and the counter has the
// number, so a mask is the same whichever thread draws it, and in whatever order.

import Glibc

/// Ten rounds of Philox4x32.
public func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
  var c = counter
  var k = key
  for round in 0..<10 {
    if round > 0 { k = SIMD2(k.x &+ 0x9E37_79B9, k.y &+ 0xBB67_AE85) }
    let first = UInt64(c.x) * 0xD251_1F53
    let second = UInt64(c.z) * 0xCD9E_8D57
    c = SIMD4(
      UInt32(second >> 32) ^ c.y ^ k.x, UInt32(truncatingIfNeeded: second),
      UInt32(first >> 32) ^ c.w ^ k.y, UInt32(truncatingIfNeeded: first))
  }
  return c
}

private func words(_ value: UInt64) -> SIMD2<UInt32> {
  SIMD2(UInt32(truncatingIfNeeded: value), UInt32(value >> 32))
}

/// A sequence of random numbers for a seed and a stream; different streams are independent.
public struct RandomSequence: RandomNumberGenerator, Sendable {
  private let key: SIMD2<UInt32>
  private let stream: SIMD2<UInt32>
  private var position: UInt64 = 0
  private var block = SIMD4<UInt32>()
  private var spareNormal: Double?

  public init(seed: UInt64, stream: UInt64) {
    key = words(seed)
    self.stream = words(stream)
  }

  private mutating func nextWord() -> UInt32 {
    let lane = Int(position & 3)
    if lane == 0 {
      block = philox(counter: SIMD4(lowHalf: words(position >> 2), highHalf: stream), key: key)
    }
    position += 1
    return block[lane]
  }

  public mutating func next() -> UInt64 { UInt64(nextWord()) << 32 | UInt64(nextWord()) }

  /// 0 ≤ x < 1, in steps of 2⁻⁵³.
  public mutating func uniformDouble() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Mean 0, deviation 1: Box & Muller 1958.
  public mutating func normal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    let radius = sqrt(-2 * log(1 - uniformDouble()))
    let angle = 2 * Double.pi * uniformDouble()
    spareNormal = radius * sin(angle)
    return radius * cos(angle)
  }

  /// 0 ..< count in random order: Fisher & Yates 1938.
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    order.shuffle(using: &self)
    return order
  }
}

/// Writes 0 with probability `rate`, else 1 / (1 − rate): a function of the keys alone.
public func dropoutMask(
  _ mask: MutableValues, count: Int, rate: Float, seed: UInt64, stream: UInt64, step: UInt64,
  row: UInt64
) {
  let kept = 1 / (1 - rate)
  let threshold = UInt32(min(Double(rate) * 0x1p32, 0x1p32 - 1))
  // The row's own key keeps a counter of 128 bits free for layer, step and element.
  let seeds = words(seed &+ row &* 0x9E37_79B9_7F4A_7C15)
  let place = words(stream)
  for first in Swift.stride(from: 0, to: count, by: 4) {
    let words = philox(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: first / 4), place.x ^ place.y &* 0x85EB_CA6B,
        UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)),
      key: seeds)
    for lane in 0..<min(4, count - first) {
      mask[first + lane] = words[lane] < threshold ? 0 : kept
    }
  }
}
