// RepeatVector.swift — a vector at every timestep of a sequence
//
// `x -> RepeatVector(20)` makes twenty timesteps of its own, which all count. `[x, sequence] ->
// RepeatVector` makes as many as the sequence has, and those count that count there.

import Kernels

struct RepeatVectorLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "RepeatVector",
    meaning: "A vector at every timestep: n of them, or those of a second input.",
    options: [
      Option(
        "n", .optional(.integer(1...Int(Int32.max))), default: .none,
        "Timesteps; none: those of the second input, [vector, sequence].")
    ])

  let outputs: [ValueShape]
  let timeSource: Int?

  /// A vector that changes is that of the timesteps so far, which a run never repeats.
  func canStream(_ changes: [Bool]) -> Bool { timeSource != nil && !changes[0] }

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard let vector = inputs.first, vector.type == .float, !vector.hasTime else {
      throw LayerError("RepeatVector takes a float input without timesteps")
    }
    var output = vector
    output.hasTime = true
    switch (call.optionalInteger("n"), inputs.count) {
    case (let n?, 1):
      output.timesteps = n
      timeSource = nil
    case (nil, 2) where inputs[1].hasTime:
      timeSource = 1
    default:
      throw LayerError(
        "RepeatVector takes a vector and n, as in x -> RepeatVector(20), or a vector and a sequence, "
          + "as in [x, sequence] -> RepeatVector")
    }
    outputs = [output]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun { RepeatVectorRun(placement) }
}

private final class RepeatVectorRun: LayerRun {
  private let input: ValuePlace
  private let output: ValuePlace

  init(_ placement: Placement) {
    input = placement.inputs[0]
    output = placement.outputs[0]
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    for row in rows {
      kernels.broadcast(
        pass.pointer(input.values, row: row), pass.pointer(output.values, row: row),
        stride: input.width, rows: output.timesteps, columns: input.width)
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard pass.wantsGradient(input) else { return }
    for row in rows {
      kernels.addColumnSums(
        pass.pointer(output.gradients, row: row), stride: input.width, rows: output.timesteps,
        columns: input.width, into: pass.pointer(input.gradients, row: row))
    }
  }
}
