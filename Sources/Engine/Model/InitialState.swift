// InitialState.swift — the state that a sequence begins with

import Kernels

/// What streams and windows put into a row's state before its first timestep: zeros, and what layers
/// have learned to begin with.
struct InitialState {
  private struct Piece {
    let offset: Int
    let values: Values
    let count: Int
  }

  private let width: Int
  private let pieces: [Piece]

  init(_ model: Model) {
    width = model.graph.stateSize
    pieces = model.graph.nodes.flatMap { node in
      var offset = node.stateOffset
      let source = ParameterSource(store: model.parameters, layer: node.name)
      return node.layer.initialState(source).map { parameter in
        let count = parameter.shape.reduce(1, *)
        defer { offset += count }
        return Piece(offset: offset, values: Values(parameter.values), count: count)
      }
    }
  }

  /// Writes the state of one row.
  func write(to state: MutableValues) {
    kernels.fill(state, 0, count: width)
    for piece in pieces { (state + piece.offset).update(from: piece.values, count: piece.count) }
  }
}
