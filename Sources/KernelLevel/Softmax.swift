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
      var sum = RunSum()
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let power = exponential(load(x + j, lanes) - top)
        store(power, y + j, lanes)
        sum.add(power, lanes)
      }
      sweep(columns, part)
      scale(y, by: Float(1 / sum.value), y, count: columns)
    }
  }

  public static func softmaxBackward(
    _ y: Values, _ dy: Values, _ dx: MutableValues, rows: Int, columns: Int
  ) {
    for row in 0..<rows {
      let y = y + row * columns
      let dy = dy + row * columns
      let dx = dx + row * columns
      var sum = RunSum()
      @inline(always) func addTerm(_ j: Int, _ lanes: Int) {
        sum.add(load(y + j, lanes) * load(dy + j, lanes), lanes)
      }
      sweep(columns, addTerm)
      let mean = Float(sum.value)
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        store(load(y + j, lanes) * (load(dy + j, lanes) - mean), dx + j, lanes)
      }
      sweep(columns, part)
    }
  }

  public static func logSumExp(_ x: Values, count: Int) -> Float {
    guard count > 0 else { return -.infinity }
    let top = largest(x, count: count)
    var sum = RunSum()
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      sum.add(exponential(load(x + j, lanes) - top), lanes)
    }
    sweep(count, part)
    return Float(Double(top) + log(sum.value))
  }
}
