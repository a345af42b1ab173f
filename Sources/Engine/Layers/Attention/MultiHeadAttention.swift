// MultiHeadAttention.swift — several attentions side by side, each on projections of its own
//
//     Q = x Wqᵀ + bq     K = m Wkᵀ + bk     V = m Wvᵀ + bv         (m = x for self-attention)
//     headₕ = softmax(Qₕ Kₕᵀ / √key_size) Vₕ     y = [head₀ … ] Woᵀ + bo
//
// Vaswani et al. 2017. Parameters have the names and layouts of torch.nn.MultiheadAttention, so its
// state dictionary fits behind the layer's name, `out_proj.weight` with its dot included; with
// `key_size` the projections have heads · key_size rows instead of as many as the query has features.
// A query without a key to look at has heads of zeros, and so gives the output's bias.

import Kernels

struct MultiHeadAttentionLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "MultiHeadAttention",
    meaning: "Attention in several heads (Vaswani et al. 2017): a sequence, or [query, memory].",
    options: [
      Option("heads", .integer(1...maximumSize), "Attentions side by side."),
      Option(
        "key_size", .optional(.integer(1...maximumSize)), default: .none,
        "Size of a head's queries, keys and values; none: the query's features / heads."),
      Option(
        "causal", .boolean, default: .boolean(false),
        "Whether a timestep sees itself and those before it only."),
      Option(
        "dropout", .number(.fraction), default: .number(0),
        "Fraction of the weights dropped in training; the weights that are given have none."),
      Option("use_bias", .boolean, default: .boolean(true), "Whether the projections have biases."),
      Option(
        "return_weights", .boolean, default: .boolean(false),
        "Whether to give the heads' mean weights as a second output, [batch, timesteps, keys]."),
      Option(
        "kernel_initializer", .call(.initializer), defaultCall: "glorot_uniform",
        "Initial weights."),
      Option("bias_initializer", .call(.initializer), defaultCall: "zeros", "Initial biases."),
    ])

  /// Where queries, keys and values come from.
  enum Source: Sendable {
    /// All from one input, by one product.
    case itself
    /// Keys and values from a memory of the query's size, by one product.
    case memory
    /// Keys and values from a memory of another size, by a product each.
    case otherMemory
  }

  let source: Source
  let heads: Int
  let keySize: Int
  let isCausal: Bool
  let dropout: Float
  let usesBias: Bool
  let returnsWeights: Bool
  let outputs: [ValueShape]
  let parameters: [ParameterSpec]

  /// Width of all heads together.
  var width: Int { heads * keySize }

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard let memory = inputs.last, inputs.count <= 2, memory.hasTime,
      inputs.allSatisfy({ $0.type == .float && $0.features.count == 1 })
    else {
      throw LayerError(
        "MultiHeadAttention takes a float sequence [batch, timesteps, features], or [query, memory] "
          + "of which the memory is one")
    }
    let (size, memorySize) = (inputs[0].features[0], memory.features[0])
    heads = call.integer("heads")
    if let given = call.optionalInteger("key_size") {
      keySize = given
    } else {
      guard size % heads == 0 else {
        throw LayerError(
          "MultiHeadAttention divides the query's features among its heads: \(size) is no multiple of "
            + "\(heads); give key_size")
      }
      keySize = size / heads
    }
    let width = try Int.product([heads, keySize], of: "MultiHeadAttention")
    _ = try Int.product([3, width, max(size, memorySize)], of: "MultiHeadAttention")
    isCausal = call.boolean("causal")
    guard !isCausal || inputs.count == 1 else {
      throw LayerError(
        "MultiHeadAttention is causal with one input only: timesteps of a memory are not those of the "
          + "query")
    }
    source = inputs.count == 1 ? .itself : memorySize == size ? .memory : .otherMemory
    dropout = Float(call.number("dropout"))
    let hasBias = call.boolean("use_bias")
    usesBias = hasBias
    returnsWeights = call.boolean("return_weights")

    let output = ValueShape(hasTime: inputs[0].hasTime, features: [size])
    var weights = ValueShape(hasTime: inputs[0].hasTime, features: [])
    weights.hasKeys = true
    outputs = [output] + (returnsWeights ? [weights] : [])

    let kernel = Initializer(call.call("kernel_initializer"))
    let offset = Initializer(call.call("bias_initializer"))
    func weight(_ name: String, _ shape: [Int]) -> ParameterSpec {
      ParameterSpec(name: name, shape: shape, initializer: kernel, isWeight: true)
    }
    func bias(_ name: String, _ size: Int) -> [ParameterSpec] {
      hasBias
        ? [ParameterSpec(name: name, shape: [size], initializer: offset, isWeight: false)] : []
    }
    let projections =
      source == .otherMemory
      ? [
        weight("q_proj_weight", [width, size]), weight("k_proj_weight", [width, memorySize]),
        weight("v_proj_weight", [width, memorySize]),
      ] : [weight("in_proj_weight", [3 * width, size])]
    parameters =
      projections + bias("in_proj_bias", 3 * width) + [weight("out_proj.weight", [size, width])]
      + bias("out_proj.bias", size)
  }

  /// Of the query's timesteps; the memory has its own.
  var timeSource: Int? { 0 }
  var keySource: Int { source == .itself ? 0 : 1 }
  /// A stream would have to keep the keys and values of all its timesteps.
  var canStream: Bool { false }
  /// A query that changes looks into a memory that does not, or back at the timesteps before.
  func canWalk(_ changes: [Bool]) -> Bool { source == .itself ? isCausal : !changes[1] }
  /// Keys and values, and whether the timestep counts.
  var historySize: Int { source == .itself ? 2 * width + 1 : 0 }

  /// The maps into queries, keys and values, in this order, and into the output.
  var projections: [ProjectionSpec] {
    let bias = usesBias ? "in_proj_bias" : nil
    func joint(_ rows: Range<Int>) -> ProjectionSpec {
      ProjectionSpec(weight: "in_proj_weight", bias: bias, rows: rows)
    }
    func separate(_ name: String, _ part: Int) -> ProjectionSpec {
      ProjectionSpec(weight: name, bias: bias, rows: 0..<width, firstBias: part * width)
    }
    let into: [ProjectionSpec] =
      switch source {
      case .itself: [joint(0..<3 * width)]
      case .memory: [joint(0..<width), joint(width..<3 * width)]
      case .otherMemory:
        [
          separate("q_proj_weight", 0), separate("k_proj_weight", 1),
          separate("v_proj_weight", 2),
        ]
      }
    return into + [
      ProjectionSpec(
        weight: "out_proj.weight", bias: usesBias ? "out_proj.bias" : nil,
        rows: 0..<outputs[0].features[0])
    ]
  }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? {
    try ProjectionWeights(projections, source)
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    try MultiHeadAttentionRun(self, &placement)
  }
}
