// GrammarTests.swift — which texts are read, and as what
//
// Trees are compared in a spelling of their own: calls as (name argument …), a bare name as it
// stands, texts as «…», numbers with a decimal point, statements as "targets := element > element".

import Testing

@testable import Engine

private func spelled(_ expression: Expression) -> String {
  switch expression.kind {
  case .integer(let value): "\(value)"
  case .number(let value): "\(value)"
  case .boolean(let value): value ? "T" : "F"
  case .text(let value): "«\(value)»"
  case .none: "∅"
  case .call(let call): spelled(call)
  case .list(let values): "[" + values.map(spelled).joined(separator: " ") + "]"
  }
}

private func spelled(_ call: Call) -> String {
  guard call.hasParentheses else { return call.name }
  let arguments = call.arguments.map { ($0.name.map { $0 + ":" } ?? "") + spelled($0.value) }
  return "(" + ([call.name] + arguments).joined(separator: " ") + ")"
}

private func spelled(_ program: Program) -> [String] {
  program.statements.map { statement in
    let targets = statement.targets.map(\.name).joined(separator: " ")
    let flow = statement.flow.map { element in
      switch element {
      case .call(let call): spelled(call)
      case .names(let names, let isList):
        isList ? "[" + names.map(\.name).joined(separator: " ") + "]" : names[0].name
      }
    }
    return (targets.isEmpty ? "" : targets + " := ") + flow.joined(separator: " > ")
  }
}

@Test(
  arguments: [
    ("", []),
    ("  # only a comment", []),
    ("\n;;\n ; \n", []),
    ("Dense(3)", ["(Dense 3)"]),
    ("Flatten", ["Flatten"]),
    ("Flatten()", ["(Flatten)"]),
    ("A(1) -> B -> C()", ["(A 1) > B > (C)"]),
    ("A(1)->B(-1)->C", ["(A 1) > (B -1) > C"]),
    ("x = A -> B\nx -> C", ["x := A > B", "x > C"]),
    ("x = A; y = B; [x, y]", ["x := A", "y := B", "[x y]"]),
    ("[y, h, c] = LSTM(3)", ["y h c := (LSTM 3)"]),
    ("[y] = A", ["y := A"]),
    ("[x, y] -> Concat", ["[x y] > Concat"]),
    ("[\n a ,\n b\n]", ["[a b]"]),
    ("a.b_1 -> _c.2", ["a.b_1 > _c.2"]),
  ] as [(String, [String])])
func programsAreRead(source: String, expected: [String]) throws {
  #expect(spelled(try parseProgram(source)) == expected)
}

@Test(arguments: [
  "A(1) ->\n B", "A(1)\n-> B", "A(1)\n\n  -> B", "A(1) # first\n  # between\n  -> B # last\n",
  "A(\n1\n)->\n\nB", "A(1) -> # flows\nB", "A(1)\r\n-> B\r\n", "A(1,\n)\n->\nB",
  "\n\n;A(1) -> B;;\n",
])
func linesAreContinued(source: String) throws {
  #expect(spelled(try parseProgram(source)) == ["(A 1) > B"])
}

@Test func aLineContinuesAfterAnEqualsSign() throws {
  #expect(spelled(try parseProgram("x =\n A(b=\n2)\r\n")) == ["x := (A b:2)"])
}

@Test func everyLineEndSeparatesStatements() throws {
  let expected = ["x := (A 1)", "x > B"]
  for end in ["\n", "\r\n", "\n\n", ";", " ; ", "\t\r\n"] {
    #expect(
      spelled(try parseProgram("x = A(1)\(end)x -> B\(end)")) == expected, "\(end.debugDescription)"
    )
  }
}

@Test(arguments: [
  ("3", "3"), ("-1", "-1"), ("+7", "7"), ("007", "7"),
  ("9223372036854775807", "9223372036854775807"),
  ("-9223372036854775808", "-9223372036854775808"),
  ("0.001", "0.001"), ("1e-4", "0.0001"), ("1E+2", "100.0"), (".5", "0.5"), ("5.", "5.0"),
  ("-2.5e3", "-2500.0"), ("-0.0", "-0.0"), ("1e-400", "0.0"),
  ("inf", "inf"), ("-inf", "-inf"), ("+inf", "inf"),
  ("true", "T"), ("True", "T"), ("false", "F"), ("False", "F"), ("none", "∅"), ("None", "∅"),
  ("softmax", "softmax"), ("relu()", "(relu)"), ("f(1, b=2)", "(f 1 b:2)"), ("f(1,)", "(f 1)"),
  ("[]", "[]"), ("[1, [2.0, x], 'y',]", "[1 [2.0 x] «y»]"), ("[\n1\n,\n2\n]", "[1 2]"),
  ("f(g(h(1)), [true])", "(f (g (h 1)) [T])"),
  ("'it'", "«it»"), ("\"it's\"", "«it's»"), ("''", "«»"), ("'# ; ->'", "«# ; ->»"),
  (#"'\n\t\r\\\'\"\u{e9}\u{1F600}\u{0}'"#, "«\n\t\r\\'\"é😀\0»"), ("'🎵é'", "«🎵é»"),
])
func valuesAreRead(source: String, expected: String) throws {
  let arguments = try parseArguments("x=\(source)")
  #expect(arguments.map { spelled($0.value) } == [expected])
  #expect(arguments[0].name == "x")
}

@Test func argumentsHaveNamesAndPlaces() throws {
  let arguments = try parseArguments("1, \n  rate = 0.5,seed=2,\n")
  #expect(arguments.map(\.name) == [nil, "rate", "seed"])
  #expect(arguments.map(\.location.line) == [1, 2, 2])
  #expect(arguments.map(\.location.column) == [1, 3, 14])
  #expect(arguments.map(\.value.location.column) == [1, 10, 19])
  #expect(try parseArguments("").isEmpty)
  #expect(try parseArguments(" \n # none\n").isEmpty)
}

@Test func aCallMayStandBetweenBlankLines() throws {
  #expect(spelled(try parseCall("\n StandardScaler() ;\n")) == "(StandardScaler)")
  #expect(spelled(try parseCall("StandardScaler")) == "StandardScaler")
}

/// Columns are Unicode scalars: 🎵 is one, and é here is two.
@Test func columnsCountScalars() throws {
  let call = try parseCall("f('🎵e\u{301}', g(1))")
  #expect(call.arguments[1].location == SourceLocation(line: 1, column: 10))
}

// MARK: Bounds

@Test func nestingIsBounded() throws {
  func nested(_ depth: Int, _ open: String, _ close: String) -> String {
    String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
  }
  _ = try parseArguments("x=" + nested(32, "f(", ")"))
  _ = try parseArguments("x=" + nested(32, "[", "]"))
  _ = try parseArguments("x=" + nested(16, "[f(", ")]"))
  for source in [nested(33, "f(", ")"), nested(33, "[", "]"), nested(500_000, "[", "]")] {
    #expect(throws: NotationError.self) { try parseArguments("x=" + source) }
  }
}

@Test func lengthAndTokensAreBounded() throws {
  let limit = 1 << 20
  #expect(try parseProgram(String(repeating: " ", count: limit)).statements.isEmpty)
  #expect(
    message { () throws(NotationError) in
      _ = try parseProgram(String(repeating: " ", count: limit + 1))
    }
      == "line 1, column 1: the text has 1048577 bytes; at most 1048576 are read\n  \n  ^")

  // "f" "(" … ")": two values and commas less one, and two signs with the name.
  let many = "f(" + String(repeating: "1,", count: 49_998) + "1"
  _ = try parseCall(many + ")")
  let error = try #require(throws: NotationError.self) { try parseCall(many + ",,)") }
  #expect(error.message == "the text has more than 100000 words and signs")
}
