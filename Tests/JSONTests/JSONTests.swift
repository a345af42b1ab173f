import JSON
import Testing

private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }

private func parse(_ bytes: [UInt8]) throws -> JSONValue {
  try bytes.withUnsafeBytes { try JSONValue(parsing: $0) }
}

@Test func documentsAreRead() throws {
  #expect(try parse(" null ") == .null)
  #expect(try parse("[true,false]") == .array([.boolean(true), .boolean(false)]))
  #expect(try parse("-0") == .integer(0))
  #expect(try parse("9223372036854775807") == .integer(.max))
  #expect(try parse("-9223372036854775808") == .integer(.min))
  #expect(try parse("1.5e3") == .number(1500))
  #expect(try parse("1E-2") == .number(0.01))
  #expect(try parse(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#) == .string("\"\\/\u{8}\u{c}\n\r\té😀"))
  #expect(try parse("{}") == .object([]))
  let object = try parse("{\"b\":1,\n\"a\":[2]}")
  #expect(
    object == .object([JSONMember("b", .integer(1)), JSONMember("a", .array([.integer(2)]))]))
  #expect(object["a"]?.asArray == [.integer(2)])
  #expect(object["c"] == nil)
}

/// Names that Swift takes for the same are different names to JSON.
@Test func namesAreComparedByTheirBytes() throws {
  let composed = "\u{e9}"
  let decomposed = "e\u{301}"
  let object = try parse("{\"\(composed)\":1,\"\(decomposed)\":2}")
  #expect(object[composed]?.asInteger == 1)
  #expect(object[decomposed]?.asInteger == 2)
}

@Test(arguments: [
  ("", 0), ("nul", 3), ("tru e", 3), ("[1,]", 3), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{\"a\":1,}", 7),
  ("{a:1}", 1), ("{\"a\":1,\"a\":2}", 7), ("01", 1), ("-", 1), ("1.", 2), ("1e", 2), ("+1", 0),
  (".5", 0), ("9223372036854775808", 0), ("1e999", 0), ("NaN", 0), ("\"a", 0), ("\"\u{1}\"", 1),
  ("\"\\x\"", 1), ("\"\\ud800\"", 1), ("\"\\ud800\\u0041\"", 1), ("\"\\u12g4\"", 5), ("[] []", 3),
  ("\u{feff}{}", 0), ("'a'", 0), ("[1]\0", 3),
])
func whatIsNotJSONIsRefusedAtItsPlace(text: String, offset: Int) {
  do {
    let value = try parse(text)
    Issue.record("\(text) was read as \(value)")
  } catch {
    #expect((error as? JSONError)?.offset == offset, "\(text): \(error)")
  }
}

@Test func bytesThatAreNotUTF8AreRefused() {
  for bytes: [UInt8] in [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22]] {
    #expect(throws: JSONError.self) { try parse(bytes) }
  }
}

@Test func nestingAndNumberOfValuesAreBounded() throws {
  let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
  #expect(throws: Never.self) { try parse(deepest) }
  #expect(throws: JSONError.self) { try parse("[" + deepest + "]") }
  #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
  #expect(throws: JSONError.self) {
    try parse("[" + String(repeating: "0,", count: 1 << 20) + "0]")
  }
}

@Test func whatIsWrittenReadsBack() throws {
  let value = JSONValue.object([
    JSONMember("text", .string("\u{0}\u{1f}\"\\/é😀\n")), JSONMember("", .null),
    JSONMember("numbers", .array([.integer(.min), .number(0.1), .number(5e300), .boolean(false)])),
    JSONMember("nested", .object([JSONMember("a", .array([]))])),
  ])
  #expect(try parse(value.text) == value)
}

/// Damage gives an error or another document, never a trap.
@Test func damagedDocumentsDoNoHarm() {
  let document = Array(
    #"{"__metadata__":{"a":"b\n\u00e9"},"t":{"dtype":"F32","shape":[2,3],"offsets":[0,24.5]}}"#.utf8
  )
  var state: UInt64 = 1
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
  for _ in 0..<20_000 {
    var bytes = document
    for _ in 0..<1 + next(4) {
      switch next(3) {
      case 0: bytes[next(bytes.count)] = UInt8(next(256))
      case 1: bytes.remove(at: next(bytes.count))
      default: bytes.insert(document[next(document.count)], at: next(bytes.count))
      }
    }
    _ = try? parse(bytes)
  }
}
