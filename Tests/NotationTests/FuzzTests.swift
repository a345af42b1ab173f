// FuzzTests.swift — any text at all: an answer or an error, in time that grows with its length

import Glibc
import Testing

@testable import Engine

private let seeds = [
  "Embedding(10000, 64, mask_zero=true) -> LSTM(64, dropout=0.2) -> Dense(3, activation=softmax)",
  "x      = Input(12)\nstates = x -> Wrapper(LSTM(32, return_sequences=true))\n"
    + "[states, x] -> Concat -> Pooling(mean) -> Dense(1) # the end",
  "[y, h, c] = Input([3, 4]) -> LSTM(5, name='größe \\u{1F600}');\r\n[h,\n c]",
  "loss=[mse([1, 2.5e-3]), crossentropy], clip_norm=none, seed=1, split=\"\\t\", step=-1, how=leaky(.5)",
]

private let pieces = [
  "->", "(", ")", "[", "]", ",", "=", ";", "\n", "\r\n", "\t", "#", "'", "\"", "\\", "\\u{", "}",
  "-", "+", ".", "e", "1e999", "99999999999999999999", "-inf", "none", "true", "LSTM(", "é",
  "e\u{301}", "🎵", "\u{0}", "\u{feff}", "\u{202e}", "units=", "LSTM", "name=", "loss=",
]

/// Reads a text in every way there is; a mistake must have a place in the text and a message.
private func read(_ source: String) {
  let lines = source.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
  func attempt(_ body: () throws(NotationError) -> Void) {
    do {
      try body()
    } catch {
      let place = error.location
      let exists =
        (1...lines.count).contains(place.line)
        && (1...lines[place.line - 1].count + 1).contains(place.column)
      #expect(exists, "\(place) is not in \(source.debugDescription)")
      #expect(!error.message.isEmpty)
      let shown = error.description.unicodeScalars
      #expect(shown.allSatisfy { $0 == "\n" || $0 == "\t" || !$0.isControl })
      #expect(shown.count(where: { $0 == "\n" }) == 2, "\(source.debugDescription)")
    }
  }
  attempt { () throws(NotationError) in try program(source) }
  attempt { () throws(NotationError) in _ = try layer(source) }
  attempt { () throws(NotationError) in
    let bound = try options(source)
    #expect(try options(bound.canonical) == bound, "\(source.debugDescription)")
  }
}

@Test func randomBytesAreAnswered() {
  var chance = Chance(1)
  for _ in 0..<20_000 {
    let bytes = (0..<chance.below(60)).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
    read(String(decoding: bytes, as: UTF8.self))
  }
}

@Test func randomPiecesAreAnswered() {
  var chance = Chance(2)
  for _ in 0..<20_000 {
    read((0..<chance.below(25)).map { _ in pieces[chance.below(pieces.count)] }.joined())
  }
}

@Test func damagedTextsAreAnswered() {
  var chance = Chance(3)
  for round in 0..<20_000 {
    var text = Array(seeds[round % seeds.count].unicodeScalars)
    for _ in 0...chance.below(4) {
      let place = chance.below(text.count)
      switch chance.below(4) {
      case 0: text.remove(at: place)
      case 1: text.insert(contentsOf: pieces[chance.below(pieces.count)].unicodeScalars, at: place)
      case 2: text[place] = Unicode.Scalar(UInt8(chance.below(128)))
      default: text.removeSubrange(place..<min(text.count, place + chance.below(20)))
      }
      if text.isEmpty { break }
    }
    read(String(String.UnicodeScalarView(text)))
  }
}

@Test func everyBeginningOfATextIsAnswered() {
  for seed in seeds {
    for length in 0...seed.unicodeScalars.count {
      read(String(seed.unicodeScalars.prefix(length)))
    }
  }
}

/// Seconds of processor time that this thread has used.
private func threadSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Texts near the bounds, each of a kind that a careless reader takes quadratic time for.
@Test(arguments: [
  ("options", "loss=mse([", "1.5,", "])"),
  ("a mistake at the end of options", "loss=mse([", "1.5,", "-1])"),
  ("options of several types", "loss=[", "mse,", "mse]"),
  ("positional arguments", "LSTM(", "1,", ")"),
  ("a flow", "", "LSTM(4)->", "Flatten"),
  ("statements", "", "Flatten\n", ""),
  ("statements with values", "", "x=LSTM(4)\n", ""),
  ("blank lines", "Flatten", "\n", "-> Flatten"),
  ("blank lines after a comma", "LSTM(1,", "\n", ")"),
  ("names", "[", "a,", "a]"),
  ("comments", "", "# comment\n", "Flatten"),
  ("brackets", "", "[", ""),
  ("calls", "", "f(", ""),
  ("quotes", "", "'", ""),
  ("escapes", "LSTM('", "\\u{e9}", "')"),
  ("an open escape", "LSTM('", "\\u{", "')"),
  ("digits", "LSTM(", "1", ")"),
  ("a name", "", "x", ""),
  ("signs", "LSTM(", "-", ")"),
  ("arrows", "", "->", ""),
  ("combining marks", "LSTM('", "\u{301}", "', 7)"),
])
func timeGrowsWithLength(what: String, before: String, piece: String, after: String) {
  let tokens = 90_000
  let count = min(tokens / 3, 1_000_000 / piece.utf8.count)
  let source = before + String(repeating: piece, count: count) + after
  let start = threadSeconds()
  _ = message { () throws(NotationError) in try program(source) }
  _ = message { () throws(NotationError) in _ = try layer(source) }
  _ = message { () throws(NotationError) in _ = try options(source) }
  let seconds = threadSeconds() - start
  #expect(seconds < 2, "\(what)")
}
