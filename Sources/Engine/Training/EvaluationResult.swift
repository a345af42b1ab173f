// EvaluationResult.swift — the figures of an evaluation, by name

import Glibc
import Kernels

/// What an evaluation found: a loss, and figures of classification or of regression.
public struct EvaluationResult {
  public enum Figures {
    case classes(ClassificationMetrics)
    case numbers(RegressionMetrics)
  }

  public var loss: Double?
  public var figures: Figures

  public init(loss: Double?, figures: Figures) {
    self.loss = loss
    self.figures = figures
  }

  /// A figure by the name that refrain.h lists, or nil if these data have none.
  public func value(named name: String, index: Int) -> Double? {
    if name == "loss" { return loss }
    switch figures {
    case .classes(let metrics): return metrics.value(named: name, index: index)
    case .numbers(let metrics): return metrics.value(named: name)
    }
  }
}

extension Evaluation {
  /// The loss, and the figures of the first output that has one.
  func measure(_ objective: Objective) throws -> EvaluationResult {
    let (loss, value, shape) = objective.first
    let size = shape.lastAxis
    let isProbability = objective.fused[value]
    switch loss.kind {
    case .crossEntropy:
      var metrics = try ClassificationMetrics(classes: size)
      var probabilities = [Float](repeating: 0, count: size)
      let sums = try run { y, target, weight in
        probabilities.withUnsafeMutableBufferPointer { probabilities in
          guard let p = probabilities.baseAddress else { return }
          if isProbability {
            p.update(from: y, count: size)
          } else {
            kernels.softmax(y, p, rows: 1, columns: size)
          }
        }
        try metrics.add(
          truth: target.asClass(size), predicted: largest(y, size), weight: weight, probabilities)
      }
      return EvaluationResult(loss: sums.loss, figures: .classes(metrics))
    case .binaryCrossEntropy:
      var metrics = try ClassificationMetrics(classes: 2)
      let sums = try run { y, target, weight in
        for k in 0..<size {
          let p = isProbability ? Double(y[k]) : 1 / (1 + exp(-Double(y[k])))
          try metrics.add(
            truth: target.number(k) > 0.5 ? 1 : 0, predicted: p > 0.5 ? 1 : 0, weight: weight,
            [Float(1 - p), Float(p)])
        }
      }
      return EvaluationResult(loss: sums.loss, figures: .classes(metrics))
    case .squared, .absolute, .huber:
      var metrics = RegressionMetrics()
      let sums = try run { y, target, weight in
        for k in 0..<size {
          try metrics.add(truth: Float(target.number(k)), predicted: y[k], weight: weight)
        }
      }
      return EvaluationResult(loss: sums.loss, figures: .numbers(metrics))
    }
  }
}

extension ClassificationMetrics {
  /// Adds a single item.
  fileprivate mutating func add(
    truth: Int, predicted: Int, weight: Double, _ probabilities: [Float]
  ) throws {
    try probabilities.withUnsafeBufferPointer { probabilities in
      try withUnsafePointer(to: Int32(truth)) { truth in
        try withUnsafePointer(to: Int32(predicted)) { predicted in
          try withUnsafePointer(to: Float(weight)) { weight in
            try add(
              truth: UnsafeBufferPointer(start: truth, count: 1),
              predicted: UnsafeBufferPointer(start: predicted, count: 1),
              weights: UnsafeBufferPointer(start: weight, count: 1), probabilities: probabilities)
          }
        }
      }
    }
  }
}

extension RegressionMetrics {
  /// Adds a single item.
  fileprivate mutating func add(truth: Float, predicted: Float, weight: Double) throws {
    try withUnsafePointer(to: truth) { truth in
      try withUnsafePointer(to: predicted) { predicted in
        try withUnsafePointer(to: Float(weight)) { weight in
          try add(
            truth: UnsafeBufferPointer(start: truth, count: 1),
            predicted: UnsafeBufferPointer(start: predicted, count: 1),
            weights: UnsafeBufferPointer(start: weight, count: 1))
        }
      }
    }
  }
}

extension Loss.ItemTarget {
  fileprivate func asClass(_ size: Int) -> Int {
    switch self {
    case .id(let id): id
    case .values(let values): largest(values, size)
    }
  }
  fileprivate func number(_ k: Int) -> Double {
    switch self {
    case .id(let id): Double(id)
    case .values(let values): Double(values[k])
    }
  }
}
