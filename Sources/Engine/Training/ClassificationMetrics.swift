// ClassificationMetrics.swift — how well predicted classes agree with true ones
//
// Definitions are scikit-learn's: counts are weighted; macro averages run over the classes that
// occur in the truth or in the predictions, `weighted` ones over the same by support; a ratio with
// an empty denominator is 0. Everything is accumulated in Double, batch by batch.

import Glibc

/// Classes predicted against true ones, and figures of it.
public struct ClassificationMetrics: Sendable {
  /// More classes than this are refused: sums are kept for each.
  public static let maximumClasses = 1 << 22

  /// Scores kept for `roc_auc`, over all classes; with more, there is no `roc_auc`. 256 MiB.
  public static let maximumScores = 1 << 26

  public let classes: Int
  /// Items added, each counted once whatever its weight.
  public private(set) var count = 0
  /// The loss that was minimised, where there is one; set by who computed it.
  public var loss: Double?

  private var confusion: ConfusionMatrix
  /// Σ weights, by true class, by predicted class, and where both agree.
  private var trueWeights: [Double]
  private var predictedWeights: [Double]
  private var hitWeights: [Double]
  /// Whether a class occurred in the truth or the predictions, with any weight.
  private var occurs: [Bool]

  /// −Σ weight · ln p(truth), nil when items came without probabilities.
  private var logLossSum: Double? = 0
  private var scores: RankingScores?

  /// - Parameter rankingScores: whether to keep what `roc_auc` needs: every probability.
  public init(classes: Int, rankingScores: Bool = true) throws(MetricsError) {
    guard 1...Self.maximumClasses ~= classes else {
      throw .classes(value: classes, limit: Self.maximumClasses)
    }
    self.classes = classes
    confusion = ConfusionMatrix(classes: classes)
    trueWeights = [Double](repeating: 0, count: classes)
    predictedWeights = trueWeights
    hitWeights = trueWeights
    occurs = [Bool](repeating: false, count: classes)
    scores = rankingScores && classes > 1 ? RankingScores(classes: classes) : nil
  }

  /// Adds a batch. Nothing is added if an error is thrown.
  ///
  /// - Parameters:
  ///   - truth: `[items]`, 0 ..< classes.
  ///   - predicted: `[items]`, 0 ..< classes.
  ///   - weights: `[items]`, finite and ≥ 0; nil: all 1.
  ///   - probabilities: `[items, classes]`, each 0 … 1 but for rounding; for two classes also
  ///     `[items]`, of class 1. Once a batch comes without, there is no log_loss and no roc_auc.
  public mutating func add(
    truth: UnsafeBufferPointer<Int32>, predicted: UnsafeBufferPointer<Int32>,
    weights: UnsafeBufferPointer<Float>? = nil, probabilities: UnsafeBufferPointer<Float>? = nil
  ) throws(MetricsError) {
    try check(truth, predicted, weights, probabilities)
    for item in 0..<truth.count {
      let weight = weights.map { Double($0[item]) } ?? 1
      let (row, column) = (Int(truth[item]), Int(predicted[item]))
      confusion.add(weight, truth: row, predicted: column)
      trueWeights[row] += weight
      predictedWeights[column] += weight
      if row == column { hitWeights[row] += weight }
      occurs[row] = true
      occurs[column] = true
    }
    count += truth.count
    guard !truth.isEmpty else { return }
    guard let probabilities else {
      logLossSum = nil
      scores = nil
      return
    }
    addLogLoss(truth: truth, weights: weights, probabilities: probabilities)
    if let kept = scores?.count, kept + probabilities.count > Self.maximumScores { scores = nil }
    scores?.add(truth: truth, weights: weights, probabilities: probabilities)
  }

  /// Probabilities are kept away from 0 and 1 by the spacing of doubles at 1, as scikit-learn does
  /// for doubles.
  private mutating func addLogLoss(
    truth: UnsafeBufferPointer<Int32>, weights: UnsafeBufferPointer<Float>?,
    probabilities: UnsafeBufferPointer<Float>
  ) {
    guard var sum = logLossSum else { return }
    let margin = Double.ulpOfOne
    let columns = probabilities.count / truth.count
    for item in 0..<truth.count {
      let label = Int(truth[item])
      let given = Double(probabilities[item * columns + (columns == classes ? label : 0)])
      let probability = columns == classes || label == 1 ? given : 1 - given
      let weight = weights.map { Double($0[item]) } ?? 1
      sum -= weight * log(min(max(probability, margin), 1 - margin))
    }
    logLossSum = sum
  }

  private func check(
    _ truth: UnsafeBufferPointer<Int32>, _ predicted: UnsafeBufferPointer<Int32>,
    _ weights: UnsafeBufferPointer<Float>?, _ probabilities: UnsafeBufferPointer<Float>?
  ) throws(MetricsError) {
    for (name, labels) in [("truth", truth), ("predicted", predicted)] {
      guard labels.count == truth.count else {
        throw .size(name: name, expected: truth.count, found: labels.count)
      }
      for (index, label) in labels.enumerated() where !(0..<classes ~= Int(label)) {
        throw .label(name: name, index: index, value: Int(label), classes: classes)
      }
    }
    if let weights { try checkWeights(weights, count: truth.count) }
    if let probabilities {
      let (expected, overflow) = truth.count.multipliedReportingOverflow(by: classes)
      let isOneColumn = classes == 2 && probabilities.count == truth.count
      guard !overflow, probabilities.count == expected || isOneColumn else {
        throw .size(
          name: "probabilities", expected: overflow ? .max : expected, found: probabilities.count)
      }
      let rounding: Float = 1e-6
      for (index, value) in probabilities.enumerated() where !(0...1 + rounding ~= value) {
        throw .value(name: "probabilities", index: index, value: value)
      }
    }
  }
}

// MARK: - Figures

extension ClassificationMetrics {
  /// How figures of single classes become one.
  public enum Average: Sendable {
    /// The mean over classes that occur.
    case macro
    /// From the sums over all classes. Every item has one class, so precision, recall and F1 are
    /// all the accuracy.
    case micro
    /// The mean over classes by support.
    case weighted
  }

  /// The share of predictions that are right.
  public var accuracy: Double { ratio(hitWeights.reduce(0, +), totalWeight) }

  /// Of what was predicted to be of a class, the share that is.
  public func precision(ofClass index: Int) -> Double {
    ratio(hitWeights[index], predictedWeights[index])
  }

  /// Of what is of a class, the share that was predicted to be.
  public func recall(ofClass index: Int) -> Double {
    ratio(hitWeights[index], trueWeights[index])
  }

  /// The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).
  public func f1(ofClass index: Int) -> Double {
    ratio(2 * hitWeights[index], trueWeights[index] + predictedWeights[index])
  }

  /// The weight of the true members of a class.
  public func support(ofClass index: Int) -> Double { trueWeights[index] }

  public func precision(_ average: Average) -> Double { mean(average, precision(ofClass:)) }
  public func recall(_ average: Average) -> Double { mean(average, recall(ofClass:)) }
  public func f1(_ average: Average) -> Double { mean(average, f1(ofClass:)) }

  /// The mean of −ln p(truth). Nil without probabilities or weight.
  public var logLoss: Double? {
    guard let logLossSum, totalWeight > 0 else { return nil }
    return logLossSum / totalWeight
  }

  /// The area under the ROC curve: of class 1 for two classes, else the mean over classes, each
  /// against all others. Nil unless every class and something else occurs in the truth with
  /// weight, and every batch had probabilities. O(items · log items) for each class, each time.
  public var rocAUC: Double? { scores?.area }

  /// Weighted counts `[classes, classes]`: row the truth, column the prediction.
  public func writeConfusion(
    into counts: UnsafeMutableBufferPointer<Double>
  ) throws(MetricsError) {
    let (expected, overflow) = classes.multipliedReportingOverflow(by: classes)
    guard !overflow, counts.count == expected else {
      throw .size(name: "counts", expected: expected, found: counts.count)
    }
    confusion.write(into: counts)
  }

  /// A figure by its name in the manual; nil if there is none of this name, or none for these data.
  ///
  /// - Parameter index: a class for `precision`, `recall`, `f1` and `support`; −1 stands for class
  ///   1 of two in the first three. Other figures do not look at it.
  public func value(named name: String, index: Int = -1) -> Double? {
    switch name {
    case "count": Double(count)
    case "loss": loss
    case "accuracy": accuracy
    case "precision_macro": precision(.macro)
    case "precision_micro": precision(.micro)
    case "precision_weighted": precision(.weighted)
    case "recall_macro": recall(.macro)
    case "recall_micro": recall(.micro)
    case "recall_weighted": recall(.weighted)
    case "f1_macro": f1(.macro)
    case "f1_micro": f1(.micro)
    case "f1_weighted": f1(.weighted)
    case "precision": classOrPositive(index).map(precision(ofClass:))
    case "recall": classOrPositive(index).map(recall(ofClass:))
    case "f1": classOrPositive(index).map(f1(ofClass:))
    case "support": 0..<classes ~= index ? support(ofClass: index) : nil
    case "log_loss": logLoss
    case "roc_auc": rocAUC
    default: nil
    }
  }

  private func classOrPositive(_ index: Int) -> Int? {
    if index == -1, classes == 2 { return 1 }
    return 0..<classes ~= index ? index : nil
  }

  private var totalWeight: Double { trueWeights.reduce(0, +) }

  private func mean(_ average: Average, _ figure: (Int) -> Double) -> Double {
    switch average {
    case .micro: return accuracy
    case .macro:
      let present = (0..<classes).filter { occurs[$0] }
      return ratio(present.reduce(0) { $0 + figure($1) }, Double(present.count))
    case .weighted:
      return ratio((0..<classes).reduce(0) { $0 + trueWeights[$1] * figure($1) }, totalWeight)
    }
  }

  private func ratio(_ numerator: Double, _ denominator: Double) -> Double {
    denominator > 0 ? numerator / denominator : 0
  }
}
