// RecurrentLayer.swift — RNN, LSTM and GRU as layers of a model
//
// Outputs: the sequence or the final hidden state, then the final states if they are asked for.
// Inputs: the sequence, then initial states if there are any.

import Kernels

/// A layer type that is one cell walked over time.
protocol RecurrentLayerType: Layer {
  var spec: RecurrentSpec { get }
  /// Whether bias_ih starts with the forget gate at 1.
  var startsRemembering: Bool { get }
}

extension RecurrentLayerType {
  var startsRemembering: Bool { false }

  var outputs: [ValueShape] {
    let hidden = ValueShape(hasTime: spec.returnsSequences, features: [spec.cell.hiddenSize])
    return [hidden] + (spec.returnsState ? spec.stateShapes : [])
  }
  var parameters: [ParameterSpec] { spec.parameters(forgetBias: startsRemembering) }
  var canStream: Bool { !spec.isReverse }
  var reordersTime: Bool { spec.isReverse && spec.returnsSequences }
  var stateSize: Int { spec.cell.stateSize }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try RecurrentWeights(spec, source)
  }

  func makeRun(_ placement: inout Placement) throws -> any LayerRun {
    guard let weights = placement.weights as? RecurrentWeights else {
      preconditionFailure("\(placement.name) without its weights")
    }
    let states = spec.stateShapes.count
    return try RecurrentRun(
      spec, weights, &placement,
      RecurrentRun.Connections(
        input: placement.inputs[0], initialStates: Array(placement.inputs.dropFirst()),
        output: RecurrentRun.Target(placement.outputs[0]),
        finalStates: spec.returnsState ? Array(placement.outputs[1...states]) : [],
        outputValidity: placement.outputs[0].validity, repeatsMasked: true,
        stateOffset: placement.stateOffset, randomStream: placement.randomStream))
  }
}

/// The simple recurrence; see RNNCell.
struct RNNLayer: RecurrentLayerType {
  static let signature = Signature(
    kind: .layer, name: "RNN", meaning: "Simple recurrent layer (Elman 1990).",
    options: RecurrentSpec.options(activation: "tanh", gates: false), aliases: ["SimpleRNN"])

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = RNNCell(hiddenSize: call.integer("units"))
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, gated: false)
    try RecurrentSpec.checkInitialStates(inputs, expected: spec.stateShapes, of: call.name)
  }
}

/// Long short-term memory; see LSTMCell.
struct LSTMLayer: RecurrentLayerType {
  static let signature = Signature(
    kind: .layer, name: "LSTM", meaning: "Long short-term memory (Hochreiter & Schmidhuber 1997).",
    options: RecurrentSpec.options(
      activation: "tanh", gates: true,
      more: [
        Option(
          "unit_forget_bias", .boolean, default: .boolean(true),
          "Whether the forget gate's bias starts at 1 (Jozefowicz et al. 2015).")
      ]))

  let spec: RecurrentSpec
  let startsRemembering: Bool

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = LSTMCell(hiddenSize: call.integer("units"))
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, gated: true)
    startsRemembering = call.boolean("unit_forget_bias")
    try RecurrentSpec.checkInitialStates(inputs, expected: spec.stateShapes, of: call.name)
  }
}

/// Gated recurrent unit; see GRUCell.
struct GRULayer: RecurrentLayerType {
  static let signature = Signature(
    kind: .layer, name: "GRU", meaning: "Gated recurrent unit (Cho et al. 2014).",
    options: RecurrentSpec.options(
      activation: "tanh", gates: true,
      more: [
        Option(
          "reset_after", .boolean, default: .boolean(true),
          "Whether the reset gate is applied after the product (cuDNN, Keras) or before it (ONNX).")
      ]))

  let spec: RecurrentSpec

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let cell = GRUCell(
      hiddenSize: call.integer("units"), resetsAfter: call.boolean("reset_after"))
    spec = try RecurrentSpec(call, inputs: inputs, cell: cell, gated: true)
    try RecurrentSpec.checkInitialStates(inputs, expected: spec.stateShapes, of: call.name)
  }
}
