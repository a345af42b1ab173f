// MessageTests.swift — what a mistake is answered with, word for word

import Testing

@testable import Engine

/// A message without its source line: the caret's own tests are below.
private func head(_ message: String) -> String {
  String(message.prefix { $0 != "\n" })
}

@Test(arguments: [
  ("A(1) B(2)", "1:6: expected '->' or the next statement, found 'B'"),
  ("A(1) ->", "1:8: expected a layer or the name of a value, found the end of the text"),
  (
    "A(1) -> \n\n # nothing\n",
    "1:8: expected a layer or the name of a value, found the end of the text"
  ),
  ("A(1) -> ; B", "1:9: expected a layer or the name of a value, found ';'"),
  ("A -> 3", "1:6: expected a layer or the name of a value, found '3'"),
  ("A -> 'x'", "1:6: expected a layer or the name of a value, found a text in quotes"),
  ("-> A", "1:1: expected a layer or the name of a value, found '->'"),
  ("= A", "1:1: expected a layer or the name of a value, found '='"),
  ("x = y = A", "1:7: expected '->' or the next statement, found '='"),
  ("A(1) = B", "1:1: a call cannot be assigned to; expected a name before '='"),
  ("[]", "1:2: expected a name, found ']'"),
  ("[a, 1]", "1:5: expected a name, found '1'"),
  ("[a b]", "1:4: expected ',' or ']', found 'b'"),
  ("[a,", "1:4: expected a name, found the end of the text"),
  ("A(1", "1:4: expected ',' or ')', found the end of the text"),
  ("A(1 2)", "1:5: expected ',' or ')', found '2'"),
  ("A(1-2)", "1:4: expected ',' or ')', found '-2'"),
  ("A(,)", "1:3: expected a value, found ','"),
  ("A(1;\n2)", "1:4: expected ',' or ')', found ';'"),
  ("A(x=)", "1:5: expected a value, found ')'"),
  ("A(x==1)", "1:5: expected a value, found '='"),
  ("A(x=1, 2)", "1:8: an argument without a name cannot follow one with a name"),
  ("A([1, 2)", "1:8: expected ',' or ']', found ')'"),
  ("A(->)", "1:3: expected a value, found '->'"),
  ("A('x)", "1:3: this text has no closing '"),
  ("A(\"x\n\")", "1:3: this text has no closing \""),
  ("A('\\", "1:4: a backslash needs a character after it"),
  ("A('\\x')", #"1:4: a backslash before 'x'; there are \n \t \r \\ \' \" \u{…}"#),
  ("A('\\\n')", #"1:4: a backslash before U+000A; there are \n \t \r \\ \' \" \u{…}"#),
  ("A('\\u{d800}')", #"1:4: \u needs a code point, such as \u{e9}"#),
  ("A('\\u{+41}')", #"1:4: \u needs a code point, such as \u{e9}"#),
  ("A('\\u{110000}')", #"1:4: \u needs a code point, such as \u{e9}"#),
  ("A('\\u{}')", #"1:4: \u needs a code point, such as \u{e9}"#),
  ("A('\\u41')", #"1:4: \u needs a code point, such as \u{e9}"#),
  ("A(99999999999999999999)", "1:3: the integer '99999999999999999999' does not fit into 64 bits"),
  ("A(1e400)", "1:3: the number '1e400' is too large"),
  ("A(1.2.3)", "1:3: '1.2.3' is not a number"),
  ("A(0x10)", "1:3: '0x10' is not a number"),
  ("A(1e)", "1:3: '1e' is not a number"),
  ("A(-)", "1:3: '-' is not a number"),
  ("A(-nan)", "1:3: '-nan' is not a number"),
  ("A(.)", "1:3: '.' is not a number"),
  ("A @ B", "1:3: unexpected character '@'"),
  ("A → B", "1:3: unexpected character '→' (U+2192)"),
  ("A(“x”)", "1:3: unexpected character '“' (U+201C)"),
  ("A\u{a0}-> B", "1:2: unexpected character U+00A0"),
  ("\u{feff}A", "1:1: unexpected character U+FEFF"),
  ("A\u{0}", "1:2: unexpected character U+0000"),
  ("e\u{301}", "1:2: unexpected character U+0301"),
  ("A > B", "1:3: unexpected character '>'"),
  ("A\nB\n  C(1", "3:6: expected ',' or ')', found the end of the text"),
])
func mistakesOfGrammar(source: String, expected: String) {
  check(expected) { () throws(NotationError) in _ = try parseProgram(source) }
}

@Test(arguments: [
  ("epochs", "1:1: options have names: expected name=value, found 'epochs'"),
  ("5", "1:1: options have names: expected name=value, found 5"),
  ("loss=mse, seed=1 seed=2", "1:18: expected ',', found 'seed'"),
  ("loss=mse)", "1:9: expected ',', found ')'"),
  ("loss=mse; seed=1", "1:9: expected ',', found ';'"),
  ("loss=mse,, seed=1", "1:10: expected a value, found ','"),
  ("seed=1", "1:1: this text needs 'loss': a loss, or a list, each a loss"),
  ("loss=mse, sed=1", "1:11: there is no option 'sed'; did you mean 'seed'?"),
  ("loss=mse, warp=1", "1:11: there is no option 'warp'"),
  ("loss=mse, seed=1, seed=1", "1:19: 'seed' is given twice"),
  ("loss=mse, seed=-1", "1:16: seed: expected an integer ≥ 0, found -1"),
  ("loss=mse, seed=64.0", "1:16: seed: expected an integer ≥ 0, found 64.0"),
  ("loss=mse, clip_norm=0", "1:21: clip_norm: expected a number > 0, found 0"),
  ("loss=mse, clip_norm=inf", "1:21: clip_norm: expected a number > 0, found inf"),
  ("loss=mse, clip_norm=x", "1:21: clip_norm: expected a number > 0, or none, found 'x'"),
  ("loss=3", "1:6: loss: expected a loss, or a list, each a loss, found 3"),
  ("loss=mze", "1:6: there is no loss 'mze'; did you mean 'mse'?"),
  ("loss=[mse, mze]", "1:12: there is no loss 'mze'; did you mean 'mse'?"),
  ("loss=[mse, 3]", "1:12: loss: expected a loss, found 3"),
  ("loss=mse([1, -2])", "1:14: weights: expected a number ≥ 0, found -2"),
  ("loss=mse(1)", "1:10: weights: expected a list, each a number ≥ 0, found 1"),
  ("loss=softmax", "1:6: there is no loss 'softmax'; 'softmax' is an activation"),
  ("loss=mse, split=3", "1:17: split: expected a text, found 3"),
  ("loss=mse, split=f()", "1:17: split: expected a text, found a call of 'f'"),
  (
    "loss=mse, step=true",
    "1:16: step: expected an integer of 1 … 9, or a finite number, found true"
  ),
  ("loss=mse, step=inf", "1:16: step: expected an integer of 1 … 9, or a finite number, found inf"),
  ("loss=mse, how=leaky(1, 2)", "1:24: leaky takes at most 1 argument"),
])
func mistakesInOptions(source: String, expected: String) {
  check(expected) { () throws(NotationError) in _ = try options(source) }
}

@Test(arguments: [
  ("LSTM", "1:1: LSTM needs 'units': an integer of 1 … 1000"),
  ("LSTM(dropout=0.1)", "1:1: LSTM needs 'units': an integer of 1 … 1000"),
  ("lstm(3)", "1:1: there is no layer 'lstm'; did you mean 'LSTM'?"),
  ("LTSM(3)", "1:1: there is no layer 'LTSM'; did you mean 'LSTM'?"),
  ("Transformer(3)", "1:1: there is no layer 'Transformer'"),
  ("softmax", "1:1: there is no layer 'softmax'; 'softmax' is an activation"),
  ("mse()", "1:1: there is no layer 'mse'; 'mse' is a loss"),
  ("LSTM(64, dropuot=0.2)", "1:10: LSTM has no option 'dropuot'; did you mean 'dropout'?"),
  ("LSTM(64, zeal=0.2)", "1:10: LSTM has no option 'zeal'"),
  ("LSTM(64, units=64)", "1:10: 'units' is given twice"),
  ("LSTM(1, 0, true, tanh, a, 6)", "1:27: LSTM takes at most 5 arguments"),
  ("Dropout(0, 1)", "1:12: Dropout takes at most 1 argument"),
  ("Flatten(1)", "1:9: Flatten takes no arguments"),
  ("LSTM(64.0)", "1:6: units: expected an integer of 1 … 1000, found 64.0"),
  ("LSTM(0)", "1:6: units: expected an integer of 1 … 1000, found 0"),
  ("LSTM(1001)", "1:6: units: expected an integer of 1 … 1000, found 1001"),
  ("LSTM('64')", "1:6: units: expected an integer of 1 … 1000, found '64'"),
  ("LSTM(none)", "1:6: units: expected an integer of 1 … 1000, found none"),
  ("LSTM([1])", "1:6: units: expected an integer of 1 … 1000, found a list"),
  (
    "LSTM(4, 1)",
    "1:9: dropout: expected a number of 0 up to, but not including, 1, found 1"
  ),
  ("LSTM(4, return_sequences=1)", "1:26: return_sequences: expected true or false, found 1"),
  ("LSTM(4, activation=tahn)", "1:20: there is no activation 'tahn'; did you mean 'tanh'?"),
  ("LSTM(4, activation='\\n')", #"1:20: there is no activation '\n'"#),
  ("LSTM(4, activation=0)", "1:20: activation: expected an activation, found 0"),
  (
    "LSTM(4, activation=leaky(slop=1))",
    "1:26: leaky has no option 'slop'; did you mean 'slope'?"
  ),
  ("LSTM(4, name=3)", "1:14: name: expected a text, or none, found 3"),
  (
    "Wrapper(LSTM(4), maen)",
    "1:18: mode: expected one of sum, mean, concat, found 'maen'; did you mean 'mean'?"
  ),
  (
    "Wrapper(LSTM(4), mode=f())",
    "1:23: mode: expected one of sum, mean, concat, found a call of 'f'"
  ),
  ("Wrapper(LSTM)", "1:9: LSTM needs 'units': an integer of 1 … 1000"),
  (
    "Wrapper(\n  LSTM(\n    4, droput=1))",
    "3:8: LSTM has no option 'droput'; did you mean 'dropout'?"
  ),
  ("Input(idz)", "1:7: features: expected ids, found 'idz'; did you mean 'ids'?"),
  ("Input(0)", "1:7: features: expected an integer of 1 … 100, found 0"),
  ("Input([3, 101])", "1:11: features: expected an integer of 1 … 100, found 101"),
  (
    "Input(true)",
    "1:7: features: expected ids, or an integer of 1 … 100, or a list, each an integer of 1 … 100, "
      + "found true"
  ),
])
func mistakesInLayers(source: String, expected: String) {
  check(expected) { () throws(NotationError) in _ = try layer(source) }
}

@Test(arguments: [
  ("A() B", "1:5: expected the end of the text, found 'B'"),
  ("A() -> B", "1:5: expected the end of the text, found '->'"),
  ("", "1:1: expected a name, found the end of the text"),
  ("3", "1:1: expected a name, found '3'"),
])
func mistakesInACall(source: String, expected: String) {
  check(expected) { () throws(NotationError) in _ = try parseCall(source) }
}

@Test func nestingSaysHowMuchIsAllowed() {
  let calls = String(repeating: "f(", count: 33)
  check("1:65: calls are nested more than 32 deep") { () throws(NotationError) in
    _ = try parseCall(calls)
  }
  check("1:35: lists are nested more than 32 deep") { () throws(NotationError) in
    _ = try parseArguments("x=" + String(repeating: "[", count: 33))
  }
}

/// `expected` is "line:column: message".
private func check(
  _ expected: String, sourceLocation: Testing.SourceLocation = #_sourceLocation,
  _ body: () throws(NotationError) -> Void
) {
  do {
    try body()
    Issue.record("no error, expected \(expected)", sourceLocation: sourceLocation)
  } catch {
    let place = error.location
    #expect(
      "\(place.line):\(place.column): \(error.message)" == expected, sourceLocation: sourceLocation)
    #expect(
      head(error.description)
        == "line \(place.line), column \(place.column): \(error.message)",
      sourceLocation: sourceLocation)
  }
}

// MARK: The line and its caret

@Test func theCaretIsUnderThePlace() {
  let source = "words  = Input(ids)\nstates = words -> LSTM(64, dropuot=0.2)\nstates -> Flatten"
  #expect(
    message { () throws(NotationError) in try program(source) } == """
      line 2, column 28: LSTM has no option 'dropuot'; did you mean 'dropout'?
        states = words -> LSTM(64, dropuot=0.2)
                                   ^
      """)
}

@Test func carriageReturnsAreNoPartOfTheLine() {
  #expect(
    message { () throws(NotationError) in try program("x = Flatten\r\nx -> LSTM(0)\r\n[x]\r\n") }
      == """
      line 2, column 11: units: expected an integer of 1 … 1000, found 0
        x -> LSTM(0)
                  ^
      """)
}

@Test func tabsStayInFrontOfTheCaret() {
  #expect(
    message { () throws(NotationError) in try program("x\t->\tLSTM(0)") }
      == "line 1, column 11: units: expected an integer of 1 … 1000, found 0\n"
      + "  x\t->\tLSTM(0)\n"
      + "   \t  \t     ^")
}

/// Every scalar is a column; a combining mark is one of its own, but takes no room on the screen.
@Test func lettersBeyondASCIIStandInFrontOfTheCaret() {
  #expect(
    message { () throws(NotationError) in _ = try layer("LSTM(1, name='größe e\u{301}', dropout=2)")
    }
      == "line 1, column 34: dropout: expected a number of 0 up to, but not including, 1, found 2\n"
      + "  LSTM(1, name='größe e\u{301}', dropout=2)\n"
      + String(repeating: " ", count: 34) + "^")
}

@Test func controlCharactersDoNotReachTheMessage() {
  #expect(
    message { () throws(NotationError) in _ = try layer("LSTM('\u{1b}[2J\u{0}', 1)") } == #"""
      line 1, column 6: units: expected an integer of 1 … 1000, found '\u{1b}[2J\u{0}'
        LSTM('\#u{fffd}[2J\#u{fffd}', 1)
             ^
      """#)
}

@Test func ofALongLineTheNeighbourhoodIsShown() {
  let before = String(repeating: "Flatten -> ", count: 1000)
  #expect(
    message { () throws(NotationError) in try program(before + "LSTM(0) -> " + before + "Flatten") }
      == "line 1, column 11006: units: expected an integer of 1 … 1000, found 0\n"
      + "  " + (before + "LSTM(").suffix(60) + ("0) -> " + before).prefix(60) + "\n"
      + String(repeating: " ", count: 62) + "^")
}

@Test func longNamesAreCutOff() {
  let name = String(repeating: "x", count: 500_000)
  let cut = "'" + String(repeating: "x", count: 60) + "'…"
  check("1:1: there is no layer \(cut)") { () throws(NotationError) in _ = try layer(name) }
  check("1:9: LSTM has no option \(cut)") { () throws(NotationError) in
    _ = try layer("LSTM(1, \(name)=1)")
  }
  check("1:6: units: expected an integer of 1 … 1000, found \(cut)") { () throws(NotationError) in
    _ = try layer("LSTM('\(name)')")
  }
  check("1:3: expected '->' or the next statement, found \(cut)") { () throws(NotationError) in
    _ = try parseProgram("a \(name)")
  }
}
