// RandomNumbers.swift — random numbers that are a function of a key and a counter
//
// Philox4x32-10 of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011). Having no state, it gives every row of a batch its own numbers without any order
// among them, and a checkpoint needs only the counter.

import Glibc

/// One block of Philox4x32-10: four words that depend on every bit of counter and key.
public func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
  var (x0, x1, x2, x3) = (counter[0], counter[1], counter[2], counter[3])
  var (k0, k1) = (key[0], key[1])
  for _ in 0..<10 {
    let product0 = UInt64(x0) &* 0xd251_1f53
    let product1 = UInt64(x2) &* 0xcd9e_8d57
    x0 = UInt32(truncatingIfNeeded: product1 >> 32) ^ x1 ^ k0
    x1 = UInt32(truncatingIfNeeded: product1)
    x2 = UInt32(truncatingIfNeeded: product0 >> 32) ^ x3 ^ k1
    x3 = UInt32(truncatingIfNeeded: product0)
    k0 &+= 0x9e37_79b9
    k1 &+= 0xbb67_ae85
  }
  return SIMD4(x0, x1, x2, x3)
}

/// The low word first.
private func words(_ value: UInt64) -> SIMD2<UInt32> {
  SIMD2(UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
}

/// One of 2⁶⁴ independent sequences for a seed, each 2⁶⁶ words long.
public struct RandomSequence: RandomNumberGenerator, Equatable, Sendable {
  /// The seed.
  public private(set) var key: UInt64
  /// Which of the seed's sequences.
  public private(set) var stream: UInt64
  /// The block that `position` points into.
  public private(set) var counter: UInt64
  /// Words of the block already used, 0 … 3.
  public private(set) var position: Int

  public init(seed: UInt64, stream: UInt64) {
    self.init(key: seed, stream: stream, counter: 0, position: 0)!
  }

  /// Continues where a sequence with this state stood; nil if the position is not 0 … 3.
  public init?(key: UInt64, stream: UInt64, counter: UInt64, position: Int) {
    guard 0...3 ~= position else { return nil }
    self.key = key
    self.stream = stream
    self.counter = counter
    self.position = position
  }

  private mutating func nextWord() -> UInt32 {
    let block = philox(
      counter: SIMD4(lowHalf: words(counter), highHalf: words(stream)), key: words(key))
    let word = block[position]
    position += 1
    if position == 4 {
      position = 0
      counter &+= 1
    }
    return word
  }

  public mutating func next() -> UInt64 {
    let low = UInt64(nextWord())
    return UInt64(nextWord()) << 32 | low
  }

  /// A multiple of 2⁻²⁴ in 0 ..< 1.
  public mutating func uniform() -> Float {
    Float(nextWord() >> 8) * 0x1p-24
  }

  /// A multiple of 2⁻⁵³ in 0 ..< 1.
  public mutating func uniformDouble() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Mean 0, variance 1 (Box & Muller 1958; the second number of the pair is not used, so that the
  /// state stays a counter).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniformDouble())).squareRoot()
    return radius * cos(2 * .pi * uniformDouble())
  }

  /// 0 ..< count in random order, every order as likely as any other (Fisher & Yates 1938, in
  /// Durstenfeld's form). Empty if the count is not positive.
  public mutating func permutation(_ count: Int) -> [Int] {
    guard count > 0 else { return [] }
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, Int(below(UInt64(last) + 1)))
    }
    return order
  }

  /// Uniform in 0 ..< bound, without bias (Lemire 2019).
  private mutating func below(_ bound: UInt64) -> UInt64 {
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return product.high
  }
}

/// Writes 0 with probability `rate` and 1 / (1 − rate) otherwise, so that the mean is 1.
///
/// The mask depends on the four keys only, and element j of it on j: neither on the batch's order
/// nor on who computes it.
///
/// - Parameters:
///   - rate: 0 … 1; everything is dropped at 1.
///   - stream: which layer and use. step: which training step. row: which sequence.
public func dropoutMask(
  _ mask: MutableValues, count: Int, rate: Float, seed: UInt64, stream: UInt64, step: UInt64,
  row: UInt64
) {
  randomMask(
    mask, count: count, rate: rate, drawn: 0, others: 1 / (1 - rate), seed: seed, stream: stream,
    step: step, row: row)
}

/// The same with other values: `drawn` with the probability `rate`, `others` else.
public func randomMask(
  _ mask: MutableValues, count: Int, rate: Float, drawn: Float, others: Float, seed: UInt64,
  stream: UInt64, step: UInt64, row: UInt64
) {
  let mixed = philox(
    counter: SIMD4(lowHalf: words(stream), highHalf: words(step)), key: words(seed))
  let threshold = UInt64(Double(min(max(rate, 0), 1)) * 0x1p32)
  var index = 0
  var block: UInt64 = 0
  while index < count {
    let random = philox(
      counter: SIMD4(lowHalf: words(block), highHalf: words(row)), key: mixed.lowHalf)
    for lane in 0..<min(4, count - index) {
      mask[index + lane] = UInt64(random[lane]) < threshold ? drawn : others
    }
    index += 4
    block += 1
  }
}
