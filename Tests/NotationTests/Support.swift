// Support.swift — a small vocabulary of every kind of option, and short ways to read with it

@testable import Engine

let vocabulary = Registry([
  Signature(
    kind: .layer, name: "LSTM", meaning: "Long short-term memory.",
    options: [
      Option("units", .integer(1...1000), "Size of the state."),
      Option("dropout", .number(.fraction), default: .number(0), "Share dropped."),
      Option("return_sequences", .boolean, default: .boolean(false), "Every timestep."),
      Option("activation", .call(.activation), defaultCall: "tanh", "Of the state."),
      Option("name", .optional(.text), default: .none, "Its name."),
    ]),
  Signature(
    kind: .layer, name: "Wrapper", meaning: "A layer around a layer.",
    options: [
      Option("layer", .call(.layer), "The layer."),
      Option("mode", .choice(["sum", "mean", "concat"]), default: .text("sum"), "How."),
    ]),
  Signature(
    kind: .layer, name: "Input", meaning: "Data.",
    options: [
      Option(
        "features",
        .either([.choice(["ids"]), .integer(1...100), .list(of: .integer(1...100))]), "Sizes.")
    ]),
  Signature(kind: .layer, name: "Flatten", meaning: "One row.", options: []),
  Signature(
    kind: .layer, name: "Dropout", meaning: "Drops.",
    options: [Option("rate", .number(.fraction), "Share.")]),
  Signature(kind: .activation, name: "tanh", meaning: "Hyperbolic tangent.", options: []),
  Signature(kind: .activation, name: "softmax", meaning: "Probabilities.", options: []),
  Signature(
    kind: .activation, name: "leaky", meaning: "Leaky.",
    options: [Option("slope", .number(.any), default: .number(0.01), "Slope.")]),
  Signature(
    kind: .loss, name: "mse", meaning: "Squares.",
    options: [Option("weights", .list(of: .number(.nonNegative)), default: .list([]), "Weights.")],
    aliases: ["mean_squared_error"]),
  Signature(kind: .loss, name: "crossentropy", meaning: "Cross-entropy.", options: []),
  Signature(
    kind: .options, name: "trainer", meaning: "Options of a trainer.",
    options: [
      Option("loss", .either([.call(.loss), .list(of: .call(.loss))]), "What to make small."),
      Option("clip_norm", .optional(.number(.positive)), default: .none, "Largest norm."),
      Option("seed", .integer(0...Int.max), default: .integer(0), "Of chance."),
      Option("split", .text, default: .text("\t"), "What separates."),
      Option("step", .either([.integer(1...9), .number(.any)]), default: .integer(1), "A step."),
      Option("how", .either([.text, .call(.activation)]), default: .text("a b"), "How."),
    ]),
])

/// A layer, from text to bound.
func layer(_ source: String) throws(NotationError) -> BoundCall {
  try vocabulary.bind(try parseCall(source), as: .layer, source: source)
}

/// An option text, from text to bound.
func options(_ source: String) throws(NotationError) -> BoundCall {
  try vocabulary.bind(try parseArguments(source), options: "trainer", source: source)
}

/// A model's text with every layer in it bound; a bare name is left as it is.
func program(_ source: String) throws(NotationError) {
  for statement in try parseProgram(source).statements {
    for case .call(let call) in statement.flow {
      _ = try vocabulary.bind(call, as: .layer, source: source)
    }
  }
}

/// What the error says; "no error" if there is none.
func message(_ body: () throws(NotationError) -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return error.description
  }
}

/// A generator with a fixed beginning: SplitMix64, Steele et al. 2014.
struct Chance: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
}
