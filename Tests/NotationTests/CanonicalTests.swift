// CanonicalTests.swift — canonical texts, and that they read back as what they were made from

import Testing

@testable import Engine

@Test(arguments: [
  ("LSTM(units=64)", "LSTM(64)"),
  ("LSTM(64, 0.20, false, tanh())", "LSTM(64, dropout=0.2)"),
  ("LSTM(64, return_sequences=True, dropout=0.5)", "LSTM(64, dropout=0.5, return_sequences=true)"),
  ("LSTM(1, activation=leaky(0.01))", "LSTM(1, activation=leaky)"),
  ("LSTM(1, activation=leaky(1))", "LSTM(1, activation=leaky(slope=1))"),
  ("LSTM(1, name='encoder')", "LSTM(1, name=encoder)"),
  ("LSTM(1, name='none')", "LSTM(1, name='none')"),
  ("LSTM(1, name='inf')", "LSTM(1, name='inf')"),
  ("LSTM(1, name='')", "LSTM(1, name='')"),
  ("LSTM(1, name='1st')", "LSTM(1, name='1st')"),
  ("LSTM(1, name='.x')", "LSTM(1, name='.x')"),
  ("LSTM(1, name='größe')", "LSTM(1, name='größe')"),
  ("LSTM(1, name=\"it's\\n\\\\\\u{1}\")", #"LSTM(1, name='it\'s\n\\\u{1}')"#),
  ("Flatten()", "Flatten"),
  ("Wrapper( mode=sum, layer=LSTM(2) )", "Wrapper(LSTM(2))"),
  (
    "Wrapper(Wrapper(LSTM(2), concat), 'mean')", "Wrapper(Wrapper(LSTM(2), mode=concat), mode=mean)"
  ),
  ("Input('ids')", "Input(ids)"),
  ("Input([1,\n2,])", "Input([1, 2])"),
  ("Dropout(1e-9)", "Dropout(1e-09)"),
])
func layersHaveCanonicalText(source: String, expected: String) throws {
  let bound = try layer(source)
  #expect(bound.canonical == expected)
  #expect(try layer(expected) == bound)
}

@Test(arguments: [
  ("loss=mean_squared_error", "loss=mse"),
  ("seed=3, loss=[mse(), crossentropy]", "loss=[mse, crossentropy], seed=3"),
  ("loss=mse([1, 0.5, 1e20])", "loss=mse(weights=[1, 0.5, 1e+20])"),
  ("loss=mse, clip_norm=5.0", "loss=mse, clip_norm=5"),
  ("loss=mse, clip_norm=none", "loss=mse"),
  ("loss=mse, step=3.0", "loss=mse, step=3.0"),
  ("loss=mse, step=1e16", "loss=mse, step=1e+16"),
  ("loss=mse, how=tanh", "loss=mse, how=tanh"),
  ("loss=mse, how=tanh()", "loss=mse, how=tanh()"),
  ("loss=mse, how=leaky(2)", "loss=mse, how=leaky(slope=2)"),
])
func optionsHaveCanonicalText(source: String, expected: String) throws {
  let bound = try options(source)
  #expect(bound.canonical == expected)
  #expect(try options(expected) == bound)
}

// MARK: Random signatures and values

/// Signatures with random options, and random texts that they accept.
private struct Generator {
  var chance: Chance
  /// Texts that could be mistaken for something else: names of calls, choices, reserved words.
  static let words = ["tanh", "leaky", "sum", "none", "true", "inf", "x1", "_", "a.b", "1st", ""]

  mutating func pick<T>(_ values: [T]) -> T { values[chance.below(values.count)] }

  mutating func type(_ depth: Int) -> OptionType {
    switch chance.below(depth > 0 ? 9 : 6) {
    case 0: .integer(-5...5)
    case 1: .number(pick([.any, .nonNegative, .fraction]))
    case 2: .boolean
    case 3: .text
    case 4: .choice(["sum", "tanh", "x1"])
    case 5: .call(.activation)
    case 6: .list(of: type(depth - 1))
    case 7: .optional(type(depth - 1))
    default: .either((0..<2 + chance.below(2)).map { _ in type(depth - 1) })
    }
  }

  mutating func number() -> Double {
    switch chance.below(5) {
    case 0: Double(chance.below(5))
    case 1: Double.random(in: 0..<1, using: &chance)
    case 2:
      pick([0, -0.0, Double.leastNonzeroMagnitude, 1e15, 1e16, .greatestFiniteMagnitude, 1.5e-7])
    case 3: Double(Int64(truncatingIfNeeded: chance.next()))
    default: Double(bitPattern: chance.next() & 0xffef_ffff_ffff_ffff)
    }
  }

  mutating func text() -> String {
    if chance.below(2) == 0 { return pick(Self.words) }
    var text = "".unicodeScalars
    for _ in 0..<chance.below(6) {
      text.append(Unicode.Scalar(UInt32(chance.below(0x250))) ?? "?")
    }
    return String(text)
  }

  /// Something that a value of this type may be written as.
  mutating func source(_ type: OptionType) -> String {
    switch type {
    case .integer(let range): "\(range.lowerBound + chance.below(range.count))"
    case .number: "\(number())"
    case .boolean: pick(["true", "False"])
    case .text: Value.quoted(text())
    case .choice(let names): pick(names)
    case .call:
      pick(["tanh", "tanh()", "softmax", "leaky", "leaky()", "leaky(0.25)", "leaky(slope=3)"])
    case .list(let type):
      "[" + (0..<chance.below(4)).map { _ in source(type) }.joined(separator: ", ") + "]"
    case .optional(let type): chance.below(3) == 0 ? "none" : source(type)
    case .either(let types): source(pick(types))
    }
  }
}

/// What the generator writes need not be accepted (a number out of range); what is accepted must
/// come back from its canonical text.
@Test func canonicalTextReadsBack() throws {
  var generator = Generator(chance: Chance(20))
  let activations = vocabulary.signatures.filter { $0.kind == .activation }
  var accepted = 0
  for round in 0..<4000 {
    let count = generator.chance.below(5)
    var options: [Option] = []
    for index in 0..<count { options.append(Option("o\(index)", generator.type(2), "")) }
    // Some of the options get a default: a value that they accept.
    for index in 0..<count where generator.chance.below(2) == 0 {
      let only = Registry(
        activations + [Signature(kind: .layer, name: "L", meaning: "", options: [options[index]])])
      let source = "L(\(generator.source(options[index].type)))"
      if let value = try? only.bind(parseCall(source), as: .layer, source: source) {
        options[index] = Option("o\(index)", options[index].type, default: value["o\(index)"], "")
      }
    }
    let kind: SignatureKind = generator.chance.below(2) == 0 ? .layer : .options
    let registry = Registry(
      activations + [Signature(kind: kind, name: "L", meaning: "", options: options)])
    func bind(_ source: String) throws -> BoundCall {
      kind == .layer
        ? try registry.bind(parseCall(source), as: .layer, source: source)
        : try registry.bind(parseArguments(source), options: "L", source: source)
    }

    for _ in 0..<5 {
      var arguments = options.map { "\($0.name)=\(generator.source($0.type))" }
      arguments.shuffle(using: &generator.chance)
      let list = arguments.joined(separator: ", ")
      let source = kind == .layer ? "L(\(list))" : list
      guard let bound = try? bind(source) else { continue }
      accepted += 1
      let again = try bind(bound.canonical)
      #expect(again == bound, "round \(round): \(source) became \(bound.canonical)")
      #expect(again.canonical == bound.canonical)
    }
  }
  #expect(accepted > 8000)
}
