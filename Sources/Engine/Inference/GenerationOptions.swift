// GenerationOptions.swift — how sequences are generated

import Kernels

/// "max_length=30, end=2, beams=4, length_penalty=0.6"
struct GenerationOptions: Sendable {
  static let signature = Signature(
    kind: .options, name: "generate", meaning: "Options of generating sequences.",
    options: [
      Option(
        "max_length", .integer(1...Int(Int32.max)), "Ids to generate at the most, the end included."
      ),
      Option(
        "end", .optional(.integer(0...Int(Int32.max))), default: .none,
        "The id that ends a sequence; none: all get max_length ids."),
      Option(
        "feed", .optional(.either([.integer(0...65535), .text])), default: .none,
        "The input that takes what is generated, by index or name; none: the last one of ids."),
      Option(
        "beams", .integer(1...65536), default: .integer(1),
        "Hypotheses of a row that beam search follows; 1: the likeliest id each time."),
      Option(
        "length_penalty", .number(.nonNegative), default: .number(0),
        "α: beam search compares score / ((5 + ids) / 6)^α (Wu et al. 2016)."),
      Option(
        "temperature", .number(.nonNegative), default: .number(0),
        "Draws ids from softmax(logits / temperature); 0: takes the likeliest."),
      Option(
        "top_k", .optional(.integer(1...Int(Int32.max))), default: .none,
        "Draws among that many likeliest ids."),
      Option(
        "top_p", .optional(.number(.share)), default: .none,
        "Draws among the fewest likeliest ids whose probabilities reach this together."),
      Option(
        "seed", .integer(0...Int.max), default: .integer(0),
        "Of the draws, which depend on it, the row and the position alone."),
    ])

  enum Feed: Sendable {
    case last
    case index(Int)
    case name(String)
  }

  let maxLength: Int
  let end: Int?
  let feed: Feed
  let beams: Int
  let lengthPenalty: Double
  /// nil to take the likeliest.
  let sampling: Sampling?
  let seed: UInt64

  init(_ text: String) throws {
    let options = try bindOptions(text, to: Self.signature)
    maxLength = options.integer("max_length")
    end = options.optionalInteger("end")
    feed =
      switch options["feed"] {
      case .integer(let index): .index(index)
      case .text(let name): .name(name)
      default: .last
      }
    beams = options.integer("beams")
    lengthPenalty = options.number("length_penalty")
    seed = UInt64(options.integer("seed"))
    let temperature = options.number("temperature")
    let topK = options.optionalInteger("top_k")
    let topP = options.optionalNumber("top_p")
    sampling =
      temperature > 0 ? Sampling(temperature: temperature, topK: topK, topP: topP) : nil
    if sampling != nil, beams > 1 {
      throw EngineError.argument(
        name: "beams", message: "expected 1 where temperature > 0 draws ids, found \(beams)")
    }
    if sampling == nil, topK != nil || topP != nil {
      throw EngineError.argument(
        name: topK != nil ? "top_k" : "top_p",
        message: "expected temperature > 0 with it, for nothing is drawn without")
    }
    if beams == 1, lengthPenalty != 0 {
      throw EngineError.argument(
        name: "length_penalty",
        message: "expected beams > 1 with it, for nothing is compared without")
    }
  }
}
