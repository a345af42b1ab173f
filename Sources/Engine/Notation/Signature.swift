// Signature.swift — what a name in the notation takes

/// What kind of thing a name is.
public enum SignatureKind: String, CaseIterable, Sendable {
  case layer, activation, initializer, loss, optimizer, schedule, scaler, options
}

/// Numbers an option may have.
public struct NumberRange: Equatable, Sendable {
  let minimum: Double
  let maximum: Double
  let excludesMinimum: Bool
  let excludesMaximum: Bool
  let shown: String

  public static let any = NumberRange(
    minimum: -.greatestFiniteMagnitude, maximum: .greatestFiniteMagnitude, excludesMinimum: false,
    excludesMaximum: false, shown: "a finite number")
  public static let nonNegative = NumberRange(
    minimum: 0, maximum: .greatestFiniteMagnitude, excludesMinimum: false, excludesMaximum: false,
    shown: "a number ≥ 0")
  public static let positive = NumberRange(
    minimum: 0, maximum: .greatestFiniteMagnitude, excludesMinimum: true, excludesMaximum: false,
    shown: "a number > 0")
  /// 0 ≤ x < 1
  public static let fraction = NumberRange(
    minimum: 0, maximum: 1, excludesMinimum: false, excludesMaximum: true,
    shown: "a number of 0 up to, but not including, 1")
  /// 0 < x ≤ 1
  public static let share = NumberRange(
    minimum: 0, maximum: 1, excludesMinimum: true, excludesMaximum: false,
    shown: "a number above 0 and up to 1")

  func contains(_ value: Double) -> Bool {
    (excludesMinimum ? value > minimum : value >= minimum)
      && (excludesMaximum ? value < maximum : value <= maximum)
  }
}

/// The type of an option.
public indirect enum OptionType: Sendable {
  case integer(ClosedRange<Int>)
  case number(NumberRange)
  case boolean
  case text
  /// One of these names.
  case choice([String])
  case call(SignatureKind)
  case list(of: OptionType)
  /// Takes none as well.
  case optional(OptionType)
  case either([OptionType])

  /// As messages and descriptions name it.
  var shown: String {
    switch self {
    case .integer(let range):
      switch (range.lowerBound, range.upperBound) {
      case (.min, .max): "an integer"
      case (let lower, .max): "an integer ≥ \(lower)"
      case (let lower, let upper): "an integer of \(lower) … \(upper)"
      }
    case .number(let range): range.shown
    case .boolean: "true or false"
    case .text: "a text"
    case .choice(let names):
      names.count == 1 ? names[0] : "one of " + names.joined(separator: ", ")
    case .call(let kind): kind.shown
    case .list(let type): "a list, each \(type.shown)"
    case .optional(let type): "\(type.shown), or none"
    case .either(let types): types.map(\.shown).joined(separator: ", or ")
    }
  }
}

extension SignatureKind {
  /// As messages name one of its members.
  var shown: String {
    switch self {
    case .activation, .initializer, .optimizer: "an \(rawValue)"
    case .layer, .loss, .schedule, .scaler: "a \(rawValue)"
    case .options: "options"
    }
  }
}

extension OptionType {
  /// Whether an integer, or a list with one in it, may be a value.
  var takesIntegers: Bool {
    contains { if case .integer = $0 { true } else { false } }
  }

  /// Whether a text, or a list with one in it, may be a value.
  var takesTexts: Bool {
    contains { type in
      switch type {
      case .text, .choice: true
      default: false
      }
    }
  }

  /// Whether it, or a type that it is made of, is what `condition` asks for.
  private func contains(_ condition: (OptionType) -> Bool) -> Bool {
    switch self {
    case .list(let type), .optional(let type): type.contains(condition)
    case .either(let types): types.contains { $0.contains(condition) }
    default: condition(self)
    }
  }
}

/// An option of a layer, loss or other.
public struct Option: Sendable {
  public let name: String
  public let type: OptionType
  /// nil if it must be given.
  public let defaultValue: DefaultValue?
  public let meaning: String

  public enum DefaultValue: Sendable {
    case value(Value)
    /// The named thing with its own defaults.
    case call(String)
  }

  public init(_ name: String, _ type: OptionType, _ meaning: String) {
    self.name = name
    self.type = type
    self.meaning = meaning
    defaultValue = nil
  }

  public init(_ name: String, _ type: OptionType, default value: Value, _ meaning: String) {
    self.name = name
    self.type = type
    self.meaning = meaning
    defaultValue = .value(value)
  }

  public init(_ name: String, _ type: OptionType, defaultCall call: String, _ meaning: String) {
    self.name = name
    self.type = type
    self.meaning = meaning
    defaultValue = .call(call)
  }
}

/// A name of the notation with its options, which may also be given by position, in this order.
public struct Signature: Sendable {
  public let kind: SignatureKind
  public let name: String
  public let meaning: String
  public var options: [Option]
  public let aliases: [String]

  public init(
    kind: SignatureKind, name: String, meaning: String, options: [Option], aliases: [String] = []
  ) {
    self.kind = kind
    self.name = name
    self.meaning = meaning
    self.options = options
    self.aliases = aliases
  }
}
