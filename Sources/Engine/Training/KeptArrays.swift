// KeptArrays.swift — copies of a caller's arrays, for a pass that reads them after the call

import Kernels

struct KeptArrays {
  private(set) var views: [TensorView] = []
  private var data: [AlignedBuffer<Float>] = []
  private var lengths: [AlignedBuffer<Int64>?] = []
  private var masks: [AlignedBuffer<UInt8>?] = []

  /// Copies arrays that were checked against a model, with their lengths and masks.
  mutating func take(_ arrays: [TensorView]) throws {
    views.removeAll(keepingCapacity: true)
    data.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    masks.removeAll(keepingCapacity: true)
    for array in arrays {
      let count = array.shape.elements
      let values = try AlignedBuffer<Float>(count: count)
      UnsafeMutableRawPointer(values.pointer).copyMemory(from: array.base, byteCount: 4 * count)
      let lengths = try array.lengths.map { try Self.copy($0, count: array.shape[0]) }
      let mask = try array.mask.map { try Self.copy($0, count: array.shape[0] * array.shape[1]) }
      var view = array
      view.base = UnsafeMutableRawPointer(values.pointer)
      view.lengths = lengths.map { UnsafePointer($0.pointer) }
      view.mask = mask.map { UnsafePointer($0.pointer) }
      views.append(view)
      data.append(values)
      self.lengths.append(lengths)
      masks.append(mask)
    }
  }

  private static func copy<T>(_ source: UnsafePointer<T>, count: Int) throws -> AlignedBuffer<T> {
    let copy = try AlignedBuffer<T>(count: count)
    copy.pointer.update(from: source, count: count)
    return copy
  }
}
