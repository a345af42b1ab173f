// Multiply.swift — several values into one, element by element: a product, as gates are
//
// A value with one feature where others have more multiplies all of their features: a weight for each
// timestep.

import Kernels

struct MultiplyLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Multiply",
    meaning: "The product of several values of one shape; one with one feature scales the others'.",
    options: [])

  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count >= 2, inputs.allSatisfy({ $0.type == .float }) else {
      throw LayerError("Multiply takes two or more float inputs, such as [a, b] -> Multiply")
    }
    var output = inputs[0]
    if let widest = inputs.first(where: { $0.lastAxis > 1 }) { output.features = widest.features }
    for input in inputs {
      var stretched = input
      if input.lastAxis == 1 {
        stretched.features[input.features.count - 1] = output.lastAxis
      }
      guard stretched.hasTime == output.hasTime, stretched.features == output.features else {
        let texts = inputs.map { "\($0.pattern)" }.joined(separator: ", ")
        throw LayerError("Multiply takes inputs whose shapes fit together, found \(texts)")
      }
    }
    outputs = [output]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun { MultiplyRun(&placement) }
}

private final class MultiplyRun: LayerRun {
  private let inputs: [ValuePlace]
  private let output: ValuePlace
  private let columns: Int

  init(_ placement: inout Placement) {
    inputs = placement.inputs
    output = placement.outputs[0]
    columns = output.lastAxis
    placement.requireScratch(output.width)
  }

  /// y = y ⊙ x for timesteps of `input`, with one feature stretched to all.
  private func multiply(_ y: MutableValues, by input: ValuePlace, _ run: TimestepRun, _ pass: Pass)
  {
    let x = pass.pointer(input.values, run)
    guard input.lastAxis < columns else {
      return kernels.multiply(x, y, y, count: run.count * output.stepWidth)
    }
    for i in 0..<run.count * input.stepWidth {
      kernels.scale(y + i * columns, by: x[i], y + i * columns, count: columns)
    }
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      let y = pass.pointer(output.values, run)
      kernels.fill(y, 1, count: run.count * output.stepWidth)
      for input in inputs { multiply(y, by: input, run, pass) }
    }
  }

  /// dxₖ = dy ⊙ Π xⱼ over j ≠ k, formed anew for each k: a quotient would fail at 0.
  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    // The scratch has one row's product.
    pass.forEachRow(of: rows, output) { _, run in
      for index in inputs.indices where pass.wantsGradient(inputs[index]) {
        addGradient(index, run, pass)
      }
    }
  }

  private func addGradient(_ index: Int, _ run: TimestepRun, _ pass: Pass) {
    let input = inputs[index]
    let count = run.count * output.stepWidth
    let product = pass.scratch
    product.update(from: pass.pointer(output.gradients, run), count: count)
    for (other, factor) in inputs.enumerated() where other != index {
      multiply(product, by: factor, run, pass)
    }
    let dx = pass.pointer(input.gradients, run)
    guard input.lastAxis < columns else { return kernels.add(product, dx, count: count) }
    for i in 0..<run.count * input.stepWidth {
      for column in 0..<columns { dx[i] += product[i * columns + column] }
    }
  }
}
