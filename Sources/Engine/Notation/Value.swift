// Value.swift — what a text says, once its names are known

/// The value of an option.
public indirect enum Value: Equatable, Sendable {
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  case text(String)
  case none
  case call(BoundCall)
  case list([Value])

  /// Canonical notation, which reads back as the same value of an option of this type.
  func canonical(as type: OptionType) -> String {
    switch self {
    case .integer(let value): return "\(value)"
    case .number(let value): return Self.shortest(value, keepsFraction: type.takesIntegers)
    case .boolean(let value): return value ? "true" : "false"
    case .text(let value): return Self.isPlainName(value) ? value : Self.quoted(value)
    case .none: return "none"
    case .call(let call):
      let text = call.canonical
      return type.takesTexts && Self.isPlainName(text) ? text + "()" : text
    case .list(let values):
      return "[" + values.map { $0.canonical(as: type) }.joined(separator: ", ") + "]"
    }
  }

  /// The shortest text that reads back as the same number.
  ///
  /// - Parameter keepsFraction: whether `3.0` stays so, where `3` would be read as an integer.
  private static func shortest(_ value: Double, keepsFraction: Bool) -> String {
    if !keepsFraction, abs(value) < 1e15, let whole = Int(exactly: value),
      !(whole == 0 && value.sign == .minus)
    {
      return "\(whole)"
    }
    return "\(value)"
  }

  private static let reserved: Set<String> = [
    "true", "True", "false", "False", "none", "None", "inf",
  ]

  private static func isPlainName(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first, !("0"..."9").contains(first), first != "." else {
      return false
    }
    return text.unicodeScalars.allSatisfy(Lexer.isNamePart) && !reserved.contains(text)
  }

  /// A text in quotes, with escapes where they are needed.
  static func quoted(_ text: String) -> String {
    var quoted = "'"
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case "\r": quoted += "\\r"
      case "\\": quoted += "\\\\"
      case "'": quoted += "\\'"
      default:
        if scalar.isControl {
          quoted += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          quoted.unicodeScalars.append(scalar)
        }
      }
    }
    return quoted + "'"
  }
}

/// A call whose name is known and whose options all have values.
///
/// The accessors expect the name of an option of the signature, of the type it declares.
public struct BoundCall: Equatable, Sendable {
  /// The canonical one, where a name has aliases.
  public let name: String
  public let kind: SignatureKind
  public let location: SourceLocation
  let names: [String]
  let values: [Value]
  /// Canonical notation: leading required options by position, then what differs from its default.
  public let canonical: String

  public static func == (a: BoundCall, b: BoundCall) -> Bool {
    a.name == b.name && a.kind == b.kind && a.names == b.names && a.values == b.values
  }

  public subscript(_ name: String) -> Value {
    guard let index = names.firstIndex(of: name) else {
      preconditionFailure("\(self.name) declares no option \(name)")
    }
    return values[index]
  }

  private func mismatch(_ name: String) -> Never {
    preconditionFailure("\(self.name) declares \(name) with another type")
  }

  public func integer(_ name: String) -> Int {
    guard case .integer(let value) = self[name] else { mismatch(name) }
    return value
  }

  public func number(_ name: String) -> Double { self[name].asNumber }

  public func boolean(_ name: String) -> Bool {
    guard case .boolean(let value) = self[name] else { mismatch(name) }
    return value
  }

  public func text(_ name: String) -> String {
    guard case .text(let value) = self[name] else { mismatch(name) }
    return value
  }

  public func call(_ name: String) -> BoundCall { self[name].asCall }

  public func list(_ name: String) -> [Value] {
    guard case .list(let values) = self[name] else { mismatch(name) }
    return values
  }

  public func optionalInteger(_ name: String) -> Int? {
    self[name] == .none ? nil : integer(name)
  }
  public func optionalNumber(_ name: String) -> Double? {
    self[name] == .none ? nil : number(name)
  }
  public func optionalBoolean(_ name: String) -> Bool? {
    self[name] == .none ? nil : boolean(name)
  }
  public func optionalText(_ name: String) -> String? {
    self[name] == .none ? nil : text(name)
  }
}

extension Value {
  /// The value of an option of type number; integers are numbers too.
  var asNumber: Double {
    switch self {
    case .integer(let value): return Double(value)
    case .number(let value): return value
    default: preconditionFailure("\(self) is no number")
    }
  }

  /// The value of an option of type call.
  var asCall: BoundCall {
    guard case .call(let call) = self else { preconditionFailure("\(self) is no call") }
    return call
  }
}
