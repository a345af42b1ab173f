// Batch.swift — a caller's arrays, checked against a model, and the way into a workspace
//
// This is the one door through which data enter. What lies beyond a length or under a mask is
// replaced by zeros here, so nothing behind the door can see it.

import Kernels

/// A model's inputs for a number of sequences, checked. Filled again and again, it keeps its memory
/// unless someone else holds a copy.
struct Batch {
  struct Input {
    let view: TensorView
    let hasTime: Bool
    /// Timesteps of the caller's array, and those that this batch needs of them.
    let timesteps: Int
    var used: Int
    /// The first timestep at hand, and how many there are in all windows.
    var start = 0
    var total: Int
    /// Elements of one timestep.
    let width: Int
    var isFull: Bool
  }

  private(set) var inputs: [Input] = []
  private(set) var count = 0
  /// For each input, the timesteps used.
  private(set) var timesteps: [Int] = []
  /// Of the rows; nil for the caller's.
  private(set) var order: Order?

  /// In which order a batch has the caller's rows.
  struct Order {
    /// The caller's row that row i of the batch is.
    var rows: UnsafePointer<Int>
    /// The number it has for what is drawn for it, whatever else shares its batch; nil if that is i.
    var numbers: UnsafePointer<Int>?
  }

  /// No sequences.
  init() {}

  /// Every sequence of the caller's arrays.
  init(_ views: [TensorView], _ model: Model) throws { try take(views, model) }

  /// Becomes every sequence of the caller's arrays. After an error it has no meaning.
  mutating func take(_ views: [TensorView], _ model: Model) throws {
    guard views.count == model.inputCount else {
      throw EngineError.count(name: "inputs", expected: model.inputCount, found: views.count)
    }
    inputs.removeAll(keepingCapacity: true)
    timesteps.removeAll(keepingCapacity: true)
    count = views[0].shape.first ?? 0
    order = nil
    for (index, view) in views.enumerated() {
      let shape = model.inputShape(index)
      try view.check(shape, batch: count)
      let timesteps = shape.hasTime ? view.shape[1] : 1
      guard timesteps > 0 else {
        throw EngineError.argument(name: view.name, message: "expected timesteps, found 0")
      }
      guard timesteps <= Int(Int32.max) else {
        throw EngineError.argument(
          name: view.name, message: "expected at most \(Int32.max) timesteps, found \(timesteps)")
      }
      try Self.checkLengths(view, shape, timesteps)
      if view.type == .ids { try Self.checkIDs(view, timesteps, model.vocabulary(ofInput: index)) }
      inputs.append(
        Input(
          view: view, hasTime: shape.hasTime, timesteps: timesteps, used: timesteps,
          total: timesteps, width: shape.width, isFull: view.lengths == nil && view.mask == nil))
      self.timesteps.append(timesteps)
    }
  }

  /// Of one input, leaves its first timestep, which counts in every row: a walk begins with it.
  mutating func keepFirstTimestep(of input: Int) {
    inputs[input].used = 1
    inputs[input].isFull = true
    timesteps[input] = 1
  }

  /// Becomes some rows of another batch, and no more timesteps than the longest of them.
  ///
  /// Timesteps are rounded up so that a data set has few shapes, and few plans.
  ///
  /// - Parameter rows: to stay as they are while this batch is used.
  mutating func select(_ rows: UnsafeBufferPointer<Int>, of whole: Batch) {
    precondition(whole.order == nil)
    guard let order = rows.baseAddress else { preconditionFailure("a batch of no rows") }
    self.order = Order(rows: order)
    count = rows.count
    inputs.removeAll(keepingCapacity: true)
    timesteps.removeAll(keepingCapacity: true)
    for var input in whole.inputs {
      if input.hasTime {
        // Sequences that were of one length stay so: layers may join them.
        var needed = 1
        for other in whole.inputs where other.hasTime && other.timesteps == input.timesteps {
          needed = max(needed, other.longest(of: rows))
        }
        input.used = min(input.timesteps, (needed + 7) / 8 * 8)
        input.total = input.used
        input.isFull = input.view.mask == nil && !input.isAnyShorter(of: rows)
      }
      inputs.append(input)
      timesteps.append(input.used)
    }
  }

  /// Takes the same rows in another order, which is to stay as it is while this batch is used.
  mutating func reorder(_ order: Order) {
    precondition(self.order?.numbers == nil, "a batch is sorted once")
    self.order = order
  }

  // MARK: Windows

  /// Takes some timesteps only, as many as there are.
  mutating func show(from start: Int, timesteps count: Int) {
    for index in inputs.indices where inputs[index].hasTime {
      inputs[index].start = start
      inputs[index].used = min(count, inputs[index].total - start)
      timesteps[index] = inputs[index].used
      inputs[index].isFull = isFull(inputs[index])
    }
  }

  /// Takes all timesteps again.
  mutating func showAll() {
    show(from: 0, timesteps: inputs.reduce(0) { max($0, $1.total) })
  }

  /// The first timestep at hand.
  var start: Int { inputs.first(where: \.hasTime)?.start ?? 0 }
  /// Whether the last timestep is at hand.
  var isAtEnd: Bool { inputs.allSatisfy { !$0.hasTime || $0.start + $0.used == $0.total } }

  private func isFull(_ input: Input) -> Bool {
    guard input.view.mask == nil else { return false }
    guard let lengths = input.view.lengths else { return true }
    return (0..<count).allSatisfy { Int(lengths[source($0)]) >= input.start + input.used }
  }

  /// The caller's row.
  func source(_ row: Int) -> Int { order.map { $0.rows[row] } ?? row }

  private static func checkLengths(_ view: TensorView, _ shape: ValueShape, _ timesteps: Int) throws
  {
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

  /// Writes the lengths of rows of this batch into a workspace, and which timesteps count.
  ///
  /// - Parameter offset: the workspace's row for the first of `rows`.
  func loadValidity(_ rows: Range<Int>, at offset: Int, _ plan: Plan, _ pass: Pass) {
    for (index, input) in inputs.enumerated() where !input.isFull && input.hasTime {
      guard let validity = plan.inputs[index].validity else { continue }
      for row in rows {
        let local = offset + row - rows.lowerBound
        let flags = pass.validities[validity].row(local)
        let length = min(input.used, max(0, length(of: row, input) - input.start))
        pass.validities[validity].lengths[local] = Int32(length)
        let mask = input.view.mask.map { $0 + source(row) * input.timesteps + input.start }
        for t in 0..<input.used {
          flags[t] = t < length && (mask.map { $0[t] != 0 } ?? true) ? 1 : 0
        }
      }
    }
  }

  /// Writes rows of this batch into a workspace, with zeros wherever a timestep does not count.
  ///
  /// - Parameter offset: the workspace's row for the first of `rows`.
  func load(_ rows: Range<Int>, at offset: Int, _ plan: Plan, _ pass: Pass) {
    loadValidity(rows, at: offset, plan, pass)
    for (index, input) in inputs.enumerated() {
      let place = plan.inputs[index]
      for row in rows {
        let local = offset + row - rows.lowerBound
        let first = source(row) * input.timesteps + input.start
        let from = input.view.base + first * input.width * 4
        let to = UnsafeMutableRawPointer(pass.pointer(place.values, row: local))
        guard !input.isFull, input.hasTime, let validity = place.validity else {
          to.copyMemory(from: from, byteCount: input.used * input.width * 4)
          continue
        }
        let flags = pass.validities[validity].row(local)
        let stepBytes = input.width * 4
        for t in 0..<input.used {
          if flags[t] == 1 {
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

extension Batch.Input {
  /// Timesteps of the longest of the caller's rows.
  fileprivate func longest(of rows: UnsafeBufferPointer<Int>) -> Int {
    guard let lengths = view.lengths else { return timesteps }
    return rows.reduce(1) { max($0, Int(lengths[$1])) }
  }

  /// Whether one of the caller's rows has fewer timesteps than are used.
  fileprivate func isAnyShorter(of rows: UnsafeBufferPointer<Int>) -> Bool {
    guard let lengths = view.lengths else { return false }
    return rows.contains { Int(lengths[$0]) < used }
  }
}
