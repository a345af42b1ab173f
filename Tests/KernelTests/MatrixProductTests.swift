// MatrixProductTests.swift — packing, the product, its order of summation

import Kernels
import Testing

/// One product with its strides, and the answer in plain Double loops.
private struct Problem {
  var rows: Int
  var columns: Int
  var depth: Int
  var aIsTransposed = false
  var bIsTransposed = false
  var accumulate = false

  // Strides are larger than the rows, by different amounts.
  var aStride: Int { (aIsTransposed ? rows : depth) + 3 }
  var bStride: Int { (bIsTransposed ? depth : columns) + 5 }
  var cStride: Int { columns + 2 }
  var aRowStride: Int { aIsTransposed ? 1 : aStride }
  var aColumnStride: Int { aIsTransposed ? aStride : 1 }
  var bRowStride: Int { bIsTransposed ? 1 : bStride }
  var bColumnStride: Int { bIsTransposed ? bStride : 1 }

  var a: [Float] { numbers((aIsTransposed ? depth : rows) * aStride, seed: 1) }
  var b: [Float] { numbers((bIsTransposed ? columns : depth) * bStride, seed: 2) }
  var c: [Float] { numbers(rows * cStride, seed: 3) }

  /// c with its padding, which must not change.
  var expected: [Double] {
    let (a, b, c) = (a, b, c)
    var result = c.map(Double.init)
    for m in 0..<rows {
      for n in 0..<columns {
        var sum = accumulate ? Double(c[m * cStride + n]) : 0
        for k in 0..<depth {
          sum +=
            Double(a[m * aRowStride + k * aColumnStride])
            * Double(b[k * bRowStride + n * bColumnStride])
        }
        result[m * cStride + n] = sum
      }
    }
    return result
  }

  func found(_ kernels: any KernelSet.Type) -> [Float] {
    let packed = packed(kernels)
    let a = Memory(a)
    let c = Memory(c)
    kernels.multiply(
      .strided(a.constant, rowStride: aRowStride, columnStride: aColumnStride),
      .packed(packed.constant, depth: depth, panelWidth: kernels.panelWidth), c.pointer,
      cStride: cStride, rows: rows, columns: columns, depth: depth,
      start: accumulate ? .sums : .zero)
    return c.values
  }

  func packed(_ kernels: any KernelSet.Type) -> Memory {
    let width = kernels.panelWidth
    let b = Memory(b)
    let packed = Memory(count: depth * ((columns + width - 1) / width * width))
    kernels.pack(
      b.constant, rowStride: bRowStride, columnStride: bColumnStride, depth: depth,
      columns: columns, panelStride: depth * width, into: packed.pointer)
    return packed
  }

  func check(_ kernels: any KernelSet.Type) {
    expectClose(
      found(kernels), expected, tolerance: 2e-6 * Double(max(depth, 1)).squareRoot() + 1e-6,
      "\(kernels.name) \(self)")
  }
}

@Suite struct MatrixProductTests {
  @Test(arguments: TestedLevel.all)
  func everyTileAgreesWithTheDoubleReference(level: TestedLevel) {
    for rows in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17] {
      for columns in oddSizes {
        Problem(rows: rows, columns: columns, depth: 11).check(level.kernels)
        Problem(rows: rows, columns: columns, depth: 6, accumulate: true).check(level.kernels)
      }
    }
  }

  @Test(arguments: TestedLevel.all)
  func everyStrideAgreesWithTheDoubleReference(level: TestedLevel) {
    for aIsTransposed in [false, true] {
      for bIsTransposed in [false, true] {
        for columns in [1, 15, 16, 17, 65] {
          for accumulate in [false, true] {
            Problem(
              rows: 7, columns: columns, depth: 19, aIsTransposed: aIsTransposed,
              bIsTransposed: bIsTransposed, accumulate: accumulate
            ).check(level.kernels)
          }
        }
      }
    }
  }

  @Test(arguments: TestedLevel.all)
  func depthZeroGivesZerosOrLeavesTheSum(level: TestedLevel) {
    Problem(rows: 3, columns: 17, depth: 0).check(level.kernels)
    Problem(rows: 3, columns: 17, depth: 0, accumulate: true).check(level.kernels)
  }

  @Test(arguments: TestedLevel.all)
  func blocksOfRowsAndDepthAgree(level: TestedLevel) {
    Problem(rows: 251, columns: 35, depth: 5).check(level.kernels)
    Problem(rows: 5, columns: 35, depth: 1031).check(level.kernels)
    Problem(rows: 5, columns: 35, depth: 1031, accumulate: true).check(level.kernels)
  }

  /// The promise that makes results independent of batch and threads.
  @Test(arguments: TestedLevel.all)
  func bitsOfARowDependNeitherOnItsNeighboursNorOnBlocks(level: TestedLevel) {
    for (columns, depth) in [(65, 29), (40, 700), (129, 3)] {
      let all = Problem(rows: 23, columns: columns, depth: depth)
      let together = all.found(level.kernels)
      let packed = all.packed(level.kernels)
      let a = Memory(all.a)
      for rows in 1...9 {
        for first in stride(from: 0, through: 23 - rows, by: 5) {
          let c = Memory(count: rows * columns)
          level.kernels.multiply(
            .strided(a.constant + first * all.aStride, rowStride: all.aStride, columnStride: 1),
            .packed(packed.constant, depth: depth, panelWidth: level.kernels.panelWidth),
            c.pointer, cStride: columns, rows: rows, columns: columns, depth: depth,
            start: .zero)
          for row in 0..<rows {
            let start = (first + row) * all.cStride
            #expect(
              Array(c.values[row * columns..<(row + 1) * columns]).bits
                == Array(together[start..<start + columns]).bits)
          }
        }
      }
    }
  }

  /// In the order of the rows: the same bits as plain additions. And the same panels.
  @Test(arguments: TestedLevel.all)
  func columnsAreSummedWhileTheyArePacked(level: TestedLevel) {
    for (columns, count) in [1, 7, 16, 37, 64, 70, 150].flatMap({ [($0, 0), ($0, 1), ($0, 2)] }) {
      let problem = Problem(rows: 1, columns: columns, depth: 9)
      let (b, width) = (Memory(problem.b), level.kernels.panelWidth)
      let packed = Memory(count: 9 * ((columns + width - 1) / width * width))
      let sums = (Memory(numbers(columns, seed: 4)), Memory(numbers(columns, seed: 5)))
      var expected = (sums.0.values, sums.1.values)
      for k in 0..<9 {
        for n in 0..<columns {
          if count > 0 { expected.0[n] += problem.b[k * problem.bStride + n] }
          if count > 1 { expected.1[n] += problem.b[k * problem.bStride + n] }
        }
      }
      level.kernels.pack(
        b.constant, rowStride: problem.bStride, columnStride: 1, depth: 9, columns: columns,
        panelStride: 9 * width, into: packed.pointer,
        sums: ColumnSums(
          first: count > 0 ? sums.0.pointer : nil, second: count > 1 ? sums.1.pointer : nil))
      #expect(sums.0.values == expected.0 && sums.1.values == expected.1)
      #expect(packed.values == problem.packed(level.kernels).values)
    }
  }

  @Test(arguments: TestedLevel.all)
  func accumulatingBlocksGivesTheBitsOfOnePass(level: TestedLevel) {
    let whole = Problem(rows: 5, columns: 37, depth: 50)
    let c = Memory(count: 5 * 37)
    let a = Memory(whole.a)
    let width = level.kernels.panelWidth
    for (start, end) in [(0, 20), (20, 21), (21, 50)] {
      let b = Memory(Array(whole.b[start * whole.bStride..<end * whole.bStride]))
      let packed = Memory(count: (end - start) * ((37 + width - 1) / width * width))
      level.kernels.pack(
        b.constant, rowStride: whole.bStride, columnStride: 1, depth: end - start, columns: 37,
        panelStride: (end - start) * width, into: packed.pointer)
      level.kernels.multiply(
        .strided(a.constant + start, rowStride: whole.aStride, columnStride: 1),
        .packed(packed.constant, depth: end - start, panelWidth: width), c.pointer, cStride: 37,
        rows: 5, columns: 37, depth: end - start, start: start > 0 ? .sums : .zero)
    }
    let once = whole.found(level.kernels)
    for row in 0..<5 {
      #expect(
        Array(c.values[row * 37..<(row + 1) * 37]).bits
          == Array(once[row * whole.cStride..<row * whole.cStride + 37]).bits)
    }
  }

  @Test(arguments: TestedLevel.all)
  func aMatrixAsItLiesGivesTheBitsOfAPackedOne(level: TestedLevel) {
    let problem = Problem(rows: 11, columns: 48, depth: 30)
    let (a, b) = (Memory(problem.a), Memory(problem.b))
    let c = Memory(problem.c)
    level.kernels.multiply(
      .strided(a.constant, rowStride: problem.aStride, columnStride: 1),
      .rows(b.constant, stride: problem.bStride, panelWidth: level.kernels.panelWidth),
      c.pointer, cStride: problem.cStride, rows: 11, columns: 48, depth: 30, start: .zero)
    #expect(c.values.bits == problem.found(level.kernels).bits)
  }

  /// Tiles begin anywhere in a panel, and so do blocks of rows.
  @Test(arguments: TestedLevel.all)
  func aLeftSideInPanelsGivesTheBitsOfOneAsItLies(level: TestedLevel) {
    let width = level.kernels.panelWidth
    for (rows, columns, depth) in [(1, 5, 3), (19, 40, 7), (64, 64, 256), (251, 9, 700)] {
      let problem = Problem(rows: rows, columns: columns, depth: depth, aIsTransposed: true)
      let (a, b) = (Memory(problem.a), problem.packed(level.kernels))
      let panels = Memory(count: depth * ((rows + width - 1) / width * width))
      level.kernels.pack(
        a.constant, rowStride: problem.aStride, columnStride: 1, depth: depth, columns: rows,
        panelStride: depth * width, into: panels.pointer, sums: ColumnSums())
      let c = Memory(problem.c)
      level.kernels.multiply(
        .packed(panels.constant, depth: depth, panelWidth: width),
        .packed(b.constant, depth: depth, panelWidth: width), c.pointer, cStride: problem.cStride,
        rows: rows, columns: columns, depth: depth, start: .zero)
      #expect(c.values.bits == problem.found(level.kernels).bits, "\(rows)×\(columns)×\(depth)")
    }
  }

  @Test func packedMatrixAgreesForEveryWayThroughIt() throws {
    let (rows, columns, depth) = (29, 70, 41)
    for aIsTransposed in [false, true] {
      for bIsTransposed in [false, true] {
        for accumulate in [false, true] {
          let problem = Problem(
            rows: rows, columns: columns, depth: depth, aIsTransposed: aIsTransposed,
            bIsTransposed: bIsTransposed, accumulate: accumulate)
          let a = Memory(problem.a)
          let b = Memory(problem.b)
          let c = Memory(problem.c)
          let matrix = try PackedMatrix(depth: depth, columns: columns)
          matrix.update(
            b.constant, rowStride: problem.bRowStride, columnStride: problem.bColumnStride)
          matrix.view.multiply(
            a.constant, aRowStride: problem.aRowStride, aColumnStride: problem.aColumnStride,
            into: c.pointer, cStride: problem.cStride, rows: rows,
            start: accumulate ? .sums : .zero)
          expectClose(c.values, problem.expected, tolerance: 2e-5, "\(problem)")
        }
      }
    }
  }

  /// All timesteps of one long sequence, and the first few of many, among which are none and all.
  @Test func transposedProductAddsToTheResult() {
    for (rows, columns, depth) in [
      (1, 1, 1), (7, 33, 300), (5, 1030, 9), (19, 16, 513), (150, 48, 40), (530, 130, 260),
      (3, 4, 0),
    ] {
      checkTransposed(rows, columns, batch: 1, timesteps: depth, lengths: nil)
    }
    let lengths = (0..<45).map { Int32($0 * 7 % 12) }
    for (rows, columns) in [(7, 33), (21, 32), (150, 5)] {
      checkTransposed(rows, columns, batch: 45, timesteps: 11, lengths: lengths)
      checkTransposed(rows, columns, batch: 3, timesteps: 400, lengths: [400, 0, 399])
    }
  }

  private func checkTransposed(
    _ rows: Int, _ columns: Int, batch: Int, timesteps: Int, lengths: [Int32]?
  ) {
    let depth = batch * timesteps
    let (aStride, bStride, cStride) = (rows + 2, columns + (columns % 16 == 0 ? 0 : 1), columns + 3)
    let counts = (0..<depth).map { k in
      lengths.map { k % timesteps < Int($0[k / timesteps]) } ?? true
    }
    // What does not count may be anything.
    var values = numbers(depth * aStride, seed: 4)
    for k in 0..<depth where !counts[k] { values[k * aStride] = .nan }
    let a = Memory(values)
    let b = Memory(numbers(depth * bStride, seed: 5))
    let before = numbers(rows * cStride, seed: 6)
    let c = Memory(before)
    let sumsBefore = numbers(rows, seed: 7)
    let sums = Memory(sumsBefore)
    let otherSums = Memory(sumsBefore)
    // A second target: aᵀ · a.
    let square = Memory(count: rows * rows, repeating: 0)
    let scratch = Memory(
      count: transposedProductScratch(rows: rows, columns: columns, second: rows, depth: depth))
    (lengths ?? [0]).withUnsafeBufferPointer { pointer in
      accumulateTransposedProduct(
        a: a.constant, aStride: aStride, rows: rows,
        into: TransposedTarget(
          b: b.constant, bStride: bStride, columns: columns, c: c.pointer, cStride: cStride,
          sums: sums.pointer),
        and: TransposedTarget(
          b: a.constant, bStride: aStride, columns: rows, c: square.pointer, cStride: rows,
          sums: otherSums.pointer),
        depth: SequenceRows(
          batch: batch, timesteps: timesteps, lengths: lengths == nil ? nil : pointer.baseAddress),
        scratch: scratch.pointer)
    }
    var expected = before.map(Double.init)
    var expectedSums = sumsBefore.map(Double.init)
    var expectedSquare = [Double](repeating: 0, count: rows * rows)
    for k in 0..<depth where counts[k] {
      for m in 0..<rows {
        let value = Double(values[k * aStride + m])
        expectedSums[m] += value
        for n in 0..<columns {
          expected[m * cStride + n] += value * Double(b.pointer[k * bStride + n])
        }
        for n in 0..<rows {
          expectedSquare[m * rows + n] += value * Double(values[k * aStride + n])
        }
      }
    }
    let comment = "\(rows)×\(columns)×\(batch)×\(timesteps)"
    expectClose(c.values, expected, tolerance: 1e-4, comment)
    expectClose(square.values, expectedSquare, tolerance: 2e-4, "square of \(comment)")
    expectClose(sums.values, expectedSums, tolerance: 1e-4, "sums of \(comment)")
    #expect(otherSums.values.bits == sums.values.bits, "other sums of \(comment)")
    _ = scratch.values
  }

  /// A row in place of zeros, such as a bias.
  @Test(arguments: TestedLevel.all)
  func everyRowMayStartFromTheSameValues(level: TestedLevel) {
    for depth in [0, 9, 700] {
      let problem = Problem(rows: 11, columns: 37, depth: depth)
      let (a, c) = (Memory(problem.a), Memory(problem.c))
      let packed = problem.packed(level.kernels)
      let row = numbers(37, seed: 8)
      let start = Memory(row)
      level.kernels.multiply(
        .strided(a.constant, rowStride: problem.aStride, columnStride: 1),
        .packed(packed.constant, depth: depth, panelWidth: level.kernels.panelWidth), c.pointer,
        cStride: problem.cStride, rows: 11, columns: 37, depth: depth, start: .row(start.constant))
      var expected = problem.expected
      for m in 0..<11 {
        for n in 0..<37 { expected[m * problem.cStride + n] += Double(row[n]) }
      }
      expectClose(c.values, expected, tolerance: 6e-5, "\(level.kernels.name) depth \(depth)")
    }
  }

  @Test func scratchIsBoundedAndSizesAreChecked() {
    #expect(
      transposedProductScratch(
        rows: 1 << 40, columns: 1 << 40, second: 1 << 40, depth: 1 << 40)
        <= 256 * (256 + 2 * 512))
    #expect(throws: MemoryError.self) { try PackedMatrix(depth: .max / 8, columns: 1 << 20) }
    #expect(throws: MemoryError.self) { try PackedMatrix(depth: 1, columns: .max) }
    #expect(throws: MemoryError.self) { try PackedMatrix(depth: -1, columns: 1) }
  }
}
