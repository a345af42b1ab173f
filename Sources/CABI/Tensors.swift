// Tensors.swift — arrays that cross the boundary

import CRefrain
import Engine
import Kernels

/// The structs of an older caller may be shorter; those of a newer one longer.
private let tensorSize = Int64(MemoryLayout<refrain_tensor>.size)

/// Reads `count` consecutive tensors into a list, which was empty.
func read(
  _ tensors: UnsafePointer<refrain_tensor>?, _ count: Int64, named argument: String,
  into list: inout [TensorView]
) throws {
  try forEachTensor(tensors, count, named: argument) { index, view in
    list.append(try required(view, named: "\(argument)[\(index)].data"))
  }
}

/// The same, with nil where data is NULL.
func read(
  _ tensors: UnsafePointer<refrain_tensor>?, _ count: Int64, named argument: String,
  into list: inout [TensorView?]
) throws {
  try forEachTensor(tensors, count, named: argument) { _, view in list.append(view) }
}

/// A tensor that stands alone; nil if there is none.
func read(_ tensor: UnsafePointer<refrain_tensor>?, named argument: String) throws -> TensorView? {
  guard let tensor else { return nil }
  var read: TensorView?
  try forEachTensor(tensor, 1, named: argument) { _, view in
    read = try required(view, named: "\(argument)[0].data")
  }
  return read
}

private func forEachTensor(
  _ tensors: UnsafePointer<refrain_tensor>?, _ count: Int64, named argument: String,
  _ body: (_ index: Int, _ view: TensorView?) throws -> Void
) throws {
  let count = try size(count, named: "the number of \(argument)")
  guard count > 0 else { return }
  guard count <= 1 << 16 else {
    throw BoundaryError.argument(
      "the number of \(argument): expected at most 65536, found \(count)")
  }
  let first = try required(tensors, named: argument)
  try check(first.pointee.struct_size, named: ArrayName(argument, index: 0))
  let stride = Int(first.pointee.struct_size)
  for index in 0..<count {
    let tensor = (UnsafeRawPointer(first) + index * stride)
      .assumingMemoryBound(to: refrain_tensor.self)
    try body(index, try view(tensor, named: ArrayName(argument, index: count == 1 ? nil : index)))
  }
}

func check(_ structSize: Int64, named name: ArrayName) throws {
  guard structSize >= tensorSize, structSize <= 1 << 16, structSize % 8 == 0 else {
    throw BoundaryError.argument(
      "\(name).struct_size: expected sizeof(refrain_tensor) = \(tensorSize), found \(structSize)")
  }
}

private func view(_ pointer: UnsafePointer<refrain_tensor>, named name: ArrayName) throws
  -> TensorView?
{
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
  var shape = Shape()
  var count = 1
  for axis in 0..<Int(tensor.rank) {
    let size = withUnsafeBytes(of: tensor.shape) {
      Int($0.load(fromByteOffset: axis * MemoryLayout<Int64>.stride, as: Int64.self))
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size >= 0, !overflow, product <= maximumElements else {
      throw BoundaryError.argument(
        "\(name).shape[\(axis)]: expected a size ≥ 0 that memory can hold, found \(size)")
    }
    shape.append(size)
    count = product
  }
  return TensorView(
    name: name, base: data, type: type, shape: shape, lengths: tensor.lengths, mask: tensor.mask)
}

/// Writes what a value looks like, with −1 for sizes that each call chooses.
func describe(_ shape: ValueShape, into description: UnsafeMutablePointer<refrain_tensor>?) throws {
  let description = try required(description, named: "description")
  try describe(shape.type, shape.pattern, into: description)
}

func describe(
  _ type: ElementType, _ shape: [Int], into description: UnsafeMutablePointer<refrain_tensor>
) throws {
  try check(description.pointee.struct_size, named: ArrayName("description"))
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
  var arrays = DataArrays()
  try read(data.inputs, data.input_count, named: "\(name).inputs", into: &arrays.inputs)
  try read(data.targets, data.target_count, named: "\(name).targets", into: &arrays.targets)
  arrays.sampleWeights = try read(data.sample_weights, named: "\(name).sample_weights")
  return arrays
}
