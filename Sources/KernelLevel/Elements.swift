// Elements.swift — sums, products and copies, element by element
//
// Every function reads the vectors it combines before it writes one, so a target may be one of the
// sources.

import KernelInterface

extension Level {
  public static func fill(_ y: MutableValues, _ value: Float, count: Int) {
    y.update(repeating: value, count: count)
  }

  public static func add(_ x: Values, _ y: MutableValues, count: Int) {
    sweep(count) { store(load(y + $0, $1) + load(x + $0, $1), y + $0, $1) }
  }

  public static func scale(_ x: Values, by a: Float, _ y: MutableValues, count: Int) {
    sweep(count) { store(load(x + $0, $1) * a, y + $0, $1) }
  }

  public static func addScaled(_ x: Values, by a: Float, _ y: MutableValues, count: Int) {
    let factor = Vector(repeating: a)
    sweep(count) {
      store(multiplyAdd(load(x + $0, $1), factor, load(y + $0, $1)), y + $0, $1)
    }
  }

  public static func multiply(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    sweep(count) { store(load(x + $0, $1) * load(y + $0, $1), z + $0, $1) }
  }

  public static func addProduct(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    sweep(count) {
      store(multiplyAdd(load(x + $0, $1), load(y + $0, $1), load(z + $0, $1)), z + $0, $1)
    }
  }

  public static func maximum(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    sweep(count) {
      let x = load(x + $0, $1)
      let y = load(y + $0, $1)
      // Where y is neither greater nor NaN, x is the answer, even if it is NaN itself.
      store(x.replacing(with: y, where: (y .> x) .| (y .!= y)), z + $0, $1)
    }
  }

  public static func clamp(_ x: MutableValues, limit: Float, count: Int) {
    let upper = Vector(repeating: limit)
    let lower = -upper
    sweep(count) { store(atLeast(atMost(load(x + $0, $1), upper), lower), x + $0, $1) }
  }

  public static func broadcast(
    _ row: Values, _ y: MutableValues, stride: Int, rows: Int, columns: Int
  ) {
    for index in 0..<rows { (y + index * stride).update(from: row, count: columns) }
  }

  public static func addColumnSums(
    _ x: Values, stride: Int, rows: Int, columns: Int, into sums: MutableValues
  ) {
    // Columns outside, four vectors at a time, so that the sums stay in registers.
    let width = Vector.scalarCount
    var column = 0
    while column + 4 * width <= columns {
      var s0 = load(sums + column, width)
      var s1 = load(sums + column + width, width)
      var s2 = load(sums + column + 2 * width, width)
      var s3 = load(sums + column + 3 * width, width)
      var source = x + column
      for _ in 0..<rows {
        s0 += load(source, width)
        s1 += load(source + width, width)
        s2 += load(source + 2 * width, width)
        s3 += load(source + 3 * width, width)
        source += stride
      }
      store(s0, sums + column, width)
      store(s1, sums + column + width, width)
      store(s2, sums + column + 2 * width, width)
      store(s3, sums + column + 3 * width, width)
      column += 4 * width
    }
    sweep(columns - column) {
      var sum = load(sums + column + $0, $1)
      for row in 0..<rows { sum += load(x + row * stride + column + $0, $1) }
      store(sum, sums + column + $0, $1)
    }
  }
}
