// RandomTests.swift — Philox against its published vectors, sequences, dropout masks

import Kernels
import Testing

@Suite struct RandomTests {
  /// From the known-answer file of Random123, the authors' own implementation.
  @Test func philoxGivesThePublishedVectors() {
    let all = UInt32.max
    #expect(
      philox(counter: .zero, key: .zero)
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      philox(counter: SIMD4(repeating: all), key: SIMD2(repeating: all))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      philox(
        counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func momentsAreRight() {
    var random = RandomSequence(seed: 5, stream: 6)
    let count = 200_000
    var sums = (uniform: 0.0, double: 0.0, normal: 0.0, square: 0.0, fourth: 0.0)
    var isInRange = true
    for _ in 0..<count {
      let u = random.uniform()
      let d = random.uniformDouble()
      let n = random.normal()
      isInRange = isInRange && 0 <= u && u < 1 && 0 <= d && d < 1 && n.isFinite
      sums.uniform += Double(u)
      sums.double += d
      sums.normal += n
      sums.square += n * n
      sums.fourth += n * n * n * n
    }
    #expect(isInRange)
    // Five standard errors.
    #expect(abs(sums.uniform / Double(count) - 0.5) < 0.0033)
    #expect(abs(sums.double / Double(count) - 0.5) < 0.0033)
    #expect(abs(sums.normal / Double(count)) < 0.0112)
    #expect(abs(sums.square / Double(count) - 1) < 0.0159)
    #expect(abs(sums.fourth / Double(count) - 3) < 0.11)
  }

  @Test func aSequenceContinuesFromItsState() {
    var random = RandomSequence(seed: .max, stream: 3)
    for _ in 0..<7 { _ = random.uniform() }
    var resumed = RandomSequence(
      key: random.key, stream: random.stream, counter: random.counter,
      position: random.position)!
    for _ in 0..<20 { #expect(random.next() == resumed.next()) }
    #expect(random == resumed)
    #expect(RandomSequence(key: 0, stream: 0, counter: 0, position: 4) == nil)
    #expect(RandomSequence(key: 0, stream: 0, counter: 0, position: -1) == nil)
  }

  @Test func seedsAndStreamsDiffer() {
    var firsts: Set<UInt64> = []
    for seed in [0, 1, 1 << 32, 1 << 63] as [UInt64] {
      for stream in [0, 1, 1 << 32, 1 << 63] as [UInt64] {
        var random = RandomSequence(seed: seed, stream: stream)
        firsts.insert(random.next())
      }
    }
    #expect(firsts.count == 16)
  }

  @Test func permutationsAreEquallyLikely() {
    var random = RandomSequence(seed: 1, stream: 1)
    #expect(random.permutation(0) == [] && random.permutation(-4) == [])
    #expect(random.permutation(1) == [0])
    #expect(random.permutation(100).sorted() == Array(0..<100))
    var counts: [[Int]: Int] = [:]
    for _ in 0..<24_000 { counts[random.permutation(4), default: 0] += 1 }
    #expect(counts.count == 24)
    // 1000 each; the standard deviation is 31.
    #expect(counts.values.allSatisfy { 840 < $0 && $0 < 1160 })
  }

  private func mask(
    _ count: Int, rate: Float = 0.3, seed: UInt64 = 1, stream: UInt64 = 2, step: UInt64 = 3,
    row: UInt64 = 4
  ) -> [Float] {
    let memory = Memory(count: count)
    dropoutMask(
      memory.pointer, count: count, rate: rate, seed: seed, stream: stream, step: step, row: row)
    return memory.values
  }

  @Test func masksDependOnTheirKeysOnly() {
    let base = mask(64)
    #expect(mask(64) == base)
    #expect(Array(mask(61).prefix(61)) == Array(base.prefix(61)))
    let others = [
      mask(64, seed: 9), mask(64, stream: 9), mask(64, step: 9), mask(64, row: 9),
      mask(64, stream: 3, step: 2), mask(64, step: 4, row: 3), mask(64, seed: 1 | 1 << 40),
      mask(64, row: 4 | 1 << 40), mask(64, step: 3 | 1 << 40),
    ]
    #expect(Set(others + [base]).count == others.count + 1)
  }

  @Test func masksHaveTheRateAndMeanOne() {
    for rate in [0.1, 0.5, 0.9] as [Float] {
      let values = mask(100_000, rate: rate)
      let kept = 1 / (1 - rate)
      #expect(values.allSatisfy { $0 == 0 || $0 == kept })
      let share = Double(values.count { $0 == 0 }) / 100_000
      #expect(abs(share - Double(rate)) < 0.008)
    }
    #expect(mask(33, rate: 0) == [Float](repeating: 1, count: 33))
    #expect(mask(33, rate: 1) == [Float](repeating: 0, count: 33))
  }
}
