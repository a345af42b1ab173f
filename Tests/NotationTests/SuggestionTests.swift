// SuggestionTests.swift — "did you mean"

import Testing

@testable import Engine

private let layers = [
  "Activation", "Add", "Bidirectional", "Concat", "Dense", "Dropout", "Embedding", "GRU", "Input",
  "LSTM", "LayerNorm", "Pooling", "RNN",
]

@Test(
  arguments: [
    ("lstm", "LSTM"), ("LTSM", "LSTM"), ("LSTMM", "LSTM"), ("LST", "LSTM"), ("gru", "GRU"),
    ("GUR", "GRU"), ("Dens", "Dense"), ("Denes", "Dense"), ("embeding", "Embedding"),
    ("Bidirctional", "Bidirectional"), ("Concatenate", nil), ("dorpout", "Dropout"),
    ("LayerNormal", "LayerNorm"), ("Transformer", nil), ("x", nil), ("", nil), ("ad", "Add"),
    ("R", nil), ("é", nil),
  ] as [(String, String?)])
func aSlipIsRecognised(name: String, expected: String?) {
  #expect(nearestName(to: name, among: layers) == expected)
}

@Test func theNearestWinsAndThenTheFirst() {
  #expect(nearestName(to: "beta3", among: ["beta1", "beta2", "beta"]) == "beta1")
  #expect(nearestName(to: "seed", among: ["speed", "SEED"]) == "SEED")
  #expect(nearestName(to: "anything", among: []) == nil)
}

@Test func longNamesAreComparedAtTheirBeginning() {
  let long = String(repeating: "x", count: 1_000_000)
  #expect(nearestName(to: long, among: layers) == nil)
}

/// One exchange, addition, omission or swap is a slip in a name of three letters or more.
@Test func everySingleSlipIsRecognised() {
  let name = Array("dropout")
  for place in name.indices {
    var slips = [name, name, name]
    slips[0][place] = "#"
    slips[1].insert("#", at: place)
    slips[2].remove(at: place)
    if place > 0 {
      slips.append(name)
      slips[3].swapAt(place - 1, place)
    }
    for slip in slips { #expect(nearestName(to: String(slip), among: ["dropout"]) == "dropout") }
  }
}

/// For six letters the limit is two slips: compared with all texts that one or two edits give, found
/// by making them.
@Test func theLimitIsAThirdOfTheLetters() {
  let alphabet: [Character] = ["a", "b", "c"]
  func neighbours(_ text: [Character]) -> [[Character]] {
    var all: [[Character]] = []
    for place in 0...text.count {
      for letter in alphabet { all.append(Array(text[..<place]) + [letter] + text[place...]) }
      guard place < text.count else { continue }
      all.append(Array(text[..<place]) + text[(place + 1)...])
      for letter in alphabet {
        all.append(Array(text[..<place]) + [letter] + text[(place + 1)...])
      }
      if place + 1 < text.count {
        var swapped = text
        swapped.swapAt(place, place + 1)
        all.append(swapped)
      }
    }
    return all
  }
  let start = Array("abcabc")
  let one = Set(neighbours(start))
  let two = Set(one.flatMap(neighbours))
  for text in one { #expect(nearestName(to: String(text), among: ["abcabc"]) != nil) }
  var chance = Chance(5)
  var refused = 0
  for _ in 0..<2000 {
    let text = (0..<6).map { _ in alphabet[chance.below(3)] }
    if nearestName(to: String(text), among: ["abcabc"]) != nil {
      #expect(two.contains(text), "\(String(text)) is more than two slips away")
    } else {
      refused += 1
    }
  }
  #expect(refused > 1000)
}
