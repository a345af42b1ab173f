// Input.swift — where data enter a model

import Kernels

/// `Input(12)`: float features per timestep; `Input(ids)`: integers; `time=false`: one per sequence.
struct InputLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Input", meaning: "Data from outside.",
    options: [
      Option(
        "features",
        .either([.choice(["ids"]), .integer(1...maximumSize), .list(of: .integer(1...maximumSize))]
        ),
        "Size of the last axis, a list of sizes, or ids for integers."),
      Option(
        "time", .boolean, default: .boolean(true),
        "Whether there is an axis of timesteps after the batch."),
    ])

  let outputs: [ValueShape]
  let canContinue = true

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    let time = call.boolean("time")
    switch call["features"] {
    case .integer(let size):
      outputs = [ValueShape(hasTime: time, features: [size])]
    case .list(let sizes):
      guard !sizes.isEmpty, sizes.count <= 6 else {
        throw LayerError("Input takes 1 to 6 feature sizes, found \(sizes.count)")
      }
      let features = sizes.map { value in
        if case .integer(let size) = value { size } else { 1 }
      }
      _ = try Int.product(features, of: "Input")
      outputs = [ValueShape(hasTime: time, features: features)]
    default:
      outputs = [ValueShape(.ids, hasTime: time, features: [])]
    }
  }

  /// The executor writes the values of inputs; there is nothing to run.
  func makeRun(_ placement: inout Placement) throws -> LayerRun { InputRun() }
}

private final class InputRun: LayerRun {
  override func streamTurns(_ rows: Range<Int>, _ pass: Pass) throws -> [StreamTurn] { [] }
}

/// No single size in a model may exceed this; products are checked besides.
let maximumSize = 1 << 31
