// Bidirectional.swift — a recurrent layer read from both ends
//
// Schuster & Paliwal 1997. The reverse direction has parameters of its own (suffix `_reverse`),
// runs over each row's valid prefix, and stays aligned with the input. Merging joins what the two
// say of a timestep, or their final states.

import Kernels

struct BidirectionalLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Bidirectional", meaning: "A recurrent layer read from both ends.",
    options: [
      Option("layer", .call(.layer), "The recurrent layer for each direction."),
      Option(
        "merge_mode", .choice(["concat", "sum", "mul", "ave"]), default: .text("concat"),
        "How the two directions' outputs are joined."),
    ])

  enum Merge: String, Sendable { case concat, sum, mul, ave }

  /// Forward and reverse.
  let specs: [RecurrentSpec]
  let merge: Merge
  private let forgetGate: Int?

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let inner = call.call("layer")
    guard let type = LayerRegistry.type(named: inner.name) as? any RecurrentLayerType.Type,
      type != AUGRULayer.self
    else {
      throw LayerError("Bidirectional takes a recurrent layer of one sequence, not \(inner.name)")
    }
    let layer = try type.init(inner, inputs: Array(inputs.prefix(1)))
    guard !layer.spec.isReverse else {
      throw LayerError("Bidirectional sets the directions itself; leave out go_backwards")
    }
    var reverse = layer.spec
    reverse.isReverse = true
    reverse.suffix = "_reverse"
    specs = [layer.spec, reverse]
    forgetGate = layer.forgetGate
    merge = Merge(rawValue: call.text("merge_mode")) ?? .concat
    try RecurrentSpec.checkInitialStates(
      Array(inputs.dropFirst()), expected: specs.flatMap(\.stateShapes),
      learns: layer.spec.learnsInitialState, of: "Bidirectional")
  }

  private var directionSize: Int { specs[0].cell.outputSize }

  var outputs: [ValueShape] {
    let size = merge == .concat ? 2 * directionSize : directionSize
    let joined = ValueShape(hasTime: specs[0].returnsSequences, features: [size])
    return [joined] + (specs[0].returnsState ? specs.flatMap(\.stateShapes) : [])
  }
  var parameters: [ParameterSpec] {
    specs.flatMap { $0.parameters(forgetGate: forgetGate) }
  }
  var canStream: Bool { false }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try BidirectionalWeights(directions: specs.map { try RecurrentWeights($0, source) })
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try BidirectionalRun(self, &placement)
  }
}

final class BidirectionalWeights: LayerWeights {
  let directions: [RecurrentWeights]

  init(directions: [RecurrentWeights]) { self.directions = directions }

  func refresh(_ forms: PackedForms) throws {
    for direction in directions { try direction.refresh(forms) }
  }
}

private final class BidirectionalRun: LayerRun {
  private let merge: BidirectionalLayer.Merge
  private let output: ValuePlace
  private let directions: [RecurrentRun]
  /// Each direction's output where merging is more than writing side by side.
  private let separate: [RecurrentRun.Target]

  init(_ layer: BidirectionalLayer, _ placement: inout Placement) throws {
    guard let weights = placement.weights as? BidirectionalWeights else {
      preconditionFailure("Bidirectional without its weights")
    }
    merge = layer.merge
    output = placement.outputs[0]
    let states = layer.specs[0].cell.stateCount
    let size = layer.specs[0].cell.outputSize
    var separate: [RecurrentRun.Target] = []
    var directions: [RecurrentRun] = []
    for (index, spec) in layer.specs.enumerated() {
      var target = RecurrentRun.Target(output, column: index * size)
      if merge != .concat {
        target = RecurrentRun.Target(
          values: try placement.reserve(output.width),
          gradients: placement.isTraining ? try placement.reserve(output.width) : .none,
          step: size)
        separate.append(target)
      }
      let own = index * states..<(index + 1) * states
      let initial = Array(placement.inputs.dropFirst())
      directions.append(
        try RecurrentRun(
          spec, weights.directions[index], &placement,
          RecurrentRun.Connections(
            input: placement.inputs[0], scores: nil,
            initialStates: initial.isEmpty ? [] : Array(initial[own]),
            output: target,
            finalStates: spec.returnsState ? Array(placement.outputs.dropFirst()[own.shifted]) : [],
            outputValidity: output.validity, repeatsMasked: false, staysAligned: true,
            stateOffset: 0, randomStream: placement.randomStream + UInt64(index) << 32,
            layerIndex: placement.layerIndex)))
    }
    self.separate = separate
    self.directions = directions
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    for direction in directions { direction.forward(rows, pass) }
    guard merge != .concat else { return }
    pass.forEachRun(of: rows, output) { run in
      let count = run.count * output.stepWidth
      let y = pass.pointer(output.values, run)
      let first = pass.pointer(separate[0].values, run)
      let second = pass.pointer(separate[1].values, run)
      switch merge {
      case .mul:
        kernels.multiply(first, second, y, count: count)
      case .sum, .ave, .concat:
        y.update(from: first, count: count)
        kernels.add(second, y, count: count)
        if merge == .ave { kernels.scale(y, by: 0.5, y, count: count) }
      }
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    if merge != .concat { pass.forEachRun(of: rows, output) { divide($0, pass) } }
    for direction in directions { direction.backward(rows, pass) }
  }

  /// Each direction's part of the output's gradient.
  private func divide(_ run: TimestepRun, _ pass: Pass) {
    let count = run.count * output.stepWidth
    let dy = pass.pointer(output.gradients, run)
    for index in separate.indices {
      let gradient = pass.pointer(separate[index].gradients, run)
      if merge == .mul {
        let factor = pass.pointer(separate[1 - index].values, run)
        kernels.multiply(dy, factor, gradient, count: count)
      } else {
        kernels.scale(dy, by: merge == .ave ? 0.5 : 1, gradient, count: count)
      }
    }
  }

  override var gradientTasks: Int { directions[0].gradientTasks + directions[1].gradientTasks }

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    let first = directions[0].gradientTasks
    let (direction, own) = task < first ? (directions[0], task) : (directions[1], task - first)
    direction.addGradients(task: own, batch: batch, pass)
  }
}

extension Range<Int> {
  /// For slices that start at 1: those of a layer's outputs after the first.
  fileprivate var shifted: Range<Int> { lowerBound + 1..<upperBound + 1 }
}
