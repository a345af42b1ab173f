// MetricsExports.swift — refrain_metrics_*

import CRefrain
import Engine

@_cdecl("refrain_metrics_classes") @implementation
public func refrain_metrics_classes(
  _ truth: UnsafePointer<Int32>!, _ predicted: UnsafePointer<Int32>!,
  _ weights: UnsafePointer<Float>!, _ probabilities: UnsafePointer<Float>!, _ count: Int64,
  _ classes: Int64, _ metrics: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let result = try required(metrics, named: "metrics")
    let count = try elements((count, "count"))
    guard (1...1 << 15).contains(classes) else {
      throw BoundaryError.argument("classes: expected 1 … \(1 << 15), found \(classes)")
    }
    _ = try elements((Int64(count), "count"), (classes, "classes"))
    let size = Int(classes)
    let truth = count == 0 ? nil : try required(truth, named: "truth")
    let predicted = count == 0 ? nil : try required(predicted, named: "predicted")
    var collected = ClassificationMetrics(classes: size)
    for item in 0..<count {
      guard let truth, let predicted else { break }
      for (name, id) in [("truth", truth[item]), ("predicted", predicted[item])]
      where !(0..<size).contains(Int(id)) {
        throw BoundaryError.argument(
          "\(name)[\(item)]: expected a class of 0 … \(size - 1), found \(id)")
      }
      collected.add(
        truth: Int(truth[item]), predicted: Int(predicted[item]),
        weight: try weight(weights, item),
        probabilities: probabilities.map {
          Array(UnsafeBufferPointer(start: $0 + item * size, count: size))
        })
    }
    result.pointee = try Handles.make(
      MetricsBox(EvaluationResult(loss: nil, figures: .classes(collected))), .metrics)
  }
}

@_cdecl("refrain_metrics_numbers") @implementation
public func refrain_metrics_numbers(
  _ truth: UnsafePointer<Float>!, _ predicted: UnsafePointer<Float>!,
  _ weights: UnsafePointer<Float>!, _ count: Int64, _ metrics: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let result = try required(metrics, named: "metrics")
    let count = try elements((count, "count"))
    let truth = count == 0 ? nil : try required(truth, named: "truth")
    let predicted = count == 0 ? nil : try required(predicted, named: "predicted")
    var collected = RegressionMetrics()
    for item in 0..<count {
      guard let truth, let predicted else { break }
      collected.add(
        truth: Double(truth[item]), predicted: Double(predicted[item]),
        weight: try weight(weights, item))
    }
    result.pointee = try Handles.make(
      MetricsBox(EvaluationResult(loss: nil, figures: .numbers(collected))), .metrics)
  }
}

private func weight(_ weights: UnsafePointer<Float>?, _ item: Int) throws -> Double {
  guard let weights else { return 1 }
  guard weights[item].isFinite, weights[item] >= 0 else {
    throw BoundaryError.argument(
      "weights[\(item)]: expected a finite weight ≥ 0, found \(weights[item])")
  }
  return Double(weights[item])
}

@_cdecl("refrain_metrics_release") @implementation
public func refrain_metrics_release(_ metrics: OpaquePointer!) {
  Handles.release(metrics, .metrics)
}

@_cdecl("refrain_metrics_value") @implementation
public func refrain_metrics_value(
  _ metrics: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ index: Int64,
  _ value: UnsafeMutablePointer<Double>!
) -> refrain_status {
  boundary {
    let metrics = try CABI.metrics(metrics)
    let name = try text(name, named: "name")
    let result = try required(value, named: "value")
    if case .classes(let figures) = metrics.figures {
      guard (-1..<Int64(figures.classes)).contains(index) else {
        throw BoundaryError.argument(
          "index: expected −1 … \(figures.classes - 1), found \(index)")
      }
    }
    guard let figure = metrics.value(named: name, index: Int(index)) else {
      throw EngineError.unknownName(name, kind: "figure of these data", nearest: nil)
    }
    result.pointee = figure
  }
}

@_cdecl("refrain_metrics_confusion") @implementation
public func refrain_metrics_confusion(
  _ metrics: OpaquePointer!, _ counts: UnsafeMutablePointer<Double>!, _ capacity: Int64,
  _ classes: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let metrics = try CABI.metrics(metrics)
    let capacity = try size(capacity, named: "capacity")
    let classes = try required(classes, named: "classes")
    guard counts != nil || capacity == 0 else { throw BoundaryError.null("counts") }
    guard case .classes(let figures) = metrics.figures else {
      classes.pointee = 0
      return
    }
    classes.pointee = Int64(figures.classes)
    guard let counts, capacity >= figures.confusion.count else {
      throw BoundaryError.capacity(
        "counts: needs room for \(figures.confusion.count) numbers, found \(capacity)")
    }
    counts.update(from: figures.confusion, count: figures.confusion.count)
  }
}
