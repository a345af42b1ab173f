// Generator.swift — which model can generate, and the memory for it
//
// A model generates along one of its inputs of ids, the one that is fed: what the caller gives for it
// is the beginning of every row, and each id that is chosen from the output's softmax is the input of
// the next timestep. All else is given whole. `Walk` says which layers run once and which at every
// step, `Decoding` does it, for shards of rows that threads share.

import Kernels

/// The caller's memory for what is generated.
public struct GeneratedArrays {
  /// `[batch, max_length]`
  let ids: UnsafeMutablePointer<Int32>
  /// `[batch]`
  let lengths: UnsafeMutablePointer<Int64>?
  let scores: UnsafeMutablePointer<Float>?

  public init(
    ids: UnsafeMutablePointer<Int32>, lengths: UnsafeMutablePointer<Int64>?,
    scores: UnsafeMutablePointer<Float>?
  ) {
    self.ids = ids
    self.lengths = lengths
    self.scores = scores
  }
}

extension Session {
  /// Generates ids for every row of a batch.
  public func generate(_ inputs: [TensorView], options text: String, into arrays: GeneratedArrays)
    throws
  {
    let options = try GenerationOptions(text)
    let feed = try options.feed.index(in: model)
    let generator = try generator(feed: feed, beams: options.beams)
    try generator.generate(inputs, options, into: arrays)
  }

  private func generator(feed: Int, beams: Int) throws -> Generator {
    if let generator, generator.feed == feed, generator.beams == beams { return generator }
    let made = try Generator(model, feed: feed, beams: beams, pool)
    generator = made
    return made
  }
}

extension GenerationOptions.Feed {
  /// The model's input that is meant.
  func index(in model: Model) throws -> Int {
    func isFed(_ index: Int) -> Bool {
      let shape = model.inputShape(index)
      return shape.type == .ids && shape.hasTime
    }
    let index: Int
    switch self {
    case .last:
      guard let last = (0..<model.inputCount).last(where: isFed) else {
        throw EngineError.unsupported("the model has no input of ids with timesteps to be fed")
      }
      return last
    case .index(let given):
      guard given < model.inputCount else {
        throw EngineError.argument(
          name: "feed", message: "expected an input of 0 … \(model.inputCount - 1), found \(given)")
      }
      index = given
    case .name(let name):
      let names = model.graph.inputNames
      guard let found = names[name] else {
        throw EngineError.unknownName(
          name, kind: "input", nearest: nearestName(to: name, among: names.keys.sorted()))
      }
      index = found
    }
    guard isFed(index) else {
      throw EngineError.argument(
        name: "feed", message: "expected an input of ids with timesteps; input \(index) is not one")
    }
    return index
  }
}

/// Generates along one input of a model. Used by one thread at a time.
final class Generator {
  let model: Model
  let feed: Int
  let beams: Int
  let walk: Walk
  let executor: Executor
  /// Rows of the caller's batch that a shard has at the most.
  let shardRows: Int
  /// The classes that ids are chosen from.
  let classes: Int
  /// Values that steps read and do not change.
  let kept: [Int]
  /// Their validities.
  let keptValidities: [Int]
  let initialState: InitialState
  /// Values that are initial states, and where they lie in a row's state.
  let givenStates: [(value: Int, offset: Int)]
  /// Floats that a row keeps from step to step, in as many steps.
  func stateSize(steps: Int) throws -> Int {
    let history = try Int.product(walk.historySize, steps, of: "max_length")
    let (size, overflow) = history.addingReportingOverflow(model.graph.windowStateSize)
    guard !overflow else {
      throw EngineError.memory("max_length: \(steps) timesteps take more memory than there can be")
    }
    return size
  }

  init(_ model: Model, feed: Int, beams: Int, _ pool: WorkerPool) throws {
    let graph = model.graph
    classes = try Self.classes(model, feed: feed)
    let walk = try Walk(graph, along: feed, to: 0)
    self.model = model
    self.feed = feed
    self.beams = beams
    self.walk = walk
    shardRows = max(1, Shards.largest(for: graph) / beams)
    executor = Executor(
      model, isTraining: false, pool: pool, shardRows: shardRows * beams, walk: walk)
    let stepped = graph.nodes.indices.filter { walk.roles[$0] == .step }.map { graph.nodes[$0] }
    let read = Set(stepped.flatMap(\.inputs))
    initialState = InitialState(model)
    givenStates = stepped.flatMap { node -> [(value: Int, offset: Int)] in
      guard let layer = node.layer as? any RecurrentLayerType else { return [] }
      var offset = node.stateOffset
      return node.inputs.dropFirst(layer.spec.sequenceCount).map { value in
        defer { offset += graph.values[value].shape.width }
        return (value, offset)
      }
    }
    kept = read.filter { !walk.changes[$0] }.sorted()
    keptValidities = Set(kept.compactMap { graph.values[$0].validity }).sorted()
  }

  /// - Throws: unless the first output is a softmax over ids that can be fed, at each fed timestep.
  private static func classes(_ model: Model, feed: Int) throws -> Int {
    let graph = model.graph
    let output = graph.outputs[0]
    let value = graph.values[output]
    guard value.shape.hasTime, value.timeAxis == feed, value.shape.features.count == 1 else {
      throw EngineError.unsupported(
        "the model's first output must have the timesteps of the input that is fed, input \(feed), "
          + "and one axis of classes; its shape is \(value.shape.pattern)"
          + (value.shape.hasTime ? ", with timesteps of another sequence or several axes" : ""))
    }
    let node = graph.nodes.first { $0.outputs.first == output }
    guard node?.layer.finalActivation == .softmax else {
      throw EngineError.unsupported(
        "the model's first output must end in a softmax over ids; \(node?.name ?? "it") does not")
    }
    let classes = value.shape.lastAxis
    let vocabulary = min(model.vocabulary(ofInput: feed) ?? Int.max, Int(Int32.max))
    guard classes <= vocabulary else {
      throw EngineError.unsupported(
        "the model's first output has \(classes) classes, and input \(feed), which is fed with them, "
          + "takes ids of 0 … \(vocabulary - 1)")
    }
    return classes
  }

  func generate(
    _ inputs: [TensorView], _ options: GenerationOptions, into arrays: GeneratedArrays
  ) throws {
    var batch = try Batch(inputs, model)
    let prompts = try Prompts(inputs[feed])
    if let end = options.end, end >= classes {
      throw EngineError.argument(
        name: "end", message: "expected an id of 0 … \(classes - 1), found \(end)")
    }
    let (ids, overflow) = batch.count.multipliedReportingOverflow(by: options.maxLength)
    guard !overflow, ids <= Int.max >> 16 else {
      throw EngineError.argument(
        name: "max_length",
        message: "\(batch.count) × \(options.maxLength) ids are more than memory can hold")
    }
    guard batch.count > 0 else { return }
    batch.keepFirstTimestep(of: feed)
    try model.prepareWeights(.inference)
    let rows = try Int.product(batch.count, beams, of: "beams")
    let plan = try executor.prepare(batch: rows, timesteps: batch.timesteps)
    executor.setFullness(plan) { batch.inputs[$0].isFull }
    var shards = Shards(largest: shardRows, threads: executor.pool.threads)
    shards.divide(rows: batch.count)
    // Any of the threads may take any of several shards.
    let memories = try (0..<(shards.ranges.count > 1 ? executor.pool.threads : 1)).map { _ in
      try DecodingMemory(
        self, options, rows: min(batch.count, shardRows),
        // What is chosen last is not fed.
        steps: prompts.timesteps - 1 + options.maxLength)
    }
    executor.pool.run(
      tasks: shards.ranges.count,
      Decoding(
        generator: self, plan: plan, batch: batch, prompts: prompts, options: options,
        arrays: arrays, memories: memories, shards: shards.ranges))
  }
}

/// What rows begin with.
struct Prompts {
  private let view: TensorView
  let timesteps: Int

  init(_ view: TensorView) throws {
    guard view.mask == nil else {
      throw EngineError.argument(
        name: view.name, message: "the input that is fed has lengths, and no mask")
    }
    if let lengths = view.lengths {
      for row in 0..<view.shape[0] where lengths[row] < 1 {
        throw EngineError.argument(
          name: "\(view.name).lengths[\(row)]",
          message: "the input that is fed begins with an id at least, found \(lengths[row])")
      }
    }
    self.view = view
    timesteps = view.shape[1]
  }

  func length(_ row: Int) -> Int { view.lengths.map { Int($0[row]) } ?? timesteps }
  func id(_ row: Int, _ t: Int) -> Int32 { view.ids[row * timesteps + t] }
}

/// An id that a hypothesis goes on with, and the hypothesis.
struct BeamLink: BitwiseCopyable {
  let id: Int32
  let parent: Int32
}

/// What one thread needs besides its workspace.
final class DecodingMemory {
  /// Floats of a row's state.
  let stateSize: Int
  /// `[rows · beams, state size]`, and as much again for the rows in another order.
  let states: (AlignedBuffer<Float>, AlignedBuffer<Float>?)
  /// `[classes]`, for draws.
  let weights: AlignedBuffer<Double>?
  let order: AlignedBuffer<Int32>?
  /// For beam search: `[2 · beams]`, and `[rows, max_length, beams]`.
  let continuations: AlignedBuffer<Continuation>?
  let links: AlignedBuffer<BeamLink>?

  init(_ generator: Generator, _ options: GenerationOptions, rows: Int, steps: Int) throws {
    let beams = options.beams
    stateSize = try generator.stateSize(steps: steps)
    let size = try Int.product(
      [rows, beams, stateSize], of: "beams")
    let hasBeams = beams > 1
    states = (
      try AlignedBuffer(count: size), hasBeams ? try AlignedBuffer(count: size) : nil
    )
    let draws = options.sampling != nil
    weights = draws ? try AlignedBuffer(count: generator.classes) : nil
    order = draws ? try AlignedBuffer(count: generator.classes) : nil
    continuations = hasBeams ? try AlignedBuffer(count: 2 * beams) : nil
    links =
      hasBeams
      ? try AlignedBuffer(
        count: try Int.product([rows, options.maxLength, beams], of: "beams and max_length")) : nil
  }
}
