// JSONValue.swift — a JSON document (RFC 8259)

/// A JSON value. An object keeps the order of its members.
public enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  /// A number without fraction and exponent, which fits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])

  /// The value of an object's member.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }

  public var asInteger: Int? { if case .integer(let value) = self { value } else { nil } }
  public var asString: String? { if case .string(let value) = self { value } else { nil } }
  public var asBoolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
  public var asArray: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
  public var asObject: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }
  public var asDouble: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}

/// A name and its value.
public struct JSONMember: Equatable, Sendable {
  public var name: String
  public var value: JSONValue

  public init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

/// What is wrong with a document, and at which byte.
public struct JSONError: Error, Equatable, CustomStringConvertible, Sendable {
  public var message: String
  public var offset: Int

  public var description: String { "byte \(offset): \(message)" }
}
