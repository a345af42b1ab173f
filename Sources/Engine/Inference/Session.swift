// Session.swift — running a model: whole batches, or one timestep per lane
//
// `run` divides a batch into shards, as training does, on a small workspace for each thread. `step`
// is a timestep of the session's streams, see Stream. After a first call of a shape neither allocates.

import Kernels

/// "threads=1, lanes=1"
struct SessionOptions: Sendable {
  static let signature = Signature(
    kind: .options, name: "session", meaning: "Options of a session.",
    options: [
      Option("threads", .integer(1...256), default: .integer(1), "Threads to use, exactly."),
      Option(
        "lanes", .integer(1...Int(Int32.max)), default: .integer(1),
        "Streams that advance together, one timestep each."),
    ])

  let threads: Int
  let lanes: Int

  init(_ text: String) throws {
    let options = try bindOptions(text, to: Self.signature)
    threads = options.integer("threads")
    lanes = options.integer("lanes")
  }
}

/// Runs a model. Used by one thread at a time.
public final class Session {
  public let model: Model
  public let lanes: Int
  let pool: WorkerPool
  private let batches: Executor
  private var stream: Stream?
  /// The same, for timesteps, which borrow it: see `withStream`.
  private var lent: Unmanaged<Stream>?
  /// Of the last generation.
  var generator: Generator?

  // Filled anew by every call, so that a warm one takes no memory.

  /// The arrays of the call under way.
  public var arguments = Arguments()
  private var batch = Batch()
  private var sorter = LengthSorter()

  public convenience init(_ model: Model, options text: String) throws {
    let options = try SessionOptions(text)
    try self.init(model, lanes: options.lanes, threads: options.threads)
  }

  private init(_ model: Model, lanes: Int, threads: Int) throws {
    self.model = model
    self.lanes = lanes
    pool = try WorkerPool(threads: threads)
    batches = Executor(model, isTraining: false, pool: pool)
  }

  // MARK: Whole sequences

  /// Runs a batch from the initial state. Timesteps beyond a row's length are zero.
  public func run(_ inputs: [TensorView], into outputs: [TensorView]) throws {
    try batch.take(inputs, model)
    guard outputs.count == model.outputCount else {
      throw EngineError.count(name: "outputs", expected: model.outputCount, found: outputs.count)
    }
    try checkOutputs(outputs, model, batch)
    guard batch.count > 0 else { return }
    try batch.sortByLength(&sorter)
    let plan = try batches.prepare(batch)
    batches.forEachShard(plan, Executor.Settings(), Run(batch: batch, outputs: outputs))
  }

  private struct Run: ShardWork {
    let batch: Batch
    let outputs: [TensorView]

    func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass) {
      let local = 0..<rows.count
      batch.load(rows, at: 0, plan, pass)
      executor.forward(local, plan, pass)
      copyOutputs(outputs, local, of: batch, firstRow: rows.lowerBound, plan, pass)
    }
  }

  // MARK: Streams

  /// A timestep takes a microsecond, and less: it borrows the stream without counting references.
  @inline(__always)
  private func withStream(_ body: (Stream) throws -> Void) throws {
    let stream = try lent ?? .passUnretained(requireStream())
    lent = stream
    try stream._withUnsafeGuaranteedRef(body)
  }

  private func requireStream() throws -> Stream {
    if let stream { return stream }
    let made = try Stream(model, lanes: lanes)
    stream = made
    return made
  }

  /// One timestep of a model with one float input and one output.
  public func step(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) throws {
    try withStream { stream in
      try stream.requireSingle(.float)
      try stream.step(UnsafeRawPointer(x), into: y)
    }
  }

  /// One timestep of a model with one input of ids and one output.
  public func step(ids: UnsafePointer<Int32>, into y: UnsafeMutablePointer<Float>) throws {
    try withStream { stream in
      try stream.requireSingle(.ids)
      try stream.checkIDs(0, ids, name: "ids")
      try stream.step(UnsafeRawPointer(ids), into: y)
    }
  }

  /// One timestep of any model that can stream; arrays have no axis of timesteps.
  public func step(_ inputs: [TensorView], into outputs: [TensorView]) throws {
    let stream = try requireStream()
    guard inputs.count == model.inputCount else {
      throw EngineError.count(name: "inputs", expected: model.inputCount, found: inputs.count)
    }
    guard outputs.count == model.outputCount else {
      throw EngineError.count(name: "outputs", expected: model.outputCount, found: outputs.count)
    }
    for (index, view) in inputs.enumerated() {
      guard view.lengths == nil, view.mask == nil else {
        throw EngineError.argument(
          name: view.name, message: "a timestep has no lengths and no mask")
      }
      try view.check(stepShape(model.inputShape(index)), batch: lanes)
      if view.type == .ids { try stream.checkIDs(index, view.ids, name: view.name) }
    }
    for (index, view) in outputs.enumerated() {
      try view.check(stepShape(model.outputShape(index)), batch: lanes)
    }
    try stream.prepare()
    for (index, view) in inputs.enumerated() {
      stream.setInput(index, UnsafeRawPointer(view.base))
    }
    stream.run()
    for (index, view) in outputs.enumerated() { stream.getOutput(index, view.floats) }
  }

  private func stepShape(_ shape: ValueShape) -> ValueShape {
    ValueShape(shape.type, hasTime: false, features: shape.features)
  }

  /// Returns a lane, or all of them, to the initial state.
  public func reset(lane: Int?) throws {
    if let lane, !(0..<lanes).contains(lane) {
      throw EngineError.argument(
        name: "lane", message: "expected 0 … \(lanes - 1), or all, found \(lane)")
    }
    stream?.reset(lane.map { $0..<$0 + 1 } ?? 0..<lanes)
  }

  /// A second session of the same model, with a copy of the streams' state.
  public func clone() throws -> Session {
    let clone = try Session(model, lanes: lanes, threads: pool.threads)
    if let stream {
      let copy = try clone.requireStream()
      copy.state.update(from: stream.state)
    }
    return clone
  }

  /// The streams' state `[lanes, state size]`.
  public func withState<R>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> R) throws -> R {
    try body(requireStream().state)
  }

  // MARK: Evaluation

  /// Measures the model on a data set.
  public func evaluate(_ data: DataSource, options text: String) throws -> EvaluationResult {
    let options = try EvaluationOptions(text)
    let objective = try Objective(options.losses, weights: options.lossWeights, model)
    let evaluation = try Evaluation(
      data, objective, model, pool: pool, batchSize: options.batchSize)
    return try evaluation.measure(objective)
  }
}

extension UnsafeMutableBufferPointer<Float> {
  fileprivate func update(from other: Self) {
    guard let source = other.baseAddress, let target = baseAddress else { return }
    target.update(from: source, count: count)
  }
}
