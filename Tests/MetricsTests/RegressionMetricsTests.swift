import Engine
import Testing

private func metrics(_ truth: [Float], _ predicted: [Float], weights: [Float]? = nil) throws
  -> RegressionMetrics
{
  var metrics = RegressionMetrics()
  try add(&metrics, truth: truth, predicted: predicted, weights: weights)
  return metrics
}

@Suite struct RegressionFigures {
  @Test func weighItems() throws {
    let truth: [Float] = [1, 2, 4, 8]
    let predicted: [Float] = [1.5, 2, 3, 6]
    let found = try metrics(truth, predicted, weights: [1, 0, 2, 3])
    // Σw 6, errors −0.5 · 1, 1 · 2, 2 · 3; mean (1 + 8 + 24) / 6 = 5.5
    expectClose(found.mse, (0.25 + 2 + 12) / 6, "mse")
    expectClose(found.rmse, (14.25 / 6).squareRoot(), "rmse")
    expectClose(found.mae, (0.5 + 2 + 6) / 6, "mae")
    expectClose(found.r2, 1 - 14.25 / (4.5 * 4.5 + 2 * 1.5 * 1.5 + 3 * 2.5 * 2.5), "r2")
    let repeated = try metrics([1, 4, 4, 8, 8, 8], [1.5, 3, 3, 6, 6, 6])
    for name in ["mse", "rmse", "mae", "r2"] {
      expectClose(found.value(named: name), repeated.value(named: name)!, "\(name)")
    }
    #expect(found.value(named: "count") == 4)
    let late = try metrics([9] + truth, [7] + predicted, weights: [0, 1, 0, 2, 3])
    #expect(late.r2 == found.r2)
  }

  @Test func ofAConstantTruth() throws {
    let truth = [Float](repeating: 0.1, count: 50)
    let weights = (0..<50).map { Float($0 % 7) / 3 }
    #expect(try metrics(truth, truth).r2 == 1)
    #expect(try metrics(truth, truth, weights: weights).r2 == 1)
    var predicted = truth
    predicted[3] = 0.2
    #expect(try metrics(truth, predicted).r2 == 0)
    #expect(try metrics(truth, predicted, weights: weights).r2 == 0)
  }

  /// Sums of squares would lose every digit of the spread here.
  @Test func keepTheirDigitsBesideALargeOffset() throws {
    let truth = (0..<10_000).map { 16_000_000 + Float($0 % 2) }
    let predicted = truth.map { _ in Float(16_000_001) }
    expectClose(try metrics(truth, predicted).r2, 1 - 0.5 / 0.25, "r2")
    expectClose(try metrics(truth, predicted).mse, 0.5, "mse")
  }

  @Test func needItems() throws {
    for name in ["mse", "rmse", "mae", "r2", "loss", "accuracy"] {
      #expect(RegressionMetrics().value(named: name) == nil)
    }
    #expect(RegressionMetrics().value(named: "count") == 0)
    #expect(try metrics([1], [2]).mse == 1)
    #expect(try metrics([1], [2]).r2 == nil)
    #expect(try metrics([1, 2], [2, 2], weights: [0, 0]).mse == nil)
    var found = RegressionMetrics()
    found.loss = 0.25
    #expect(found.value(named: "loss") == 0.25)
  }

  @Test func refuseWhatIsNoNumber() throws {
    #expect(throws: MetricsError.value(name: "predicted", index: 1, value: .infinity)) {
      try metrics([1, 2], [1, .infinity])
    }
    #expect(throws: MetricsError.self) { try metrics([.nan, .nan], [.nan, .nan]) }
    #expect(throws: MetricsError.size(name: "predicted", expected: 2, found: 1)) {
      try metrics([1, 2], [1])
    }
    var found = try metrics([1, 2], [1, 3])
    #expect(throws: MetricsError.self) { try add(&found, truth: [1], predicted: [.nan]) }
    #expect(throws: MetricsError.self) {
      try add(&found, truth: [1], predicted: [1], weights: [.nan])
    }
    #expect(found.count == 2)
    #expect(found.mse == 0.5)
  }
}
