// Stream.swift — one timestep per lane: a workspace for it, and what stays from step to step
//
// A timestep is a forward pass over a sequence of one, with the state of every layer taken from, and left
// in, a block of memory with one row per lane. It may take a tenth of a microsecond: what can be known
// before is worked out once, see StreamTurn, and errors have their texts made out of the way.

import Kernels

/// The streams of a session.
final class Stream {
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
  private let outputs: [UnsafeMutableRawBufferPointer]
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
    func array(_ place: ValuePlace) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        UnsafeMutableBufferPointer(start: pass.pointer(place.values), count: lanes * place.width))
    }
    inputs = plan.inputs.map(array)
    outputs = plan.outputs.map(array)
    try model.prepareWeights(.inference)
    turns = try executor.streamTurns(0..<lanes, plan, pass).map(Unmanaged.passRetained)
    reset(0..<lanes)
  }

  deinit { for turn in turns { turn.release() } }

  @inline(__always)
  func prepare() throws { try model.prepareWeights(.inference) }

  /// For a model with one input, of this type, and one output.
  @inline(__always)
  func requireSingle(_ type: ElementType) throws {
    guard single == type else { throw notSingle(type) }
  }

  @inline(never)
  private func notSingle(_ type: ElementType) -> EngineError {
    guard let single else {
      return .unsupported(
        "the model has \(model.inputCount) inputs and \(model.outputCount) outputs; "
          + "use refrain_session_step_tensors")
    }
    return .type(name: "input", expected: single, found: type)
  }

  /// One timestep of a model with one input and one output.
  @inline(__always)
  func step(_ x: UnsafeRawPointer, into y: UnsafeMutablePointer<Float>) throws {
    try prepare()
    setInput(0, x)
    run()
    getOutput(0, y)
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

  @inline(__always)
  func setInput(_ index: Int, _ source: UnsafeRawPointer) {
    let array = inputs[index]
    array.baseAddress?.copyMemory(from: source, byteCount: array.count)
  }

  @inline(__always)
  func getOutput(_ index: Int, _ target: UnsafeMutablePointer<Float>) {
    let array = outputs[index]
    guard let values = array.baseAddress else { return }
    UnsafeMutableRawPointer(target).copyMemory(from: values, byteCount: array.count)
  }

  @inline(__always)
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
