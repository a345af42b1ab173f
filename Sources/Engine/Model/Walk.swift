// Walk.swift — a model walked along one of its inputs, a timestep at a time
//
// For generation, where each timestep of the input is chosen when the one before has been seen.
// Layers that the input does not reach, an encoder for instance, run once over whole sequences; those
// that it reaches run at every step, with their state in memory between the steps; those that the
// output does not need stay out. An initial state that comes from another layer is the first step's.
//
// A row's state is that of a window, for each step is one, and behind it the history: for one timestep
// after the other, what layers keep of it that look back.

struct Walk: Sendable {
  enum Role {
    case once, step
    /// Not needed for the output.
    case left
  }

  /// The model's input.
  let input: Int
  /// For each value, whether it was made of the input.
  let changes: [Bool]
  /// For each node.
  let roles: [Role]
  /// For each node, where what it keeps of the first timestep begins in a row's state.
  let historyOffsets: [Int]
  /// Floats of a timestep's history.
  let historySize: Int

  /// - Parameters:
  ///   - input: has timesteps.
  ///   - output: the model's output that is wanted.
  /// - Throws: `EngineError.unsupported` if a layer on the way needs the whole sequence at once.
  init(_ graph: Graph, along input: Int, to output: Int) throws {
    var changes = graph.values.map { _ in false }
    changes[graph.inputs[input]] = true
    for node in graph.nodes where node.inputs.contains(where: { changes[$0] }) {
      for output in node.outputs { changes[output] = true }
    }
    var needed = graph.values.map { _ in false }
    needed[graph.outputs[output]] = true
    var roles = [Role](repeating: .left, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated().reversed()
    where node.outputs.contains(where: { needed[$0] }) {
      for value in node.inputs { needed[value] = true }
      roles[index] = node.outputs.contains { changes[$0] } ? .step : .once
    }
    for (index, node) in graph.nodes.enumerated()
    where roles[index] == .step && !node.inputs.isEmpty {
      let inputs = node.inputs.map { changes[$0] }
      guard node.layer.canWalk(inputs) else {
        throw EngineError.unsupported(
          "the model cannot take one timestep at a time: \(node.name) needs the whole sequence that "
            + "is being generated")
      }
      let walksTogether = node.layer.timeSource == nil
      for value in node.inputs
      where walksTogether && !changes[value] && graph.values[value].shape.hasTime {
        throw EngineError.unsupported(
          "the model cannot take one timestep at a time: \(node.name) joins the sequence that is "
            + "being generated with one that is not")
      }
    }
    self.input = input
    self.changes = changes
    self.roles = roles
    var historySize = 0
    historyOffsets = zip(graph.nodes, roles).map { node, role in
      defer { if role == .step { historySize += node.layer.historySize } }
      return graph.windowStateSize + historySize
    }
    self.historySize = historySize
  }
}
