// KeptArrays.swift — copies of a caller's arrays, for a pass that reads them after the call

import Kernels

struct KeptArrays {
  private(set) var views: [TensorView] = []
  private var data: [AlignedBuffer<Float>] = []
  private var lengths: [AlignedBuffer<Int64>] = []
  private var masks: [AlignedBuffer<UInt8>] = []

  /// Copies arrays that were checked against a model, with their lengths and masks.
  init(_ arrays: [TensorView]) throws {
    for var view in arrays {
      let count = view.shape.elements
      let values = try AlignedBuffer<Float>(count: count)
      UnsafeMutableRawPointer(values.pointer).copyMemory(from: view.base, byteCount: 4 * count)
      data.append(values)
      view.base = UnsafeMutableRawPointer(values.pointer)
      if let source = view.lengths {
        lengths.append(try Self.copy(source, count: view.shape[0]))
        view.lengths = lengths.last.map { UnsafePointer($0.pointer) }
      }
      if let source = view.mask {
        masks.append(try Self.copy(source, count: view.shape[0] * view.shape[1]))
        view.mask = masks.last.map { UnsafePointer($0.pointer) }
      }
      views.append(view)
    }
  }

  private static func copy<T>(_ source: UnsafePointer<T>, count: Int) throws -> AlignedBuffer<T> {
    let copy = try AlignedBuffer<T>(count: count)
    copy.pointer.update(from: source, count: count)
    return copy
  }
}
