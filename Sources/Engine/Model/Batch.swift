// Batch.swift — a caller's arrays, checked against a model, and the way into a workspace
//
// This is the one door through which data enter. What lies beyond a length or under a mask is
// replaced by zeros here, so nothing behind the door can see it.

import Kernels

/// An array in the caller's memory.
public struct TensorView {
  public var name: String
  public var base: UnsafeMutableRawPointer
  public var type: ElementType
  public var shape: [Int]
  public var lengths: UnsafePointer<Int64>?
  public var mask: UnsafePointer<UInt8>?

  public init(
    name: String, base: UnsafeMutableRawPointer, type: ElementType, shape: [Int],
    lengths: UnsafePointer<Int64>? = nil, mask: UnsafePointer<UInt8>? = nil
  ) {
    self.name = name
    self.base = base
    self.type = type
    self.shape = shape
    self.lengths = lengths
    self.mask = mask
  }

  var floats: MutableValues { base.assumingMemoryBound(to: Float.self) }
  var ids: UnsafeMutablePointer<Int32> { base.assumingMemoryBound(to: Int32.self) }

  /// - Throws: unless the sizes and type are `shape`'s for a batch and timesteps of any size.
  func check(_ shape: ValueShape, batch: Int? = nil, timesteps: Int? = nil) throws {
    guard type == shape.type else {
      throw EngineError.type(name: name, expected: shape.type, found: type)
    }
    let expected = [batch ?? -1] + (shape.hasTime ? [timesteps ?? -1] : []) + shape.features
    guard self.shape.count == expected.count,
      zip(self.shape, expected).allSatisfy({ $1 < 0 || $0 == $1 })
    else {
      throw EngineError.shape(name: name, expected: expected, found: self.shape)
    }
    _ = try Int.product(self.shape + [4], of: name)
  }
}

/// A model's inputs for a number of sequences, checked.
struct Batch {
  struct Input {
    let view: TensorView
    let hasTime: Bool
    /// Timesteps of the caller's array, and those that this batch needs of them.
    let timesteps: Int
    let used: Int
    /// Elements of one timestep.
    let width: Int
    let isFull: Bool
  }

  let inputs: [Input]
  let count: Int
  /// The caller's row that row i of this batch is; nil for the rows in order.
  let order: UnsafePointer<Int>?

  /// Every sequence of the caller's arrays.
  init(_ views: [TensorView], _ model: Model) throws {
    guard views.count == model.inputCount else {
      throw EngineError.count(name: "inputs", expected: model.inputCount, found: views.count)
    }
    let count = views[0].shape.first ?? 0
    var inputs: [Input] = []
    for (index, view) in views.enumerated() {
      let shape = model.inputShape(index)
      try view.check(shape, batch: count)
      let timesteps = shape.hasTime ? view.shape[1] : 1
      guard timesteps > 0 else {
        throw EngineError.argument(name: view.name, message: "expected timesteps, found 0")
      }
      try Self.checkLengths(view, shape, timesteps)
      if view.type == .ids { try Self.checkIDs(view, timesteps, model.vocabulary(ofInput: index)) }
      inputs.append(
        Input(
          view: view, hasTime: shape.hasTime, timesteps: timesteps, used: timesteps,
          width: shape.width, isFull: view.lengths == nil && view.mask == nil))
    }
    self.inputs = inputs
    self.count = count
    order = nil
  }

  private init(inputs: [Input], count: Int, order: UnsafePointer<Int>) {
    self.inputs = inputs
    self.count = count
    self.order = order
  }

  /// Some rows of this batch, and no more timesteps than the longest of them.
  ///
  /// Timesteps are rounded up so that a data set has few shapes, and few plans.
  func selecting(_ rows: UnsafeBufferPointer<Int>) -> Batch {
    precondition(order == nil)
    guard let order = rows.baseAddress else { preconditionFailure("a batch of no rows") }
    func longest(_ input: Input) -> Int {
      guard let lengths = input.view.lengths else { return input.timesteps }
      return rows.reduce(1) { max($0, Int(lengths[$1])) }
    }
    let timed = inputs.filter(\.hasTime)
    let inputs = inputs.map { input in
      guard input.hasTime else { return input }
      // Sequences that were of one length stay so: layers may join them.
      let needed = timed.reduce(1) { $1.timesteps == input.timesteps ? max($0, longest($1)) : $0 }
      let used = min(input.timesteps, (needed + 7) / 8 * 8)
      let isShorter = input.view.lengths.map { lengths in
        rows.contains { Int(lengths[$0]) < used }
      }
      return Input(
        view: input.view, hasTime: true, timesteps: input.timesteps, used: used,
        width: input.width, isFull: input.view.mask == nil && isShorter != true)
    }
    return Batch(inputs: inputs, count: rows.count, order: order)
  }

  var timesteps: [Int] { inputs.map(\.used) }

  /// The caller's row.
  func source(_ row: Int) -> Int { order.map { $0[row] } ?? row }

  private static func checkLengths(_ view: TensorView, _ shape: ValueShape, _ timesteps: Int) throws {
    guard shape.hasTime else {
      guard view.lengths == nil, view.mask == nil else {
        throw EngineError.argument(
          name: view.name, message: "lengths and mask need an axis of timesteps")
      }
      return
    }
    guard let lengths = view.lengths else { return }
    for row in 0..<view.shape[0] where !(0...Int64(timesteps)).contains(lengths[row]) {
      throw EngineError.argument(
        name: "\(view.name).lengths[\(row)]",
        message: "expected 0 … \(timesteps), found \(lengths[row])")
    }
  }

  private static func checkIDs(_ view: TensorView, _ timesteps: Int, _ vocabulary: Int?) throws {
    let ids = view.ids
    let limit = min(vocabulary ?? Int(Int32.max) + 1, Int(Int32.max) + 1)
    for row in 0..<view.shape[0] {
      let length = view.lengths.map { Int($0[row]) } ?? timesteps
      for t in 0..<length {
        let id = Int(ids[row * timesteps + t])
        guard id < 0 || id >= limit else { continue }
        if let mask = view.mask, mask[row * timesteps + t] == 0 { continue }
        throw EngineError.argument(
          name: view.shape.count > 1 ? "\(view.name)[\(row), \(t)]" : "\(view.name)[\(row)]",
          message: "expected an id of 0 … \(limit - 1), found \(id)")
      }
    }
  }

  /// Writes rows of this batch into a workspace, with zeros wherever a timestep does not count.
  ///
  /// - Parameter offset: the workspace's row for the first of `rows`.
  func load(_ rows: Range<Int>, at offset: Int, _ plan: Plan, _ graph: Graph, _ pass: Pass) {
    for (index, input) in inputs.enumerated() {
      let place = plan.inputs[index]
      for row in rows {
        let local = offset + row - rows.lowerBound
        let from = input.view.base + source(row) * input.timesteps * input.width * 4
        let to = UnsafeMutableRawPointer(pass.pointer(place.values, row: local))
        guard !input.isFull, input.hasTime, let validity = place.validity else {
          to.copyMemory(from: from, byteCount: input.used * input.width * 4)
          continue
        }
        let flags = pass.validities[validity].row(local)
        let length = min(input.used, length(of: row, input))
        pass.validities[validity].lengths[local] = Int32(length)
        let mask = input.view.mask.map { $0 + source(row) * input.timesteps }
        let stepBytes = input.width * 4
        for t in 0..<input.used {
          let counts = t < length && (mask.map { $0[t] != 0 } ?? true)
          flags[t] = counts ? 1 : 0
          if counts {
            (to + t * stepBytes).copyMemory(from: from + t * stepBytes, byteCount: stepBytes)
          } else {
            (to + t * stepBytes).initializeMemory(as: UInt8.self, repeating: 0, count: stepBytes)
          }
        }
      }
    }
  }

  private func length(of row: Int, _ input: Input) -> Int {
    input.view.lengths.map { Int($0[source(row)]) } ?? input.timesteps
  }
}
