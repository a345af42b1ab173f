// Tokenizer.swift — text to ids, as Keras's legacy Tokenizer does it
//
// Words are what is left between separators after filtered characters have become separators too.
// They are compared by their UTF-8 bytes, as Python compares them: Swift's own comparison takes é
// and e followed by an accent for the same. Ids count from 1 in the order of frequency, ties in the
// order of first appearance; 0 is left for padding.

import Glibc

/// Where a sequence is cut, and where it is filled up.
public enum SequenceEnd: String, Sendable, CaseIterable {
  case pre, post
}

public struct TokenizerOptions: Equatable, Sendable {
  /// Ids below this are used; nil for all.
  public var numWords: Int?
  public var filters = Self.defaultFilters
  public var lower = true
  public var split = " "
  /// Whether every character is a word; then nothing is filtered.
  public var charLevel = false
  /// What unknown words become; it takes the id 1. nil drops them.
  public var oovToken: String?
  /// Length of padded sequences, 0 if it is chosen elsewhere.
  public var maxlen = 0
  public var padding = SequenceEnd.pre
  public var truncating = SequenceEnd.pre

  public static let defaultFilters = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n"

  public init() {}
}

/// A word by its bytes.
struct Word: Hashable, Sendable {
  let bytes: [UInt8]
  init(_ text: some Sequence<UInt8>) { bytes = Array(text) }
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

public struct Tokenizer: Sendable {
  /// How often a word occurred, and in how many texts.
  struct Count: Equatable, Sendable {
    var occurrences: Int
    var documents: Int
  }

  public let options: TokenizerOptions
  public private(set) var documentCount = 0
  /// In the order of first appearance.
  private(set) var words: [Word] = []
  private(set) var counts: [Count] = []
  private var positions: [Word: Int] = [:]
  /// Ids by the word's position, and positions by id.
  private var ids: [Int] = []
  private var order: [Int] = []
  private let filtered: Set<Unicode.Scalar>
  private let separator: [Unicode.Scalar]

  public init(_ options: TokenizerOptions) throws(DataError) {
    if let numWords = options.numWords, numWords < 1 {
      throw .argument(name: "num_words", message: "expected at least 1, found \(numWords)")
    }
    guard !options.split.isEmpty else {
      throw .argument(name: "split", message: "expected a text, found an empty one")
    }
    self.options = options
    filtered = Set(options.filters.unicodeScalars)
    separator = Array(options.split.unicodeScalars)
  }

  // MARK: Words

  /// The words of a text, in order.
  func split(_ text: String) -> [Word] {
    let lowered = options.lower ? text.lowercased() : text
    if options.charLevel { return lowered.unicodeScalars.map { Word(String($0).utf8) } }
    var words: [Word] = []
    var word: [UInt8] = []
    func endWord() {
      if !word.isEmpty { words.append(Word(word)) }
      word.removeAll(keepingCapacity: true)
    }
    guard separator.count > 1 else {
      for scalar in lowered.unicodeScalars {
        if scalar == separator[0] || filtered.contains(scalar) {
          endWord()
        } else {
          word.append(contentsOf: UTF8.encode(scalar)!)
        }
      }
      endWord()
      return words
    }
    // A longer separator: filtered characters become it, then the text is cut where it stands.
    var scalars: [Unicode.Scalar] = []
    for scalar in lowered.unicodeScalars {
      if filtered.contains(scalar) { scalars += separator } else { scalars.append(scalar) }
    }
    var index = 0
    while index < scalars.count {
      if scalars[index...].starts(with: separator) {
        endWord()
        index += separator.count
      } else {
        word.append(contentsOf: UTF8.encode(scalars[index])!)
        index += 1
      }
    }
    endWord()
    return words
  }

  // MARK: Fitting

  /// Counts the words of texts, in addition to those counted before.
  public mutating func fit(_ texts: [String]) {
    for text in texts {
      documentCount += 1
      var seen: Set<Int> = []
      for word in split(text) {
        let position = position(of: word)
        counts[position].occurrences += 1
        if seen.insert(position).inserted { counts[position].documents += 1 }
      }
    }
    number()
  }

  private mutating func position(of word: Word) -> Int {
    if let position = positions[word] { return position }
    positions[word] = words.count
    words.append(word)
    counts.append(Count(occurrences: 0, documents: 0))
    return words.count - 1
  }

  /// Gives ids by frequency. The sort is stable, so ties stay in order of appearance. A word that is
  /// spelled like the token for unknown words has that token's id.
  private mutating func number() {
    order = words.indices.sorted {
      counts[$0].occurrences != counts[$1].occurrences
        ? counts[$0].occurrences > counts[$1].occurrences : $0 < $1
    }
    let first = options.oovToken == nil ? 1 : 2
    ids = [Int](repeating: 0, count: words.count)
    for (rank, position) in order.enumerated() { ids[position] = first + rank }
  }

  /// Restores what `fit` learned.
  init(
    _ options: TokenizerOptions, documentCount: Int, words: [Word], counts: [Count]
  ) throws(DataError) {
    try self.init(options)
    self.documentCount = documentCount
    self.words = words
    self.counts = counts
    for (position, word) in words.enumerated() {
      guard positions.updateValue(position, forKey: word) == nil else {
        throw .state(kind: "tokenizer", message: "the word '\(word.text)' is listed twice")
      }
    }
    number()
  }

  // MARK: Ids

  /// One more than the largest id that encoding can give.
  public var size: Int {
    let all = words.count + 1 + (options.oovToken == nil ? 0 : 1)
    return options.numWords.map { min($0, all) } ?? all
  }

  private func isUsed(_ id: Int) -> Bool { options.numWords.map { id < $0 } ?? true }

  /// The id of a word, 0 if it has none. Ids beyond `num_words` count, as in Keras's word_index.
  public func id(of word: String) -> Int {
    if let token = options.oovToken, token.utf8.elementsEqual(word.utf8) { return 1 }
    return positions[Word(word.utf8)].map { ids[$0] } ?? 0
  }

  public func word(_ id: Int) throws(DataError) -> String {
    guard let word = known(id) else { throw .unknownID(id) }
    return word
  }

  private func known(_ id: Int) -> String? {
    if id == 1, let token = options.oovToken { return token }
    let rank = id - (options.oovToken == nil ? 1 : 2)
    return order.indices.contains(rank) ? words[order[rank]].text : nil
  }

  /// The ids of a text's words; unknown ones, and those beyond `num_words`, become the token for
  /// unknown words or are left out.
  public func encode(_ text: String) -> [Int32] {
    split(text).compactMap { word in
      if let position = positions[word], isUsed(ids[position]) { return Int32(ids[position]) }
      return options.oovToken == nil ? nil : 1
    }
  }

  /// Known words joined by blanks.
  public func decode(_ sequence: some Sequence<Int32>) -> String {
    sequence.compactMap { id in
      if let word = known(Int(id)), isUsed(Int(id)) { return word }
      return options.oovToken
    }.joined(separator: " ")
  }

  // MARK: Matrices

  public enum MatrixMode: String, CaseIterable, Sendable { case binary, count, freq, tfidf }

  /// A row per text, a column per id `0 ..< size`.
  public func matrix(_ texts: [String], _ mode: MatrixMode) throws(DataError) -> [Double] {
    guard documentCount > 0 else {
      throw .order("the tokenizer needs texts (fit) before it can make a matrix")
    }
    let columns = size
    var matrix = [Double](repeating: 0, count: texts.count * columns)
    for (row, text) in texts.enumerated() {
      let sequence = encode(text)
      var occurrences: [Int: Int] = [:]
      for id in sequence where Int(id) < columns { occurrences[Int(id), default: 0] += 1 }
      for (id, count) in occurrences {
        matrix[row * columns + id] =
          switch mode {
          case .binary: 1
          case .count: Double(count)
          case .freq: Double(count) / Double(sequence.count)
          case .tfidf: (1 + log(Double(count))) * log(inverseFrequency(id))
          }
      }
    }
    return matrix
  }

  private func inverseFrequency(_ id: Int) -> Double {
    let rank = id - (options.oovToken == nil ? 1 : 2)
    let documents = order.indices.contains(rank) ? counts[order[rank]].documents : 0
    return 1 + Double(documentCount) / Double(1 + documents)
  }
}
