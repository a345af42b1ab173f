// ElementTests.swift — element by element, column sums, reductions

import Kernels
import Testing

@Suite struct ElementTests {
  @Test(arguments: TestedLevel.all)
  func combinationsAgree(level: TestedLevel) {
    let kernels = level.kernels
    for count in oddSizes {
      let a = numbers(count, seed: 20)
      let b = numbers(count, seed: 21)
      let c = numbers(count, seed: 22)
      let x = Memory(a)
      let y = Memory(b)

      func check(
        _ name: String, _ run: (MutableValues) -> Void, _ expected: (Int) -> Double
      ) {
        let z = Memory(c)
        run(z.pointer)
        expectClose(
          z.values, (0..<count).map(expected), tolerance: 3e-7, "\(name) of \(count)")
      }
      check("fill", { kernels.fill($0, 7, count: count) }, { _ in 7 })
      check("add", { kernels.add(x.constant, $0, count: count) }) { Double(c[$0]) + Double(a[$0]) }
      check("scale", { kernels.scale(x.constant, by: 1.7, $0, count: count) }) {
        Double(a[$0]) * Double(Float(1.7))
      }
      check("addScaled", { kernels.addScaled(x.constant, by: 1.7, $0, count: count) }) {
        Double(c[$0]) + Double(a[$0]) * Double(Float(1.7))
      }
      check("multiply", { kernels.multiply(x.constant, y.constant, $0, count: count) }) {
        Double(a[$0]) * Double(b[$0])
      }
      check("addProduct", { kernels.addProduct(x.constant, y.constant, $0, count: count) }) {
        Double(c[$0]) + Double(a[$0]) * Double(b[$0])
      }
      check("maximum", { kernels.maximum(x.constant, y.constant, $0, count: count) }) {
        Double(max(a[$0], b[$0]))
      }
      check("clamp", { kernels.clamp($0, limit: 0.5, count: count) }) {
        Double(min(0.5, max(-0.5, c[$0])))
      }
      #expect(x.values == a && y.values == b)
    }
  }

  @Test(arguments: TestedLevel.all)
  func targetsMayBeSources(level: TestedLevel) {
    for count in [3, 16, 37] {
      let a = numbers(count, seed: 23)
      let b = numbers(count, seed: 24)
      let y = Memory(b)
      let z = Memory(a)
      level.kernels.multiply(z.constant, y.constant, z.pointer, count: count)
      level.kernels.addProduct(z.constant, y.constant, z.pointer, count: count)
      level.kernels.scale(z.constant, by: 2, z.pointer, count: count)
      level.kernels.addScaled(z.constant, by: 1, z.pointer, count: count)
      let expected = zip(a, b).map { a, b -> Double in
        let product = Double(a) * Double(b)
        return (product + product * Double(b)) * 4
      }
      expectClose(z.values, expected, tolerance: 1e-6, "in place")
    }
  }

  @Test(arguments: TestedLevel.all)
  func maximumAndClampKeepNan(level: TestedLevel) {
    let x = Memory([.nan, 1, .nan, -.infinity])
    let y = Memory([1, .nan, .nan, 3])
    level.kernels.maximum(x.constant, y.constant, x.pointer, count: 4)
    #expect(x.values[..<3].allSatisfy { $0.isNaN } && x.values[3] == 3)
    let z = Memory([.nan, .infinity, -.infinity, 0.25])
    level.kernels.clamp(z.pointer, limit: 2, count: 4)
    #expect(z.values[0].isNaN && z.values[1...] == [2, -2, 0.25])
  }

  @Test(arguments: TestedLevel.all)
  func rowsAreBroadcastAndColumnsSummed(level: TestedLevel) {
    for columns in [1, 3, 16, 31, 64, 65, 129, 150] {
      for rows in [0, 1, 5] {
        let stride = columns + 2
        let row = numbers(columns, seed: 25)
        let source = Memory(row)
        let y = Memory(count: rows * stride, repeating: 9)
        level.kernels.broadcast(
          source.constant, y.pointer, stride: stride, rows: rows, columns: columns)
        for index in 0..<rows {
          #expect(Array(y.values[index * stride..<index * stride + columns]) == row)
          #expect(y.values[index * stride + columns] == 9)
        }

        let values = numbers(rows * stride, seed: 26)
        let x = Memory(values)
        let sums = Memory(row)
        level.kernels.addColumnSums(
          x.constant, stride: stride, rows: rows, columns: columns, into: sums.pointer)
        // In the order of the rows: the same bits as plain additions.
        var expected = row
        for index in 0..<rows {
          for column in 0..<columns { expected[column] += values[index * stride + column] }
        }
        #expect(sums.values == expected)
      }
    }
  }

  @Test(arguments: TestedLevel.all)
  func squaresAreSummedInDouble(level: TestedLevel) {
    for count in oddSizes + [10_001] {
      let a = numbers(count, seed: 27, scale: 1e25)
      let expected = a.reduce(0.0) { $0 + Double($1) * Double($1) }
      let x = Memory(a)
      let found = level.kernels.sumOfSquares(x.constant, count: count)
      _ = x.values
      #expect(abs(found - expected) <= 1e-13 * expected)
    }
  }

  @Test(arguments: TestedLevel.all)
  func squaresOfSumsAreSummedInDouble(level: TestedLevel) {
    for count in oddSizes + [10_001] {
      let (a, b) = (numbers(count, seed: 27), numbers(count, seed: 29))
      let factor = 0.37 as Float
      let expected = zip(a, b).reduce(0.0) { sum, pair in
        let x = Double(pair.0) + Double(factor) * Double(pair.1)
        return sum + x * x
      }
      let (x, y) = (Memory(a), Memory(b))
      let found = level.kernels.sumOfSquares(
        x.constant, adding: y.constant, times: factor, count: count)
      _ = (x.values, y.values)
      #expect(abs(found - expected) <= 1e-13 * expected)
    }
  }

  @Test(arguments: TestedLevel.all)
  func dotIsSummedInDouble(level: TestedLevel) {
    for count in oddSizes + [10_001] {
      let a = numbers(count, seed: 27)
      let b = numbers(count, seed: 28)
      let expected = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      let (x, y) = (Memory(a), Memory(b))
      let found = level.kernels.dot(x.constant, y.constant, count: count)
      _ = (x.values, y.values)
      #expect(abs(found - expected) <= 1e-11)
    }
  }

  @Test(arguments: TestedLevel.all)
  func oneInfiniteElementIsFound(level: TestedLevel) {
    for count in oddSizes {
      var values = numbers(count, seed: 29, scale: 3e38)
      func isFinite() -> Bool {
        let x = Memory(values)
        defer { _ = x.values }
        return level.kernels.isFinite(x.constant, count: count)
      }
      #expect(isFinite())
      for position in 0..<count {
        let kept = values[position]
        for bad in [Float.nan, .infinity, -.infinity] {
          values[position] = bad
          #expect(!isFinite())
        }
        values[position] = kept
      }
    }
  }
}
