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
    let classes = try size(classes, named: "classes")
    let scores = try elements((Int64(count), "count"), (Int64(classes), "classes"))
    var collected = try ClassificationMetrics(classes: classes)
    try collected.add(
      truth: try array(truth, count, named: "truth"),
      predicted: try array(predicted, count, named: "predicted"),
      weights: weights.map { UnsafeBufferPointer(start: $0, count: count) },
      probabilities: probabilities.map { UnsafeBufferPointer(start: $0, count: scores) })
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
    var collected = RegressionMetrics()
    try collected.add(
      truth: try array(truth, count, named: "truth"),
      predicted: try array(predicted, count, named: "predicted"),
      weights: weights.map { UnsafeBufferPointer(start: $0, count: count) })
    result.pointee = try Handles.make(
      MetricsBox(EvaluationResult(loss: nil, figures: .numbers(collected))), .metrics)
  }
}

/// An array that must be there unless it is empty.
private func array<T>(_ pointer: UnsafePointer<T>?, _ count: Int, named name: String) throws
  -> UnsafeBufferPointer<T>
{
  UnsafeBufferPointer(start: count == 0 ? nil : try required(pointer, named: name), count: count)
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
    let needed = try elements(
      (Int64(figures.classes), "classes"), (Int64(figures.classes), "classes"))
    guard let counts, capacity >= needed else {
      throw BoundaryError.capacity("counts: needs room for \(needed) numbers, found \(capacity)")
    }
    try figures.writeConfusion(into: UnsafeMutableBufferPointer(start: counts, count: needed))
  }
}
