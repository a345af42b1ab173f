// LayerNorm.swift — each vector of the last axis to mean 0 and deviation 1, then scaled and shifted
//
// Ba, Kiros & Hinton 2016.

import Kernels

struct LayerNormLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "LayerNorm",
    meaning: "Each vector of the last axis to mean 0 and deviation 1 (Ba et al. 2016).",
    options: [
      Option(
        "epsilon", .number(.positive), default: .number(1e-5), "Added to the variance."),
      Option(
        "affine", .boolean, default: .boolean(true), "Whether to learn a scale and an offset."),
    ], aliases: ["LayerNormalization"])

  let size: Int
  let epsilon: Float
  let isAffine: Bool
  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .float else {
      throw LayerError("LayerNorm takes one float input")
    }
    size = inputs[0].lastAxis
    epsilon = Float(call.number("epsilon"))
    isAffine = call.boolean("affine")
    outputs = inputs
  }

  var parameters: [ParameterSpec] {
    guard isAffine else { return [] }
    return [
      ParameterSpec(name: "weight", shape: [size], initializer: .constant(1), isWeight: false),
      ParameterSpec(name: "bias", shape: [size], initializer: .constant(0), isWeight: false),
    ]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try LayerNormRun(self, &placement)
  }
}

private final class LayerNormRun: LayerRun {
  private let layer: LayerNormLayer
  private let input: ValuePlace
  private let output: ValuePlace
  private let normalized: Slot
  private let inverses: Slot
  private let weight: PlacedParameter?
  private let bias: PlacedParameter?

  init(_ layer: LayerNormLayer, _ placement: inout Placement) throws {
    self.layer = layer
    input = placement.inputs[0]
    output = placement.outputs[0]
    normalized = try placement.reserve(placement.outputs[0].width)
    inverses = try placement.reserve(placement.outputs[0].width / layer.size)
    weight = layer.isAffine ? placement.parameters("weight") : nil
    bias = layer.isAffine ? placement.parameters("bias") : nil
    placement.requireScratch(placement.outputs[0].width)
  }

  private func vectors(_ run: TimestepRun) -> Int { run.count * output.stepWidth / layer.size }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    pass.forEachRun(of: rows, output) { run in
      kernels.layerNorm(
        pass.pointer(input.values, run), scale: weight.map { Values($0.values) },
        offset: bias.map { Values($0.values) }, epsilon: layer.epsilon,
        pass.pointer(output.values, run), normalized: pass.pointer(normalized, run),
        inverses: pass.pointer(inverses, run), rows: vectors(run), columns: layer.size)
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard pass.wantsGradient(input) else { return }
    // The scratch has one row's gradients.
    pass.forEachRow(of: rows, output) { _, run in
      kernels.layerNormBackward(
        pass.pointer(output.gradients, run), scale: weight.map { Values($0.values) },
        normalized: pass.pointer(normalized, run), inverses: pass.pointer(inverses, run),
        pass.scratch, rows: vectors(run), columns: layer.size)
      kernels.add(
        pass.scratch, pass.pointer(input.gradients, run), count: run.count * output.stepWidth)
    }
  }

  override var gradientTasks: Int { layer.isAffine ? 1 : 0 }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    guard let weight, let bias else { return }
    let dWeight = weight.gradient(pass)
    pass.forEachRun(of: 0..<batch, output) { run in
      let dy = pass.pointer(output.gradients, run)
      let normalized = pass.pointer(normalized, run)
      for i in 0..<vectors(run) {
        let offset = i * layer.size
        kernels.addProduct(dy + offset, normalized + offset, dWeight, count: layer.size)
      }
      kernels.addColumnSums(
        dy, stride: layer.size, rows: vectors(run), columns: layer.size,
        into: bias.gradient(pass))
    }
  }
}
