// Session.swift — running a model: whole batches, or one timestep per lane
//
// `run` divides a batch into shards, as training does, on a small workspace for each thread. `step`
// is the same forward pass over one timestep, with the state of every layer taken from, and left
// in, a block of memory with one row per lane. After a first call of a shape neither allocates.

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
    let plan = try batches.prepare(batch)
    // Shards of sequences of similar length compute less padding.
    if batch.hasLengths, batches.shardCount(batch.count) > 1 {
      batch.reorder(try sorter.sort(batch))
    }
    batches.forEachShard(
      of: batch.count, plan, Executor.Settings(), Run(batch: batch, outputs: outputs))
  }

  private struct Run: ShardWork {
    let batch: Batch
    let outputs: [TensorView]

    func perform(
      _ shards: Range<Int>, _ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass
    ) {
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
      try stream.prepare()
      stream.setInput(0, UnsafeRawPointer(x))
      stream.run()
      stream.getOutput(0, y)
    }
  }

  /// One timestep of a model with one input of ids and one output.
  public func step(ids: UnsafePointer<Int32>, into y: UnsafeMutablePointer<Float>) throws {
    try withStream { stream in
      try stream.requireSingle(.ids)
      try stream.prepare()
      try stream.checkIDs(0, ids, name: "ids")
      stream.setInput(0, UnsafeRawPointer(ids))
      stream.run()
      stream.getOutput(0, y)
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

/// Streams of one model: a workspace for one timestep, and their state.
private final class Stream {
  let state: UnsafeMutableBufferPointer<Float>
  private let stateMemory: AlignedBuffer<Float>
  private let initialState: InitialState
  private let model: Model
  private let lanes: Int
  private let executor: Executor
  /// Of all layers. The executor is prepared once, so that plan and memory stay, and so do the places of
  /// weights, whatever is packed there later.
  private let turns: [Unmanaged<StreamTurn>]
  /// The workspace's arrays.
  private let inputs: [UnsafeMutableRawBufferPointer]
  private let outputs: [UnsafeMutableBufferPointer<Float>]
  /// The type of the only input, of a model with one input and one output.
  private let single: ElementType?

  init(_ model: Model, lanes: Int) throws {
    let unstreamable = model.graph.unstreamable
    guard unstreamable.isEmpty else {
      throw EngineError.unsupported(
        "the model cannot take one timestep at a time: \(unstreamable.joined(separator: ", ")) "
          + "needs the whole sequence")
    }
    if let node = model.graph.nodes.first(where: {
      guard let layer = $0.layer as? any RecurrentLayerType else { return false }
      return $0.inputs.count > layer.spec.sequenceCount
    }) {
      throw EngineError.unsupported(
        "the model cannot take one timestep at a time: the initial state of \(node.name) is an input"
      )
    }
    self.model = model
    self.lanes = lanes
    single =
      model.inputCount == 1 && model.outputCount == 1 ? model.inputShape(0).type : nil
    initialState = InitialState(model)
    executor = Executor(
      model, isTraining: false, pool: try WorkerPool(threads: 1), shardRows: lanes)
    let size = try Int.product([lanes, model.graph.stateSize], of: "lanes")
    stateMemory = try AlignedBuffer(count: size)
    state = UnsafeMutableBufferPointer(start: stateMemory.pointer, count: size)
    let plan = try executor.prepare(
      batch: lanes, timesteps: [Int](repeating: 1, count: model.inputCount))
    executor.setFullness(plan) { _ in true }
    let pass = executor.pass(
      plan, worker: 0, firstRow: 0, Executor.Settings(state: stateMemory.pointer))
    func array(_ place: ValuePlace) -> UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(start: pass.pointer(place.values), count: lanes * place.width)
    }
    inputs = plan.inputs.map { UnsafeMutableRawBufferPointer(array($0)) }
    outputs = plan.outputs.map(array)
    try model.prepareWeights(.inference)
    turns = executor.streamTurns(0..<lanes, plan, pass).map(Unmanaged.passRetained)
    reset(0..<lanes)
  }

  deinit { for turn in turns { turn.release() } }

  func prepare() throws { try model.prepareWeights(.inference) }

  func requireSingle(_ type: ElementType) throws {
    guard let single else {
      throw EngineError.unsupported(
        "the model has \(model.inputCount) inputs and \(model.outputCount) outputs; "
          + "use refrain_session_step_tensors")
    }
    guard single == type else {
      throw EngineError.type(name: "input", expected: single, found: type)
    }
  }

  func checkIDs(
    _ index: Int, _ ids: UnsafePointer<Int32>, name: @autoclosure () -> String
  ) throws {
    let limit = model.vocabulary(ofInput: index) ?? Int(Int32.max)
    for lane in 0..<lanes where !(0..<limit).contains(Int(ids[lane])) {
      throw EngineError.argument(
        name: "\(name())[\(lane)]",
        message: "expected an id of 0 … \(limit - 1), found \(ids[lane])")
    }
  }

  func setInput(_ index: Int, _ source: UnsafeRawPointer) {
    let array = inputs[index]
    array.baseAddress?.copyMemory(from: source, byteCount: array.count)
  }

  func getOutput(_ index: Int, _ target: UnsafeMutablePointer<Float>) {
    let array = outputs[index]
    if let values = array.baseAddress { target.update(from: values, count: array.count) }
  }

  func run() {
    for turn in turns { turn._withUnsafeGuaranteedRef { $0.take() } }
  }

  func reset(_ lanes: Range<Int>) {
    let width = model.graph.stateSize
    guard width > 0 else { return }
    for lane in lanes {
      initialState.write(to: stateMemory.pointer + lane * width)
    }
  }
}

extension UnsafeMutableBufferPointer<Float> {
  fileprivate func update(from other: Self) {
    guard let source = other.baseAddress, let target = baseAddress else { return }
    target.update(from: source, count: count)
  }
}
