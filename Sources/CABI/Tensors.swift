// Tensors.swift — arrays that cross the boundary

import CRefrain
import Engine
import Kernels

/// The structs of an older caller may be shorter; those of a newer one longer.
private let tensorSize = Int64(MemoryLayout<refrain_tensor>.size)

/// The views of `count` consecutive tensors.
///
/// - Parameter expected: how many there must be.
func views(
  _ tensors: UnsafePointer<refrain_tensor>?, _ count: Int64, named name: String
) throws -> [TensorView] {
  try optionalViews(tensors, count, named: name).enumerated().map { index, view in
    try required(view, named: "\(name)[\(index)].data")
  }
}

/// The same, with nil where data is NULL.
func optionalViews(
  _ tensors: UnsafePointer<refrain_tensor>?, _ count: Int64, named name: String
) throws -> [TensorView?] {
  let count = try size(count, named: "the number of \(name)")
  guard count > 0 else { return [] }
  guard count <= 1 << 16 else {
    throw BoundaryError.argument("the number of \(name): expected at most 65536, found \(count)")
  }
  let first = try required(tensors, named: name)
  try check(first.pointee.struct_size, named: "\(name)[0]")
  let stride = Int(first.pointee.struct_size)
  return try (0..<count).map { index in
    let tensor = (UnsafeRawPointer(first) + index * stride)
      .assumingMemoryBound(to: refrain_tensor.self)
    return try view(tensor, named: count == 1 ? name : "\(name)[\(index)]")
  }
}

func check(_ structSize: Int64, named name: String) throws {
  guard structSize >= tensorSize, structSize <= 1 << 16, structSize % 8 == 0 else {
    throw BoundaryError.argument(
      "\(name).struct_size: expected sizeof(refrain_tensor) = \(tensorSize), found \(structSize)")
  }
}

private func view(_ pointer: UnsafePointer<refrain_tensor>, named name: String) throws -> TensorView? {
  let tensor = pointer.pointee
  try check(tensor.struct_size, named: name)
  guard let data = tensor.data else { return nil }
  let type: ElementType
  switch tensor.type {
  case Int32(REFRAIN_FLOAT32): type = .float
  case Int32(REFRAIN_INT32): type = .ids
  default:
    throw BoundaryError.argument(
      "\(name).type: expected REFRAIN_FLOAT32 or REFRAIN_INT32, found \(tensor.type)")
  }
  let maximumRank = Int32(REFRAIN_MAX_RANK)
  guard (1...maximumRank).contains(tensor.rank) else {
    throw BoundaryError.argument("\(name).rank: expected 1 … \(maximumRank), found \(tensor.rank)")
  }
  var shape: [Int] = []
  withUnsafeBytes(of: tensor.shape) { bytes in
    shape = bytes.bindMemory(to: Int64.self).prefix(Int(tensor.rank)).map { Int($0) }
  }
  var count = 1
  for (axis, size) in shape.enumerated() {
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size >= 0, !overflow, product <= maximumElements else {
      throw BoundaryError.argument(
        "\(name).shape[\(axis)]: expected a size ≥ 0 that memory can hold, found \(size)")
    }
    count = product
  }
  return TensorView(
    name: name, base: data, type: type, shape: shape, lengths: tensor.lengths, mask: tensor.mask)
}

/// Writes what a value looks like, with −1 for sizes that each call chooses.
func describe(_ shape: ValueShape, into description: UnsafeMutablePointer<refrain_tensor>?) throws {
  let description = try required(description, named: "description")
  try describe(
    shape.type, [-1] + (shape.hasTime ? [-1] : []) + shape.features, into: description)
}

func describe(
  _ type: ElementType, _ shape: [Int], into description: UnsafeMutablePointer<refrain_tensor>
) throws {
  try check(description.pointee.struct_size, named: "description")
  description.pointee.data = nil
  description.pointee.lengths = nil
  description.pointee.mask = nil
  description.pointee.type =
    Int32(type == .float ? REFRAIN_FLOAT32 : REFRAIN_INT32)
  description.pointee.rank = Int32(shape.count)
  withUnsafeMutableBytes(of: &description.pointee.shape) { bytes in
    let sizes = bytes.bindMemory(to: Int64.self)
    for axis in 0..<sizes.count { sizes[axis] = axis < shape.count ? Int64(shape[axis]) : 0 }
  }
}

/// A data set in memory or from a callback.
func dataSource(
  _ pointer: UnsafePointer<refrain_dataset>?, named name: String, _ callersMode: ArithmeticMode
) throws -> DataSource {
  let pointer = try required(pointer, named: name)
  try check(dataset: pointer, named: name)
  guard let next = pointer.pointee.next_batch else {
    return .arrays(try arrays(pointer, named: name))
  }
  let user = pointer.pointee.user
  return .batches { epoch, batch in
    var supplied = refrain_dataset()
    supplied.struct_size = Int64(MemoryLayout<refrain_dataset>.size)
    let answer = callersMode.lend { next(user, Int64(epoch), Int64(batch), &supplied) }
    guard answer == 0 else { throw EngineError.cancelled }
    guard supplied.inputs != nil else { return nil }
    return try arrays(&supplied, named: "batch \(batch)")
  }
}

private func check(dataset: UnsafePointer<refrain_dataset>, named name: String) throws {
  let expected = Int64(MemoryLayout<refrain_dataset>.size)
  guard dataset.pointee.struct_size >= expected, dataset.pointee.struct_size <= 1 << 16 else {
    throw BoundaryError.argument(
      "\(name).struct_size: expected sizeof(refrain_dataset) = \(expected), "
        + "found \(dataset.pointee.struct_size)")
  }
}

private func arrays(_ dataset: UnsafePointer<refrain_dataset>, named name: String) throws
  -> DataArrays
{
  let data = dataset.pointee
  return DataArrays(
    inputs: try views(data.inputs, data.input_count, named: "\(name).inputs"),
    targets: try views(data.targets, data.target_count, named: "\(name).targets"),
    sampleWeights: try data.sample_weights.flatMap {
      try views($0, 1, named: "\(name).sample_weights").first
    })
}
