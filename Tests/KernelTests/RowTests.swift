// RowTests.swift — softmax and layer normalisation with their gradients

import Foundation
import Kernels
import Testing

private func softmax(_ x: [Double]) -> [Double] {
  let top = x.max() ?? 0
  let powers = x.map { exp($0 - top) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}

private func layerNorm(_ x: [Double], _ scale: [Double], _ offset: [Double]) -> [Double] {
  let mean = x.reduce(0, +) / Double(x.count)
  let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
  let deviation = (variance + Double(Float(1e-3))).squareRoot()
  return x.indices.map { (x[$0] - mean) / deviation * scale[$0] + offset[$0] }
}

/// The gradient of Σ weights · f(x) by central differences.
private func differences(
  _ x: [Double], _ weights: [Double], _ f: ([Double]) -> [Double]
) -> [Double] {
  let step = 1e-5
  return x.indices.map { index in
    var (up, down) = (x, x)
    up[index] += step
    down[index] -= step
    let (above, below) = (f(up), f(down))
    return weights.indices.reduce(0) { $0 + weights[$1] * (above[$1] - below[$1]) } / (2 * step)
  }
}

@Suite struct RowTests {
  static let rows = 3

  @Test(arguments: TestedLevel.all)
  func softmaxAgrees(level: TestedLevel) {
    for columns in oddSizes.dropFirst() + [1500] {
      let logits = numbers(Self.rows * columns, seed: 30, scale: 20)
      let weights = numbers(Self.rows * columns, seed: 31)
      let y = Memory(logits)
      level.kernels.softmax(y.constant, y.pointer, rows: Self.rows, columns: columns)
      let dx = Memory(weights)
      level.kernels.softmaxBackward(
        y.constant, dx.constant, dx.pointer, rows: Self.rows, columns: columns)
      for row in 0..<Self.rows {
        let range = row * columns..<(row + 1) * columns
        let x = logits[range].map(Double.init)
        let expected = softmax(x)
        expectClose(Array(y.values[range]), expected, tolerance: 5e-7, "softmax of \(columns)")
        let w = weights[range].map(Double.init)
        let mean = zip(w, expected).reduce(0) { $0 + $1.0 * $1.1 }
        expectClose(
          Array(dx.values[range]), zip(w, expected).map { $1 * ($0 - mean) }, tolerance: 2e-6,
          "softmaxBackward of \(columns)")
        let sum = x.reduce(0) { $0 + exp($1 - 20) }
        let one = Memory(Array(logits[range]))
        let found = level.kernels.logSumExp(one.constant, count: columns)
        _ = one.values
        #expect(abs(Double(found) - (20 + log(sum))) < 3e-6)
      }
    }
  }

  @Test(arguments: TestedLevel.all)
  func softmaxIsStableForExtremeLogits(level: TestedLevel) {
    let x = Memory([3e38, -3e38, 0, 1e30, 2e38])
    let y = Memory(count: 5)
    level.kernels.softmax(x.constant, y.pointer, rows: 1, columns: 5)
    #expect(y.values == [1, 0, 0, 0, 0])
    #expect(level.kernels.logSumExp(x.constant, count: 5) == 3e38)
    let low = Memory([Float](repeating: -3e38, count: 17))
    level.kernels.softmax(low.constant, low.pointer, rows: 1, columns: 17)
    expectClose(low.values, [Double](repeating: 1.0 / 17, count: 17), tolerance: 1e-7, "equal")
  }

  @Test(arguments: TestedLevel.all, [false, true])
  func layerNormAgreesWithItsDefinitionAndDifferences(level: TestedLevel, isScaled: Bool) {
    for columns in [2, 3, 15, 16, 17, 33, 65] {
      let count = Self.rows * columns
      // A mean far from zero: a variance from E[x²] − E[x]² would be wrong.
      let input = numbers(count, seed: 32).map { $0 + 100 }
      let weights = numbers(count, seed: 33)
      let scale = numbers(columns, seed: 34)
      let offset = numbers(columns, seed: 35)
      let x = Memory(input)
      let y = Memory(count: count)
      let normalized = Memory(count: count)
      let inverses = Memory(count: Self.rows)
      let (dy, dx) = (Memory(weights), Memory(count: count))
      let (scaleMemory, offsetMemory) = (Memory(scale), Memory(offset))
      level.kernels.layerNorm(
        x.constant, scale: isScaled ? scaleMemory.constant : nil,
        offset: isScaled ? offsetMemory.constant : nil, epsilon: 1e-3, y.pointer,
        normalized: normalized.pointer, inverses: inverses.pointer, rows: Self.rows,
        columns: columns)
      level.kernels.layerNormBackward(
        dy.constant, scale: isScaled ? scaleMemory.constant : nil,
        normalized: normalized.constant, inverses: inverses.constant, dx.pointer,
        rows: Self.rows, columns: columns)
      let s = isScaled ? scale.map(Double.init) : [Double](repeating: 1, count: columns)
      let o = isScaled ? offset.map(Double.init) : [Double](repeating: 0, count: columns)
      _ = (inverses.values, normalized.values, dy.values)
      for row in 0..<Self.rows {
        let range = row * columns..<(row + 1) * columns
        let x = input[range].map(Double.init)
        expectClose(
          Array(y.values[range]), layerNorm(x, s, o), tolerance: 4e-5, "layerNorm \(columns)")
        let expected = differences(x, weights[range].map(Double.init)) { layerNorm($0, s, o) }
        expectClose(
          Array(dx.values[range]), expected, tolerance: 2e-4, "layerNormBackward \(columns)")
      }
    }
  }
}
