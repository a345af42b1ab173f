// Plan.swift — a model laid out in a workspace for one shape
//
// A plan serves every batch up to its capacity with its numbers of timesteps. It holds offsets
// only; the executor brings the memory.

import Kernels

final class Plan {
  struct Key: Hashable {
    let capacity: Int
    let timesteps: [Int]
  }

  struct ValidityPlace {
    let flags: Slot
    let lengths: Slot
    let timesteps: Int
  }

  struct GradientTask {
    let run: Int
    let task: Int
  }

  /// A layer's turn in a pass. Generation takes turns very often, and so do streams of which a layer says
  /// what counts, so it holds no more than what a turn needs, and counts no references.
  struct Turn {
    /// The plan owns it.
    let run: Unmanaged<LayerRun>
    /// Its outputs, in `given`.
    let outputs: Range<Int>
    /// Flags to be joined before it runs, in `joins`.
    let joins: Range<Int>
  }

  /// Flags that say what counts in several sequences at once.
  struct Join {
    let validity: Int
    let sources: [Int]
  }

  let key: Key
  let places: [ValuePlace]
  let validities: [ValidityPlace]
  let runs: [LayerRun]
  let turns: [Turn]
  /// In a walk, the turns before the first step; `turns` are then those of every step.
  let turnsOnce: [Turn]
  /// What the layers give, in their order.
  let given: [ValuePlace]
  let joins: [Join]
  /// The model's.
  let inputs: [ValuePlace]
  let outputs: [ValuePlace]
  let gradientTasks: [GradientTask]
  /// Floats of the workspace, and of each thread's scratch.
  let floats: Int
  let scratch: Int

  /// - Parameter timesteps: for each input, 1 where it has no time axis.
  init(
    _ model: Model, _ key: Key, isTraining: Bool, rowsPerCall: Int, threads: Int, walk: Walk? = nil
  ) throws {
    let graph = model.graph
    self.key = key
    var reservations = Reservations(batch: key.capacity)
    var validities: [ValidityPlace] = []
    var places: [ValuePlace] = []
    var runs: [LayerRun] = []

    var validityTimesteps = [Int](repeating: 1, count: graph.validities.count)
    for (index, value) in graph.values.enumerated() {
      if let validity = value.validity {
        validityTimesteps[validity] = graph.timesteps(of: index) { key.timesteps[$0] }
      }
    }
    for timesteps in validityTimesteps {
      validities.append(
        ValidityPlace(
          flags: try reservations.reserve((timesteps + 3) / 4),
          lengths: try reservations.reserve(1), timesteps: timesteps))
    }

    for (index, value) in graph.values.enumerated() {
      let timesteps = graph.timesteps(of: index) { key.timesteps[$0] }
      let keys = graph.keys(of: index) { key.timesteps[$0] }
      let stepWidth = try Int.product(value.shape.width, keys ?? 1, of: "workspace")
      let width = try Int.product(timesteps, stepWidth, of: "workspace")
      let hasGradient = isTraining && value.shape.type == .float
      places.append(
        ValuePlace(
          index: index, type: value.shape.type, hasTime: value.shape.hasTime,
          stepWidth: stepWidth, lastAxis: keys ?? value.shape.lastAxis,
          isModelInput: graph.inputs.contains(index),
          timesteps: timesteps, values: try reservations.reserve(width),
          gradients: hasGradient ? try reservations.reserve(width) : .none,
          validity: value.validity))
    }

    var tasks: [GradientTask] = []
    var nodes: [Node] = []
    var isOnce: [Bool] = []
    for (index, node) in graph.nodes.enumerated() {
      let role = walk?.roles[index] ?? .step
      guard role != .left else { continue }
      try Self.checkTimeAxes(node, places)
      var placement = Placement(
        isTraining: isTraining, rowsPerCall: rowsPerCall, threads: threads,
        name: node.name, inputs: node.inputs.map { places[$0] },
        outputs: node.outputs.map { places[$0] }, weights: model.weights[index],
        parameters: ParameterSource(store: model.parameters, layer: node.name),
        stateOffset: node.stateOffset, layerIndex: index,
        changes: role == .step ? walk.map { walk in node.inputs.map { walk.changes[$0] } } : nil,
        history: walk.map { ($0.historyOffsets[index], $0.historySize) },
        randomStream: UInt64(index), reservations: reservations)
      let run = try node.layer.makeRun(&placement)
      reservations = placement.reservations
      for (value, place) in zip(node.outputs, placement.outputs) { places[value] = place }
      if isTraining {
        tasks += (0..<run.gradientTasks).map { GradientTask(run: runs.count, task: $0) }
      }
      runs.append(run)
      nodes.append(node)
      isOnce.append(role == .once)
    }
    var turns: [Turn] = []
    var turnsOnce: [Turn] = []
    var given: [ValuePlace] = []
    var joins: [Join] = []
    for (position, node) in nodes.enumerated() {
      let (firstOutput, firstJoin) = (given.count, joins.count)
      given += node.outputs.map { places[$0] }
      for output in node.outputs {
        if let index = graph.values[output].validity,
          case .all(let sources) = graph.validities[index]
        {
          joins.append(Join(validity: index, sources: sources))
        }
      }
      let turn = Turn(
        run: .passUnretained(runs[position]), outputs: firstOutput..<given.count,
        joins: firstJoin..<joins.count)
      if isOnce[position] { turnsOnce.append(turn) } else { turns.append(turn) }
    }
    self.places = places
    self.validities = validities
    self.runs = runs
    self.turns = turns
    self.turnsOnce = turnsOnce
    self.given = given
    self.joins = joins
    inputs = graph.inputs.map { places[$0] }
    outputs = graph.outputs.map { places[$0] }
    gradientTasks = tasks
    floats = reservations.floats
    scratch = reservations.scratch
  }

  /// Layers that join sequences need as many timesteps in each.
  private static func checkTimeAxes(_ node: Node, _ places: [ValuePlace]) throws {
    guard node.layer.timeSource == nil else { return }
    let timed = node.inputs.map { places[$0] }.filter(\.hasTime)
    guard let first = timed.first else { return }
    for other in timed where other.timesteps != first.timesteps {
      throw EngineError.argument(
        name: node.name,
        message: "joins sequences of \(first.timesteps) and of \(other.timesteps) timesteps")
    }
  }
}
