// RecurrentGradients.swift — the gradients of a recurrent layer's parameters
//
// Once backward has left its gradients on the tape, each parameter's is one product or one sum over
// all rows and timesteps. Which arrays it is made of, the cell says (`CellGradients`). The work is
// divided into tasks that write disjoint parts of the parameters.

import Kernels

/// Some columns of an array `[B, T, stride]` of the tape.
struct TapeColumns {
  let slot: Slot
  /// Floats from one timestep to the next.
  let stride: Int
  let column: Int
  /// How many columns there are.
  let width: Int

  /// The first of them at a timestep and those of the timesteps after it, of all rows in turn.
  func rows(_ first: Int, _ rows: Range<Int>, _ pass: Pass) -> Rows {
    Rows(
      pass.pointer(slot, row: rows.lowerBound) + first * stride + column, stride: stride)
  }

  func dropping(_ columns: Int) -> TapeColumns {
    TapeColumns(slot: slot, stride: stride, column: column + columns, width: width - columns)
  }
}

struct RecurrentGradients {
  /// d weight[rows] = Σ gradientᵀ input, of one weight or of two for which the gradient is packed once;
  /// and d bias[rows] = Σ gradient.
  private struct Product {
    struct Target {
      let weight: PlacedParameter
      let bias: PlacedParameter?
      let input: TapeColumns
    }
    let rows: Range<Int>
    /// Its first column belongs to the first of the rows.
    let gradient: TapeColumns
    let first: Target
    let second: Target?
    let parts: GradientParts

    var scratchSize: Int {
      transposedProductScratch(
        rows: parts.most, columns: first.input.width, second: second?.input.width ?? 0,
        depth: .max)
    }
  }

  /// d parameter[rows] = Σ source ⊙ factor.
  private struct Sum {
    let parameter: PlacedParameter
    let rows: Range<Int>
    let source: TapeColumns
    let factor: TapeColumns?
  }

  /// The gradient of W x, all gates.
  let input: TapeColumns
  private let products: [Product]
  private let productTasks: Int
  private let sums: [Sum]
  private let initialStates: [PlacedParameter]
  private let initialGradients: Slot
  private let timesteps: Int

  var count: Int { productTasks + sums.count + initialStates.count }

  init(
    _ spec: RecurrentSpec, _ tape: RecurrentRun.Tape, _ to: RecurrentRun.Connections,
    _ parameters: ParameterSource, _ timesteps: Int, threads: Int
  ) {
    let cell = spec.cell
    let gradients = cell.gradients
    func columns(_ slot: Slot, _ column: Int = 0) -> TapeColumns {
      let stride = slot.isNone ? 0 : slot.width / timesteps
      return TapeColumns(slot: slot, stride: stride, column: column, width: stride - column)
    }
    func place(_ source: CellGradients.Source, gateColumn: Int = 0) -> TapeColumns {
      switch source {
      case .gates: columns(tape.gates, gateColumn)
      case .extra(let column): columns(tape.extra, column)
      case .recurrentInput: columns(tape.droppedHidden.isNone ? tape.hidden : tape.droppedHidden)
      }
    }
    func parameter(_ name: String) -> PlacedParameter { parameters(name + spec.suffix) }

    let weightIH = parameter("weight_ih")
    let biasIH = spec.usesBias ? parameter("bias_ih") : nil
    let biasHH = spec.hasRecurrentBias ? parameter("bias_hh") : nil
    let layerInput = columns(tape.droppedInput.isNone ? to.input.values : tape.droppedInput)
    let ownsBias = !cell.addsBias
    func inputTarget() -> Product.Target {
      Product.Target(weight: weightIH, bias: ownsBias ? biasIH : nil, input: layerInput)
    }
    var products: [Product] = []
    func add(
      _ rows: Range<Int>, _ gradient: TapeColumns, _ first: Product.Target,
      _ second: Product.Target? = nil
    ) {
      let parts = GradientParts(rows: rows.count, threads: threads)
      products.append(
        Product(rows: rows, gradient: gradient, first: first, second: second, parts: parts))
    }
    input = place(gradients.input)
    for part in gradients.recurrent {
      let own = place(part.gradient, gateColumn: part.rows.lowerBound)
      let recurrent = Product.Target(
        weight: parameter("weight_hh"), bias: ownsBias ? biasHH : nil,
        input: place(part.input).prefix(parameter("weight_hh").shape[1]))
      if part.gradient == .gates, gradients.input == .gates {
        add(part.rows, own, inputTarget(), recurrent)
      } else {
        add(part.rows, input.dropping(part.rows.lowerBound), inputTarget())
        add(part.rows, own, recurrent)
      }
    }
    if gradients.recurrent.isEmpty {
      add(0..<cell.gateSize, input, inputTarget())
    }
    if let product = gradients.product {
      let weight = parameter(product.name)
      add(
        0..<weight.shape[0], place(product.of),
        Product.Target(
          weight: weight, bias: nil, input: place(product.with).prefix(weight.shape[1])))
    }
    self.products = products
    productTasks = products.reduce(0) { $0 + $1.parts.count }

    var sums = gradients.sums.map { sum in
      Sum(
        parameter: parameter(sum.name), rows: sum.rows,
        source: place(sum.source, gateColumn: sum.gateColumn), factor: sum.factor.map { place($0) })
    }
    if cell.addsBias {
      if let biasIH {
        sums.append(
          Sum(parameter: biasIH, rows: 0..<cell.gateSize, source: place(.gates), factor: nil))
      }
      if let biasHH {
        // Where a part of it is added elsewhere, its gradient is that of the cell's extra array.
        let separate = cell.separateBias
        for rows in [0..<separate.lowerBound, separate.upperBound..<cell.gateSize]
        where !rows.isEmpty {
          sums.append(
            Sum(
              parameter: biasHH, rows: rows,
              source: place(.gates, gateColumn: rows.lowerBound), factor: nil))
        }
        if !separate.isEmpty {
          sums.append(
            Sum(parameter: biasHH, rows: separate, source: place(.extra(0)), factor: nil))
        }
      }
    }
    self.sums = sums
    initialStates = spec.initialStateNames.map { parameters($0) }
    initialGradients = tape.initialGradients
    self.timesteps = timesteps
  }

  /// Floats that a task needs as scratch.
  var scratchSize: Int { products.reduce(0) { max($0, $1.scratchSize) } }

  /// Adds to the gradients of one task's parameters, from all rows `0..<batch`.
  func add(task: Int, batch: Int, _ validity: Validity?, _ pass: Pass) {
    var task = task
    for product in products {
      if task < product.parts.count {
        return add(product, product.parts.range(task), batch, validity, pass)
      }
      task -= product.parts.count
    }
    if task < sums.count {
      add(sums[task], batch, validity, pass)
    } else {
      addInitialState(task - sums.count, batch, pass)
    }
  }

  /// - Parameter part: of the product's rows.
  private func add(
    _ product: Product, _ part: Range<Int>, _ batch: Int, _ validity: Validity?, _ pass: Pass
  ) {
    let row = product.rows.lowerBound + part.lowerBound
    func target(_ target: Product.Target) -> TransposedTarget {
      let columns = target.input.width
      let b = target.input.rows(0, 0..<batch, pass)
      return TransposedTarget(
        b: b.base, bStride: b.stride, columns: columns,
        c: target.weight.gradient(pass) + row * columns, cStride: columns,
        sums: target.bias.map { $0.gradient(pass) + row })
    }
    let a = product.gradient.rows(0, 0..<batch, pass).dropping(part.lowerBound)
    accumulateTransposedProduct(
      a: a.base, aStride: a.stride, rows: part.count, into: target(product.first),
      and: product.second.map(target),
      depth: Validity.sequences(validity, rows: 0..<batch, timesteps: timesteps),
      scratch: pass.scratch)
  }

  private func add(_ sum: Sum, _ batch: Int, _ validity: Validity?, _ pass: Pass) {
    let target = sum.parameter.gradient(pass) + sum.rows.lowerBound
    let source = sum.source.rows(0, 0..<batch, pass)
    let factor = sum.factor?.rows(0, 0..<batch, pass)
    Validity.sequences(validity, rows: 0..<batch, timesteps: timesteps).forEachRun { first, count in
      guard let factor else {
        kernels.addColumnSums(
          source[first], stride: source.stride, rows: count, columns: sum.rows.count, into: target)
        return
      }
      for index in first..<first + count {
        kernels.addProduct(source[index], factor[index], target, count: sum.rows.count)
      }
    }
  }

  private func addInitialState(_ index: Int, _ batch: Int, _ pass: Pass) {
    let offset = initialStates[..<index].reduce(0) { $0 + $1.shape[0] }
    kernels.addColumnSums(
      pass.pointer(initialGradients) + offset, stride: initialGradients.width, rows: batch,
      columns: initialStates[index].shape[0], into: initialStates[index].gradient(pass))
  }
}

extension TapeColumns {
  /// The first of the columns.
  func prefix(_ count: Int) -> TapeColumns {
    TapeColumns(slot: slot, stride: stride, column: column, width: count)
  }
}
