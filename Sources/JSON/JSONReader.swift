// JSONReader.swift — a strict reader for documents from strangers
//
// Refuses whatever RFC 8259 does, and what it leaves open: duplicate names, a byte order mark, lone
// surrogates, integers that do not fit into 64 bits, and nesting beyond a limit, so that no document
// exhausts the stack. Takes time and memory in proportion to the document.

extension JSONValue {
  /// Reads a whole document.
  ///
  /// - Parameter maximumDepth: arrays and objects inside each other.
  public init(parsing bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64) throws(JSONError) {
    var reader = JSONReader(bytes: bytes, maximumDepth: maximumDepth)
    self = try reader.document()
  }

  public init(parsing text: String) throws(JSONError) {
    var text = text
    let result = text.withUTF8 { bytes in
      Result { () throws(JSONError) in try JSONValue(parsing: UnsafeRawBufferPointer(bytes)) }
    }
    self = try result.get()
  }
}

private struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  let maximumDepth: Int
  var position = 0
  var depth = 0
  var values = 0

  /// A value takes some forty times the memory of its shortest text.
  private static let maximumValues = 1 << 20

  init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  private func error(_ message: String, at offset: Int? = nil) -> JSONError {
    JSONError(message: message, offset: offset ?? position)
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func unexpected(_ expected: String) -> JSONError {
    guard let byte = current else { return error("expected \(expected), found the end") }
    let isPrintable = (0x21...0x7e).contains(byte)
    let found =
      isPrintable
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
    return error("expected \(expected), found \(found)")
  }

  private mutating func skipWhiteSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      position += 1
    }
  }

  private mutating func accept(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    position += 1
    return true
  }

  mutating func document() throws(JSONError) -> JSONValue {
    skipWhiteSpace()
    let value = try value()
    skipWhiteSpace()
    guard position == bytes.count else { throw unexpected("the end") }
    return value
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    values += 1
    guard values <= Self.maximumValues else {
      throw error("more than \(Self.maximumValues) values")
    }
    switch current {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case let byte? where byte == UInt8(ascii: "-") || Self.isDigit(byte): return try number()
    default: throw unexpected("a value")
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError)
    -> JSONValue
  {
    for index in 0..<word.utf8CodeUnitCount {
      guard accept(word.utf8Start[index]) else { throw unexpected("\(word)") }
    }
    return value
  }

  // MARK: Arrays and objects

  private mutating func enter() throws(JSONError) {
    guard depth < maximumDepth else { throw error("nested more than \(maximumDepth) deep") }
    depth += 1
    position += 1
    skipWhiteSpace()
  }

  private mutating func array() throws(JSONError) -> [JSONValue] {
    try enter()
    defer { depth -= 1 }
    var values: [JSONValue] = []
    if accept(UInt8(ascii: "]")) { return values }
    while true {
      skipWhiteSpace()
      values.append(try value())
      skipWhiteSpace()
      if accept(UInt8(ascii: "]")) { return values }
      guard accept(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
    }
  }

  private mutating func object() throws(JSONError) -> [JSONMember] {
    try enter()
    defer { depth -= 1 }
    var members: [JSONMember] = []
    // Names are compared byte by byte, not as Swift compares strings.
    var names: Set<[UInt8]> = []
    if accept(UInt8(ascii: "}")) { return members }
    while true {
      skipWhiteSpace()
      guard current == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
      let start = position
      let name = try string()
      guard names.insert(Array(name.utf8)).inserted else {
        throw error("the name \"\(name)\" stands here twice", at: start)
      }
      skipWhiteSpace()
      guard accept(UInt8(ascii: ":")) else { throw unexpected("':'") }
      skipWhiteSpace()
      members.append(JSONMember(name, try value()))
      skipWhiteSpace()
      if accept(UInt8(ascii: "}")) { return members }
      guard accept(UInt8(ascii: ",")) else { throw unexpected("',' or '}'") }
    }
  }

  // MARK: Numbers

  private mutating func digits() throws(JSONError) {
    guard let byte = current, Self.isDigit(byte) else { throw unexpected("a digit") }
    while let byte = current, Self.isDigit(byte) { position += 1 }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    _ = accept(UInt8(ascii: "-"))
    if !accept(UInt8(ascii: "0")) { try digits() }
    var isInteger = true
    if accept(UInt8(ascii: ".")) {
      isInteger = false
      try digits()
    }
    if accept(UInt8(ascii: "e")) || accept(UInt8(ascii: "E")) {
      isInteger = false
      if !accept(UInt8(ascii: "+")) { _ = accept(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger {
      guard let value = Int(text) else {
        throw error("the integer does not fit into 64 bits", at: start)
      }
      return .integer(value)
    }
    guard let value = Double(text), value.isFinite else {
      throw error("the number does not fit into a double", at: start)
    }
    return .number(value)
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    let start = position
    position += 1
    var text: [UInt8] = []
    var runStart = position
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        text += bytes[runStart..<position]
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else {
          throw error("the text is not UTF-8", at: start)
        }
        return string
      case UInt8(ascii: "\\"):
        text += bytes[runStart..<position]
        text += String(try escape()).utf8
        runStart = position
      case ..<0x20:
        throw unexpected("no control character in a text")
      default:
        position += 1
      }
    }
    throw error("the text has no closing quote", at: start)
  }

  private mutating func escape() throws(JSONError) -> Unicode.Scalar {
    let start = position
    position += 1
    guard let byte = current else { throw unexpected("an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let unit = try codeUnit()
      if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
      if unit < 0xdc00, accept(UInt8(ascii: "\\")), accept(UInt8(ascii: "u")) {
        let low = try codeUnit()
        if (0xdc00...0xdfff).contains(low),
          let scalar = Unicode.Scalar(
            0x10000 + (UInt32(unit) - 0xd800) << 10 + (UInt32(low) - 0xdc00))
        {
          return scalar
        }
      }
      throw error("half of a surrogate pair", at: start)
    default:
      throw error("unknown escape", at: start)
    }
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    guard position + 4 <= bytes.count else { throw error("\\u needs four digits") }
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw unexpected("a hexadecimal digit")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
