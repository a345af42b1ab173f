// Syntax.swift — what a text says, before anyone knows what the names mean

/// A value with its place.
public struct Expression: Sendable {
  public indirect enum Kind: Sendable {
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case text(String)
    case none
    /// A name alone is a call without arguments.
    case call(Call)
    case list([Expression])
  }

  public let kind: Kind
  public let location: SourceLocation

  init(_ kind: Kind, at location: SourceLocation) {
    self.kind = kind
    self.location = location
  }

  static func name(_ name: String, at location: SourceLocation) -> Expression {
    Expression(.call(Call(name: name, location: location)), at: location)
  }

  /// As messages show what was found.
  var shown: String {
    switch kind {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .text(let value): Value.quoted(value)
    case .none: "none"
    case .call(let call): call.hasParentheses ? "\(call.name)(…)" : call.name
    case .list: "a list"
    }
  }
}

public struct Argument: Sendable {
  /// nil for a positional one.
  public let name: String?
  public let value: Expression
  public let location: SourceLocation

  init(name: String? = nil, value: Expression, location: SourceLocation) {
    self.name = name
    self.value = value
    self.location = location
  }
}

public struct Call: Sendable {
  public let name: String
  public let arguments: [Argument]
  public let hasParentheses: Bool
  public let location: SourceLocation

  init(
    name: String, arguments: [Argument] = [], hasParentheses: Bool = false,
    location: SourceLocation
  ) {
    self.name = name
    self.arguments = arguments
    self.hasParentheses = hasParentheses
    self.location = location
  }
}

/// A name with its place.
struct Identifier: Sendable {
  let name: String
  let location: SourceLocation
}

/// One stage of a flow.
enum FlowElement: Sendable {
  /// `x`, which may also be a layer without arguments, or `[a, b]`.
  case names([Identifier], isList: Bool)
  case call(Call)
}

/// `[a, b] = x -> Layer(…) -> …`
struct Statement: Sendable {
  let targets: [Identifier]
  let flow: [FlowElement]
  let location: SourceLocation
}

struct Program: Sendable {
  let statements: [Statement]
}
