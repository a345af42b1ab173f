// Lexer.swift — a text cut into tokens
//
// Works on Unicode scalars. White space and comments (# to the end of the line) separate tokens; a
// line break is a token, and the parser decides whether it ends a statement.

/// A piece of a text with its place.
struct Token: Equatable {
  enum Kind: Equatable {
    case name(String)
    case integer(Int)
    case number(Double)
    case text(String)
    case arrow, comma, equals, open, close, openList, closeList
    /// A line break or a semicolon.
    case separator(isLineBreak: Bool)
    case end
  }

  let kind: Kind
  let location: SourceLocation

  /// As messages show it.
  var shown: String {
    switch kind {
    case .name(let name): name.shown
    case .integer(let value): "'\(value)'"
    case .number(let value): "'\(value)'"
    case .text: "a text in quotes"
    case .arrow: "'->'"
    case .comma: "','"
    case .equals: "'='"
    case .open: "'('"
    case .close: "')'"
    case .openList: "'['"
    case .closeList: "']'"
    case .separator(let isLineBreak): isLineBreak ? "the end of the line" : "';'"
    case .end: "the end of the text"
    }
  }
}

struct Lexer {
  private let source: String
  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var location = SourceLocation.start

  static let maximumBytes = 1 << 20
  static let maximumTokens = 100_000

  init(_ source: String) throws(NotationError) {
    guard source.utf8.count <= Self.maximumBytes else {
      throw NotationError(
        "the text has \(source.utf8.count) bytes; at most \(Self.maximumBytes) are read",
        at: .start, in: "")
    }
    self.source = source
    scalars = Array(source.unicodeScalars)
  }

  /// All tokens, with an `end` whose place is where the last one before it ends: blank lines at the
  /// end of a text are no good place for a caret.
  mutating func tokens() throws(NotationError) -> [Token] {
    var tokens: [Token] = []
    var end = location
    while let token = try next() {
      guard tokens.count < Self.maximumTokens else {
        throw error(
          "the text has more than \(Self.maximumTokens) words and signs", at: token.location)
      }
      tokens.append(token)
      if case .separator = token.kind { continue }
      end = location
    }
    tokens.append(Token(kind: .end, location: end))
    return tokens
  }

  private func error(_ message: String, at location: SourceLocation) -> NotationError {
    NotationError(message, at: location, in: source)
  }

  private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
    position + ahead < scalars.count ? scalars[position + ahead] : nil
  }

  private mutating func advance() {
    if scalars[position] == "\n" {
      location.line += 1
      location.column = 1
    } else {
      location.column += 1
    }
    position += 1
  }

  private mutating func next() throws(NotationError) -> Token? {
    while let scalar = peek(), scalar == " " || scalar == "\t" || scalar == "\r" || scalar == "#" {
      if scalar == "#" {
        while let next = peek(), next != "\n" { advance() }
      } else {
        advance()
      }
    }
    guard let scalar = peek() else { return nil }
    let start = location
    func token(_ kind: Token.Kind) -> Token { Token(kind: kind, location: start) }
    switch scalar {
    case "\n", ";":
      advance()
      return token(.separator(isLineBreak: scalar == "\n"))
    case "-" where peek(1) == ">":
      advance()
      advance()
      return token(.arrow)
    case ",", "=", "(", ")", "[", "]":
      advance()
      return token(Self.signs[scalar]!)
    case "'", "\"":
      return token(.text(try quoted(scalar)))
    case "a"..."z", "A"..."Z", "_":
      return token(.name(take { Self.isNamePart($0) }))
    case "0"..."9", "-", "+", ".":
      return token(try number())
    default:
      throw error("unexpected character \(Self.shown(scalar))", at: start)
    }
  }

  /// A character as messages show it, with its number where a reader may see nothing, or take it
  /// for another.
  private static func shown(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    let number = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    switch scalar.properties.generalCategory {
    case .control, .format, .spaceSeparator, .lineSeparator, .paragraphSeparator, .nonspacingMark,
      .enclosingMark, .privateUse, .unassigned:
      return number
    default:
      return scalar.isASCII ? "'\(scalar)'" : "'\(scalar)' (\(number))"
    }
  }

  private static let signs: [Unicode.Scalar: Token.Kind] = [
    ",": .comma, "=": .equals, "(": .open, ")": .close, "[": .openList, "]": .closeList,
  ]

  static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_", ".": true
    default: false
    }
  }

  private mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
    var taken = String.UnicodeScalarView()
    while let scalar = peek(), condition(scalar) {
      taken.append(scalar)
      advance()
    }
    return String(taken)
  }

  private mutating func number() throws(NotationError) -> Token.Kind {
    let start = location
    var text = ""
    while let scalar = peek() {
      let isSign = scalar == "-" || scalar == "+"
      let followsExponent = text.last == "e" || text.last == "E"
      guard Self.isNamePart(scalar) || (isSign && (text.isEmpty || followsExponent)) else { break }
      if isSign && peek(1) == ">" { break }
      text.unicodeScalars.append(scalar)
      advance()
    }
    if ["-inf", "+inf"].contains(text) { return .number(text == "-inf" ? -.infinity : .infinity) }
    let digits = text.drop { $0 == "-" || $0 == "+" }
    if !digits.isEmpty, digits.allSatisfy(\.isASCIIDigit) {
      guard let value = Int(text) else {
        throw error("the integer \(text.shown) does not fit into 64 bits", at: start)
      }
      return .integer(value)
    }
    guard digits.first?.isASCIIDigit == true || digits.first == ".",
      digits.allSatisfy({ $0.isASCIIDigit || "+-.eE".contains($0) }), let value = Double(text)
    else {
      throw error("\(text.shown) is not a number", at: start)
    }
    guard value.isFinite else {
      throw error("the number \(text.shown) is too large", at: start)
    }
    return .number(value)
  }

  private mutating func quoted(_ quote: Unicode.Scalar) throws(NotationError) -> String {
    let start = location
    advance()
    var text = String.UnicodeScalarView()
    while let scalar = peek() {
      if scalar == quote {
        advance()
        return String(text)
      }
      if scalar == "\n" { break }
      if scalar == "\\" {
        text.append(try escape())
      } else {
        text.append(scalar)
        advance()
      }
    }
    throw error("this text has no closing \(quote)", at: start)
  }

  private mutating func escape() throws(NotationError) -> Unicode.Scalar {
    let start = location
    advance()
    guard let scalar = peek() else {
      throw error("a backslash needs a character after it", at: start)
    }
    advance()
    switch scalar {
    case "n": return "\n"
    case "t": return "\t"
    case "r": return "\r"
    case "\\", "'", "\"": return scalar
    case "u":
      if peek() == "{" {
        advance()
        let digits = take { $0 != "}" && $0 != "\n" }
        if peek() == "}", digits.utf8.count <= 6, digits.allSatisfy(\.isHexDigit),
          let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code)
        {
          advance()
          return scalar
        }
      }
      throw error("\\u needs a code point, such as \\u{e9}", at: start)
    default:
      throw error(
        "a backslash before \(Self.shown(scalar)); there are \\n \\t \\r \\\\ \\' \\\" \\u{…}",
        at: start)
    }
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { self >= "0" && self <= "9" }
}
