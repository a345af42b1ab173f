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

  /// What stands there, if it is a text, or a name that may stand for one.
  var word: String? {
    switch kind {
    case .text(let text): text
    case .call(let call) where !call.hasParentheses: call.name
    default: nil
    }
  }

  /// As messages show what was found.
  var shown: String {
    switch kind {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .text(let value): value.shown
    case .none: "none"
    case .call(let call): (call.hasParentheses ? "a call of " : "") + call.name.shown
    case .list: "a list"
    }
  }
}

/// A value in a call or an option text, by position or by name.
public struct Argument: Sendable {
  /// nil for a positional one.
  public let name: String?
  public let value: Expression
  /// Of the name, or of the value if there is none.
  public let location: SourceLocation

  init(name: String? = nil, value: Expression, location: SourceLocation) {
    self.name = name
    self.value = value
    self.location = location
  }
}

/// A name with arguments. `softmax` and `softmax()` are the same but for `hasParentheses`.
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
  /// Empty where the values get no name.
  let targets: [Identifier]
  /// Never empty.
  let flow: [FlowElement]
  let location: SourceLocation
}

/// A model's text.
struct Program: Sendable {
  let statements: [Statement]
}
