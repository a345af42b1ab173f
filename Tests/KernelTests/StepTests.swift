// StepTests.swift — the fused timesteps against the equations, their gradients against differences
//
// Of the rows, which are as many as the highest tile of four vectors has, every second one is invalid. All
// strides differ from the sizes and from each other.

import Glibc
import Kernels
import Testing

private let rowCount = 6
private let validStride = 2
private let hiddenSizes = [1, 3, 8, 12, 16, 19, 33, 70]

/// 1 0 1 0 …, with other numbers between.
private func validity(_ rows: Int) -> [UInt8] { (0..<rows).flatMap { [$0 % 2 == 0 ? 1 : 0, 9] } }

private func isValid(_ row: Int) -> Bool { row % 2 == 0 }

/// A matrix with rows `stride` apart.
private struct Matrix {
  let memory: Memory
  let stride: Int
  let columns: Int

  init(rows: Int = rowCount, columns: Int, padding: Int, seed: UInt64, scale: Float = 2) {
    self.columns = columns
    stride = columns + padding
    memory = Memory(numbers(rows * stride, seed: seed, scale: scale))
  }
  var rows: Rows { Rows(memory.pointer, stride: stride) }
  subscript(row: Int) -> [Float] {
    Array(memory.values[row * stride..<row * stride + columns])
  }
  func doubles(_ row: Int) -> [Double] { self[row].map(Double.init) }
  /// A matrix of its own with the same contents.
  func copy() -> Matrix { Matrix(copying: self) }
  private init(copying other: Matrix) {
    columns = other.columns
    stride = other.stride
    memory = Memory(other.memory.values)
  }
}

/// The product of a timestep: five inputs, weights of `groups` gates.
private struct Recurrence {
  private static let depth = 5
  let input: Matrix
  private let weights: Matrix
  private let packed: Memory
  private let panelWidth: Int
  private let gates: Int
  /// What the product adds in each row, gate after gate.
  let values: [[Double]]

  init(_ level: TestedLevel, rows: Int = rowCount, groups: Int, size: Int, seed: UInt64) {
    gates = groups
    let columns = groups * size
    panelWidth = level.kernels.panelWidth
    // With GRUResetStep the input is also what r is multiplied by.
    input = Matrix(rows: rows, columns: max(size, Self.depth), padding: 3, seed: seed)
    weights = Matrix(rows: columns, columns: Self.depth, padding: 2, seed: seed + 1, scale: 0.5)
    packed = Memory(
      count: groups * Self.depth * ((size + panelWidth - 1) / panelWidth * panelWidth))
    level.kernels.pack(
      Values(weights.rows.base), rowStride: 1, columnStride: weights.stride, depth: Self.depth,
      columns: columns, inGroupsOf: groups, into: packed.pointer)
    let weightRows = (0..<columns).map(weights.doubles)
    values = (0..<rows).map { [input] row in
      let x = input.doubles(row)
      return weightRows.map { zip(x, $0).reduce(0) { $0 + $1.0 * $1.1 } }
    }
  }

  var product: StepProduct {
    StepProduct(
      input: input.rows,
      weights: .grouped(
        packed.constant, depth: Self.depth, gates: gates, panelWidth: panelWidth),
      depth: Self.depth)
  }

  /// a with the product in the columns from `first` on.
  func added(to a: [Double], row: Int, from first: Int = 0) -> [Double] {
    var a = a
    for (column, value) in values[row].enumerated() where first + column < a.count {
      a[first + column] += value
    }
    return a
  }
}

/// What backward's gradient of a hidden state gets through a product: of one array or of two, whose
/// weights lie in the same matrix, and a mask that is applied to the sum.
private struct GradientRecurrence {
  private static let depths = [6, 3]
  private let inputs: [Matrix]
  private let weights: Matrix
  private let packed: Memory
  private let panelWidth: Int
  private let mask: Matrix?
  let product: GradientProduct
  /// Before and after the mask, for each row.
  let unmasked: [[Double]]
  let values: [[Double]]

  init(
    _ level: TestedLevel, rows: Int = rowCount, size: Int, arrays: Int, hasMask: Bool,
    seed: UInt64
  ) {
    let depths = Self.depths[..<arrays]
    let depth = depths.reduce(0, +)
    let panelWidth = level.kernels.panelWidth
    let inputs = depths.map { depth in
      Matrix(rows: rows, columns: depth, padding: 3, seed: seed + UInt64(depth))
    }
    let weights = Matrix(rows: depth, columns: size, padding: 2, seed: seed + 1, scale: 0.5)
    let packed = Memory(count: depth * ((size + panelWidth - 1) / panelWidth * panelWidth))
    let mask = hasMask ? Matrix(rows: rows, columns: size, padding: 1, seed: seed + 2) : nil
    level.kernels.pack(
      Values(weights.rows.base), rowStride: weights.stride, columnStride: 1, depth: depth,
      columns: size, panelStride: depth * panelWidth, into: packed.pointer)
    unmasked = (0..<rows).map { row in
      let a = inputs.flatMap { $0.doubles(row) }
      return (0..<size).map { j in
        a.indices.reduce(0) { $0 + a[$1] * Double(weights[$1][j]) }
      }
    }
    values = unmasked.enumerated().map { row, sums in
      mask.map { zip(sums, $0.doubles(row)).map(*) } ?? sums
    }
    let products = inputs.enumerated().map { index, input in
      var right = RightMatrix.packed(packed.constant, depth: depth, panelWidth: panelWidth)
      right.base += depths[..<index].reduce(0, +) * panelWidth
      return StepProduct(input: input.rows, weights: right, depth: depths[index])
    }
    product = GradientProduct(
      products[0], and: products.count > 1 ? products[1] : nil, mask: mask?.rows)
    (self.inputs, self.weights, self.packed, self.mask) = (inputs, weights, packed, mask)
    self.panelWidth = panelWidth
  }

  /// dh with its product.
  func whole(_ dHidden: Matrix, _ row: Int) -> [Double] {
    zip(dHidden.doubles(row), values[row]).map(+)
  }
}

/// Calls `body` with the extent of the problem.
private func withExtent(
  _ pair: ActivationPair, _ size: Int, rows: Int = rowCount, _ body: (StepExtent) -> Void
) {
  validity(rows).withUnsafeBufferPointer {
    body(
      StepExtent(
        rows: rows, hiddenSize: size, valid: $0.baseAddress, validStride: validStride,
        gateActivation: pair.gate, stateActivation: pair.state))
  }
}

/// What the sums of a step start from: the gates' own values, or one row for all.
private struct Start {
  private let matrix: Matrix
  let rows: Rows

  init(_ gates: Matrix, isShared: Bool) {
    matrix = isShared ? Matrix(rows: 1, columns: gates.columns, padding: 0, seed: 50) : gates.copy()
    rows = isShared ? Rows(matrix.memory.pointer, stride: 0) : gates.rows
  }
  func doubles(_ row: Int) -> [Double] { matrix.doubles(rows.stride == 0 ? 0 : row) }
}

private func zeros(_ count: Int) -> [Float] { [Float](repeating: 0, count: count) }

@Suite struct StepTests {
  @Test(arguments: TestedLevel.all, ActivationPair.all)
  func rnn(level: TestedLevel, pair: ActivationPair) {
    for (size, takesInput) in hiddenSizes.flatMap({ [($0, false), ($0, true)] }) {
      let reference = ReferenceStep(functions: pair, size: size)
      let gates = Matrix(columns: size, padding: 3, seed: 1)
      let previous = Matrix(columns: size, padding: 1, seed: 2)
      let hidden = Matrix(columns: size, padding: 2, seed: 3)
      let dHidden = Matrix(columns: size, padding: 4, seed: 4)
      let recurrence = Recurrence(level, groups: 1, size: size, seed: 20)
      let input = takesInput ? Recurrence(level, groups: 1, size: size, seed: 40) : nil
      let later = GradientRecurrence(level, size: size, arrays: 1, hasMask: size > 9, seed: 30)
      let (a, before) = (Start(gates, isShared: takesInput), gates.copy())
      let dh = dHidden.copy()
      func activated(_ a: [Double], _ row: Int) -> [Double] {
        let a = input?.added(to: a, row: row) ?? a
        return reference.rnn(a: recurrence.added(to: a, row: row))
      }
      withExtent(pair, size) { extent in
        level.kernels.forward(
          RNNStep(
            extent: extent, product: recurrence.product, inputProduct: input?.product,
            start: a.rows, gates: gates.rows, previousHidden: previous.rows,
            hidden: hidden.rows))
      }
      for row in 0..<rowCount {
        if isValid(row) {
          expectClose(hidden[row], activated(a.doubles(row), row), tolerance: 2e-6, "h")
          #expect(gates[row] == hidden[row])
        } else {
          #expect(hidden[row] == previous[row] && gates[row] == before[row])
        }
      }
      withExtent(pair, size) { extent in
        level.kernels.backward(
          RNNStepGradient(
            extent: extent, gates: gates.rows, product: later.product, dHidden: dHidden.rows))
      }
      for row in 0..<rowCount {
        let whole = later.whole(dh, row)
        if isValid(row) {
          let expected = gradient(at: a.doubles(row)) { weighted(whole, activated($0, row)) }
          expectClose(gates[row], expected, tolerance: 4e-6, "da")
          #expect(dHidden[row] == zeros(size))
        } else {
          expectClose(dHidden[row], whole, tolerance: 2e-6, "dh")
          #expect(gates[row] == zeros(size))
        }
      }
    }
  }

  /// In place, the new state replaces the previous one, and the gradients likewise.
  @Test(arguments: TestedLevel.all, ActivationPair.all)
  func lstm(level: TestedLevel, pair: ActivationPair) {
    for (size, isInPlace, takesInput) in hiddenSizes.flatMap({
      [($0, false, false), ($0, true, false), ($0, true, true)]
    }) {
      let reference = ReferenceStep(functions: pair, size: size)
      let gates = Matrix(columns: 4 * size, padding: 3, seed: 1)
      let previousCell = Matrix(columns: size, padding: 5, seed: 2)
      let previousHidden = Matrix(columns: size, padding: 1, seed: 3)
      let recurrence = Recurrence(level, groups: 4, size: size, seed: 20)
      let input = takesInput ? Recurrence(level, groups: 4, size: size, seed: 40) : nil
      let a = Start(gates, isShared: takesInput)
      let (before, c, h) = (gates.copy(), previousCell.copy(), previousHidden.copy())
      func lstm(_ a: [Double], _ c: [Double], _ row: Int)
        -> (gates: [Double], cell: [Double], hidden: [Double])
      {
        let a = input?.added(to: a, row: row) ?? a
        return reference.lstm(a: recurrence.added(to: a, row: row), c: c)
      }
      let cell = isInPlace ? previousCell : Matrix(columns: size, padding: 2, seed: 4)
      let hidden = isInPlace ? previousHidden : Matrix(columns: size, padding: 6, seed: 5)
      withExtent(pair, size) { extent in
        level.kernels.forward(
          LSTMStep(
            extent: extent, product: recurrence.product, inputProduct: input?.product,
            start: a.rows, gates: gates.rows, previousCell: previousCell.rows, cell: cell.rows,
            previousHidden: previousHidden.rows, hidden: hidden.rows))
      }
      for row in 0..<rowCount {
        if isValid(row) {
          let expected = lstm(a.doubles(row), c.doubles(row), row)
          expectClose(gates[row], expected.gates, tolerance: 2e-6, "gates")
          expectClose(cell[row], expected.cell, tolerance: 2e-6, "cell")
          expectClose(hidden[row], expected.hidden, tolerance: 2e-6, "hidden")
        } else {
          #expect(hidden[row] == h[row] && cell[row] == c[row] && gates[row] == before[row])
        }
      }

      let dHidden = Matrix(columns: size, padding: 4, seed: 6)
      let dCell = Matrix(columns: size, padding: 7, seed: 7)
      let later = GradientRecurrence(level, size: size, arrays: 1, hasMask: isInPlace, seed: 30)
      let (dh, dc) = (dHidden.copy(), dCell.copy())
      withExtent(pair, size) { extent in
        level.kernels.backward(
          LSTMStepGradient(
            extent: extent, gates: gates.rows, previousCell: c.rows, cell: cell.rows,
            product: later.product, dHidden: dHidden.rows, dCell: dCell.rows))
      }
      for row in 0..<rowCount {
        let whole = later.whole(dh, row)
        guard isValid(row) else {
          #expect(gates[row] == zeros(4 * size) && dCell[row] == dc[row])
          expectClose(dHidden[row], whole, tolerance: 2e-6, "dh")
          continue
        }
        func loss(_ a: [Double], _ c: [Double]) -> Double {
          let step = lstm(a, c, row)
          return weighted(whole, step.hidden) + weighted(dc.doubles(row), step.cell)
        }
        let da = gradient(at: a.doubles(row)) { loss($0, c.doubles(row)) }
        let dPreviousCell = gradient(at: c.doubles(row)) { loss(a.doubles(row), $0) }
        expectClose(gates[row], da, tolerance: 1e-5, "da")
        expectClose(dCell[row], dPreviousCell, tolerance: 1e-5, "dc₋")
        #expect(dHidden[row] == zeros(size))
      }
    }
  }

  /// With the candidate also in place.
  @Test(arguments: TestedLevel.all, ActivationPair.all)
  func gru(level: TestedLevel, pair: ActivationPair) {
    for (size, hasCandidate, takesInput) in hiddenSizes.flatMap({
      [($0, false, false), ($0, true, false), ($0, true, true)]
    }) {
      let reference = ReferenceStep(functions: pair, size: size)
      let gates = Matrix(columns: 3 * size, padding: 3, seed: 1)
      let candidate = Matrix(columns: size, padding: 5, seed: 2)
      let bias = Memory(numbers(size, seed: 9))
      let previous = Matrix(columns: size, padding: 1, seed: 3)
      let hidden = hasCandidate ? previous : Matrix(columns: size, padding: 2, seed: 4)
      let recurrence = Recurrence(level, groups: hasCandidate ? 3 : 1, size: size, seed: 20)
      let input = takesInput ? Recurrence(level, groups: 3, size: size, seed: 40) : nil
      let a = Start(gates, isShared: takesInput)
      let (before, untouched, h) = (gates.copy(), candidate.copy(), previous.copy())
      withExtent(pair, size) { extent in
        level.kernels.forward(
          GRUStep(
            extent: extent, product: recurrence.product, inputProduct: input?.product,
            start: a.rows, gates: gates.rows, candidate: hasCandidate ? candidate.rows : nil,
            candidateBias: bias.constant, previousHidden: previous.rows, hidden: hidden.rows))
      }
      /// a with what the product adds to it, and q.
      func inputs(_ row: Int) -> (a: [Double], q: [Double]) {
        let a = input?.added(to: a.doubles(row), row: row) ?? a.doubles(row)
        guard hasCandidate else {
          return (recurrence.added(to: a, row: row, from: 2 * size), [])
        }
        let product = recurrence.values[row]
        let q = zip(bias.values, product[(2 * size)...]).map { Double($0) + $1 }
        return (zip(a, product[..<(2 * size)] + [Double](repeating: 0, count: size)).map(+), q)
      }
      func step(_ a: [Double], _ q: [Double], _ h: [Double]) -> (gates: [Double], hidden: [Double])
      {
        reference.gru(a: a, q: hasCandidate ? q : nil, h: h)
      }
      for row in 0..<rowCount {
        if isValid(row) {
          let (a, q) = inputs(row)
          let expected = step(a, q, h.doubles(row))
          expectClose(gates[row], expected.gates, tolerance: 2e-6, "gates")
          if hasCandidate { expectClose(candidate[row], q, tolerance: 2e-6, "q") }
          expectClose(hidden[row], expected.hidden, tolerance: 3e-6, "hidden")
        } else {
          // n's part is where its sum waits.
          let kept = takesInput ? 2 * size : 3 * size
          #expect(hidden[row] == h[row] && gates[row][..<kept] == before[row][..<kept])
        }
      }

      let dHidden = Matrix(columns: size, padding: 4, seed: 6)
      let later = GradientRecurrence(
        level, size: size, arrays: hasCandidate ? 2 : 1, hasMask: size % 3 == 0, seed: 30)
      let dh = dHidden.copy()
      withExtent(pair, size) { extent in
        level.kernels.backward(
          GRUStepGradient(
            extent: extent, gates: gates.rows, candidate: hasCandidate ? candidate.rows : nil,
            previousHidden: h.rows, product: later.product, dHidden: dHidden.rows))
      }
      for row in 0..<rowCount {
        let whole = later.whole(dh, row)
        guard isValid(row) else {
          expectClose(dHidden[row], whole, tolerance: 2e-6, "dh")
          #expect(gates[row] == zeros(3 * size))
          #expect(candidate[row] == (hasCandidate ? zeros(size) : untouched[row]))
          continue
        }
        let (a, q) = inputs(row)
        let h = h.doubles(row)
        func loss(_ a: [Double], _ q: [Double], _ h: [Double]) -> Double {
          weighted(whole, step(a, q, h).hidden)
        }
        var da = gradient(at: a) { loss($0, q, h) }
        if !hasCandidate {
          // r and z came as activations: r is left alone, z's gradient goes on through σ′.
          for j in 0..<size {
            da[j] = a[j]
            da[size + j] *= derivativeFromOutput(pair.gate, a[size + j])
          }
        }
        expectClose(gates[row], da, tolerance: 1e-5, "da")
        expectClose(
          dHidden[row], gradient(at: h) { loss(a, q, $0) }, tolerance: 1e-5, "dh₋")
        if hasCandidate {
          expectClose(candidate[row], gradient(at: q) { loss(a, $0, h) }, tolerance: 1e-5, "dq")
        }
      }
    }
  }

  @Test(arguments: TestedLevel.all, ActivationPair.all)
  func gruReset(level: TestedLevel, pair: ActivationPair) {
    for size in hiddenSizes {
      let reference = ReferenceStep(functions: pair, size: size)
      let gates = Matrix(columns: 3 * size, padding: 3, seed: 1)
      let recurrence = Recurrence(level, groups: 2, size: size, seed: 20)
      let reset = Matrix(columns: size, padding: 1, seed: 3)
      let a = gates.copy()
      /// The pre-activations of r and z, a_n as it lies, and u.
      func inputs(_ row: Int) -> (a: [Double], u: [Double]) {
        (
          recurrence.added(to: a.doubles(row), row: row),
          Array(recurrence.input.doubles(row)[..<size])
        )
      }
      withExtent(pair, size) { extent in
        level.kernels.forward(
          GRUResetStep(
            extent: extent, product: recurrence.product, gates: gates.rows,
            recurrentInput: recurrence.input.rows, reset: reset.rows))
      }
      for row in 0..<rowCount {
        if isValid(row) {
          let (a, u) = inputs(row)
          let expected = reference.reset(a: a, u: u)
          expectClose(gates[row], expected.gates, tolerance: 2e-6, "gates")
          expectClose(reset[row], expected.reset, tolerance: 2e-6, "reset")
        } else {
          #expect(reset[row] == zeros(size) && gates[row] == a[row])
        }
      }

      let dHidden = Matrix(columns: size, padding: 4, seed: 6)
      let candidates = GradientRecurrence(
        level, size: size, arrays: 1, hasMask: size % 3 == 0, seed: 30)
      let dh = dHidden.copy()
      let activations = gates.copy()
      withExtent(pair, size) { extent in
        level.kernels.backward(
          GRUResetStepGradient(
            extent: extent, gates: gates.rows, recurrentInput: recurrence.input.rows,
            product: candidates.product, dHidden: dHidden.rows))
      }
      for row in 0..<rowCount {
        #expect(gates[row][size...] == activations[row][size...])
        guard isValid(row) else {
          #expect(Array(gates[row][..<size]) == zeros(size) && dHidden[row] == dh[row])
          continue
        }
        let (a, u) = inputs(row)
        let (ds, masked) = (candidates.unmasked[row], candidates.values[row])
        let da = gradient(at: a) { weighted(ds, reference.reset(a: $0, u: u).reset) }
        let du = gradient(at: u) { weighted(masked, reference.reset(a: a, u: $0).reset) }
        expectClose(Array(gates[row][..<size]), Array(da[..<size]), tolerance: 1e-5, "da_r")
        expectClose(
          dHidden[row], zip(dh.doubles(row), du).map(+), tolerance: 1e-5, "dh₋")
      }
    }
  }

  /// The product alone, and rows that none reaches.
  @Test(arguments: TestedLevel.all)
  func hiddenGradient(level: TestedLevel) {
    for (size, rows) in [(1, 1), (19, 1), (70, 1), (16, 7), (33, 13), (61, 13), (70, 13)] {
      let dHidden = Matrix(rows: rows, columns: size, padding: 2, seed: 5)
      let dh = dHidden.copy()
      let later = GradientRecurrence(
        level, rows: rows, size: size, arrays: 2, hasMask: size > 16, seed: 30)
      level.kernels.backward(
        HiddenGradient(
          rows: rows, hiddenSize: size, product: later.product, dHidden: dHidden.rows))
      for row in 0..<rows {
        expectClose(dHidden[row], later.whole(dh, row), tolerance: 2e-6, "dh")
      }
      let sums = dHidden.copy()
      level.kernels.backward(
        HiddenGradient(
          rows: rows, hiddenSize: size, product: later.product.nothing, dHidden: dHidden.rows))
      for row in 0..<rows { #expect(dHidden[row] == sums[row]) }
    }
  }

  /// Without a mask, every row takes part.
  @Test(arguments: TestedLevel.all)
  func noMaskMeansAllRows(level: TestedLevel) {
    let gates = Matrix(columns: 5, padding: 0, seed: 1)
    let hidden = Matrix(columns: 5, padding: 0, seed: 2)
    let recurrence = Recurrence(level, groups: 1, size: 5, seed: 20)
    let a = gates.copy()
    level.kernels.forward(
      RNNStep(
        extent: StepExtent(
          rows: rowCount, hiddenSize: 5, valid: nil, validStride: 0, gateActivation: .sigmoid,
          stateActivation: .tanh),
        product: recurrence.product, start: gates.rows, gates: gates.rows,
        previousHidden: hidden.rows, hidden: hidden.rows))
    let reference = ReferenceStep(functions: ActivationPair.all[0], size: 5)
    for row in 0..<rowCount {
      let expected = reference.rnn(a: recurrence.added(to: a.doubles(row), row: row))
      expectClose(hidden[row], expected, tolerance: 1e-6, "row \(row)")
    }
  }

  /// A prepared step does what forward does, each time, and nothing behind its place is written.
  @Test(arguments: TestedLevel.all, ActivationPair.all)
  func preparedSteps(level: TestedLevel, pair: ActivationPair) throws {
    /// What a step reads and writes.
    struct Arrays {
      let gates, cell, candidate, previous, hidden: Matrix
      var all: [[Float]] { [gates, cell, candidate, hidden].map { $0.memory.values } }
    }
    func check<Step>(
      _ rows: Int, _ size: Int, gates: Int, _ step: (StepExtent, Arrays) -> Step,
      forward: (Step) -> Void, prepare: (Step, UnsafeMutableRawPointer) -> PreparedStep
    ) throws {
      let columns = gates * size
      func arrays() -> Arrays {
        Arrays(
          gates: Matrix(rows: rows, columns: columns, padding: 3, seed: 1),
          cell: Matrix(rows: rows, columns: size, padding: 5, seed: 2),
          candidate: Matrix(rows: rows, columns: size, padding: 1, seed: 3),
          previous: Matrix(rows: rows, columns: size, padding: 2, seed: 4),
          hidden: Matrix(rows: rows, columns: size, padding: 4, seed: 5))
      }
      let (expected, found) = (arrays(), arrays())
      let place = try AlignedBuffer<UInt8>(count: preparedStepSize + 64)
      memset(place.pointer, 7, place.count)
      withExtent(pair, size, rows: rows) { extent in
        let prepared = prepare(step(extent, found), place.pointer)
        for _ in 0..<3 {
          forward(step(extent, expected))
          prepared(place.pointer)
          #expect(found.all == expected.all, "\(Step.self), \(rows) × \(size)")
        }
      }
      #expect((preparedStepSize..<place.count).allSatisfy { place.pointer[$0] == 7 })
    }
    for (size, rows) in hiddenSizes.flatMap({ [($0, 1), ($0, rowCount)] }) {
      for takesInput in [false, true] {
        func products(_ gates: Int) -> (Recurrence, Recurrence?) {
          (
            Recurrence(level, rows: rows, groups: gates, size: size, seed: 20),
            takesInput ? Recurrence(level, rows: rows, groups: gates, size: size, seed: 40) : nil
          )
        }
        let one = products(1)
        try check(
          rows, size, gates: 1,
          { extent, arrays in
            RNNStep(
              extent: extent, product: one.0.product, inputProduct: one.1?.product,
              start: arrays.gates.rows, gates: arrays.gates.rows,
              previousHidden: arrays.previous.rows, hidden: arrays.hidden.rows)
          },
          forward: level.kernels.forward, prepare: level.kernels.prepare)
        let three = products(3)
        try check(
          rows, size, gates: 3,
          { extent, arrays in
            GRUStep(
              extent: extent, product: three.0.product, inputProduct: three.1?.product,
              start: arrays.gates.rows, gates: arrays.gates.rows, candidate: arrays.candidate.rows,
              candidateBias: nil, previousHidden: arrays.previous.rows, hidden: arrays.hidden.rows)
          },
          forward: level.kernels.forward, prepare: level.kernels.prepare)
        let four = products(4)
        try check(
          rows, size, gates: 4,
          { extent, arrays in
            LSTMStep(
              extent: extent, product: four.0.product, inputProduct: four.1?.product,
              start: arrays.gates.rows, gates: arrays.gates.rows, previousCell: arrays.cell.rows,
              cell: arrays.cell.rows, previousHidden: arrays.previous.rows,
              hidden: arrays.hidden.rows)
          },
          forward: level.kernels.forward, prepare: level.kernels.prepare)
      }
    }
  }

  /// Tiles of every height give each row the bits that it has alone.
  @Test(arguments: TestedLevel.all, [37, 125])
  func bitsOfARowDependNotOnItsNeighbours(level: TestedLevel, size: Int) {
    let rows = 13
    let pair = ActivationPair.all[0]
    let gates = Matrix(rows: rows, columns: 4 * size, padding: 3, seed: 1)
    let state = Matrix(rows: rows, columns: size, padding: 5, seed: 2)
    let recurrence = Recurrence(level, rows: rows, groups: 4, size: size, seed: 20)
    let later = GradientRecurrence(
      level, rows: rows, size: size, arrays: 1, hasMask: true, seed: 30)
    func run(_ range: Range<Int>) -> [[Float]] {
      let (gates, cell) = (gates.copy(), state.copy())
      let hidden = state.copy()
      var product = recurrence.product
      product.input = product.input.from(range.lowerBound)
      withExtent(pair, size, rows: range.count) { extent in
        var extent = extent
        extent.valid = nil
        level.kernels.forward(
          LSTMStep(
            extent: extent, product: product, start: gates.rows.from(range.lowerBound),
            gates: gates.rows.from(range.lowerBound),
            previousCell: cell.rows.from(range.lowerBound),
            cell: cell.rows.from(range.lowerBound),
            previousHidden: state.rows.from(range.lowerBound),
            hidden: hidden.rows.from(range.lowerBound)))
      }
      let forward = range.map { hidden[$0] + cell[$0] + gates[$0] }
      let (dHidden, dCell) = (state.copy(), state.copy())
      withExtent(pair, size, rows: range.count) { extent in
        var extent = extent
        extent.valid = nil
        level.kernels.backward(
          LSTMStepGradient(
            extent: extent, gates: gates.rows.from(range.lowerBound),
            previousCell: state.rows.from(range.lowerBound),
            cell: cell.rows.from(range.lowerBound),
            product: later.product.from(range.lowerBound),
            dHidden: dHidden.rows.from(range.lowerBound),
            dCell: dCell.rows.from(range.lowerBound)))
      }
      return range.map { forward[$0 - range.lowerBound] + gates[$0] + dCell[$0] }
    }
    let alone = (0..<rows).flatMap { run($0..<$0 + 1) }
    for count in 1...rows { #expect(run(0..<count) == Array(alone[..<count])) }
    #expect(run(5..<13) == Array(alone[5...]))
  }

  /// The same element in a vector and in the end of a run, alone and among others.
  @Test(arguments: TestedLevel.all)
  func bitsDependNeitherOnTheSizeNorOnThePlace(level: TestedLevel) {
    let values = numbers(4 * 40, seed: 12)
    let states = numbers(40, seed: 13)
    func hidden(_ units: Range<Int>) -> [Float] {
      let gates = Memory((0..<4).flatMap { gate in units.map { values[gate * 40 + $0] } })
      let cell = Memory(units.map { states[$0] })
      let hidden = Memory(count: units.count)
      level.kernels.forward(
        LSTMStep(
          extent: StepExtent(
            rows: 1, hiddenSize: units.count, valid: nil, validStride: 0,
            gateActivation: .sigmoid, stateActivation: .tanh),
          product: StepProduct(
            input: Rows(hidden.pointer, stride: 0),
            weights: .packed(cell.constant, depth: 0, panelWidth: level.kernels.panelWidth),
            depth: 0),
          start: Rows(gates.pointer, stride: 0), gates: Rows(gates.pointer, stride: 0),
          previousCell: Rows(cell.pointer, stride: 0), cell: Rows(cell.pointer, stride: 0),
          previousHidden: Rows(hidden.pointer, stride: 0),
          hidden: Rows(hidden.pointer, stride: 0)))
      return hidden.values + cell.values + gates.values
    }
    let whole = hidden(0..<40)
    for units in [0..<1, 0..<17, 3..<20, 16..<40, 39..<40] {
      #expect(hidden(units)[..<units.count] == whole[units])
    }
  }
}

/// σ′ from σ's output, for the activations of `ActivationPair.all`.
private func derivativeFromOutput(_ activation: Activation, _ y: Double) -> Double {
  switch activation.kind {
  case .sigmoid: y * (1 - y)
  case .softplus: 1 - exponential(-y)
  case .elu: y > 0 ? 1 : y + Double(activation.alpha)
  default: .nan
  }
}

private func exponential(_ x: Double) -> Double { reference(Activation(.exponential), x) }
