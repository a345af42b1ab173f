// DataNotation.swift — the options of tokenizers, padding, windows and scalers
//
// Data knows nothing of the notation, and Engine nothing of data; here the two meet.

import Data
import Engine

private let ends = OptionType.choice(SequenceEnd.allCases.map(\.rawValue))
private let padding = Option(
  "padding", ends, default: .text("pre"), "Which end of a short sequence is filled up.")
private let truncating = Option(
  "truncating", ends, default: .text("pre"), "Which end of a long sequence is cut off.")

private let tokenizerSignature = Signature(
  kind: .options, name: "tokenizer", meaning: "Options of a tokenizer.",
  options: [
    Option(
      "num_words", .optional(.integer(1...Int(Int32.max))), default: .none,
      "Only ids below this are used; none: all."),
    Option(
      "filters", .text, default: .text(TokenizerOptions.defaultFilters),
      "Characters that separate words and are dropped."),
    Option("lower", .boolean, default: .boolean(true), "Whether to make all letters small."),
    Option("split", .text, default: .text(" "), "What separates words."),
    Option(
      "char_level", .boolean, default: .boolean(false), "Whether every character is a word."),
    Option(
      "oov_token", .optional(.text), default: .none,
      "What unknown words become, with the id 1; none: they are left out."),
    Option(
      "maxlen", .integer(0...Int(Int32.max)), default: .integer(0),
      "Length of padded sequences; 0 if it is chosen elsewhere."),
    padding, truncating,
  ])

private let padSignature = Signature(
  kind: .options, name: "pad", meaning: "Options of padding.",
  options: [
    padding, truncating,
    Option("value", .number(.any), default: .number(0), "What short sequences are filled with."),
  ])

private let windowsSignature = Signature(
  kind: .options, name: "windows", meaning: "Options of cutting a series into windows.",
  options: [
    Option("length", .integer(1...Int(Int32.max)), "Timesteps of a window."),
    Option(
      "horizon", .integer(0...Int(Int32.max)), default: .integer(1),
      "Timesteps that follow it, as targets."),
    Option(
      "stride", .integer(1...Int(Int32.max)), default: .integer(1),
      "Timesteps from one window's start to the next."),
  ])

private let scalerSignatures = [
  Signature(
    kind: .scaler, name: "StandardScaler", meaning: "Each feature to mean 0 and deviation 1.",
    options: []),
  Signature(
    kind: .scaler, name: "MinMaxScaler",
    meaning: "The smallest value of each feature to minimum, the largest to maximum.",
    options: [
      Option("minimum", .number(.any), default: .number(0), "Where the smallest value goes."),
      Option("maximum", .number(.any), default: .number(1), "Where the largest value goes."),
    ]),
]

/// Everything that `refrain_describe` knows.
let everyName = Registry(
  Vocabulary.signatures + scalerSignatures
    + [tokenizerSignature, windowsSignature, padSignature])

private func bind(_ text: String, _ signature: Signature) throws -> BoundCall {
  try everyName.bind(try parseArguments(text), options: signature.name, source: text)
}

private func end(_ options: BoundCall, _ name: String) -> SequenceEnd {
  SequenceEnd(rawValue: options.text(name)) ?? .pre
}

extension TokenizerOptions {
  init(_ text: String) throws {
    let options = try bind(text, tokenizerSignature)
    self.init()
    numWords = options.optionalInteger("num_words")
    filters = options.text("filters")
    lower = options.boolean("lower")
    split = options.text("split")
    charLevel = options.boolean("char_level")
    oovToken = options.optionalText("oov_token")
    maxlen = options.integer("maxlen")
    padding = end(options, "padding")
    truncating = end(options, "truncating")
  }
}

func paddingOptions(_ text: String) throws -> (PaddingOptions, value: Double) {
  let options = try bind(text, padSignature)
  return (
    PaddingOptions(padding: end(options, "padding"), truncating: end(options, "truncating")),
    options.number("value")
  )
}

extension WindowOptions {
  init(_ text: String) throws {
    let options = try bind(text, windowsSignature)
    self.init(
      length: options.integer("length"), horizon: options.integer("horizon"),
      stride: options.integer("stride"))
  }
}

extension Scaler {
  init(notation: String) throws {
    let call = try everyName.bind(try parseCall(notation), as: .scaler, source: notation)
    try self.init(
      call.name == "StandardScaler"
        ? .standard
        : .minMax(minimum: call.number("minimum"), maximum: call.number("maximum")))
  }
}
