// TensorView.swift — an array in the caller's memory
//
// Views are made for every array of every call. Nothing in one takes memory of its own: sizes lie
// in place, and a name is put together when a message needs it.

import Kernels

/// What messages call an array: "inputs" or, of several, "inputs[1]".
public struct ArrayName: CustomStringConvertible {
  let argument: String
  let index: Int?

  public init(_ argument: String, index: Int? = nil) {
    self.argument = argument
    self.index = index
  }

  public var description: String { index.map { "\(argument)[\($0)]" } ?? argument }
}

/// An array in the caller's memory.
public struct TensorView {
  private let arrayName: ArrayName
  public var base: UnsafeMutableRawPointer
  public var type: ElementType
  public var shape: Shape
  public var lengths: UnsafePointer<Int64>?
  public var mask: UnsafePointer<UInt8>?

  public init(
    name: ArrayName, base: UnsafeMutableRawPointer, type: ElementType, shape: Shape,
    lengths: UnsafePointer<Int64>? = nil, mask: UnsafePointer<UInt8>? = nil
  ) {
    arrayName = name
    self.base = base
    self.type = type
    self.shape = shape
    self.lengths = lengths
    self.mask = mask
  }

  public var name: String { arrayName.description }

  var floats: MutableValues { base.assumingMemoryBound(to: Float.self) }
  var ids: UnsafeMutablePointer<Int32> { base.assumingMemoryBound(to: Int32.self) }

  /// - Throws: unless the sizes and type are `shape`'s; for a batch, timesteps and keys of any size
  ///   where nil.
  func check(_ shape: ValueShape, batch: Int? = nil, timesteps: Int? = nil, keys: Int? = nil) throws
  {
    try check(shape.type, shape.sizes(batch: batch, timesteps: timesteps, keys: keys))
  }

  /// - Parameter expected: −1 for any size.
  func check(_ type: ElementType, _ expected: Shape) throws {
    guard self.type == type else {
      throw EngineError.type(name: name, expected: type, found: self.type)
    }
    guard shape.count == expected.count,
      zip(shape, expected).allSatisfy({ $1 < 0 || $0 == $1 })
    else {
      throw EngineError.shape(name: name, expected: Array(expected), found: Array(shape))
    }
    var bytes = 4
    for size in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
      guard !overflow else {
        _ = try Int.product(Array(shape) + [4], of: name)
        return
      }
      bytes = product
    }
  }
}
