// Initializer.swift — how parameters begin
//
// Shapes are [fan out, fan in], as PyTorch stores weights; the distributions are Keras's. A
// recurrent layer's gates are drawn as one matrix, as Keras does, so fan out counts all gates.

import Glibc
import Kernels

/// A distribution of initial values.
public enum Initializer: Equatable, Sendable {
  case constant(Double)
  case uniform(minimum: Double, maximum: Double)
  case normal(mean: Double, deviation: Double)
  /// Variance scale / fan, where fan is fan in, fan out or their mean.
  case varianceScaling(scale: Double, fan: Fan, isUniform: Bool)
  /// Orthonormal columns (or rows, if there are fewer) times `gain`. Saxe et al. 2014.
  case orthogonal(gain: Double)
  /// A constant with the forget gate's part at 1, so that an LSTM starts by remembering:
  /// Jozefowicz et al. 2015.
  case forgetBias(rest: Double, gate: Int, of: Int)

  public enum Fan: Sendable { case input, output, mean }

  /// Writes an array of `shape`.
  func fill(_ values: MutableValues, shape: [Int], random: inout RandomSequence) {
    let count = shape.reduce(1, *)
    switch self {
    case .constant(let value):
      for i in 0..<count { values[i] = Float(value) }
    case .uniform(let minimum, let maximum):
      for i in 0..<count {
        values[i] = Float(minimum + (maximum - minimum) * random.uniformDouble())
      }
    case .normal(let mean, let deviation):
      for i in 0..<count { values[i] = Float(mean + deviation * random.normal()) }
    case .varianceScaling(let scale, let fan, let isUniform):
      let fanIn = Double(shape.last ?? 1)
      let fanOut = Double(shape.count > 1 ? shape[0] : 1)
      let n =
        switch fan {
        case .input: fanIn
        case .output: fanOut
        case .mean: (fanIn + fanOut) / 2
        }
      let variance = scale / max(1, n)
      let next: Initializer =
        isUniform
        ? .uniform(minimum: -sqrt(3 * variance), maximum: sqrt(3 * variance))
        : .normal(mean: 0, deviation: sqrt(variance))
      next.fill(values, shape: shape, random: &random)
    case .orthogonal(let gain):
      fillOrthogonal(values, rows: shape[0], columns: count / max(1, shape[0]), gain, &random)
    case .forgetBias(let rest, let gate, let gates):
      let part = count / gates
      for i in 0..<count { values[i] = i / max(1, part) == gate ? 1 : Float(rest) }
    }
  }

  /// Gram–Schmidt on the shorter side's vectors, each orthogonalised twice, which is enough for
  /// full accuracy (Giraud et al. 2005). In Double, so that every processor gives the same bits, and
  /// several vectors at a time, because reading the earlier ones from memory is what takes long.
  private func fillOrthogonal(
    _ values: MutableValues, rows: Int, columns: Int, _ gain: Double, _ random: inout RandomSequence
  ) {
    typealias Lanes = SIMD8<Double>
    let vectors = min(rows, columns)
    let length = max(rows, columns)
    let lanes = (length + Lanes.scalarCount - 1) / Lanes.scalarCount
    let together = 8
    var storage = [Lanes](repeating: .zero, count: vectors * lanes)
    storage.withUnsafeMutableBufferPointer { storage in
      guard let basis = storage.baseAddress else { return }
      func vector(_ v: Int) -> UnsafeMutablePointer<Lanes> { basis + v * lanes }
      func removeComponent(of v: Int, along u: Int) {
        let (vector, other) = (vector(v), vector(u))
        var dot = Lanes.zero
        for l in 0..<lanes { dot += vector[l] * other[l] }
        let projection = dot.sum()
        for l in 0..<lanes { vector[l] -= projection * other[l] }
      }

      for v in 0..<vectors {
        for i in 0..<length {
          vector(v)[i / Lanes.scalarCount][i % Lanes.scalarCount] = random.normal()
        }
      }
      for first in stride(from: 0, to: vectors, by: together) {
        let block = first..<min(vectors, first + together)
        for _ in 0..<2 {
          for u in 0..<first {
            for v in block { removeComponent(of: v, along: u) }
          }
        }
        for v in block {
          for _ in 0..<2 {
            for u in first..<v { removeComponent(of: v, along: u) }
          }
          var square = Lanes.zero
          for l in 0..<lanes { square += vector(v)[l] * vector(v)[l] }
          let scale = 1 / sqrt(square.sum())
          for l in 0..<lanes { vector(v)[l] *= scale }
        }
      }
      for v in 0..<vectors {
        for i in 0..<length {
          let value = Float(gain * vector(v)[i / Lanes.scalarCount][i % Lanes.scalarCount])
          values[rows >= columns ? i * columns + v : v * columns + i] = value
        }
      }
    }
  }
}
