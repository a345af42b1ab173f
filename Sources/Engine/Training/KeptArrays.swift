// KeptArrays.swift — copies of a caller's arrays, for a pass that reads them after the call

import Kernels

/// Filled again and again, they keep their memory where it is large enough.
struct KeptArrays {
  private(set) var views: [TensorView] = []
  private var data: [AlignedBuffer<Float>?] = []
  private var lengths: [AlignedBuffer<Int64>?] = []
  private var masks: [AlignedBuffer<UInt8>?] = []

  /// Copies arrays that were checked against a model, with their lengths and masks. After an error it
  /// has some of them.
  mutating func take(_ arrays: [TensorView]) throws {
    views.removeAll(keepingCapacity: true)
    while data.count < arrays.count {
      data.append(nil)
      lengths.append(nil)
      masks.append(nil)
    }
    for (index, view) in arrays.enumerated() {
      var view = view
      let values = try Self.copy(
        UnsafePointer(view.floats), count: view.shape.elements, into: &data[index])
      view.base = UnsafeMutableRawPointer(mutating: values)
      view.lengths = try view.lengths.map {
        try Self.copy($0, count: view.shape[0], into: &lengths[index])
      }
      view.mask = try view.mask.map {
        try Self.copy($0, count: view.shape[0] * view.shape[1], into: &masks[index])
      }
      views.append(view)
    }
  }

  private static func copy<T: BitwiseCopyable>(
    _ source: UnsafePointer<T>, count: Int, into buffer: inout AlignedBuffer<T>?
  ) throws -> UnsafePointer<T> {
    let copy: AlignedBuffer<T>
    if let buffer, buffer.count >= count {
      copy = buffer
    } else {
      copy = try AlignedBuffer(count: count)
      buffer = copy
    }
    copy.pointer.update(from: source, count: count)
    return UnsafePointer(copy.pointer)
  }
}
