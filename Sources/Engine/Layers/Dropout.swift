// Dropout.swift — random zeros in training
//
// Srivastava et al. 2014, inverted: what stays is scaled by 1 / (1 − rate), so inference does
// nothing. Each element of each timestep is drawn for itself.

import Kernels

struct DropoutLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Dropout", meaning: "Random zeros in training.",
    options: [Option("rate", .number(.fraction), "Fraction set to zero.")])

  let rate: Float
  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .float else {
      throw LayerError("Dropout takes one float input")
    }
    rate = Float(call.number("rate"))
    outputs = inputs
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try DropoutRun(rate, &placement)
  }
}

private final class DropoutRun: LayerRun {
  private let rate: Float
  private let input: ValuePlace
  private let output: ValuePlace
  private let mask: Slot
  private let stream: UInt64

  init(_ rate: Float, _ placement: inout Placement) throws {
    self.rate = rate
    input = placement.inputs[0]
    output = placement.outputs[0]
    stream = 2 * placement.randomStream
    mask =
      placement.isTraining && rate > 0 ? try placement.reserve(placement.outputs[0].width) : .none
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    // Every row has random numbers of its own.
    pass.forEachRow(of: rows, output) { row, run in
      let count = run.count * output.stepWidth
      let x = pass.pointer(input.values, run)
      let y = pass.pointer(output.values, run)
      guard !mask.isNone else { return y.update(from: x, count: count) }
      let mask = pass.pointer(mask, run)
      dropoutMask(
        mask, count: count, rate: rate, seed: pass.seed, stream: pass.timed(stream),
        step: pass.step, row: pass.randomRow(row))
      kernels.multiply(x, mask, y, count: count)
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard pass.wantsGradient(input) else { return }
    pass.forEachRun(of: rows, output) { run in
      let count = run.count * output.stepWidth
      let dy = pass.pointer(output.gradients, run)
      let dx = pass.pointer(input.gradients, run)
      if mask.isNone {
        kernels.add(dy, dx, count: count)
      } else {
        kernels.addProduct(dy, pass.pointer(mask, run), dx, count: count)
      }
    }
  }
}
