// Support.swift — memory with guards around it, numbers to put there, and comparisons

import Kernels
import Testing

/// An array in memory that no vector is aligned with, between guards that show a write outside.
/// Hold it in a variable for as long as its pointers are used.
final class Memory {
  private let buffer: AlignedBuffer<Float>
  private let guardCount = 35
  private let guardValue: Float = -1234.5
  let count: Int

  init(_ values: [Float]) {
    count = values.count
    buffer = try! AlignedBuffer(count: values.count + 2 * guardCount)
    for index in 0..<buffer.count { buffer.pointer[index] = guardValue }
    for (index, value) in values.enumerated() { pointer[index] = value }
  }

  convenience init(count: Int, repeating value: Float = .nan) {
    self.init([Float](repeating: value, count: count))
  }

  var pointer: MutableValues { buffer.pointer + guardCount }
  var constant: Values { Values(pointer) }

  /// The contents; reports a guard that was overwritten.
  var values: [Float] {
    let before = (0..<guardCount).allSatisfy { buffer.pointer[$0] == guardValue }
    let after = (guardCount + count..<buffer.count).allSatisfy { buffer.pointer[$0] == guardValue }
    #expect(before && after, "written outside of \(count) elements")
    return (0..<count).map { pointer[$0] }
  }
}

/// The same `count` numbers in −scale …< scale for the same seed.
func numbers(_ count: Int, seed: UInt64, scale: Float = 2) -> [Float] {
  var random = RandomSequence(seed: seed, stream: 1)
  return (0..<count).map { _ in (random.uniform() * 2 - 1) * scale }
}

extension Array where Element == Float {
  var bits: [UInt32] { map(\.bitPattern) }
}

/// Distance of `found` from `expected` in units of the last place of the latter.
func ulps(_ found: Float, _ expected: Double) -> Double {
  let rounded = Float(expected)
  if found.isNaN || expected.isNaN { return found.isNaN && expected.isNaN ? 0 : .infinity }
  if found == rounded { return 0 }
  if found.isInfinite || rounded.isInfinite { return .infinity }
  return abs(Double(found) - expected) / Double(rounded.ulp)
}

/// Every element within `tolerance` · max(1, |expected|).
func expectClose(
  _ found: [Float], _ expected: [Double], tolerance: Double, _ comment: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.count == expected.count else {
    Issue.record(
      "\(comment): \(found.count) elements, not \(expected.count)",
      sourceLocation: sourceLocation)
    return
  }
  for (index, (f, e)) in zip(found, expected).enumerated() {
    let isClose = abs(Double(f) - e) <= tolerance * max(1, abs(e))
    if !isClose {
      Issue.record(
        "\(comment): element \(index) is \(f), not \(e)", sourceLocation: sourceLocation)
      return
    }
  }
}

/// A level as a test's argument.
struct TestedLevel: CustomTestStringConvertible, Sendable {
  let kernels: any KernelSet.Type
  var testDescription: String { kernels.name }
  static let all = availableKernels.map { TestedLevel(kernels: $0) }
}

/// Sizes around the widths of vectors, panels and tiles of all levels.
let oddSizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 64, 65, 129]
