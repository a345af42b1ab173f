// Model.swift — an architecture, its parameters, and what travels with them

import Kernels
import Synchronization

/// What a model's file carries besides its parameters. The engine keeps it and does not look inside.
public struct Attachments: Equatable, Sendable {
  /// A tokenizer's state.
  public var tokenizer: String?
  /// Names of the classes, in the order of the output.
  public var labels: [String] = []
  /// Scalers' states by role.
  public var scalers: [String: String] = [:]

  public init() {}
}

/// A model. Read by any number of threads, written by one trainer.
public final class Model: @unchecked Sendable {
  public let parameters: ParameterStore
  public var attachments = Attachments()
  let graph: Graph
  /// One per layer, in order; nil for layers without packed parameters.
  let weights: [(any LayerWeights)?]

  private let packing = Mutex()
  /// The version of the parameters that is packed, times eight, plus the forms in which it is.
  private let packed = Atomic<Int>(0)

  /// - Parameter seed: nil leaves all parameters zero, for a reader who fills them.
  public init(notation: String, seed: UInt64?) throws {
    graph = try Graph(notation)
    parameters = try ParameterStore(graph.nodes.map { ($0.name, $0.layer.parameters) })
    let store = parameters
    weights = try graph.nodes.map { node in
      try node.layer.makeWeights(ParameterSource(store: store, layer: node.name))
    }
    if let seed { parameters.initialize(seed: seed) }
  }

  /// Numbers in all parameters of an architecture, without making it.
  public static func parameterCount(notation: String) throws -> Int {
    var total = 0
    for spec in try Graph(notation).nodes.flatMap(\.layer.parameters) {
      let count = try Int.product(spec.shape, of: spec.name)
      let (sum, overflow) = total.addingReportingOverflow(count)
      guard !overflow else { throw EngineError.memory("the model has too many parameters") }
      total = sum
    }
    return total
  }

  /// Canonical notation, from which the same architecture can be made.
  public var notation: String { graph.notation }

  public var inputCount: Int { graph.inputs.count }
  public var outputCount: Int { graph.outputs.count }
  public func inputShape(_ index: Int) -> ValueShape { graph.values[graph.inputs[index]].shape }
  public func outputShape(_ index: Int) -> ValueShape { graph.values[graph.outputs[index]].shape }
  /// An output's sizes in a run over these inputs.
  public func outputSizes(_ index: Int, for inputs: [TensorView]) throws -> Shape {
    guard inputs.count == inputCount else {
      throw EngineError.count(name: "inputs", expected: inputCount, found: inputs.count)
    }
    let batch = inputs[0].shape.first ?? 0
    for (index, view) in inputs.enumerated() { try view.check(inputShape(index), batch: batch) }
    let value = graph.outputs[index]
    return outputShape(index).sizes(
      batch: batch, timesteps: graph.timesteps(of: value) { inputs[$0].shape[1] },
      keys: graph.keys(of: value) { inputs[$0].shape[1] })
  }
  /// For an input of ids, one more than the largest allowed; nil if any id will do.
  public func vocabulary(ofInput index: Int) -> Int? { graph.vocabularies[graph.inputs[index]] }

  /// Brings the packed weights up to date with the parameters. Costs a comparison when they are; of
  /// several sessions that find them stale, one packs and the others wait.
  @inline(__always)
  func prepareWeights(_ forms: PackedForms) throws {
    if !arePacked(forms) { try pack(forms) }
  }

  @inline(never)
  private func pack(_ forms: PackedForms) throws {
    try packing.withLock {
      if arePacked(forms) { return }
      let version = parameters.version
      let state = packed.load(ordering: .relaxed)
      let present = PackedForms(rawValue: state & 7)
      // A session between two updates packs for the trainer too, whose form is kept from then on.
      let missing =
        state >> 3 == version
        ? forms.subtracting(present) : forms.union(present.intersection(.backward))
      for layer in weights { try layer?.refresh(missing) }
      let kept = state >> 3 == version ? present : []
      packed.store(version << 3 | kept.union(missing).rawValue, ordering: .releasing)
    }
  }

  private func arePacked(_ forms: PackedForms) -> Bool {
    let state = packed.load(ordering: .acquiring)
    return state >> 3 == parameters.version
      && PackedForms(rawValue: state & 7).isSuperset(of: forms)
  }
}
