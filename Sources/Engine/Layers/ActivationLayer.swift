// ActivationLayer.swift — an activation on its own, such as `Activation(relu)`

import Kernels

struct ActivationLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Activation", meaning: "An activation on its own.",
    options: [Option("function", .call(.activation), "The activation.")])

  let activation: OutputActivation
  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .float else {
      throw LayerError("Activation takes one float input")
    }
    activation = OutputActivation(call.call("function"))
    outputs = inputs
  }

  var finalActivation: OutputActivation? { activation }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    if activation.hasLogits { placement.outputs[0].logits = placement.inputs[0].values }
    return ActivationRun(activation, placement)
  }
}

private final class ActivationRun: LayerRun {
  private let activation: OutputActivation
  private let input: ValuePlace
  private let output: ValuePlace
  private let columns: Int

  init(_ activation: OutputActivation, _ placement: Placement) {
    self.activation = activation
    input = placement.inputs[0]
    output = placement.outputs[0]
    columns = output.lastAxis
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      activation.forward(
        pass.pointer(input.values, run), pass.pointer(output.values, run),
        rows: run.count * output.stepWidth / columns, columns: columns)
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard pass.wantsGradient(input) else { return }
    pass.forEachRun(of: rows, output) { run in
      let count = run.count * output.stepWidth
      let dy = pass.pointer(output.gradients, run)
      if !pass.isFused(output) {
        activation.backward(
          pass.pointer(output.values, run), dy, rows: count / columns, columns: columns)
      }
      kernels.add(dy, pass.pointer(input.gradients, run), count: count)
    }
  }
}
