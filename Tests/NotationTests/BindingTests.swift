// BindingTests.swift — calls against their signatures: values, defaults, descriptions

import Testing

@testable import Engine

@Test func optionsAreGivenByPositionOrName() throws {
  for source in [
    "LSTM(64, 0.2, true)", "LSTM(64, return_sequences=true, dropout=0.2)",
    "LSTM(dropout=0.2, return_sequences=True, units=64)",
    "LSTM(64, dropout=2e-1, return_sequences=true,)",
  ] {
    let bound = try layer(source)
    #expect(bound.name == "LSTM" && bound.kind == .layer)
    #expect(bound.integer("units") == 64)
    #expect(bound.number("dropout") == 0.2)
    #expect(bound.boolean("return_sequences"))
    #expect(bound.call("activation").name == "tanh")
    #expect(bound.optionalText("name") == nil)
  }
}

@Test func defaultsStandForWhatIsNotGiven() throws {
  let bound = try options("loss=mse")
  #expect(bound.call("loss").list("weights") == [])
  #expect(bound.optionalNumber("clip_norm") == nil)
  #expect(bound.integer("seed") == 0)
  #expect(bound.text("split") == "\t")
  #expect(bound["step"] == .integer(1))
  #expect(
    bound == (try options("loss=mse([]), clip_norm=none, seed=0, split='\\t', step=1, how='a b'")))
  #expect(
    try layer("LSTM(3)").call("activation")
      == (try layer("LSTM(3, activation=tanh())")).call("activation"))
}

@Test func integersAreNumbersAndNotTheReverse() throws {
  #expect(try layer("Dropout(0)")["rate"] == .number(0))
  #expect(try options("loss=mse, clip_norm=5").optionalNumber("clip_norm") == 5)
  #expect(throws: NotationError.self) { try layer("LSTM(64.0)") }
}

@Test func rangesIncludeTheirEndsUnlessTheySayOtherwise() throws {
  for accepted in ["LSTM(1)", "LSTM(1000)", "Dropout(0)", "Dropout(0.9999999999999999)"] {
    _ = try layer(accepted)
  }
  for refused in ["LSTM(0)", "LSTM(1001)", "Dropout(-1e-300)", "Dropout(1)", "Dropout(-inf)"] {
    #expect(throws: NotationError.self, "\(refused)") { try layer(refused) }
  }
  _ = try options("loss=mse, clip_norm=5e-324")
  _ = try options("loss=mse, seed=9223372036854775807")
  #expect(throws: NotationError.self) { try options("loss=mse, clip_norm=0.0") }
  #expect(throws: NotationError.self) { try options("loss=mse, clip_norm=-0.0") }
}

@Test func wordsMayStandInQuotesOrNot() throws {
  #expect(try layer("Wrapper(LSTM(1), 'mean')") == (try layer("Wrapper(LSTM(1), mean)")))
  #expect(try layer("LSTM(1, activation='softmax')") == (try layer("LSTM(1, activation=softmax)")))
  #expect(try layer("LSTM(1, name=encoder)").optionalText("name") == "encoder")
  #expect(try layer("LSTM(1, name='none')").optionalText("name") == "none")
  #expect(try layer("LSTM(1, name=none)").optionalText("name") == nil)
}

@Test func aliasesBecomeTheName() throws {
  let bound = try options("loss=mean_squared_error([1, 2.5])")
  #expect(bound.call("loss").name == "mse")
  #expect(bound.call("loss").list("weights").map(\.asNumber) == [1, 2.5])
  #expect(bound == (try options("loss=mse(weights=[1.0, 2.5])")))
}

@Test func ofSeveralTypesTheFirstThatFitsIsTaken() throws {
  #expect(try layer("Input(ids)")["features"] == .text("ids"))
  #expect(try layer("Input(7)")["features"] == .integer(7))
  #expect(try layer("Input([7, 8])")["features"] == .list([.integer(7), .integer(8)]))
  #expect(try options("loss=mse, step=9")["step"] == .integer(9))
  #expect(try options("loss=mse, step=10")["step"] == .number(10))
  #expect(try options("loss=mse, step=9.0")["step"] == .number(9))
  #expect(try options("loss=mse, how=tanh")["how"] == .text("tanh"))
  #expect(try options("loss=mse, how=tanh()")["how"].asCall.name == "tanh")
  #expect(
    try options("loss=[mse, crossentropy]").list("loss").map(\.asCall.name) == [
      "mse", "crossentropy",
    ])
}

@Test func callsRememberTheirPlace() throws {
  let bound = try layer("Wrapper(\n  LSTM(3))")
  #expect(bound.location == SourceLocation(line: 1, column: 1))
  #expect(bound.call("layer").location == SourceLocation(line: 2, column: 3))
  #expect(bound == (try layer("Wrapper(LSTM(3))")), "the place is no part of what is compared")
}

// MARK: Descriptions

@Test func aNameIsDescribed() {
  #expect(
    vocabulary.describe("LSTM") == """
      layer\tLSTM\tLong short-term memory.
      units\tan integer of 1 … 1000\trequired\tSize of the state.
      dropout\ta number of 0 up to, but not including, 1\t0\tShare dropped.
      return_sequences\ttrue or false\tfalse\tEvery timestep.
      activation\tan activation\ttanh\tOf the state.
      name\ta text, or none\tnone\tIts name.
      """)
  #expect(
    vocabulary.describe("trainer") == """
      options\ttrainer\tOptions of a trainer.
      loss\ta loss, or a list, each a loss\trequired\tWhat to make small.
      clip_norm\ta number > 0, or none\tnone\tLargest norm.
      seed\tan integer ≥ 0\t0\tOf chance.
      split\ta text\t'\\t'\tWhat separates.
      step\tan integer of 1 … 9, or a finite number\t1\tA step.
      how\ta text, or an activation\t'a b'\tHow.
      """)
  #expect(vocabulary.describe("mean_squared_error") == vocabulary.describe("mse"))
  #expect(vocabulary.describe("LSTN") == nil)
  #expect(vocabulary.nearest(to: "LSTN") == "LSTM")
  #expect(vocabulary.nearest(to: "Transformer") == nil)
}

@Test func allNamesAreListed() throws {
  let lines = try #require(vocabulary.describe(nil)).split(separator: "\n")
  #expect(lines.count == vocabulary.signatures.count)
  #expect(lines.first == "layer\tLSTM\tLong short-term memory.")
  #expect(lines.last == "options\ttrainer\tOptions of a trainer.")
  #expect(lines.allSatisfy { $0.split(separator: "\t").count == 3 })
}
