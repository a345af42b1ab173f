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
    case .classes(let metrics): return metrics.value(named: name, index: index < 0 ? nil : index)
    case .numbers(let metrics): return metrics.value(named: name, index: index < 0 ? nil : index)
    }
  }
}

extension Evaluation {
  /// The loss and the figures of the first output.
  func measure(_ objective: Objective, _ model: Model) throws -> EvaluationResult {
    let shape = model.outputShape(0)
    let size = shape.lastAxis
    let loss = objective.losses[0]
    switch loss.kind {
    case .crossEntropy:
      var metrics = ClassificationMetrics(classes: size)
      let isProbability = objective.fused[model.graph.outputs[0]]
      var probabilities = [Float](repeating: 0, count: size)
      let sums = try run { y, target, weight in
        if isProbability {
          for k in 0..<size { probabilities[k] = y[k] }
        } else {
          probabilities.withUnsafeMutableBufferPointer {
            kernels.softmax(y, $0.baseAddress!, rows: 1, columns: size)
          }
        }
        let truth = target.asClass(size)
        metrics.add(
          truth: truth, predicted: largest(y, size), weight: weight, probabilities: probabilities)
      }
      return EvaluationResult(loss: sums.loss, figures: .classes(metrics))
    case .binaryCrossEntropy:
      var metrics = ClassificationMetrics(classes: 2)
      let isProbability = objective.fused[model.graph.outputs[0]]
      let sums = try run { y, target, weight in
        for k in 0..<size {
          let p = isProbability ? Double(y[k]) : 1 / (1 + exp(-Double(y[k])))
          metrics.add(
            truth: target.isPositive(k) ? 1 : 0, predicted: p > 0.5 ? 1 : 0, weight: weight,
            probabilities: [Float(1 - p), Float(p)])
        }
      }
      return EvaluationResult(loss: sums.loss, figures: .classes(metrics))
    case .squared, .absolute, .huber:
      var metrics = RegressionMetrics()
      let sums = try run { y, target, weight in
        for k in 0..<size {
          metrics.add(truth: target.number(k), predicted: Double(y[k]), weight: weight)
        }
      }
      return EvaluationResult(loss: sums.loss, figures: .numbers(metrics))
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
  fileprivate func isPositive(_ k: Int) -> Bool { number(k) > 0.5 }
}
