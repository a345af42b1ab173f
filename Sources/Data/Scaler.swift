// Scaler.swift — numbers to a common scale, and back

import JSON

/// Scales each feature: x ↦ (x − shift) / scale + offset.
public struct Scaler: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// Mean 0, deviation 1 (of the population).
    case standard
    /// The smallest value to `minimum`, the largest to `maximum`.
    case minMax(minimum: Double, maximum: Double)
  }

  public let kind: Kind
  private var shifts: [Double] = []
  private var scales: [Double] = []

  public init(_ kind: Kind) throws(DataError) {
    if case .minMax(let minimum, let maximum) = kind {
      guard minimum < maximum else {
        throw .argument(
          name: "MinMaxScaler", message: "expected minimum < maximum, found \(minimum), \(maximum)")
      }
    }
    self.kind = kind
  }

  private var offset: Double {
    if case .minMax(let minimum, _) = kind { minimum } else { 0 }
  }

  /// Learns from x `[rows, features]`. A feature that never changes is only shifted.
  public mutating func fit(_ x: UnsafePointer<Float>, rows: Int, features: Int) throws(DataError) {
    guard rows > 0, features > 0 else {
      throw .argument(name: "x", message: "expected rows and features, found \(rows) × \(features)")
    }
    for index in 0..<rows * features where !x[index].isFinite {
      throw .argument(
        name: "x[\(index / features), \(index % features)]",
        message: "expected a finite number, found \(x[index])")
    }
    var shifts: [Double] = []
    var scales: [Double] = []
    for feature in 0..<features {
      func value(_ row: Int) -> Double { Double(x[row * features + feature]) }
      var scale: Double
      switch kind {
      case .standard:
        var mean = 0.0
        for row in 0..<rows { mean += (value(row) - mean) / Double(row + 1) }
        var squares = 0.0
        for row in 0..<rows { squares += (value(row) - mean) * (value(row) - mean) }
        scale = (squares / Double(rows)).squareRoot()
        shifts.append(mean)
      case .minMax(let minimum, let maximum):
        var least = value(0)
        var greatest = least
        for row in 0..<rows {
          least = min(least, value(row))
          greatest = max(greatest, value(row))
        }
        scale = (greatest - least) / (maximum - minimum)
        shifts.append(least)
      }
      if scale == 0 { scale = 1 }
      scales.append(scale)
    }
    self.shifts = shifts
    self.scales = scales
  }

  private func check(_ features: Int) throws(DataError) {
    guard !shifts.isEmpty else { throw .order("the scaler needs data (fit) before it can scale") }
    guard features == shifts.count else {
      throw .features(expected: shifts.count, found: features)
    }
  }

  /// Scales x `[rows, features]` into `result`, which may be x.
  public func transform(
    _ x: UnsafePointer<Float>, rows: Int, features: Int, into result: UnsafeMutablePointer<Float>
  ) throws(DataError) {
    try check(features)
    for index in 0..<rows * features {
      let feature = index % features
      result[index] = Float((Double(x[index]) - shifts[feature]) / scales[feature] + offset)
    }
  }

  /// The way back.
  public func inverse(
    _ x: UnsafePointer<Float>, rows: Int, features: Int, into result: UnsafeMutablePointer<Float>
  ) throws(DataError) {
    try check(features)
    for index in 0..<rows * features {
      let feature = index % features
      result[index] = Float((Double(x[index]) - offset) * scales[feature] + shifts[feature])
    }
  }

  // MARK: State

  public func json() -> String {
    var members: [JSONMember] = []
    switch kind {
    case .standard:
      members.append(JSONMember("kind", .string("StandardScaler")))
    case .minMax(let minimum, let maximum):
      members.append(JSONMember("kind", .string("MinMaxScaler")))
      members.append(JSONMember("minimum", .number(minimum)))
      members.append(JSONMember("maximum", .number(maximum)))
    }
    members.append(JSONMember("shifts", .array(shifts.map { .number($0) })))
    members.append(JSONMember("scales", .array(scales.map { .number($0) })))
    return JSONValue.object(members).text
  }

  public init(json text: String) throws(DataError) {
    func damaged(_ message: String) -> DataError { .state(kind: "scaler", message: message) }
    let state: JSONValue
    do {
      state = try JSONValue(parsing: text)
    } catch {
      throw damaged(error.description)
    }
    switch state["kind"]?.asString {
    case "StandardScaler":
      try self.init(.standard)
    case "MinMaxScaler":
      guard let minimum = state["minimum"]?.asDouble, let maximum = state["maximum"]?.asDouble
      else { throw damaged("it has no bounds") }
      try self.init(.minMax(minimum: minimum, maximum: maximum))
    default:
      throw damaged("it is of no known kind")
    }
    func numbers(_ name: String) throws(DataError) -> [Double] {
      guard let values = state[name]?.asArray else { throw damaged("it has no '\(name)'") }
      let numbers = values.compactMap(\.asDouble)
      guard numbers.count == values.count else {
        throw damaged("'\(name)' holds other than numbers")
      }
      return numbers
    }
    shifts = try numbers("shifts")
    scales = try numbers("scales")
    guard shifts.count == scales.count, scales.allSatisfy({ $0 > 0 }) else {
      throw damaged("its shifts and scales do not fit together")
    }
  }
}
