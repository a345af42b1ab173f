import Engine
import Foundation
import Testing

func add(
  _ metrics: inout ClassificationMetrics, truth: [Int], predicted: [Int], weights: [Float]? = nil,
  probabilities: [Float]? = nil
) throws(MetricsError) {
  let truth = truth.map { Int32($0) }
  let predicted = predicted.map { Int32($0) }
  try truth.withUnsafeBufferPointer { (truth) throws(MetricsError) in
    try predicted.withUnsafeBufferPointer { (predicted) throws(MetricsError) in
      try (weights ?? []).withUnsafeBufferPointer { (given) throws(MetricsError) in
        try (probabilities ?? []).withUnsafeBufferPointer { (scores) throws(MetricsError) in
          try metrics.add(
            truth: truth, predicted: predicted, weights: weights == nil ? nil : given,
            probabilities: probabilities == nil ? nil : scores)
        }
      }
    }
  }
}

func add(
  _ metrics: inout RegressionMetrics, truth: [Float], predicted: [Float], weights: [Float]? = nil
) throws(MetricsError) {
  try truth.withUnsafeBufferPointer { (truth) throws(MetricsError) in
    try predicted.withUnsafeBufferPointer { (predicted) throws(MetricsError) in
      try (weights ?? []).withUnsafeBufferPointer { (given) throws(MetricsError) in
        try metrics.add(
          truth: truth, predicted: predicted, weights: weights == nil ? nil : given)
      }
    }
  }
}

func confusion(_ metrics: ClassificationMetrics) throws -> [Double] {
  var counts = [Double](repeating: -1, count: metrics.classes * metrics.classes)
  try counts.withUnsafeMutableBufferPointer { try metrics.writeConfusion(into: $0) }
  return counts
}

func expectClose(
  _ found: Double?, _ expected: Double, relative: Double = 1e-12, _ comment: Comment
) {
  guard let found else {
    Issue.record("\(comment): nil instead of \(expected)")
    return
  }
  #expect(abs(found - expected) <= relative * max(1, abs(expected)), "\(comment): \(found)")
}

@Suite(.enabled(if: SharedData.isPresent, SharedData.absence))
struct MetricsConformance {
  @Test func casesAreThere() {
    #expect(SharedData.cases("metrics").count >= 11)
  }

  @Test(arguments: SharedData.cases("metrics"))
  func agreesWithScikitLearn(name: String) throws {
    let description = try SharedData.conformanceCase(name)
    let expected = try #require(description["expected"] as? [String: Any])
    if description["task"] as? String == "regression" {
      try checkRegression(description, expected)
    } else {
      try checkClassification(description, expected)
    }
  }

  /// In one batch and in batches of seven.
  private func checkClassification(
    _ description: [String: Any], _ expected: [String: Any]
  ) throws {
    let truth = try #require(description["y_true"] as? [Int])
    let predicted = try #require(description["y_pred"] as? [Int])
    let isBinary = description["task"] as? String == "binary"
    let classes = isBinary ? 2 : try #require(description["classes"] as? Int)
    let columns = isBinary ? 1 : classes
    let scores =
      isBinary
      ? description["y_score"] as? [Double]
      : (description["y_score"] as? [[Double]])?.flatMap { $0 }
    let probabilities = scores?.map { Float($0) }

    for batch in [truth.count, 7] {
      var metrics = try ClassificationMetrics(classes: classes)
      for start in stride(from: 0, to: truth.count, by: batch) {
        let items = start..<min(start + batch, truth.count)
        try add(
          &metrics, truth: Array(truth[items]), predicted: Array(predicted[items]),
          probabilities: probabilities.map {
            Array($0[items.lowerBound * columns..<items.upperBound * columns])
          })
      }
      try compare(metrics, expected)
      if expected["roc_auc"] == nil, expected["roc_auc_ovr_macro"] == nil {
        #expect(metrics.value(named: "roc_auc") == nil)
      }
      #expect(metrics.value(named: "count") == Double(truth.count))
    }
  }

  private func compare(_ metrics: ClassificationMetrics, _ expected: [String: Any]) throws {
    for (name, value) in expected {
      switch name {
      case "confusion_matrix":
        let rows = try #require(value as? [[Double]])
        #expect(try confusion(metrics) == rows.flatMap { $0 })
      case _ where name.hasSuffix("_per_class"):
        let figure = String(name.dropLast("_per_class".count))
        for (index, value) in try #require(value as? [Double]).enumerated() {
          expectClose(metrics.value(named: figure, index: index), value, "\(name) \(index)")
        }
      default:
        let figure = name == "roc_auc_ovr_macro" ? "roc_auc" : name
        expectClose(
          metrics.value(named: figure), try #require(value as? Double), "\(name)")
      }
    }
  }

  private func checkRegression(_ description: [String: Any], _ expected: [String: Any]) throws {
    let truth = try #require(description["y_true"] as? [Double]).map { Float($0) }
    let predicted = try #require(description["y_pred"] as? [Double]).map { Float($0) }
    for batch in [truth.count, 7] {
      var metrics = RegressionMetrics()
      for start in stride(from: 0, to: truth.count, by: batch) {
        let items = start..<min(start + batch, truth.count)
        try add(&metrics, truth: Array(truth[items]), predicted: Array(predicted[items]))
      }
      for (name, value) in expected {
        expectClose(metrics.value(named: name), try #require(value as? Double), "\(name)")
      }
    }
  }
}
