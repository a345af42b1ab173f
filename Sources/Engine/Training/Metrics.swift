// Metrics.swift — figures of classification and of regression, collected item by item
//
// Definitions are scikit-learn's: a ratio with an empty denominator is 0, and macro averages run
// over the classes that occur, in the truth or among the predictions.

import Glibc

/// Classes predicted, held against true ones.
public struct ClassificationMetrics: Sendable {
  public let classes: Int
  /// `[truth, prediction]`, weighted counts.
  public private(set) var confusion: [Double]
  private var items = 0
  private var logLoss = 0.0
  private var hasProbabilities = true
  /// For roc_auc: each item's truth, weight and probabilities.
  private var truths: [Int32] = []
  private var weights: [Double] = []
  private var scores: [Float] = []

  public init(classes: Int) {
    self.classes = classes
    confusion = [Double](repeating: 0, count: classes * classes)
  }

  /// Adds an item.
  ///
  /// - Parameter probabilities: of the classes, or nil if they are not known.
  public mutating func add(
    truth: Int, predicted: Int, weight: Double, probabilities: [Float]? = nil
  ) {
    confusion[truth * classes + predicted] += weight
    items += 1
    guard let probabilities, hasProbabilities else {
      hasProbabilities = false
      return
    }
    // Rows are normalised and kept away from 0 and 1, as scikit-learn does with the step of the
    // values' type: float32.
    let total = probabilities.reduce(0) { $0 + Double($1) }
    let least = Double(Float.ulpOfOne)
    let probability = Double(probabilities[truth]) / (total > 0 ? total : 1)
    logLoss -= weight * log(min(max(probability, least), 1 - least))
    truths.append(Int32(truth))
    weights.append(weight)
    scores += probabilities
  }

  // MARK: Counts

  private func count(_ truth: Int, _ prediction: Int) -> Double {
    confusion[truth * classes + prediction]
  }
  private func right(_ k: Int) -> Double { count(k, k) }
  /// True members of a class.
  private func support(_ k: Int) -> Double { (0..<classes).reduce(0) { $0 + count(k, $1) } }
  private func predictions(_ k: Int) -> Double { (0..<classes).reduce(0) { $0 + count($1, k) } }
  private var total: Double { confusion.reduce(0, +) }
  private var occurring: [Int] { (0..<classes).filter { support($0) > 0 || predictions($0) > 0 } }

  private static func ratio(_ a: Double, _ b: Double) -> Double { b > 0 ? a / b : 0 }

  // MARK: Figures

  public var accuracy: Double {
    Self.ratio((0..<classes).reduce(0) { $0 + right($1) }, total)
  }
  public func precision(_ k: Int) -> Double { Self.ratio(right(k), predictions(k)) }
  public func recall(_ k: Int) -> Double { Self.ratio(right(k), support(k)) }
  public func f1(_ k: Int) -> Double {
    Self.ratio(2 * right(k), support(k) + predictions(k))
  }

  private func macro(_ figure: (Int) -> Double) -> Double {
    let classes = occurring
    return Self.ratio(classes.reduce(0) { $0 + figure($1) }, Double(classes.count))
  }

  private func weighted(_ figure: (Int) -> Double) -> Double {
    Self.ratio((0..<classes).reduce(0) { $0 + figure($1) * support($1) }, total)
  }

  /// A figure by name; nil if there is none of that name, or these data have none.
  ///
  /// - Parameter index: a class; nil for the whole, or for class 1 of two.
  public func value(named name: String, index: Int?) -> Double? {
    if let index, !(0..<classes).contains(index) { return nil }
    let k = index ?? (classes == 2 ? 1 : nil)
    switch name {
    case "accuracy", "precision_micro", "recall_micro", "f1_micro": return accuracy
    case "count": return Double(items)
    case "precision_macro": return macro(precision)
    case "recall_macro": return macro(recall)
    case "f1_macro": return macro(f1)
    case "precision_weighted": return weighted(precision)
    case "recall_weighted": return weighted(recall)
    case "f1_weighted": return weighted(f1)
    case "precision": return k.map(precision)
    case "recall": return k.map(recall)
    case "f1": return k.map(f1)
    case "support": return k.map(support)
    case "log_loss": return hasProbabilities && items > 0 ? logLoss / total : nil
    case "roc_auc": return hasProbabilities && items > 0 ? areaUnderCurve : nil
    default: return nil
    }
  }

  /// Of the positive class where there are two; else the mean over classes against the rest. nil if
  /// a class never occurs, or nothing else does.
  private var areaUnderCurve: Double? {
    if classes == 2 { return areaUnderCurve(of: 1) }
    var sum = 0.0
    for k in 0..<classes {
      guard let area = areaUnderCurve(of: k) else { return nil }
      sum += area
    }
    return sum / Double(classes)
  }

  /// The weighted share of (positive, negative) pairs in which the positive has the higher score,
  /// ties counting half: Hanley & McNeil 1982.
  private func areaUnderCurve(of k: Int) -> Double? {
    func score(_ item: Int) -> Float { scores[item * classes + k] }
    let order = (0..<truths.count).sorted { score($0) < score($1) }
    var pairs = 0.0
    var positives = 0.0
    var negatives = 0.0
    var start = 0
    while start < order.count {
      var end = start
      var tiedPositives = 0.0
      var tiedNegatives = 0.0
      while end < order.count, score(order[end]) == score(order[start]) {
        if truths[order[end]] == k {
          tiedPositives += weights[order[end]]
        } else {
          tiedNegatives += weights[order[end]]
        }
        end += 1
      }
      pairs += tiedPositives * (negatives + tiedNegatives / 2)
      positives += tiedPositives
      negatives += tiedNegatives
      start = max(end, start + 1)
    }
    return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : nil
  }
}

/// Numbers predicted, held against true ones.
public struct RegressionMetrics: Sendable {
  private var items = 0
  private var weight = 0.0
  private var squares = 0.0
  private var magnitudes = 0.0
  /// Mean of the truth, and the sum of squared distances from it, updated together: Welford 1962,
  /// with weights as in West 1979.
  private var mean = 0.0
  private var spread = 0.0

  public init() {}

  public mutating func add(truth: Double, predicted: Double, weight w: Double) {
    items += 1
    let error = predicted - truth
    squares += w * error * error
    magnitudes += w * abs(error)
    weight += w
    guard w > 0 else { return }
    let distance = truth - mean
    mean += distance * w / weight
    spread += w * distance * (truth - mean)
  }

  /// A figure by name; nil if there is none of that name.
  public func value(named name: String, index: Int?) -> Double? {
    guard index == nil || index == 0 else { return nil }
    let weight = weight > 0 ? weight : 1
    switch name {
    case "mse": return squares / weight
    case "rmse": return (squares / weight).squareRoot()
    case "mae": return magnitudes / weight
    // Of a truth that never changes: 1 if it is met exactly, else 0.
    case "r2": return spread > 0 ? 1 - squares / spread : squares == 0 ? 1 : 0
    case "count": return Double(items)
    default: return nil
    }
  }
}
