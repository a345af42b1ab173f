// EngineError.swift — what a caller can get wrong about a model or its data

import Kernels

/// Errors of the engine. Each carries the values that its message shows.
public enum EngineError: Error, Equatable, CustomStringConvertible {
  /// An array's sizes differ from what the model implies; −1 stands for any size.
  case shape(name: String, expected: [Int], found: [Int])
  /// An array holds elements of another type.
  case type(name: String, expected: ElementType, found: ElementType)
  /// The wrong number of arrays.
  case count(name: String, expected: Int, found: Int)
  /// A value out of its range, with a sentence that says which and what was expected.
  case argument(name: String, message: String)
  /// A parameter, metric or role that does not exist.
  case unknownName(String, kind: String, nearest: String?)
  /// A call that needs another one before it.
  case order(String)
  /// Meaningful, but not for this model.
  case unsupported(String)
  /// A size that cannot be represented or had.
  case memory(String)
  /// A number that should be finite is not.
  case notFinite(String)
  /// A callback asked to stop.
  case cancelled

  public var description: String {
    switch self {
    case .shape(let name, let expected, let found):
      "\(name): expected shape \(Self.text(expected)), found \(Self.text(found))"
    case .type(let name, let expected, let found):
      "\(name): expected \(expected.rawValue) values, found \(found.rawValue)"
    case .count(let name, let expected, let found):
      "\(name): expected \(expected), found \(found)"
    case .argument(let name, let message):
      "\(name): \(message)"
    case .unknownName(let name, let kind, let nearest):
      "there is no \(kind) '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "")
    case .order(let message), .unsupported(let message), .memory(let message),
      .notFinite(let message):
      message
    case .cancelled:
      "cancelled by a callback"
    }
  }

  /// `[32, any, 64]`
  private static func text(_ shape: [Int]) -> String {
    "[" + shape.map { $0 < 0 ? "any" : String($0) }.joined(separator: ", ") + "]"
  }
}

/// What an array holds.
public enum ElementType: String, Sendable {
  case float = "float32"
  case ids = "int32"
}

extension Int {
  /// The product of sizes from outside, refused if it does not fit.
  public static func product(_ sizes: [Int], of name: @autoclosure () -> String) throws -> Int {
    var result = 1
    for size in sizes {
      let (product, overflow) = result.multipliedReportingOverflow(by: size)
      guard !overflow else {
        throw EngineError.memory(
          "\(name()): \(sizes.map(String.init).joined(separator: " × ")) values are too many")
      }
      result = product
    }
    return result
  }

  /// The same of two sizes, without an array.
  public static func product(_ a: Int, _ b: Int, of name: @autoclosure () -> String) throws -> Int {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? try Self.product([a, b], of: name()) : product
  }
}
