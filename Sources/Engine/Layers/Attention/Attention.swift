// Attention.swift — a sequence summed up with weights that depend on what is looked for
//
//     wᵢ = softmax over the keys j of score(qᵢ, kⱼ)      contextᵢ = Σⱼ wᵢⱼ mⱼ
//
//     score         of two inputs [query, memory]             of one input, a sequence h
//     additive      v · tanh(W q + U m + b)                   v · tanh(U h + b)
//     dot           q · m                                     q · h
//     scaled_dot    q · m / √size                             q · h / √size
//     general       q · (W m)                                 –
//
// With one input, nobody asks: what is looked for is learned. In the additive score v is that query
// (Yang et al. 2016, whose pooling of words to a sentence this is); in dot and scaled_dot it is a
// parameter q. A matrix between a learned query and the keys would say nothing that the query cannot
// say itself, so general needs two inputs.
//
// Sources: additive, Bahdanau et al. 2015; dot and general, Luong et al. 2015; scaled_dot, Vaswani et
// al. 2017.

import Kernels

struct AttentionLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Attention",
    meaning: "Weighted mean of a sequence: [query, memory], or one input and a learned query.",
    options: [
      Option(
        "units", .optional(.integer(1...maximumSize)), default: .none,
        "Size of the additive score's hidden layer; none: that of the query, or of the one input."),
      Option(
        "score", .choice(["additive", "dot", "general", "scaled_dot"]), default: .text("additive"),
        "additive: v · tanh(W q + U k + b); dot: q · k; general: q · W k; scaled_dot: q · k / √size."
      ),
      Option(
        "return_weights", .boolean, default: .boolean(false),
        "Whether to give the weights as a second output, [batch, query timesteps, memory timesteps]."
      ),
      Option(
        "dropout", .number(.fraction), default: .number(0),
        "Fraction of the weights dropped in training; the weights that are given have none."),
      Option(
        "use_bias", .boolean, default: .boolean(true), "Whether the additive score has a bias."),
      Option(
        "kernel_initializer", .call(.initializer), defaultCall: "glorot_uniform",
        "Initial weights, and initial query."),
      Option("bias_initializer", .call(.initializer), defaultCall: "zeros", "Initial bias."),
    ])

  enum Score: String, Sendable {
    case additive, dot, general
    case scaledDot = "scaled_dot"
  }

  let score: Score
  /// Size of the vectors that scores are made of.
  let scoreSize: Int
  let hasLearnedQuery: Bool
  /// Whether there is one query for the whole memory.
  let hasOneQuery: Bool
  let returnsWeights: Bool
  let dropout: Float
  let usesBias: Bool
  let outputs: [ValueShape]
  let parameters: [ParameterSpec]
  let memorySize: Int

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard let memory = inputs.last, inputs.count <= 2, memory.hasTime,
      inputs.allSatisfy({ $0.type == .float && $0.features.count == 1 })
    else {
      throw LayerError(
        "Attention takes a float sequence [batch, timesteps, features], or [query, memory] of which "
          + "the memory is one")
    }
    hasLearnedQuery = inputs.count == 1
    hasOneQuery = hasLearnedQuery || !inputs[0].hasTime
    score = Score(rawValue: call.text("score")) ?? .additive
    returnsWeights = call.boolean("return_weights")
    dropout = Float(call.number("dropout"))
    memorySize = memory.features[0]
    let querySize = inputs[0].features[0]
    let units = call.optionalInteger("units")
    try Self.check(score, units, querySize, memorySize, hasLearnedQuery)
    scoreSize = score == .additive ? units ?? querySize : querySize
    usesBias = score == .additive && call.boolean("use_bias")
    parameters = Self.parameters(
      score, querySize: hasLearnedQuery ? nil : querySize, memorySize: memorySize, units: scoreSize,
      usesBias: usesBias, call)
    var weights = ValueShape(hasTime: !hasOneQuery, features: [])
    weights.hasKeys = true
    outputs =
      [ValueShape(hasTime: !hasOneQuery, features: [memorySize])]
      + (returnsWeights ? [weights] : [])
  }

  private static func check(
    _ score: Score, _ units: Int?, _ querySize: Int, _ memorySize: Int, _ hasLearnedQuery: Bool
  ) throws {
    guard score == .additive || units == nil else {
      throw LayerError(
        "Attention has units with score=additive only, found score=\(score.rawValue)")
    }
    guard score != .general || !hasLearnedQuery else {
      throw LayerError(
        "Attention of one input learns its query, and score=general would learn a matrix beside it to "
          + "no effect; use score=dot, or [query, memory]")
    }
    guard score == .additive || score == .general || querySize == memorySize else {
      throw LayerError(
        "Attention with score=\(score.rawValue) takes a query and a memory of one size, found "
          + "\(querySize) and \(memorySize); score=general and additive take any")
    }
  }

  /// - Parameter querySize: nil without a query.
  private static func parameters(
    _ score: Score, querySize: Int?, memorySize: Int, units: Int, usesBias: Bool, _ call: BoundCall
  ) -> [ParameterSpec] {
    let kernel = Initializer(call.call("kernel_initializer"))
    func weight(_ name: String, _ shape: [Int]) -> ParameterSpec {
      ParameterSpec(name: name, shape: shape, initializer: kernel, isWeight: true)
    }
    switch score {
    case .additive:
      let bias = ParameterSpec(
        name: "bias", shape: [units], initializer: Initializer(call.call("bias_initializer")),
        isWeight: false)
      return (querySize.map { [weight("weight_query", [units, $0])] } ?? [])
        + [weight("weight_key", [units, memorySize])] + (usesBias ? [bias] : [])
        + [weight("weight_score", [units])]
    case .general:
      return [weight("weight_key", [units, memorySize])]
    case .dot, .scaledDot:
      return querySize == nil ? [weight("query", [memorySize])] : []
    }
  }

  /// Of the query's timesteps; the memory has its own.
  var timeSource: Int? { 0 }
  var keySource: Int { hasLearnedQuery ? 0 : 1 }

  /// With one query, learned or given, a sequence is summed up as it comes: the weights of what has come
  /// change only by a factor. A query that changes, and weights that are given, need all keys.
  func canStream(_ changes: [Bool]) -> Bool { stateSize > 0 && (hasLearnedQuery || !changes[0]) }
  /// A query that changes looks into a memory that does not.
  func canWalk(_ changes: [Bool]) -> Bool {
    !hasLearnedQuery && changes[0] ? !changes[1] : canStream(changes)
  }
  /// The sum of the powers so far, the largest score, and the weighted sum.
  var stateSize: Int { hasOneQuery && !returnsWeights ? 2 + memorySize : 0 }

  /// The maps of the query and of the keys, where there are any. The bias is the query's; without one
  /// it stands in the query's place.
  var projections: [(input: Int, ProjectionSpec)] {
    parameters.compactMap { parameter in
      let rows = 0..<scoreSize
      switch parameter.name {
      case "weight_query":
        let bias = usesBias ? "bias" : nil
        return (0, ProjectionSpec(weight: parameter.name, bias: bias, rows: rows))
      case "weight_key":
        return (keySource, ProjectionSpec(weight: parameter.name, bias: nil, rows: rows))
      default: return nil
      }
    }
  }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try ProjectionWeights(projections.map(\.1), source)
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try AttentionRun(self, &placement)
  }
}
