// Metrics.swift — what the metrics of classes and of numbers have in common

/// What a caller can get wrong about metrics and their data.
public enum MetricsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The number of classes is outside 1 … `limit`.
  case classes(value: Int, limit: Int)
  /// A buffer's number of elements differs from what the others imply.
  case size(name: String, expected: Int, found: Int)
  /// Item `index` of the call has a class outside 0 ..< `classes`.
  case label(name: String, index: Int, value: Int, classes: Int)
  /// Item `index` of the call is not finite, a weight negative, or a probability outside 0 … 1.
  case value(name: String, index: Int, value: Float)

  public var description: String {
    switch self {
    case .classes(let value, let limit):
      "the number of classes is \(value), must be 1 to \(limit)"
    case .size(let name, let expected, let found):
      "\(name) must have \(expected) elements, found \(found)"
    case .label(let name, let index, let value, let classes):
      "\(name)[\(index)] is class \(value) of \(classes)"
    case .value(let name, let index, let value):
      "\(name)[\(index)] is \(value)"
    }
  }
}

/// Weights must be as many as the items, finite and not negative.
func checkWeights(
  _ weights: UnsafeBufferPointer<Float>, count: Int
) throws(MetricsError) {
  guard weights.count == count else {
    throw .size(name: "weights", expected: count, found: weights.count)
  }
  for (index, weight) in weights.enumerated() where !(weight >= 0 && weight.isFinite) {
    throw .value(name: "weights", index: index, value: weight)
  }
}
