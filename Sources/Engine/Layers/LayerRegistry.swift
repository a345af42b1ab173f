// LayerRegistry.swift — every layer type; a new one is a line here

enum LayerRegistry {
  static let types: [any Layer.Type] = [
    InputLayer.self, EmbeddingLayer.self,
    RNNLayer.self, LSTMLayer.self, GRULayer.self, AUGRULayer.self, MGULayer.self,
    MinGRULayer.self, MinLSTMLayer.self, SLSTMLayer.self, BidirectionalLayer.self,
    DenseLayer.self, ActivationLayer.self, DropoutLayer.self, LayerNormLayer.self,
    ConcatLayer.self, AddLayer.self, MultiplyLayer.self, PoolingLayer.self, RepeatVectorLayer.self,
    AttentionLayer.self, MultiHeadAttentionLayer.self,
  ]

  /// The layers' signatures, each with the option that all have.
  static let signatures: [Signature] = types.map { type in
    var signature = type.signature
    signature.options.append(
      Option(
        "name", .optional(.text), default: .none,
        "Begins the names of the parameters; the type's name in lower case by default."))
    return signature
  }

  static func type(named name: String) -> (any Layer.Type)? {
    types.first { $0.signature.name == name }
  }
}
