// Embedding.swift — a learned vector for each id

import Kernels

/// y = W[id]. With `mask_zero`, timesteps whose id is 0 are skipped by the layers that follow, and the
/// vector of 0 gets no gradient.
struct EmbeddingLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Embedding", meaning: "A learned vector for each id.",
    options: [
      Option("vocabulary", .integer(1...maximumSize), "Ids are 0 … vocabulary − 1."),
      Option("units", .integer(1...maximumSize), "Size of the vectors."),
      Option(
        "mask_zero", .boolean, default: .boolean(false),
        "Whether id 0 is padding, to be skipped by the layers that follow."),
      Option(
        "initializer", .call(.initializer), defaultCall: "uniform",
        "Initial vectors."),
    ])

  let vocabulary: Int
  let units: Int
  let masksZero: Bool
  let outputs: [ValueShape]
  let canContinue = true
  let parameters: [ParameterSpec]

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .ids else {
      throw LayerError("Embedding takes one input of ids, such as Input(ids)")
    }
    vocabulary = call.integer("vocabulary")
    units = call.integer("units")
    masksZero = call.boolean("mask_zero") && inputs[0].hasTime
    outputs = [ValueShape(hasTime: inputs[0].hasTime, features: [units])]
    parameters = [
      ParameterSpec(
        name: "weight", shape: [vocabulary, units],
        initializer: Initializer(call.call("initializer")), isWeight: true)
    ]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    EmbeddingRun(self, placement)
  }
}

private final class EmbeddingRun: LayerRun {
  private let units: Int
  private let vocabulary: Int
  private let masksZero: Bool
  private let input: ValuePlace
  private let output: ValuePlace
  private let weight: PlacedParameter
  /// Vocabulary rows are divided among tasks by remainder: frequent words have small ids.
  override var gradientTasks: Int { 8 }

  init(_ layer: EmbeddingLayer, _ placement: Placement) {
    units = layer.units
    vocabulary = layer.vocabulary
    masksZero = layer.masksZero
    input = placement.inputs[0]
    output = placement.outputs[0]
    weight = placement.parameters("weight")
  }

  private func ids(_ row: Int, _ pass: Pass) -> UnsafePointer<Int32> {
    UnsafeRawPointer(pass.pointer(input.values, row: row)).assumingMemoryBound(to: Int32.self)
  }

  /// Timesteps of a row within its length.
  private func timesteps(_ row: Int, _ validity: Validity?) -> Int {
    Validity.length(validity, row: row, timesteps: input.timesteps)
  }

  /// Asks for a vector that will soon be needed: words are scattered over the vocabulary.
  private func prefetch(_ vector: MutableValues) {
    kernels.prefetch(Rows(vector, stride: 0), count: 1, columns: units)
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    let validity = pass.validity(input.validity)
    for row in rows {
      let ids = ids(row, pass)
      let y = pass.pointer(output.values, row: row)
      // What lies beyond a length is set to zero when all layers' outputs are.
      let count = timesteps(row, validity)
      for t in 0..<count {
        if t + 8 < count { prefetch(weight.values + Int(ids[t + 8]) * units) }
        (y + t * units).update(from: weight.values + Int(ids[t]) * units, count: units)
      }
      if masksZero, let index = output.validity { narrow(index, row, ids, pass) }
    }
  }

  /// Writes the output's validity: the input's, without the ids that are 0.
  private func narrow(_ index: Int, _ row: Int, _ ids: UnsafePointer<Int32>, _ pass: Pass) {
    let narrowed = pass.validities[index]
    let source = pass.validity(input.validity)
    let flags = narrowed.row(row)
    for t in 0..<input.timesteps {
      flags[t] = ids[t] != 0 && (source.map { $0.row(row)[t] == 1 } ?? true) ? 1 : 0
    }
    narrowed.lengths[row] = source?.lengths[row] ?? Int32(input.timesteps)
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {}

  override func addGradients(task: Int, batch: Int, _ pass: Pass) {
    let gradients = weight.gradient(pass)
    let validity = pass.validity(input.validity)
    let tasks = gradientTasks
    for row in 0..<batch {
      let ids = ids(row, pass)
      let dy = pass.pointer(output.gradients, row: row)
      let count = timesteps(row, validity)
      func belongs(_ t: Int) -> Bool { Int(ids[t]) % tasks == task && !(masksZero && ids[t] == 0) }
      for t in 0..<count {
        // A task has one in eight of the vectors, so this is four of them ahead.
        if t + 32 < count, belongs(t + 32) {
          prefetch(gradients + Int(ids[t + 32]) * units)
          prefetch(dy + (t + 32) * units)
        }
        guard belongs(t) else { continue }
        kernels.add(dy + t * units, gradients + Int(ids[t]) * units, count: units)
      }
    }
  }
}
