// Merge.swift — Concat and Add: several values into one

import Kernels

/// Side by side along the last axis.
struct ConcatLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Concat", meaning: "Several values side by side, along the last axis.",
    options: [])

  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    try checkMergeable(inputs, of: "Concat") {
      $0.hasTime == $1.hasTime && $0.features.dropLast() == $1.features.dropLast()
    }
    var output = inputs[0]
    var columns = 0
    for input in inputs {
      let (sum, overflow) = columns.addingReportingOverflow(input.lastAxis)
      guard !overflow else { throw LayerError("Concat makes a vector longer than there can be") }
      columns = sum
    }
    output.features[output.features.count - 1] = columns
    outputs = [output]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun { ConcatRun(placement) }
}

/// Element by element.
struct AddLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Add", meaning: "The sum of several values of one shape.", options: [])

  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    try checkMergeable(inputs, of: "Add") { $0 == $1 }
    outputs = [inputs[0]]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun { AddRun(placement) }
}

private func checkMergeable(
  _ inputs: [ValueShape], of layer: String, fits: (ValueShape, ValueShape) -> Bool
) throws {
  let texts = inputs.map { "\($0.pattern)" }.joined(separator: ", ")
  guard inputs.count >= 2, inputs.allSatisfy({ $0.type == .float }) else {
    throw LayerError("\(layer) takes two or more float inputs, such as [a, b] -> \(layer)")
  }
  guard inputs.dropFirst().allSatisfy({ fits($0, inputs[0]) }) else {
    throw LayerError("\(layer) takes inputs whose shapes fit together, found \(texts)")
  }
}

private final class ConcatRun: LayerRun {
  private let inputs: [ValuePlace]
  private let output: ValuePlace
  private let columns: Int

  init(_ placement: Placement) {
    inputs = placement.inputs
    output = placement.outputs[0]
    columns = output.lastAxis
  }

  private func vectors(_ run: TimestepRun) -> Int { run.count * output.stepWidth / columns }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      let y = pass.pointer(output.values, run)
      var column = 0
      for input in inputs {
        let size = input.lastAxis
        let x = pass.pointer(input.values, run)
        for i in 0..<vectors(run) {
          (y + i * columns + column).update(from: x + i * size, count: size)
        }
        column += size
      }
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      let dy = pass.pointer(output.gradients, run)
      var column = 0
      for input in inputs {
        let size = input.lastAxis
        if pass.wantsGradient(input) {
          let dx = pass.pointer(input.gradients, run)
          for i in 0..<vectors(run) {
            kernels.add(dy + i * columns + column, dx + i * size, count: size)
          }
        }
        column += size
      }
    }
  }
}

private final class AddRun: LayerRun {
  private let inputs: [ValuePlace]
  private let output: ValuePlace

  init(_ placement: Placement) {
    inputs = placement.inputs
    output = placement.outputs[0]
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      let count = run.count * output.stepWidth
      let y = pass.pointer(output.values, run)
      y.update(from: pass.pointer(inputs[0].values, run), count: count)
      for input in inputs.dropFirst() {
        kernels.add(pass.pointer(input.values, run), y, count: count)
      }
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      let dy = pass.pointer(output.gradients, run)
      for input in inputs where pass.wantsGradient(input) {
        kernels.add(
          dy, pass.pointer(input.gradients, run), count: run.count * output.stepWidth)
      }
    }
  }
}
