// VocabularyTests.swift — the signatures that the engine really has

import Testing

@testable import Engine

@Test func everyDefaultIsAValueOfItsOption() throws {
  for signature in Vocabulary.signatures {
    for option in signature.options {
      let text =
        switch option.defaultValue {
        case .value(let value): value.canonical(as: option.type)
        case .call(let name): name
        case nil: ""
        }
      guard !text.isEmpty else { continue }
      let alone = Signature(
        kind: .options, name: "alone", meaning: "", options: [Option("x", option.type, "")])
      let source = "x=\(text)"
      let bound = try Registry(Vocabulary.signatures + [alone])
        .bind(parseArguments(source), options: "alone", source: source)
      if case .value(let value) = option.defaultValue {
        #expect(bound["x"] == value, "\(signature.name), \(option.name)")
      }
    }
  }
}

@Test func everyNameIsDescribedInWholeFields() throws {
  for signature in Vocabulary.signatures {
    let described = try #require(Vocabulary.registry.describe(signature.name))
    let lines = described.split(separator: "\n").map { $0.split(separator: "\t").count }
    #expect(lines.first == 3 && lines.dropFirst().allSatisfy { $0 == 3 || $0 == 4 })
    #expect(lines.count >= 1 + signature.options.count)
    #expect(signature.options.allSatisfy { !$0.meaning.isEmpty } && !signature.meaning.isEmpty)
    #expect(
      Set(signature.options.map(\.name)).count == signature.options.count, "\(signature.name)")
  }
}
