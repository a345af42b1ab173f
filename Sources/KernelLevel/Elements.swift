// Elements.swift — sums, products and copies, element by element
//
// Every function reads the vectors it combines before it writes one, so a target may be one of the
// sources.

import CProcessor
import KernelInterface

extension Level {
  public static func prefetch(_ rows: Rows, count: Int, columns: Int) {
    for row in 0..<count {
      for column in stride(from: 0, to: columns, by: 16) { refrain_prefetch(rows[row] + column) }
    }
  }

  public static func fill(_ y: MutableValues, _ value: Float, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(Vector(repeating: value), y + j, lanes)
    }
    sweep(count, part)
  }

  public static func add(_ x: Values, _ y: MutableValues, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(load(y + j, lanes) + load(x + j, lanes), y + j, lanes)
    }
    sweep(count, part)
  }

  public static func scale(_ x: Values, by a: Float, _ y: MutableValues, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(load(x + j, lanes) * a, y + j, lanes)
    }
    sweep(count, part)
  }

  public static func addScaled(_ x: Values, by a: Float, _ y: MutableValues, count: Int) {
    let factor = Vector(repeating: a)
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(multiplyAdd(load(x + j, lanes), factor, load(y + j, lanes)), y + j, lanes)
    }
    sweep(count, part)
  }

  public static func multiply(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(load(x + j, lanes) * load(y + j, lanes), z + j, lanes)
    }
    sweep(count, part)
  }

  public static func addProduct(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(multiplyAdd(load(x + j, lanes), load(y + j, lanes), load(z + j, lanes)), z + j, lanes)
    }
    sweep(count, part)
  }

  public static func mix(_ x: Values, into y: MutableValues, by w: Values, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let mixed = blend(load(y + j, lanes), load(x + j, lanes), by: load(w + j, lanes))
      store(mixed, y + j, lanes)
    }
    sweep(count, part)
  }

  public static func maximum(_ x: Values, _ y: Values, _ z: MutableValues, count: Int) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let x = load(x + j, lanes)
      let y = load(y + j, lanes)
      // Where y is neither greater nor NaN, x is the answer, even if it is NaN itself.
      store(x.replacing(with: y, where: (y .> x) .| (y .!= y)), z + j, lanes)
    }
    sweep(count, part)
  }

  public static func clamp(_ x: MutableValues, limit: Float, count: Int) {
    let upper = Vector(repeating: limit)
    let lower = -upper
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(atLeast(atMost(load(x + j, lanes), upper), lower), x + j, lanes)
    }
    sweep(count, part)
  }

  public static func broadcast(
    _ row: Values, _ y: MutableValues, stride: Int, rows: Int, columns: Int
  ) {
    for index in 0..<rows { copy(row, y + index * stride, columns) }
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
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      var sum = load(sums + column + j, lanes)
      for row in 0..<rows { sum += load(x + row * stride + column + j, lanes) }
      store(sum, sums + column + j, lanes)
    }
    sweep(columns - column, part)
  }
}
