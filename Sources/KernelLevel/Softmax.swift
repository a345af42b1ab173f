// Softmax.swift — rows of logits to probabilities
//
// The largest logit is subtracted first, so no power exceeds 1 and their sum is at least 1.

import Glibc
import KernelInterface

extension Level {
  public static func softmax(_ x: Values, _ y: MutableValues, rows: Int, columns: Int) {
    guard columns > 0 else { return }
    for row in 0..<rows {
      let x = x + row * columns
      let y = y + row * columns
      let top = largest(x, count: columns)
      let sum = sumOverRun(columns) {
        let power = exponential(load(x + $0, $1) - top)
        store(power, y + $0, $1)
        return power
      }
      scale(y, by: Float(1 / sum), y, count: columns)
    }
  }

  public static func softmaxBackward(
    _ y: Values, _ dy: Values, _ dx: MutableValues, rows: Int, columns: Int
  ) {
    for row in 0..<rows {
      let y = y + row * columns
      let dy = dy + row * columns
      let dx = dx + row * columns
      let mean = Float(sumOverRun(columns) { load(y + $0, $1) * load(dy + $0, $1) })
      sweep(columns) { store(load(y + $0, $1) * (load(dy + $0, $1) - mean), dx + $0, $1) }
    }
  }

  public static func logSumExp(_ x: Values, count: Int) -> Float {
    guard count > 0 else { return -.infinity }
    let top = largest(x, count: count)
    let sum = sumOverRun(count) { exponential(load(x + $0, $1) - top) }
    return Float(Double(top) + log(sum))
  }
}
