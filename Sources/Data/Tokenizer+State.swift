// Tokenizer+State.swift — a tokenizer as JSON, and back

import JSON

extension Tokenizer {
  /// Options under their names, `document_count`, and `words`: a list of [word, occurrences,
  /// documents] in the order of first appearance.
  public func json() -> String {
    JSONValue.object([
      JSONMember("num_words", options.numWords.map { .integer($0) } ?? .null),
      JSONMember("filters", .string(options.filters)),
      JSONMember("lower", .boolean(options.lower)),
      JSONMember("split", .string(options.split)),
      JSONMember("char_level", .boolean(options.charLevel)),
      JSONMember("oov_token", options.oovToken.map { .string($0) } ?? .null),
      JSONMember("maxlen", .integer(options.maxlen)),
      JSONMember("padding", .string(options.padding.rawValue)),
      JSONMember("truncating", .string(options.truncating.rawValue)),
      JSONMember("document_count", .integer(documentCount)),
      JSONMember(
        "words",
        .array(
          zip(words, counts).map { word, count in
            .array([.string(word.text), .integer(count.occurrences), .integer(count.documents)])
          })),
    ]).text
  }

  public init(json text: String) throws(DataError) {
    let state: JSONValue
    do {
      state = try JSONValue(parsing: text)
    } catch {
      throw .state(kind: "tokenizer", message: error.description)
    }
    func damaged(_ message: String) -> DataError { .state(kind: "tokenizer", message: message) }
    func member<T>(_ name: String, _ read: (JSONValue) -> T?) throws(DataError) -> T {
      guard let value = state[name], let result = read(value) else {
        throw damaged("it has no valid '\(name)'")
      }
      return result
    }
    func optional<T>(_ name: String, _ read: (JSONValue) -> T?) throws(DataError) -> T? {
      state[name] == .null ? nil : try member(name, read)
    }
    var options = TokenizerOptions()
    options.numWords = try optional("num_words", \.asInteger)
    options.filters = try member("filters", \.asString)
    options.lower = try member("lower", \.asBoolean)
    options.split = try member("split", \.asString)
    options.charLevel = try member("char_level", \.asBoolean)
    options.oovToken = try optional("oov_token", \.asString)
    options.maxlen = try member("maxlen") { $0.asInteger.flatMap { $0 >= 0 ? $0 : nil } }
    options.padding = try member("padding") { $0.asString.flatMap(SequenceEnd.init) }
    options.truncating = try member("truncating") { $0.asString.flatMap(SequenceEnd.init) }
    let documents = try member("document_count") { $0.asInteger.flatMap { $0 >= 0 ? $0 : nil } }
    var words: [Word] = []
    var counts: [Count] = []
    for entry in try member("words", \.asArray) {
      guard let fields = entry.asArray, fields.count == 3, let word = fields[0].asString,
        let occurrences = fields[1].asInteger, let texts = fields[2].asInteger, occurrences >= 1,
        texts >= 1, texts <= min(occurrences, documents)
      else {
        throw damaged("an entry of 'words' is not [word, occurrences, documents]")
      }
      words.append(Word(word.utf8))
      counts.append(Count(occurrences: occurrences, documents: texts))
    }
    guard words.count < Int(Int32.max) - 2 else { throw damaged("it has too many words") }
    try self.init(options, documentCount: documents, words: words, counts: counts)
  }
}
