// Trainer.swift — the one writer of a model
//
// The bare steps: forward, backward from any gradient or from a loss, update. `fit` (in
// Trainer+Fit) is a loop over these. What a trainer remembers between calls is all here, and all of
// it is in a checkpoint.

import Glibc
import Kernels

/// Trains a model. Used by one thread at a time.
public final class Trainer {
  public let model: Model
  let options: TrainerOptions
  /// Another one while a fit has its own number of threads.
  var executor: Executor
  let objective: Objective?

  let gradients: AlignedBuffer<Float>
  let firstMoments: AlignedBuffer<Float>?
  let secondMoments: AlignedBuffer<Float>?
  /// Pieces of the parameters' memory that are swept in parallel, the same for any number of threads.
  private let pieces: [Range<Int>]
  /// For each of them, the sum of its gradients' squares.
  private let squares: AlignedBuffer<Double>

  /// Updates made so far.
  public internal(set) var updates = 0
  /// Forward passes so far: the key of dropout's masks.
  var passes = 0
  var epochs = 0
  var baseLearningRate: Double
  var plateau = PlateauState()
  /// A fit that has not ended.
  var interrupted: FitState?

  /// A forward pass over `batch` that a backward pass may follow.
  private var pending: Pending?
  private enum Pending {
    /// Its values are in the workspace, laid out by this plan.
    case whole(Plan)
    case inWindows
  }
  var hasGradients = false

  // Filled anew by every call, so that a warm one takes no memory, but in windows. Nobody else keeps
  // a copy.

  /// The arrays of the call under way.
  public var arguments = Arguments()
  /// What the last forward pass went over.
  var batch = Batch()
  /// Becomes `batch` when it was checked, so that a refused call changes nothing.
  private var candidate = Batch()
  var batchSums: BatchSums
  /// Between the windows of long sequences.
  var states = WindowStates()
  /// Copies of a caller's inputs, which backward reads again.
  private var kept: KeptArrays?

  /// Floats in a piece: large enough to hide the cost of handing it out.
  private static let pieceSize = 1 << 14

  public init(_ model: Model, options text: String) throws {
    let options = try TrainerOptions(text)
    try options.windows?.check(model)
    self.model = model
    self.options = options
    objective =
      options.losses.isEmpty
      ? nil : try Objective(options.losses, weights: options.lossWeights, model)
    executor = Executor(
      model, isTraining: true, pool: try WorkerPool(threads: options.threads))
    let count = model.parameters.values.count
    gradients = try AlignedBuffer(count: count)
    firstMoments = options.optimizer.hasFirstMoment ? try AlignedBuffer(count: count) : nil
    secondMoments = options.optimizer.hasSecondMoment ? try AlignedBuffer(count: count) : nil
    pieces = model.parameters.entries.flatMap { entry in
      stride(from: entry.offset, to: entry.offset + entry.count, by: Self.pieceSize).map {
        $0..<min($0 + Self.pieceSize, entry.offset + entry.count)
      }
    }
    squares = try AlignedBuffer(count: max(1, pieces.count))
    batchSums = BatchSums(outputs: model.outputCount)
    baseLearningRate = options.optimizer.learningRate
  }

  /// The options in canonical notation.
  public var notation: String { options.canonical }

  // MARK: Learning rate

  /// Of the next update.
  public var learningRate: Double {
    let count = options.schedule.countsEpochs ? epochs : updates
    return baseLearningRate * options.schedule.factor(count, plateau: plateau)
  }

  public func setLearningRate(_ rate: Double) throws {
    guard rate.isFinite, rate >= 0 else {
      throw EngineError.argument(
        name: "learning_rate", message: "expected a finite number ≥ 0, found \(rate)")
    }
    baseLearningRate = rate
  }

  /// Tells the schedule a validation metric, where lower is better.
  public func report(_ metric: Double) { options.schedule.report(metric, to: &plateau) }

  // MARK: Forward

  /// The forward pass in training mode, remembered for a backward pass.
  public func forward(_ inputs: [TensorView], into outputs: [TensorView]) throws {
    try candidate.take(inputs, model)
    try requireRows(candidate)
    try checkOutputs(outputs, model, candidate)
    if try windowCount(candidate) != nil {
      let copies = try KeptArrays(inputs)
      try candidate.take(copies.views, model)
      swap(&batch, &candidate)
      kept = copies
      return try forwardInWindows(into: outputs)
    }
    swap(&batch, &candidate)
    let plan = try runForwardWhole()
    guard !outputs.isEmpty else { return }
    executor.forEachShard(
      of: batch.count, plan, settings(), OutputWork(batch: batch, outputs: outputs))
  }

  private func forwardInWindows(into outputs: [TensorView]) throws {
    pending = nil
    passes += 1
    defer { batch.showAll() }
    try forwardWindows { _, plan, settings in
      guard !outputs.isEmpty else { return }
      executor.forEachShard(
        of: batch.count, plan, settings, OutputWork(batch: batch, outputs: outputs))
    }
    pending = .inWindows
  }

  private func requireRows(_ batch: Batch) throws {
    guard batch.count > 0 else {
      throw EngineError.argument(name: "inputs", message: "expected sequences, found 0")
    }
  }

  /// The forward pass over another batch.
  func runForward(_ batch: Batch) throws {
    self.batch = batch
    try runForward()
  }

  /// The forward pass over some rows of a batch, which stay as they are until the backward pass.
  func runForward(_ rows: UnsafeBufferPointer<Int>, of whole: Batch) throws {
    batch.select(rows, of: whole)
    try runForward()
  }

  /// The forward pass over `batch`. In windows it is left to the backward pass, which knows the loss.
  private func runForward() throws {
    pending = nil
    guard try takesWindows() else {
      _ = try runForwardWhole()
      return
    }
    passes += 1
    pending = .inWindows
  }

  private func runForwardWhole() throws -> Plan {
    pending = nil
    let plan = try executor.prepare(batch)
    passes += 1
    executor.forEachShard(of: batch.count, plan, settings(), ForwardWork(batch: batch))
    pending = .whole(plan)
    return plan
  }

  func settings(needsInputGradients: Bool = false, fused: UnsafePointer<Bool>? = nil)
    -> Executor.Settings
  {
    Executor.Settings(
      seed: options.seed, step: UInt64(passes), gradients: gradients.pointer,
      needsInputGradients: needsInputGradients, fused: fused, state: nil)
  }

  // MARK: Backward

  /// Backpropagates gradients of the outputs, which are any loss's.
  ///
  /// - Parameter inputGradients: one per input, nil where it is not wanted; or empty.
  public func backward(_ outputGradients: [TensorView], into inputGradients: [TensorView?]) throws {
    let forward = try requireForward()
    guard outputGradients.count == model.outputCount else {
      throw EngineError.count(
        name: "output_gradients", expected: model.outputCount, found: outputGradients.count)
    }
    try checkOutputs(outputGradients, model, batch)
    try checkInputGradients(inputGradients)
    pending = nil
    func run(_ plan: Plan, _ settings: Executor.Settings) {
      executor.forEachShard(
        of: batch.count, plan, settings,
        BackwardWork(
          batch: batch, outputGradients: outputGradients,
          inputGradients: InputGradients(views: inputGradients)))
    }
    switch forward {
    case .inWindows:
      try backwardWindows(needsInputGradients: !inputGradients.isEmpty, fused: nil, run)
    case .whole(let plan):
      let settings = settings(needsInputGradients: !inputGradients.isEmpty)
      run(plan, settings)
      executor.addGradients(batch: batch.count, plan, settings)
    }
    hasGradients = true
  }

  /// The trainer's loss of the last forward pass, and the backward pass from it.
  @discardableResult
  public func backwardLoss(
    _ targets: [TensorView], sampleWeights: TensorView?, into inputGradients: [TensorView?]
  ) throws -> Double {
    guard let objective else { throw EngineError.order("the trainer was made without a loss") }
    let targets = Targets(views: targets, sampleWeights: sampleWeights)
    var loaded: Objective.Loaded?
    if case .whole(let plan) = try requireForward() {
      loaded = Objective.Loaded(
        plan: plan, pass: executor.pass(plan, worker: 0, firstRow: 0, settings()))
    }
    try objective.check(targets, batch, loaded)
    try checkInputGradients(inputGradients)
    return try backward(objective, targets, gradientScale: 1, into: inputGradients).loss
  }

  /// Losses and gradients of the pending forward pass, from targets that were checked.
  func backward(
    _ objective: Objective, _ targets: Targets, gradientScale: Double,
    into inputGradients: [TensorView?]
  ) throws -> LossSums {
    let forward = try requireForward()
    pending = nil
    guard case .whole(let plan) = forward else {
      return try backwardWindows(
        objective, targets, gradientScale: gradientScale, into: inputGradients)
    }
    batchSums.total.clear()
    objective.divisors(
      into: &batchSums.total, 0..<batch.count, firstRow: 0, targets, batch, plan,
      executor.pass(plan, worker: 0, firstRow: 0, settings()))
    objective.applyReductions(to: &batchSums.total)
    objective.scales(
      into: &batchSums.scales, divisors: batchSums.total.divisors, factor: gradientScale)
    try objective.fused.withUnsafeBufferPointer { fused in
      let settings = settings(
        needsInputGradients: !inputGradients.isEmpty, fused: fused.baseAddress)
      try addLosses(objective, targets, plan, settings, into: inputGradients)
      executor.addGradients(batch: batch.count, plan, settings)
      hasGradients = true
    }
    return batchSums.total
  }

  /// Adds the losses of a pass to the batch's, and goes back from them.
  func addLosses(
    _ objective: Objective, _ targets: Targets, _ plan: Plan, _ settings: Executor.Settings,
    into inputGradients: [TensorView?]
  ) throws {
    let scales = batchSums.scales
    batchSums.addShards(executor.shardCount(batch.count)) { shards in
      executor.forEachShard(
        of: batch.count, plan, settings,
        LossWork(
          objective: objective, batch: batch, targets: targets, scales: scales, sums: shards,
          inputGradients: InputGradients(views: inputGradients)))
    }
    guard batchSums.total.losses.allSatisfy(\.isFinite) else { throw notFinite("the loss", plan) }
  }

  private func requireForward() throws -> Pending {
    guard let pending else {
      throw EngineError.order("a backward pass needs a forward pass before it, and uses it up")
    }
    return pending
  }

  /// Lets no backward pass follow the last forward pass.
  func forgetForward() { pending = nil }

  private func checkInputGradients(_ views: [TensorView?]) throws {
    guard views.isEmpty || views.count == model.inputCount else {
      throw EngineError.count(
        name: "input_gradients", expected: model.inputCount, found: views.count)
    }
    for (index, view) in views.enumerated() {
      guard let view else { continue }
      let shape = model.inputShape(index)
      guard shape.type == .float else {
        throw EngineError.argument(
          name: view.name, message: "an input of ids has no gradient; set its data to NULL")
      }
      try view.check(shape, batch: batch.count, timesteps: batch.inputs[index].timesteps)
    }
  }

  // MARK: Update

  /// Forgets the gradients collected so far.
  public func zeroGradients() {
    kernels.fill(gradients.pointer, 0, count: gradients.count)
    hasGradients = false
  }

  func scaleGradients(by factor: Float) {
    kernels.scale(gradients.pointer, by: factor, gradients.pointer, count: gradients.count)
  }

  /// A parameter's gradient, laid out as the parameter.
  public func gradient(_ name: String) throws -> UnsafeMutableBufferPointer<Float> {
    let entry = try model.parameters.entry(named: name)
    hasGradients = true
    return UnsafeMutableBufferPointer(start: gradients.pointer + entry.offset, count: entry.count)
  }

  /// Clips the gradients, changes the parameters, and sets the gradients to zero.
  ///
  /// - Returns: the global norm before clipping.
  @discardableResult
  public func update() throws -> Double {
    guard hasGradients else {
      throw EngineError.order("an update needs a backward pass before it")
    }
    addPenalty()
    let norm = try globalNorm()
    var scale = 1.0
    if let limit = options.clipNorm, norm > limit { scale = limit / norm }

    let step = OptimizerStep(
      rule: options.optimizer.rule(update: updates + 1), learningRate: Float(learningRate),
      gradientScale: Float(scale), clipValue: Float(options.clipValue ?? .infinity),
      weightDecay: options.optimizer.weightDecay, count: gradients.count,
      parameters: model.parameters.values.pointer, gradients: gradients.pointer,
      first: firstMoments?.pointer, second: secondMoments?.pointer)
    executor.pool.run(tasks: pieces.count, UpdateWork(pieces: pieces, step: step))
    updates += 1
    hasGradients = false
    pending = nil
    model.parameters.changed()
    return norm
  }

  /// The gradient of l2 · Σ w², on weights.
  private func addPenalty() {
    guard options.l2 > 0 else { return }
    for entry in model.parameters.entries where entry.isWeight {
      kernels.addScaled(
        model.parameters.pointer(entry), by: Float(2 * options.l2),
        gradients.pointer + entry.offset, count: entry.count)
    }
  }

  /// The norm of all gradients together, after clipping each parameter's where that is asked for.
  private func globalNorm() throws -> Double {
    executor.pool.run(
      tasks: pieces.count,
      SquareWork(pieces: pieces, gradients: gradients.pointer, squares: squares.pointer))
    var total = 0.0
    var index = 0
    for entry in model.parameters.entries {
      var square = 0.0
      while index < pieces.count, entry.range.contains(pieces[index].lowerBound) {
        square += squares.pointer[index]
        index += 1
      }
      guard square.isFinite else {
        throw EngineError.notFinite(
          "update \(updates + 1): the gradient of \(entry.name) is not finite; "
            + "the parameters are as they were")
      }
      if let limit = options.clipParameterNorm, square > limit * limit {
        let gradient = gradients.pointer + entry.offset
        kernels.scale(
          gradient, by: Float(limit / square.squareRoot()), gradient, count: entry.count)
        square = limit * limit
      }
      total += square
    }
    return total.squareRoot()
  }

  // MARK: Numbers that stopped being finite

  /// An error that names the step and the first layer, forward, then backward, with such a number.
  func notFinite(_ what: String, _ plan: Plan) -> EngineError {
    let pass = executor.pass(plan, worker: 0, firstRow: 0, settings())
    let step = "update \(updates + 1)"
    func isFinite(_ place: ValuePlace, _ slot: Slot) -> Bool {
      slot.isNone || place.type == .ids
        || kernels.isFinite(pass.pointer(slot), count: batch.count * place.width)
    }
    for node in model.graph.nodes {
      let places = node.outputs.map { plan.places[$0] }
      if let entry = model.parameters.entries.first(where: {
        $0.name.hasPrefix(node.name + ".")
          && !kernels.isFinite(model.parameters.pointer($0), count: $0.count)
      }) {
        return .notFinite("\(step): \(what) is not finite, and so is a value of \(entry.name)")
      }
      if !places.allSatisfy({ isFinite($0, $0.values) && isFinite($0, $0.logits) }) {
        return .notFinite(
          "\(step): \(what) is not finite; the first such values are in layer \(node.name)")
      }
    }
    for node in model.graph.nodes.reversed() {
      if !node.outputs.map({ plan.places[$0] }).allSatisfy({ isFinite($0, $0.gradients) }) {
        return .notFinite(
          "\(step): \(what) is not finite; the first such gradients are in layer \(node.name)")
      }
    }
    return .notFinite("\(step): \(what) is not finite, though all layers' values are")
  }
}

/// Checks arrays shaped as the outputs of a batch; none at all is allowed.
func checkOutputs(_ views: [TensorView], _ model: Model, _ batch: Batch) throws {
  guard views.isEmpty || views.count == model.outputCount else {
    throw EngineError.count(name: "outputs", expected: model.outputCount, found: views.count)
  }
  for (index, view) in views.enumerated() {
    let value = model.graph.outputs[index]
    let timesteps = model.graph.timesteps(of: value) { batch.inputs[$0].timesteps }
    let keys = model.graph.keys(of: value) { batch.inputs[$0].timesteps }
    try view.check(
      model.outputShape(index), batch: batch.count, timesteps: timesteps, keys: keys)
  }
}

/// Copies outputs from a workspace's rows to the caller's.
///
/// - Parameter firstRow: the batch row of the workspace's row `rows.lowerBound`.
func copyOutputs(
  _ views: [TensorView], _ rows: Range<Int>, of batch: Batch, firstRow: Int, _ plan: Plan,
  _ pass: Pass
) {
  for (index, view) in views.enumerated() {
    let place = plan.outputs[index]
    for row in rows {
      let target = batch.source(firstRow + row - rows.lowerBound)
      view.floats(ofRow: target, place, from: batch.start).update(
        from: pass.pointer(place.values, row: row), count: place.width)
    }
  }
}

extension TensorView {
  /// Where a row of an array lies that is shaped as a value of the model, from a timestep on.
  func floats(ofRow row: Int, _ place: ValuePlace, from start: Int) -> MutableValues {
    guard place.hasTime else { return floats + row * place.width }
    return floats + (row * shape[1] + start) * place.stepWidth
  }
}
