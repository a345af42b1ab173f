// RegressionMetrics.swift — how close predicted numbers are to true ones
//
// Definitions are scikit-learn's. The truth's spread, which r2 compares the errors with, is updated
// item by item around a running mean (Welford 1962; weights as West 1979), so a large common offset
// costs no digits:
//
//     W ← W + w     δ = y − mean     mean ← mean + δ w / W     S ← S + w δ (y − mean)

/// Numbers predicted against true ones, and figures of it.
public struct RegressionMetrics: Sendable {
  /// Items added, each counted once whatever its weight.
  public private(set) var count = 0
  /// The loss that was minimised, where there is one; set by who computed it.
  public var loss: Double?

  private var weightSum = 0.0
  private var squaredErrors = 0.0
  private var absoluteErrors = 0.0
  private var truthMean = 0.0
  /// S: Σ weight · (y − mean)² of the truth.
  private var truthSpread = 0.0

  public init() {}

  /// Adds a batch. Nothing is added if an error is thrown.
  ///
  /// - Parameters:
  ///   - truth: `[items]`, finite.
  ///   - predicted: `[items]`, finite.
  ///   - weights: `[items]`, finite and ≥ 0; nil: all 1.
  public mutating func add(
    truth: UnsafeBufferPointer<Float>, predicted: UnsafeBufferPointer<Float>,
    weights: UnsafeBufferPointer<Float>? = nil
  ) throws(MetricsError) {
    for (name, values) in [("truth", truth), ("predicted", predicted)] {
      guard values.count == truth.count else {
        throw .size(name: name, expected: truth.count, found: values.count)
      }
      for (index, value) in values.enumerated() where !value.isFinite {
        throw .value(name: name, index: index, value: value)
      }
    }
    if let weights { try checkWeights(weights, count: truth.count) }
    count += truth.count
    for item in 0..<truth.count {
      let weight = weights.map { Double($0[item]) } ?? 1
      if weight > 0 { add(Double(truth[item]), Double(predicted[item]), weight: weight) }
    }
  }

  private mutating func add(_ truth: Double, _ predicted: Double, weight: Double) {
    let error = truth - predicted
    squaredErrors += weight * error * error
    absoluteErrors += weight * abs(error)
    weightSum += weight
    let distance = truth - truthMean
    truthMean += distance * (weight / weightSum)
    truthSpread += weight * distance * (truth - truthMean)
  }

  /// The mean squared error. Nil without items of any weight, like all figures but r2.
  public var mse: Double? { weightSum > 0 ? squaredErrors / weightSum : nil }

  public var rmse: Double? { mse?.squareRoot() }

  /// The mean absolute error.
  public var mae: Double? { weightSum > 0 ? absoluteErrors / weightSum : nil }

  /// 1 − Σ(y − ŷ)² / Σ(y − mean)². For a truth that never changes, 1 if the predictions are perfect
  /// and 0 if not. Nil for fewer than two items.
  public var r2: Double? {
    guard count >= 2, weightSum > 0 else { return nil }
    if truthSpread > 0 { return 1 - squaredErrors / truthSpread }
    return squaredErrors == 0 ? 1 : 0
  }

  /// A figure by its name in the manual; nil if there is none of this name, or none for these data.
  public func value(named name: String) -> Double? {
    switch name {
    case "count": Double(count)
    case "loss": loss
    case "mse": mse
    case "rmse": rmse
    case "mae": mae
    case "r2": r2
    default: nil
    }
  }
}
