// DataError.swift — what can be wrong about texts, series and their options

public enum DataError: Error, Equatable, CustomStringConvertible {
  /// A value out of its range, with a sentence that says what was expected and found.
  case argument(name: String, message: String)
  /// A number of features that differs from the one learned.
  case features(expected: Int, found: Int)
  /// A call that needs another one before it.
  case order(String)
  /// A stored state that is none.
  case state(kind: String, message: String)
  /// An id that stands for no word.
  case unknownID(Int)

  public var description: String {
    switch self {
    case .argument(let name, let message): "\(name): \(message)"
    case .features(let expected, let found):
      "features: the scaler has learned \(expected), found \(found)"
    case .order(let message): message
    case .state(let kind, let message): "the \(kind) is damaged: \(message)"
    case .unknownID(let id): "there is no word with the id \(id)"
    }
  }
}
