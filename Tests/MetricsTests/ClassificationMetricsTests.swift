import Engine
import Testing

private func metrics(
  _ classes: Int, _ truth: [Int], _ predicted: [Int], weights: [Float]? = nil,
  probabilities: [Float]? = nil
) throws -> ClassificationMetrics {
  var metrics = try ClassificationMetrics(classes: classes)
  try add(
    &metrics, truth: truth, predicted: predicted, weights: weights, probabilities: probabilities)
  return metrics
}

/// A reproducible stream of numbers 0 ..< bound.
private struct Numbers {
  var state: UInt64

  mutating func next(below bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}

private let allNames = [
  "accuracy", "precision_macro", "precision_micro", "precision_weighted", "recall_macro",
  "recall_micro", "recall_weighted", "f1_macro", "f1_micro", "f1_weighted",
]

@Suite struct WeightedClassification {
  /// An item of weight n counts as n items.
  @Test func wholeWeightsAreRepetitions() throws {
    var numbers = Numbers(state: 5)
    let classes = 4
    let truth = (0..<60).map { _ in numbers.next(below: classes) }
    let predicted = (0..<60).map { _ in numbers.next(below: classes) }
    let weights = (0..<60).map { _ in numbers.next(below: 4) }
    let scores = (0..<60 * classes).map { _ in Float(numbers.next(below: 11)) / 10 }
    var repeated = try ClassificationMetrics(classes: classes)
    for item in 0..<60 {
      let n = weights[item]
      let row = Array(scores[item * classes..<(item + 1) * classes])
      try add(
        &repeated, truth: Array(repeating: truth[item], count: n),
        predicted: Array(repeating: predicted[item], count: n),
        probabilities: (0..<n).flatMap { _ in row })
    }
    let weighted = try metrics(
      classes, truth, predicted, weights: weights.map { Float($0) }, probabilities: scores)
    for name in allNames + ["log_loss", "roc_auc"] {
      expectClose(weighted.value(named: name), repeated.value(named: name)!, "\(name)")
    }
    for index in 0..<classes {
      #expect(weighted.value(named: "support", index: index) == repeated.support(ofClass: index))
    }
    #expect(try confusion(weighted) == confusion(repeated))
    #expect(weighted.count == 60)
  }

  /// The definition: every pair of a member and a non-member.
  @Test func areaCountsPairs() throws {
    var numbers = Numbers(state: 9)
    let truth = (0..<80).map { _ in numbers.next(below: 2) }
    let scores = truth.map { Float(numbers.next(below: 8) + 2 * $0) / 10 }
    let weights = truth.map { _ in Float(numbers.next(below: 5)) / 4 }
    var wins = 0.0
    var pairs = 0.0
    for i in 0..<80 where truth[i] == 1 {
      for j in 0..<80 where truth[j] == 0 {
        let weight = Double(weights[i]) * Double(weights[j])
        pairs += weight
        wins += weight * (scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0)
      }
    }
    let found = try metrics(2, truth, truth, weights: weights, probabilities: scores)
    expectClose(found.rocAUC, wins / pairs, "roc_auc")
    let rows = scores.flatMap { [1 - $0, $0] }
    #expect(
      try metrics(2, truth, truth, weights: weights, probabilities: rows).rocAUC == found.rocAUC)
  }
}

@Suite struct ClassificationFigures {
  /// scikit-learn's averages run over the labels that occur: class 2 does not, and does not count.
  @Test func macroLeavesOutClassesThatDoNotOccur() throws {
    let found = try metrics(4, [0, 0, 1, 3], [0, 1, 1, 1])
    expectClose(found.precision(.macro), (1 + 1.0 / 3 + 0) / 3, "precision")
    expectClose(found.recall(.macro), (0.5 + 1 + 0) / 3, "recall")
    expectClose(found.f1(.macro), (2.0 / 3 + 0.5 + 0) / 3, "f1")
    expectClose(found.recall(.weighted), 0.5, "weighted recall")
  }

  @Test func emptyRatiosAreZero() throws {
    let empty = try ClassificationMetrics(classes: 3)
    for name in allNames { #expect(empty.value(named: name) == 0, "\(name)") }
    #expect(empty.value(named: "log_loss") == nil)
    #expect(empty.value(named: "roc_auc") == nil)
    #expect(empty.value(named: "count") == 0)
    let weightless = try metrics(2, [0, 1], [0, 1], weights: [0, 0], probabilities: [0.5, 0.5])
    #expect(weightless.accuracy == 0)
    #expect(weightless.logLoss == nil)
    #expect(weightless.rocAUC == nil)
  }

  @Test func positiveClassIsOneOfTwo() throws {
    let two = try metrics(2, [0, 1, 1, 0, 1], [1, 1, 1, 0, 0])
    expectClose(two.value(named: "precision"), 2.0 / 3, "precision")
    #expect(two.value(named: "precision", index: 0) == 0.5)
    #expect(two.value(named: "precision", index: 2) == nil)
    #expect(two.value(named: "support", index: 1) == 3)
    #expect(two.value(named: "support") == nil)
    let three = try metrics(3, [0, 1, 2], [0, 1, 2])
    #expect(three.value(named: "f1") == nil)
    #expect(three.value(named: "f1", index: 2) == 1)
    #expect(three.value(named: "mse") == nil)
    #expect(three.value(named: "loss") == nil)
  }

  @Test func areaIsUndefinedWithoutBothSides() throws {
    #expect(try metrics(2, [1, 1], [1, 1], probabilities: [0.2, 0.7]).rocAUC == nil)
    #expect(try metrics(2, [0, 0], [0, 0], probabilities: [0.2, 0.7]).rocAUC == nil)
    #expect(
      try metrics(
        3, [0, 1], [0, 1], probabilities: [0.5, 0.25, 0.25, 0.25, 0.5, 0.25]
      ).rocAUC == nil)
    #expect(try metrics(1, [0], [0], probabilities: [1]).rocAUC == nil)
    var unranked = try ClassificationMetrics(classes: 2, rankingScores: false)
    try add(&unranked, truth: [0, 1], predicted: [0, 1], probabilities: [0.2, 0.7])
    #expect(unranked.rocAUC == nil)
    #expect(unranked.logLoss != nil)
  }

  @Test func certaintyIsKeptFiniteInLogLoss() throws {
    let wrong = try metrics(2, [1], [0], probabilities: [1, 0])
    expectClose(wrong.logLoss, 36.043653389117154, "log_loss")  // −ln 2⁻⁵²
    let right = try metrics(2, [1], [1], probabilities: [0, 1])
    #expect(try #require(right.logLoss) < 1e-15)
  }

  @Test func batchesWithoutProbabilitiesEndTheirFigures() throws {
    var mixed = try metrics(2, [0, 1], [0, 1], probabilities: [0.2, 0.7])
    #expect(mixed.rocAUC == 1)
    try add(&mixed, truth: [], predicted: [])
    #expect(mixed.rocAUC == 1)
    try add(&mixed, truth: [1], predicted: [0])
    #expect(mixed.rocAUC == nil)
    #expect(mixed.logLoss == nil)
    try add(&mixed, truth: [1], predicted: [0], probabilities: [0.5])
    #expect(mixed.rocAUC == nil)
    #expect(mixed.count == 4)
  }

  @Test func manyClassesAreCountedToo() throws {
    let classes = 1500
    let truth = (0..<4000).map { $0 * 7 % classes }
    let predicted = (0..<4000).map { $0 * 11 % classes }
    var expected = [Double](repeating: 0, count: classes * classes)
    for (t, p) in zip(truth, predicted) { expected[t * classes + p] += 1 }
    #expect(try confusion(metrics(classes, truth, predicted)) == expected)
  }
}

@Suite struct ClassificationRefusals {
  @Test func whatDoesNotFit() throws {
    for classes in [0, -1, Int.max] {
      #expect(
        throws: MetricsError.classes(value: classes, limit: ClassificationMetrics.maximumClasses)
      ) { try ClassificationMetrics(classes: classes) }
    }
    #expect(throws: MetricsError.size(name: "predicted", expected: 2, found: 1)) {
      try metrics(3, [0, 1], [0])
    }
    #expect(throws: MetricsError.label(name: "truth", index: 1, value: 3, classes: 3)) {
      try metrics(3, [0, 3], [0, 0])
    }
    #expect(throws: MetricsError.label(name: "predicted", index: 0, value: -1, classes: 3)) {
      try metrics(3, [0, 1], [-1, 0])
    }
    #expect(throws: MetricsError.size(name: "weights", expected: 2, found: 1)) {
      try metrics(3, [0, 1], [0, 1], weights: [1])
    }
    #expect(throws: MetricsError.value(name: "weights", index: 1, value: -1)) {
      try metrics(3, [0, 1], [0, 1], weights: [1, -1])
    }
    #expect(throws: MetricsError.size(name: "probabilities", expected: 6, found: 2)) {
      try metrics(3, [0, 1], [0, 1], probabilities: [1, 0])
    }
    #expect(throws: MetricsError.value(name: "probabilities", index: 1, value: 1.5)) {
      try metrics(2, [0, 1], [0, 1], probabilities: [1, 1.5])
    }
    #expect {
      try metrics(2, [0, 1], [0, 1], probabilities: [.nan, .nan])
    } throws: {
      ($0 as? MetricsError)?.description == "probabilities[0] is nan"
    }
  }

  @Test func leaveWhatWasAdded() throws {
    var found = try metrics(2, [0, 1], [0, 0], probabilities: [0.2, 0.4])
    #expect(throws: MetricsError.self) {
      try add(&found, truth: [0, 1], predicted: [0, 2], probabilities: [0.2, 0.4])
    }
    #expect(throws: MetricsError.self) {
      try add(&found, truth: [0], predicted: [0], weights: [.infinity])
    }
    #expect(found.count == 2)
    #expect(found.accuracy == 0.5)
    #expect(found.rocAUC == 1)
  }
}
