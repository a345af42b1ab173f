// Dense.swift — a linear map of the last axis, and an activation

import Kernels

/// y = activation(x Wᵀ + b), on the last axis of an array of any rank.
struct DenseLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Dense", meaning: "A linear map of the last axis, then an activation.",
    options: [
      Option("units", .integer(1...maximumSize), "Size of the output's last axis."),
      Option("activation", .call(.activation), defaultCall: "linear", "Applied to the result."),
      Option("use_bias", .boolean, default: .boolean(true), "Whether to add a bias."),
      Option(
        "kernel_initializer", .call(.initializer), defaultCall: "glorot_uniform",
        "Initial weight."),
      Option("bias_initializer", .call(.initializer), defaultCall: "zeros", "Initial bias."),
    ])

  let inputSize: Int
  let units: Int
  let activation: OutputActivation
  let usesBias: Bool
  let outputs: [ValueShape]
  let canContinue = true
  let parameters: [ParameterSpec]

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .float else {
      throw LayerError("Dense takes one float input")
    }
    units = call.integer("units")
    inputSize = inputs[0].lastAxis
    activation = OutputActivation(call.call("activation"))
    usesBias = call.boolean("use_bias")
    var output = inputs[0]
    output.features[output.features.count - 1] = units
    outputs = [output]
    let weight = ParameterSpec(
      name: "weight", shape: [units, inputSize],
      initializer: Initializer(call.call("kernel_initializer")), isWeight: true)
    let bias = ParameterSpec(
      name: "bias", shape: [units], initializer: Initializer(call.call("bias_initializer")),
      isWeight: false)
    parameters = usesBias ? [weight, bias] : [weight]
  }

  var finalActivation: OutputActivation? { activation }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try DenseWeights(self, source)
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try DenseRun(self, &placement)
  }
}

final class DenseWeights: LayerWeights {
  let weight: PackedWeight
  let bias: MutableValues?

  init(_ layer: DenseLayer, _ source: ParameterSource) throws {
    weight = try PackedWeight(source("weight"))
    bias = layer.usesBias ? source("bias").values : nil
  }

  func refresh(_ forms: PackedForms) throws { try weight.refresh(forms) }
}

private final class DenseRun: LayerRun {
  private let layer: DenseLayer
  private let weights: DenseWeights
  private let input: ValuePlace
  private let output: ValuePlace
  private let weight: PlacedParameter
  private let bias: PlacedParameter?
  /// The linear map's result where the activation is one that losses look behind.
  private let logits: Slot
  private let parts: GradientParts
  /// As many units as have weights that a second-level cache holds. Rows that end early are no single
  /// product, and all of them take such a block before the next.
  private let blockUnits: Int

  init(_ layer: DenseLayer, _ placement: inout Placement) throws {
    guard let weights = placement.weights as? DenseWeights else {
      preconditionFailure("Dense without its weights")
    }
    self.layer = layer
    self.weights = weights
    input = placement.inputs[0]
    logits = layer.activation.hasLogits ? try placement.reserve(placement.outputs[0].width) : .none
    placement.outputs[0].logits = logits
    output = placement.outputs[0]
    weight = placement.parameters("weight")
    bias = layer.usesBias ? placement.parameters("bias") : nil
    parts = GradientParts(rows: layer.units, threads: placement.threads)
    let panel = kernels.panelWidth
    blockUnits = max(1, Self.blockWeights / (layer.inputSize * panel)) * panel
    if placement.isTraining {
      placement.requireScratch(
        transposedProductScratch(rows: parts.most, columns: layer.inputSize, depth: .max))
    }
  }

  /// Weights of a block: 256 kB.
  private static let blockWeights = 1 << 16

  /// Vectors of the last axis at one timestep.
  private var vectors: Int { output.stepWidth / layer.units }

  private func forEachBlock(_ pass: Pass, _ body: (Range<Int>) -> Void) {
    let size = pass.validity(output.validity) == nil ? layer.units : blockUnits
    for first in stride(from: 0, to: layer.units, by: size) {
      body(first..<min(layer.units, first + size))
    }
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    let linear = logits.isNone ? output.values : logits
    forEachBlock(pass) { block in
      let weight = weights.weight.view.forward.columns(block)
      let start = weights.bias.map { ProductStart.row($0 + block.lowerBound) } ?? .zero
      pass.forEachRun(of: rows, output) { run in
        weight.multiply(
          pass.pointer(input.values, run), aRowStride: layer.inputSize,
          into: pass.pointer(linear, run) + block.lowerBound, cStride: layer.units,
          rows: run.count * vectors, start: start)
      }
    }
    pass.forEachRun(of: rows, output) { run in
      layer.activation.forward(
        pass.pointer(linear, run), pass.pointer(output.values, run), rows: run.count * vectors,
        columns: layer.units)
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    if !pass.isFused(output) {
      pass.forEachRun(of: rows, output) { run in
        layer.activation.backward(
          pass.pointer(output.values, run), pass.pointer(output.gradients, run),
          rows: run.count * vectors, columns: layer.units)
      }
    }
    guard pass.wantsGradient(input) else { return }
    let weight = weights.weight.view.backward
    forEachBlock(pass) { block in
      pass.forEachRun(of: rows, output) { run in
        weight.multiply(
          pass.pointer(output.gradients, run) + block.lowerBound, aRowStride: layer.units,
          part: block, into: pass.pointer(input.gradients, run), cStride: layer.inputSize,
          rows: run.count * vectors, start: .sums)
      }
    }
  }

  override var gradientTasks: Int { parts.count }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    let range = parts.range(task)
    let dy = pass.pointer(output.gradients) + range.lowerBound
    let target = TransposedTarget(
      b: pass.pointer(input.values), bStride: layer.inputSize, columns: layer.inputSize,
      c: weight.gradient(pass) + range.lowerBound * layer.inputSize, cStride: layer.inputSize,
      sums: bias.map { $0.gradient(pass) + range.lowerBound })
    accumulateTransposedProduct(
      a: dy, aStride: layer.units, rows: range.count, into: target,
      depth: Validity.sequences(
        pass.validity(output.validity), rows: 0..<batch, timesteps: output.timesteps,
        rowsPerTimestep: vectors), scratch: pass.scratch)
  }
}
