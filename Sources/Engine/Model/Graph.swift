// Graph.swift — a model's layers and the values that flow between them
//
// Built from the notation, in the order of its statements, which is an order in which the layers
// can run. A value is what a layer gives; a layer may take and give several.

/// A layer at its place.
struct Node: Sendable {
  /// Begins the names of its parameters.
  let name: String
  let layer: any Layer
  let call: BoundCall
  /// Indices of values.
  let inputs: [Int]
  let outputs: [Int]
  /// Where its state begins in a stream's state.
  let stateOffset: Int
}

/// What is known about a value before any data are.
struct GraphValue: Sendable {
  let shape: ValueShape
  /// The input whose number of timesteps it shares; nil without timesteps, and where the model fixes
  /// their number.
  let timeAxis: Int?
  /// The same of its keys.
  let keyAxis: Int?
  /// Which flags say whether a timestep counts; nil without timesteps.
  let validity: Int?
}

/// Where flags of validity come from.
enum ValiditySource: Sendable, Equatable {
  /// Lengths and mask of the model's input with this index.
  case input(Int)
  /// Written by the layer that gives the value (Embedding's mask, a reversed sequence).
  case layer
  /// What counts in all of these, for layers that join several sequences.
  case all([Int])
}

struct Graph: Sendable {
  fileprivate(set) var nodes: [Node] = []
  fileprivate(set) var values: [GraphValue] = []
  fileprivate(set) var validities: [ValiditySource] = []
  /// Indices of values.
  fileprivate(set) var inputs: [Int] = []
  fileprivate(set) var outputs: [Int] = []
  /// Inputs by the names that the notation gives them: that of their value or of its embedding, `x` of
  /// `x = Input(ids)` and of `x = Embedding(100, 8)`, and the layer's own.
  fileprivate(set) var inputNames: [String: Int] = [:]
  /// For inputs of ids: one more than the largest allowed.
  fileprivate(set) var vocabularies: [Int: Int] = [:]
  /// Floats of state that a stream keeps per lane.
  fileprivate(set) var stateSize = 0
  /// Floats that are carried from window to window: the state, and a mark of each layer.
  var windowStateSize: Int { stateSize + nodes.count }
  /// Canonical notation.
  fileprivate(set) var notation = ""

  /// Layers that cannot run without later timesteps.
  var unstreamable: [String] {
    var changes = values.map(\.shape.hasTime)
    var names: [String] = []
    for node in nodes {
      let inputs = node.inputs.map { changes[$0] }
      if !node.layer.canStream(inputs) { names.append(node.name) }
      if inputs.contains(true) { for output in node.outputs { changes[output] = true } }
    }
    return names
  }

  init(_ source: String) throws(NotationError) {
    var builder = GraphBuilder(source: source)
    self = try builder.build()
  }

  fileprivate init() {}

  /// Whether a layer puts out its sequence in another order, and with it the flags of a mask.
  var reordersTime: Bool { nodes.contains { $0.layer.reordersTime } }

  /// A value's timesteps, 1 without a time axis, given those of the inputs.
  func timesteps(of value: Int, _ timesteps: (_ input: Int) -> Int) -> Int {
    let value = values[value]
    return value.timeAxis.map(timesteps) ?? value.shape.timesteps ?? 1
  }

  /// A value's keys, nil without, given the timesteps of the inputs.
  func keys(of value: Int, _ timesteps: (_ input: Int) -> Int) -> Int? {
    let value = values[value]
    return value.keyAxis.map(timesteps) ?? value.shape.keys
  }

  /// How many layers take a value.
  func consumers(of value: Int) -> Int {
    nodes.reduce(0) { $0 + $1.inputs.count { $0 == value } }
  }
}

private struct GraphBuilder {
  let source: String
  var graph = Graph()
  /// Values by the names that statements gave them.
  var named: [String: [Int]] = [:]
  var layerNames: Set<String> = []
  /// For each type, the number that its next unnamed layer may take.
  var nextNumbers: [String: Int] = [:]

  init(source: String) { self.source = source }

  mutating func build() throws(NotationError) -> Graph {
    let program = try parseProgram(source)
    guard let last = program.statements.last else {
      throw NotationError("a model needs at least one layer", at: .start, in: source)
    }
    var lines: [String] = []
    for statement in program.statements {
      let (line, values) = try add(statement)
      lines.append(line)
      graph.outputs = values
    }
    nameInputs()
    graph.notation = lines.joined(separator: "\n")
    // Names in place of positions may have made the text longer than one that can be read back.
    if graph.notation.utf8.count > source.utf8.count { _ = try parseProgram(graph.notation) }
    try checkWhole(last)
    return graph
  }

  private mutating func nameInputs() {
    for (index, input) in graph.inputs.enumerated() {
      for node in graph.nodes where node.outputs == [input] { graph.inputNames[node.name] = index }
    }
    for (name, values) in named where values.count == 1 {
      let embedding = graph.nodes.first { $0.outputs == values && $0.layer is EmbeddingLayer }
      let value = embedding?.inputs[0] ?? values[0]
      if let index = graph.inputs.firstIndex(of: value) { graph.inputNames[name] = index }
    }
  }

  private func checkWhole(_ last: Statement) throws(NotationError) {
    for output in graph.outputs where graph.values[output].shape.type != .float {
      throw NotationError("an output must be float values, not ids", at: last.location, in: source)
    }
    guard Set(graph.outputs).count == graph.outputs.count else {
      throw NotationError("an output is listed twice", at: last.location, in: source)
    }
  }

  // MARK: Statements

  /// Adds a statement's layers; gives its canonical text and the values it ends with.
  private mutating func add(_ statement: Statement) throws(NotationError) -> (String, [Int]) {
    var flow: [Int] = []
    var texts: [String] = []
    for (position, element) in statement.flow.enumerated() {
      switch element {
      case .names(let names, let isList):
        if !isList, named[names[0].name] == nil {
          try requireLayer(names[0])
          let call = Call(name: names[0].name, location: names[0].location)
          texts.append(try add(call, to: &flow, isFirst: position == 0))
          continue
        }
        guard position == 0 else {
          throw NotationError(
            "'\(names[0].name)' is a value; values come first in a flow", at: names[0].location,
            in: source)
        }
        for identifier in names {
          let (name, location) = (identifier.name, identifier.location)
          guard let values = named[name] else {
            throw NotationError(
              "there is no value '\(name)'" + suggestion(name), at: location, in: source)
          }
          flow += values
        }
        let text = names.map(\.name).joined(separator: ", ")
        texts.append(isList ? "[\(text)]" : text)
      case .call(let call):
        texts.append(try add(call, to: &flow, isFirst: position == 0))
      }
    }
    let text = texts.joined(separator: " -> ")
    guard !statement.targets.isEmpty else { return (text, flow) }
    return (try name(flow, statement) + text, flow)
  }

  /// A name alone that is no value must be a layer without arguments.
  private func requireLayer(_ identifier: Identifier) throws(NotationError) {
    let layers = LayerRegistry.signatures.flatMap { [$0.name] + $0.aliases }
    guard !layers.contains(identifier.name) else { return }
    let known = named.keys.sorted() + layers
    let hint =
      nearestName(to: identifier.name, among: known).map { "; did you mean '\($0)'?" } ?? ""
    throw NotationError(
      "there is no layer or value '\(identifier.name)'\(hint)", at: identifier.location,
      in: source)
  }

  private func suggestion(_ name: String) -> String {
    nearestName(to: name, among: Array(named.keys).sorted()).map { "; did you mean '\($0)'?" } ?? ""
  }

  /// Gives names to the values a statement ends with; its canonical left side.
  private mutating func name(_ flow: [Int], _ statement: Statement) throws(NotationError) -> String
  {
    let targets = statement.targets
    guard targets.count == 1 || targets.count == flow.count else {
      throw NotationError(
        "\(targets.count) names for \(flow.count) values", at: targets[0].location, in: source)
    }
    for (index, target) in targets.enumerated() {
      guard named[target.name] == nil else {
        throw NotationError(
          "'\(target.name)' is defined twice", at: target.location, in: source)
      }
      guard LayerRegistry.type(named: target.name) == nil else {
        throw NotationError(
          "'\(target.name)' is the name of a layer; choose another", at: target.location,
          in: source)
      }
      named[target.name] = targets.count == 1 ? flow : [flow[index]]
    }
    let names = targets.map(\.name).joined(separator: ", ")
    return targets.count == 1 ? "\(names) = " : "[\(names)] = "
  }

  // MARK: Layers

  private mutating func add(_ call: Call, to flow: inout [Int], isFirst: Bool)
    throws(NotationError) -> String
  {
    let bound = try Vocabulary.registry.bind(call, as: .layer, source: source)
    let isInput = bound.name == InputLayer.signature.name
    guard isInput == isFirst || (isFirst && bound.name == EmbeddingLayer.signature.name) else {
      throw NotationError(
        isInput
          ? "Input stands at the beginning of a flow"
          : "\(bound.name) has no input: begin with Input(features), Input(ids) or Embedding",
        at: call.location, in: source)
    }
    if isFirst && !isInput {
      let ids = Call(
        name: InputLayer.signature.name,
        arguments: [Argument(value: .name("ids", at: call.location), location: call.location)],
        location: call.location)
      let input = try Vocabulary.registry.bind(ids, as: .layer, source: source)
      flow = try place(input, call, inputs: [])
    }
    flow = try place(bound, call, inputs: flow)
    return bound.canonical
  }

  /// Adds a layer; gives its outputs.
  private mutating func place(_ bound: BoundCall, _ call: Call, inputs: [Int])
    throws(NotationError) -> [Int]
  {
    guard let type = LayerRegistry.type(named: bound.name) else {
      preconditionFailure("\(bound.name) is bound but not registered")
    }
    let layer: any Layer
    do {
      let shapes = inputs.map { graph.values[$0].shape }
      guard shapes.allSatisfy({ !$0.hasKeys }) else {
        throw LayerError(
          "\(bound.name) cannot take weights of attention, whose last axis is as long as a sequence; "
            + "they can be an output of the model")
      }
      layer = try type.init(bound, inputs: shapes)
      for shape in layer.outputs { _ = try Int.product(shape.features, of: bound.name) }
      try checkTimesteps(layer, bound, shapes)
    } catch let error as LayerError {
      throw NotationError(error.message, at: call.location, in: source)
    } catch let error as NotationError {
      throw error
    } catch {
      throw NotationError("\(error)", at: call.location, in: source)
    }
    let name = try layerName(bound, call)
    let outputs = addValues(of: layer, bound, inputs)
    graph.nodes.append(
      Node(
        name: name, layer: layer, call: bound, inputs: inputs, outputs: outputs,
        stateOffset: graph.stateSize))
    graph.stateSize += layer.stateSize
    if let embedding = layer as? EmbeddingLayer {
      let known = graph.vocabularies[inputs[0]] ?? Int.max
      graph.vocabularies[inputs[0]] = min(known, embedding.vocabulary)
    }
    return outputs
  }

  /// - Throws: if sequences are walked together of which the model fixes the timesteps of one, and
  ///   not the same of the others.
  private func checkTimesteps(_ layer: any Layer, _ bound: BoundCall, _ inputs: [ValueShape]) throws
  {
    guard layer.timeSource == nil else { return }
    let numbers = inputs.filter(\.hasTime).map(\.timesteps)
    guard let first = numbers.first, numbers.contains(where: { $0 != first }) else { return }
    let texts = numbers.map { $0.map(String.init) ?? "an input's" }.joined(separator: " and ")
    throw LayerError("\(bound.name) cannot join sequences of \(texts) timesteps")
  }

  private mutating func addValues(of layer: any Layer, _ bound: BoundCall, _ inputs: [Int]) -> [Int]
  {
    let isInput = layer is InputLayer
    let walked = layer.timeSource.map { [inputs[$0]] } ?? inputs
    let timed = walked.map { graph.values[$0] }.filter { $0.shape.hasTime }
    let sources = timed.compactMap(\.validity)
    var axis = timed.compactMap(\.timeAxis).first
    var validity = sources.first
    if isInput {
      axis = graph.inputs.count
      graph.validities.append(.input(graph.inputs.count))
      validity = graph.validities.count - 1
    } else if Set(sources).count > 1 {
      graph.validities.append(.all(Set(sources).sorted()))
      validity = graph.validities.count - 1
    } else if writesValidity(layer) {
      graph.validities.append(.layer)
      validity = graph.validities.count - 1
    }
    let first = graph.values.count
    for var shape in layer.outputs {
      if shape.hasTime { shape.timesteps = shape.timesteps ?? timed.first?.shape.timesteps }
      var keyAxis: Int?
      if shape.hasKeys {
        let memory = graph.values[inputs[layer.keySource]]
        keyAxis = memory.timeAxis
        shape.keys = memory.shape.timesteps
      }
      graph.values.append(
        GraphValue(
          shape: shape, timeAxis: shape.hasTime ? axis : nil, keyAxis: keyAxis,
          validity: shape.hasTime ? validity : nil))
    }
    if isInput { graph.inputs.append(first) }
    return Array(first..<graph.values.count)
  }

  private func writesValidity(_ layer: any Layer) -> Bool {
    if let embedding = layer as? EmbeddingLayer { return embedding.masksZero }
    return layer.reordersTime
  }

  private mutating func layerName(_ bound: BoundCall, _ call: Call) throws(NotationError) -> String
  {
    if let given = bound.optionalText("name") {
      guard given.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }),
        !given.isEmpty
      else {
        throw NotationError(
          "a layer's name has letters, digits and _ only, found '\(given)'", at: call.location,
          in: source)
      }
      guard layerNames.insert(given).inserted else {
        throw NotationError("two layers are named '\(given)'", at: call.location, in: source)
      }
      return given
    }
    let base = bound.name.lowercased()
    var number = nextNumbers[base] ?? 0
    var name = number == 0 ? base : "\(base)_\(number)"
    while layerNames.contains(name) {
      number += 1
      name = "\(base)_\(number)"
    }
    nextNumbers[base] = number + 1
    layerNames.insert(name)
    return name
  }
}
