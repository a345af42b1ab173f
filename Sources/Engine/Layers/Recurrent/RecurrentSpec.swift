// RecurrentSpec.swift — the options that recurrent layers share

import Kernels

/// Which of the shared options a layer type has.
struct RecurrentTraits: Sendable {
  /// The default one of the state.
  var activation = "tanh"
  var hasGateActivation = true
  /// Whether the hidden state goes through a product with weight_hh.
  var hasProduct = true
  var canNormalize = false
  var canClip = false
  /// Whether there is a cell state beside the hidden state.
  var hasCell = false
  /// Whether the second input is a score for each timestep.
  var hasScores = false
}

/// One direction of a recurrent layer: its cell, sizes and options.
struct RecurrentSpec: Sendable {
  let cell: any RecurrentCell
  let traits: RecurrentTraits
  let inputSize: Int
  let gateActivation: Activation
  let stateActivation: Activation
  let returnsSequences: Bool
  let returnsState: Bool
  let learnsInitialState: Bool
  /// Whether the initial state comes with further inputs.
  let takesInitialState: Bool
  /// Fraction of the inputs, and of the hidden state's entries into its product, that training
  /// sets to zero; one mask per sequence, the same at every timestep. Gal & Ghahramani 2016.
  let dropout: Float
  let recurrentDropout: Float
  /// Fraction of the hidden and of the cell state that a timestep leaves as it was; see Zoneout.
  let hiddenZoneout: Float
  let cellZoneout: Float
  let usesBias: Bool
  let hasRecurrentBias: Bool
  private let kernelInitializer: Initializer
  private let recurrentInitializer: Initializer
  private let biasInitializer: Initializer
  /// Walks from the last timestep to the first.
  var isReverse: Bool
  /// Ends the names of the parameters: "" or "_reverse".
  var suffix = ""

  static func options(_ traits: RecurrentTraits, more: [Option] = []) -> [Option] {
    var options = [
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
    ]
    if traits.hasProduct {
      options.append(
        Option(
          "recurrent_dropout", .number(.fraction), default: .number(0),
          "Fraction of the hidden state dropped before its product, one mask per sequence."))
    }
    options.append(
      Option("use_bias", .boolean, default: .boolean(true), "Whether there are biases."))
    if traits.hasProduct {
      options.append(
        Option(
          "recurrent_bias", .optional(.boolean), default: .none,
          "Whether there is PyTorch's second bias; none: only where the cell needs it."))
    }
    options.append(
      Option("activation", .call(.activation), defaultCall: traits.activation, "Of the state."))
    if traits.hasGateActivation {
      options.append(
        Option("recurrent_activation", .call(.activation), defaultCall: "sigmoid", "Of the gates."))
    }
    options += more
    if traits.canNormalize {
      options.append(
        Option(
          "layer_norm", .boolean, default: .boolean(false),
          "Whether the cell's sums are normalised (Ba et al. 2016)."))
    }
    if traits.canClip {
      options.append(
        Option(
          "clip", .optional(.number(.positive)), default: .none,
          "Limit of the gates' sums before their activations; none: no limit."))
    }
    options.append(
      Option(
        "zoneout", .number(.fraction), default: .number(0),
        "Fraction of the hidden state that a timestep leaves as it was (Krueger et al. 2017)."))
    if traits.hasCell {
      options.append(
        Option(
          "zoneout_cell", .number(.fraction), default: .number(0), "The same of the cell state."))
    }
    options += [
      Option(
        "learn_initial_state", .boolean, default: .boolean(false),
        "Whether the initial state is a parameter; else it is 0, or comes with further inputs."),
      Option(
        "kernel_initializer", .call(.initializer), defaultCall: "glorot_uniform",
        "Initial weight_ih."),
    ]
    if traits.hasProduct {
      options.append(
        Option(
          "recurrent_initializer", .call(.initializer), defaultCall: "orthogonal",
          "Initial weight_hh."))
    }
    options.append(
      Option("bias_initializer", .call(.initializer), defaultCall: "zeros", "Initial biases."))
    return options
  }

  init(
    _ call: BoundCall, inputs: [ValueShape], cell: any RecurrentCell, _ traits: RecurrentTraits
  ) throws {
    let name = call.name
    guard let input = inputs.first, input.type == .float, input.hasTime, input.features.count == 1
    else {
      throw LayerError("\(name) takes a float input [batch, timesteps, features]")
    }
    self.cell = cell
    self.traits = traits
    inputSize = input.features[0]
    let gateSize = try Int.product(
      [max(cell.gateCount, cell.stateCount), cell.hiddenSize], of: name)
    _ = try Int.product([gateSize, max(inputSize, cell.outputSize, cell.hiddenSize)], of: name)
    let limit = traits.canClip ? call.optionalNumber("clip").map { Float($0) } : nil
    stateActivation = try Self.pointwise(call.call("activation"), of: name, limit: limit)
    gateActivation =
      traits.hasGateActivation
      ? try Self.pointwise(call.call("recurrent_activation"), of: name, limit: limit) : .sigmoid
    returnsSequences = call.boolean("return_sequences")
    returnsState = call.boolean("return_state")
    learnsInitialState = call.boolean("learn_initial_state")
    takesInitialState = inputs.count > (traits.hasScores ? 2 : 1)
    isReverse = call.boolean("go_backwards")
    dropout = Float(call.number("dropout"))
    recurrentDropout = traits.hasProduct ? Float(call.number("recurrent_dropout")) : 0
    hiddenZoneout = Float(call.number("zoneout"))
    cellZoneout = traits.hasCell ? Float(call.number("zoneout_cell")) : 0
    usesBias = call.boolean("use_bias")
    let needsRecurrentBias = !cell.separateBias.isEmpty
    hasRecurrentBias =
      usesBias && traits.hasProduct
      && (call.optionalBoolean("recurrent_bias") ?? needsRecurrentBias)
    kernelInitializer = Initializer(call.call("kernel_initializer"))
    recurrentInitializer =
      traits.hasProduct ? Initializer(call.call("recurrent_initializer")) : .constant(0)
    biasInitializer = Initializer(call.call("bias_initializer"))
    try checkInputs(inputs, of: name)
  }

  /// The function that an option names, if it is pointwise.
  static func pointwise(
    _ call: BoundCall, of layer: String, limit: Float? = nil
  ) throws -> Activation {
    guard case .pointwise(var activation) = OutputActivation(call) else {
      throw LayerError("\(layer) takes an activation that works on each element, not \(call.name)")
    }
    activation.limit = limit ?? .infinity
    return activation
  }

  // MARK: Inputs

  /// How many inputs come before initial states.
  var sequenceCount: Int { traits.hasScores ? 2 : 1 }

  private func checkInputs(_ inputs: [ValueShape], of name: String) throws {
    if traits.hasScores {
      guard inputs.count >= 2, inputs[1].type == .float, inputs[1].hasTime,
        inputs[1].features == [1]
      else {
        throw LayerError(
          "\(name) takes [sequence, scores], with scores of [batch, timesteps, 1]"
            + (inputs.count < 2 ? "; found no scores" : "; found \(inputs[1].pattern)"))
      }
    }
    try Self.checkInitialStates(
      Array(inputs.dropFirst(sequenceCount)), expected: stateShapes, learns: learnsInitialState,
      of: name)
  }

  /// Initial states as inputs: none, or one for each of `shapes`.
  static func checkInitialStates(
    _ states: [ValueShape], expected shapes: [ValueShape], learns: Bool, of layer: String
  ) throws {
    guard !states.isEmpty else { return }
    guard !learns else {
      throw LayerError("\(layer) learns its initial state (learn_initial_state); it takes none")
    }
    guard states == shapes else {
      throw LayerError(
        "\(layer) takes one sequence, or after it \(shapes.count) initial state(s) of "
          + shapes.map { "\($0.pattern)" }.joined(separator: ", ")
          + "; found \(states.count) more of "
          + states.map { "\($0.pattern)" }.joined(separator: ", "))
    }
  }

  /// Shapes of the final states: the hidden state, then the cell's memories.
  var stateShapes: [ValueShape] {
    [ValueShape(hasTime: false, features: [cell.outputSize])]
      + cell.memories.map { _ in ValueShape(hasTime: false, features: [cell.hiddenSize]) }
  }

  // MARK: Parameters

  var biasNames: [String] {
    (usesBias ? ["bias_ih" + suffix] : []) + (hasRecurrentBias ? ["bias_hh" + suffix] : [])
  }

  /// Names of the initial states' parameters, if they are learned.
  var initialStateNames: [String] {
    learnsInitialState ? (["hidden"] + cell.memories).map { "initial_\($0)\(suffix)" } : []
  }

  /// - Parameter forgetGate: the gate whose bias_ih starts at 1; nil for none.
  func parameters(forgetGate: Int?) -> [ParameterSpec] {
    let gates = cell.gateSize
    var initial = biasInitializer
    if let forgetGate, case .constant(let rest) = initial {
      initial = .forgetBias(rest: rest, gate: forgetGate, of: cell.gateCount)
    }
    var parameters = [
      ParameterSpec(
        name: "weight_ih" + suffix, shape: [gates, inputSize], initializer: kernelInitializer,
        isWeight: true)
    ]
    if traits.hasProduct {
      parameters.append(
        ParameterSpec(
          name: "weight_hh" + suffix, shape: [gates, cell.outputSize],
          initializer: recurrentInitializer, isWeight: true))
    }
    parameters += biasNames.map { name in
      ParameterSpec(
        name: name, shape: [gates],
        initializer: name.hasPrefix("bias_ih") ? initial : biasInitializer, isWeight: false)
    }
    parameters += cell.parameters.map { parameter in
      let start: Initializer =
        switch parameter.start {
        case .zeros: .constant(0)
        case .ones: .constant(1)
        case .kernel: kernelInitializer
        }
      return ParameterSpec(
        name: parameter.name + suffix, shape: parameter.shape, initializer: start,
        isWeight: parameter.shape.count > 1)
    }
    parameters += zip(initialStateNames, stateShapes).map { name, shape in
      ParameterSpec(name: name, shape: shape.features, initializer: .constant(0), isWeight: false)
    }
    return parameters
  }
}
