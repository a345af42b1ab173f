// RecurrentSpec.swift — the options that all recurrent layers share

import Kernels

/// One direction of a recurrent layer: its cell, sizes and options.
struct RecurrentSpec: Sendable {
  let cell: any RecurrentCell
  let inputSize: Int
  let gateActivation: Activation
  let stateActivation: Activation
  let returnsSequences: Bool
  let returnsState: Bool
  /// Fraction of the inputs, and of the hidden state's entries into its product, that training
  /// sets to zero; one mask per sequence, the same at every timestep. Gal & Ghahramani 2016.
  let dropout: Float
  let recurrentDropout: Float
  let usesBias: Bool
  let hasRecurrentBias: Bool
  private let kernelInitializer: Initializer
  private let recurrentInitializer: Initializer
  private let biasInitializer: Initializer
  /// Walks from the last timestep to the first.
  var isReverse: Bool
  /// Ends the names of the parameters: "" or "_reverse".
  var suffix = ""

  static func options(
    activation: String, gates: Bool, more: [Option] = []
  ) -> [Option] {
    let recurrentActivation = Option(
      "recurrent_activation", .call(.activation), defaultCall: "sigmoid", "Of the gates.")
    return [
      Option("units", .integer(1...maximumSize), "Size of the hidden state."),
      Option(
        "return_sequences", .boolean, default: .boolean(false),
        "Whether to give the hidden state of every timestep, not only the last."),
      Option(
        "return_state", .boolean, default: .boolean(false),
        "Whether to give the final state as further outputs."),
      Option(
        "go_backwards", .boolean, default: .boolean(false),
        "Whether to read from the last timestep to the first; a sequence comes out in that order."),
      Option(
        "dropout", .number(.fraction), default: .number(0),
        "Fraction of the inputs dropped in training, one mask per sequence."),
      Option(
        "recurrent_dropout", .number(.fraction), default: .number(0),
        "Fraction of the hidden state dropped before its product, one mask per sequence."),
      Option("use_bias", .boolean, default: .boolean(true), "Whether there are biases."),
      Option(
        "recurrent_bias", .optional(.boolean), default: .none,
        "Whether there is PyTorch's second bias; none: only where the cell needs it."),
      Option(
        "activation", .call(.activation), defaultCall: activation, "Of the state."),
    ] + (gates ? [recurrentActivation] : []) + more + [
      Option(
        "kernel_initializer", .call(.initializer), defaultCall: "glorot_uniform",
        "Initial weight_ih."),
      Option(
        "recurrent_initializer", .call(.initializer), defaultCall: "orthogonal",
        "Initial weight_hh."),
      Option("bias_initializer", .call(.initializer), defaultCall: "zeros", "Initial biases."),
    ]
  }

  init(_ call: BoundCall, inputs: [ValueShape], cell: any RecurrentCell, gated: Bool) throws {
    let name = call.name
    guard let input = inputs.first, input.type == .float, input.hasTime, input.features.count == 1
    else {
      throw LayerError("\(name) takes a float input [batch, timesteps, features]")
    }
    self.cell = cell
    inputSize = input.features[0]
    _ = try Int.product(
      [cell.gateCount, cell.hiddenSize, max(inputSize, cell.hiddenSize)], of: name)
    stateActivation = try Self.pointwise(call.call("activation"), of: name)
    gateActivation =
      gated ? try Self.pointwise(call.call("recurrent_activation"), of: name) : .sigmoid
    returnsSequences = call.boolean("return_sequences")
    returnsState = call.boolean("return_state")
    isReverse = call.boolean("go_backwards")
    dropout = Float(call.number("dropout"))
    recurrentDropout = Float(call.number("recurrent_dropout"))
    usesBias = call.boolean("use_bias")
    let needsRecurrentBias = !cell.separateBias.isEmpty
    hasRecurrentBias = usesBias && (call.optionalBoolean("recurrent_bias") ?? needsRecurrentBias)
    kernelInitializer = Initializer(call.call("kernel_initializer"))
    recurrentInitializer = Initializer(call.call("recurrent_initializer"))
    biasInitializer = Initializer(call.call("bias_initializer"))
  }

  private static func pointwise(_ call: BoundCall, of layer: String) throws -> Activation {
    guard case .pointwise(let activation) = OutputActivation(call) else {
      throw LayerError("\(layer) takes an activation that works on each element, not \(call.name)")
    }
    return activation
  }

  var biasNames: [String] {
    (usesBias ? ["bias_ih" + suffix] : []) + (hasRecurrentBias ? ["bias_hh" + suffix] : [])
  }

  func parameters(forgetBias: Bool) -> [ParameterSpec] {
    let gates = cell.gateSize
    var initial = biasInitializer
    if forgetBias, case .constant(let rest) = initial { initial = .forgetBias(rest: rest) }
    return [
      ParameterSpec(
        name: "weight_ih" + suffix, shape: [gates, inputSize], initializer: kernelInitializer,
        isWeight: true),
      ParameterSpec(
        name: "weight_hh" + suffix, shape: [gates, cell.hiddenSize],
        initializer: recurrentInitializer, isWeight: true),
    ]
      + biasNames.map { name in
        ParameterSpec(
          name: name, shape: [gates],
          initializer: name.hasPrefix("bias_ih") ? initial : biasInitializer, isWeight: false)
      }
  }

  /// Shapes of the final states, one or two per direction.
  var stateShapes: [ValueShape] {
    Array(
      repeating: ValueShape(hasTime: false, features: [cell.hiddenSize]), count: cell.stateCount)
  }

  /// The initial states among a layer's inputs: none, or one for each of `shapes`.
  static func checkInitialStates(
    _ inputs: [ValueShape], expected shapes: [ValueShape], of layer: String
  ) throws {
    let states = Array(inputs.dropFirst())
    guard states.isEmpty || states == shapes else {
      throw LayerError(
        "\(layer) takes one input, or after it \(shapes.count) initial state(s) of "
          + "[batch, \(shapes[0].width)]; found \(states.count) more of "
          + states.map { "\($0.pattern)" }.joined(separator: ", "))
    }
  }

  func extent(
    rows: Int, validity: Validity?, row: Int, timestep: Int, keepsGates: Bool
  ) -> StepExtent {
    StepExtent(
      rows: rows, hiddenSize: cell.hiddenSize,
      valid: validity.map { UnsafePointer($0.row(row) + timestep) },
      validStride: validity?.timesteps ?? 0, gateActivation: gateActivation,
      stateActivation: stateActivation, keepsGates: keepsGates)
  }
}
