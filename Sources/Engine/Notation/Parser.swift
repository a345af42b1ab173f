// Parser.swift — tokens to statements
//
//     program    = statement { separator statement }
//     statement  = [ targets "=" ] element { "->" element }
//     targets    = name | "[" name { "," name } "]"
//     element    = call | targets
//     call       = name [ "(" [ arguments ] ")" ]
//     arguments  = argument { "," argument } [ "," ]
//     argument   = [ name "=" ] expression
//     expression = number | text | true | false | none | call | "[" [ expressions ] "]"
//
// A line break does not end a statement inside brackets, after "->", "," or "=", or before "->".

/// A model's text.
func parseProgram(_ source: String) throws(NotationError) -> Program {
  var parser = try Parser(source)
  return try parser.program()
}

/// An option text, such as "epochs=5, batch_size=32".
public func parseArguments(_ source: String) throws(NotationError) -> [Argument] {
  var parser = try Parser(source)
  return try parser.wholeArguments()
}

/// A single call, such as "StandardScaler()".
public func parseCall(_ source: String) throws(NotationError) -> Call {
  var parser = try Parser(source)
  return try parser.wholeCall()
}

private struct Parser {
  private let source: String
  private let tokens: [Token]
  private var position = 0
  private var depth = 0

  private static let maximumDepth = 32

  init(_ source: String) throws(NotationError) {
    self.source = source
    var lexer = try Lexer(source)
    tokens = try lexer.tokens()
  }

  private var token: Token { tokens[position] }
  private var following: Token { tokens[min(position + 1, tokens.count - 1)] }

  private func error(_ message: String, at location: SourceLocation) -> NotationError {
    NotationError(message, at: location, in: source)
  }

  private func unexpected(_ expected: String) -> NotationError {
    error("expected \(expected), found \(token.shown)", at: token.location)
  }

  private mutating func advance() { if position < tokens.count - 1 { position += 1 } }

  private mutating func accept(_ kind: Token.Kind) -> Bool {
    guard token.kind == kind else { return false }
    advance()
    return true
  }

  private mutating func skipLineBreaks() {
    while token.kind == .separator(isLineBreak: true) { advance() }
  }

  private mutating func skipSeparators() {
    while case .separator = token.kind { advance() }
  }

  // MARK: Statements

  mutating func program() throws(NotationError) -> Program {
    var statements: [Statement] = []
    skipSeparators()
    while token.kind != .end {
      statements.append(try statement())
      guard token.kind == .end || isSeparator else {
        throw unexpected("'->' or the next statement")
      }
      skipSeparators()
    }
    return Program(statements: statements)
  }

  private var isSeparator: Bool { if case .separator = token.kind { true } else { false } }

  private mutating func statement() throws(NotationError) -> Statement {
    let location = token.location
    var element = try element()
    var targets: [Identifier] = []
    if accept(.equals) {
      guard case .names(let names, _) = element else {
        throw error("a call cannot be assigned to; expected a name before '='", at: location)
      }
      targets = names
      skipLineBreaks()
      element = try self.element()
    }
    var flow = [element]
    while acceptArrow() {
      skipLineBreaks()
      flow.append(try self.element())
    }
    return Statement(targets: targets, flow: flow, location: location)
  }

  /// An arrow may stand at the beginning of the next line.
  private mutating func acceptArrow() -> Bool {
    let before = position
    skipLineBreaks()
    if accept(.arrow) { return true }
    position = before
    return false
  }

  private mutating func element() throws(NotationError) -> FlowElement {
    switch token.kind {
    case .openList:
      advance()
      var names: [Identifier] = []
      repeat {
        skipLineBreaks()
        names.append(try identifier())
        skipLineBreaks()
      } while accept(.comma)
      guard accept(.closeList) else { throw unexpected("',' or ']'") }
      return .names(names, isList: true)
    case .name where following.kind == .open:
      return .call(try call())
    case .name:
      return .names([try identifier()], isList: false)
    default:
      throw unexpected("a layer or the name of a value")
    }
  }

  private mutating func identifier() throws(NotationError) -> Identifier {
    guard case .name(let name) = token.kind else { throw unexpected("a name") }
    let identifier = Identifier(name: name, location: token.location)
    advance()
    return identifier
  }

  // MARK: Calls

  mutating func wholeArguments() throws(NotationError) -> [Argument] {
    let arguments = try self.arguments(until: .end)
    guard token.kind == .end else { throw unexpected("','") }
    return arguments
  }

  mutating func wholeCall() throws(NotationError) -> Call {
    skipSeparators()
    let call = try call()
    skipSeparators()
    guard token.kind == .end else { throw unexpected("the end of the text") }
    return call
  }

  private mutating func call() throws(NotationError) -> Call {
    let identifier = try identifier()
    guard accept(.open) else {
      return Call(name: identifier.name, location: identifier.location)
    }
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else {
      throw error("calls are nested more than \(Self.maximumDepth) deep", at: identifier.location)
    }
    let arguments = try self.arguments(until: .close)
    guard accept(.close) else { throw unexpected("',' or ')'") }
    return Call(
      name: identifier.name, arguments: arguments, hasParentheses: true,
      location: identifier.location)
  }

  private mutating func arguments(until end: Token.Kind) throws(NotationError) -> [Argument] {
    var arguments: [Argument] = []
    var hasNamed = false
    skipLineBreaks()
    while token.kind != end {
      let location = token.location
      var name: String?
      if case .name(let given) = token.kind, following.kind == .equals {
        name = given
        hasNamed = true
        advance()
        advance()
        skipLineBreaks()
      }
      let value = try expression()
      guard name != nil || !hasNamed else {
        throw error("an argument without a name cannot follow one with a name", at: location)
      }
      arguments.append(Argument(name: name, value: value, location: location))
      skipLineBreaks()
      guard accept(.comma) else { break }
      skipLineBreaks()
    }
    return arguments
  }

  private mutating func expression() throws(NotationError) -> Expression {
    let location = token.location
    func made(_ kind: Expression.Kind) -> Expression { Expression(kind, at: location) }
    switch token.kind {
    case .integer(let value):
      advance()
      return made(.integer(value))
    case .number(let value):
      advance()
      return made(.number(value))
    case .text(let value):
      advance()
      return made(.text(value))
    case .openList:
      return made(.list(try list()))
    case .name(let name) where following.kind != .open:
      advance()
      switch name {
      case "true", "True": return made(.boolean(true))
      case "false", "False": return made(.boolean(false))
      case "none", "None": return made(.none)
      case "inf": return made(.number(.infinity))
      default: return .name(name, at: location)
      }
    case .name:
      return made(.call(try call()))
    default:
      throw unexpected("a value")
    }
  }

  private mutating func list() throws(NotationError) -> [Expression] {
    let location = token.location
    advance()
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else {
      throw error("lists are nested more than \(Self.maximumDepth) deep", at: location)
    }
    var values: [Expression] = []
    skipLineBreaks()
    while token.kind != .closeList {
      values.append(try expression())
      skipLineBreaks()
      guard accept(.comma) else { break }
      skipLineBreaks()
    }
    guard accept(.closeList) else { throw unexpected("',' or ']'") }
    return values
  }
}
