// Executor.swift — takes batches through a model, forward and backward
//
// The rows of a batch are divided into shards. A shard goes through all layers on one thread, in a small
// workspace that the thread reuses for the next one, so that it stays in the cache. A training step whose loss
// is known goes backward with each shard at once, and shards add to the parameters' gradients in their order.
// Where forward has to wait for what comes back, or there are not two shards for every thread, all share one
// workspace and threads meet between forward, backward and the gradients. Both ways form the same sums.

import Kernels

/// What is done with the rows of each shard of a batch.
protocol ShardWork {
  func perform(_ rows: Range<Int>, _ executor: Executor, _ plan: Plan, _ pass: Pass)
}

/// Where the rows of a batch lie.
enum Division {
  /// Each thread has a workspace for one shard.
  case byShard
  /// All rows lie in one workspace, where they stay until the next pass.
  case together
}

/// Memory and threads for running one model. Used by one thread at a time.
final class Executor {
  let model: Model
  let isTraining: Bool
  let pool: WorkerPool
  /// Of the last batch.
  private(set) var shards: Shards
  /// Along which input the model is walked, if it is.
  let walk: Walk?
  private var plans: [Plan.Key: Plan] = [:]
  private var memory: AlignedBuffer<Float>?
  private var validities: AlignedBuffer<Validity>?
  private var current: Plan?
  /// Of the current plan.
  private(set) var division = Division.byShard
  private let turnstiles = Turnstiles()

  /// Plans kept for reuse; a data set with more shapes makes them anew.
  private static let maximumPlans = 64

  /// - Parameter shardRows: the model's own by default; a stream takes all lanes at once.
  init(
    _ model: Model, isTraining: Bool, pool: WorkerPool, shardRows: Int? = nil, walk: Walk? = nil
  ) {
    self.model = model
    self.isTraining = isTraining
    self.pool = pool
    shards = Shards(
      largest: shardRows ?? Shards.largest(for: model.graph), threads: pool.threads)
    self.walk = walk
  }

  private var graph: Graph { model.graph }
  private var workspaces: Int { division == .together ? 1 : pool.threads }

  /// Divides a batch into shards, which stay those of the executor until the next one.
  func divide(_ batch: Batch) { shards.divide(batch) }

  /// Where the workspace has a shard's rows.
  func place(_ rows: Range<Int>) -> Range<Int> {
    division == .together ? rows : 0..<rows.count
  }

  // MARK: Shapes

  /// Gets everything ready for a batch: packed weights, shards, plan, memory, and which timesteps may not
  /// count.
  func prepare(_ batch: Batch, _ division: Division = .byShard) throws -> Plan {
    try model.prepareWeights(isTraining ? .training : .inference)
    divide(batch)
    let plan = try prepare(batch: batch.count, timesteps: batch.timesteps, division)
    setFullness(plan) { batch.inputs[$0].isFull }
    return plan
  }

  /// Makes the plan for a shape the current one, and has memory for it.
  func prepare(batch: Int, timesteps: [Int], _ division: Division = .byShard) throws -> Plan {
    let rows = division == .together ? batch : min(batch, shards.largest)
    if let current, self.division == division, current.key.timesteps == timesteps,
      current.key.capacity >= rows
    {
      return current
    }
    let plan = try plan(Plan.Key(capacity: rows, timesteps: timesteps))
    current = nil
    self.division = division
    try reserve(plan)
    current = plan
    return plan
  }

  private func plan(_ key: Plan.Key) throws -> Plan {
    if let plan = plans[key] { return plan }
    // Who asked goes on to use the array for other timesteps.
    let key = Plan.Key(capacity: key.capacity, timesteps: key.timesteps.map { $0 })
    let plan = try Plan(
      model, key, isTraining: isTraining, rowsPerCall: shards.largest, threads: pool.threads,
      walk: walk)
    if plans.count >= Self.maximumPlans { plans.removeAll() }
    plans[key] = plan
    return plan
  }

  private func reserve(_ plan: Plan) throws {
    let size = try Int.product(plan.floats, workspaces, of: "workspace")
    let scratch = try Int.product(plan.scratch, pool.threads, of: "workspace")
    let (count, overflow) = size.addingReportingOverflow(scratch)
    guard !overflow else {
      throw EngineError.memory("workspace: this batch takes more memory than there can be")
    }
    if (memory?.count ?? -1) < count {
      memory = nil
      memory = try AlignedBuffer(count: count)
    }
    let needed = plan.validities.count * workspaces
    if (validities?.count ?? -1) < needed { validities = try AlignedBuffer(count: needed) }
    for workspace in 0..<workspaces { placeValidities(plan, workspace) }
  }

  private func placeValidities(_ plan: Plan, _ workspace: Int) {
    guard let memory, let validities else { return }
    let base = memory.pointer + workspace * plan.floats
    for (index, place) in plan.validities.enumerated() {
      validities.pointer[workspace * plan.validities.count + index] = Validity(
        flags: UnsafeMutableRawPointer(base + place.flags.offset)
          .assumingMemoryBound(to: UInt8.self),
        lengths: UnsafeMutableRawPointer(base + place.lengths.offset)
          .assumingMemoryBound(to: Int32.self),
        timesteps: place.timesteps, isFull: true)
    }
  }

  /// Tells every workspace which timesteps may not count.
  func setFullness(_ plan: Plan, _ isFull: (_ input: Int) -> Bool) {
    guard let validities else { return }
    for workspace in 0..<workspaces {
      let first = validities.pointer + workspace * plan.validities.count
      for (index, source) in graph.validities.enumerated() {
        switch source {
        case .input(let input): first[index].isFull = isFull(input)
        case .layer: first[index].isFull = false
        case .all(let sources): first[index].isFull = sources.allSatisfy { first[$0].isFull }
        }
      }
    }
  }

  // MARK: Passes

  /// What a pass needs besides data.
  struct Settings {
    var seed: UInt64 = 0
    var step: UInt64 = 0
    /// See `Pass`.
    var rowNumbers: UnsafePointer<Int>?
    var gradients: MutableValues?
    var needsInputGradients = false
    var fused: UnsafePointer<Bool>?
    var state: MutableValues?
    /// See `Pass`.
    var window = 0
    /// Whether the state has a mark of each layer behind it.
    var isWindow = false
    var stateGradients: MutableValues?
  }

  /// The view of one thread, and of its workspace if it has one.
  func pass(_ plan: Plan, worker: Int, firstRow: Int, _ settings: Settings) -> Pass {
    guard let memory, let validities else { preconditionFailure("no plan was prepared") }
    let workspace = division == .together ? 0 : worker
    return Pass(
      base: memory.pointer + workspace * plan.floats, gradients: settings.gradients,
      scratch: memory.pointer + workspaces * plan.floats + worker * plan.scratch,
      validities: validities.pointer + workspace * plan.validities.count,
      isTraining: isTraining, needsInputGradients: settings.needsInputGradients,
      fused: settings.fused, seed: settings.seed, step: settings.step, firstRow: firstRow,
      rowNumbers: settings.rowNumbers, state: settings.state,
      stateWidth: settings.isWindow ? graph.windowStateSize : graph.stateSize,
      window: settings.window, marks: settings.isWindow ? graph.stateSize : nil,
      stateGradients: settings.stateGradients)
  }

  /// Does work for all shards of the batch that was prepared, whose rows lie at `place`.
  ///
  /// - Parameter lastFirst: for the way back, which finds the last shard's tape still near.
  func forEachShard(
    _ plan: Plan, _ settings: Settings, lastFirst: Bool = false, _ work: some ShardWork
  ) {
    turnstiles.reset(plan.gradientTasks.count)
    pool.run(
      tasks: shards.ranges.count,
      ShardTasks(
        executor: self, shards: shards.ranges, plan: plan, settings: settings, lastFirst: lastFirst,
        work: work))
  }

  private struct ShardTasks<W: ShardWork>: Work {
    let executor: Executor
    let shards: [Range<Int>]
    let plan: Plan
    let settings: Settings
    let lastFirst: Bool
    let work: W

    func perform(task: Int, worker: Int) {
      let rows = shards[lastFirst ? shards.count - 1 - task : task]
      let firstRow = executor.division == .together ? 0 : rows.lowerBound
      work.perform(
        rows, executor, plan, executor.pass(plan, worker: worker, firstRow: firstRow, settings))
    }
  }

  /// All layers forward, for rows whose inputs are in the workspace; in a walk, a step.
  func forward(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    take(plan.turns, rows, plan, pass)
  }

  /// Forward, prepared for every timestep of a stream.
  func streamTurns(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) throws -> [StreamTurn] {
    let isFull = plan.validities.indices.allSatisfy { pass.validities[$0].isFull }
    // Where a layer may say that a timestep does not count, nothing is known ahead.
    guard isFull else {
      return [StreamTurn { self.forward(rows, plan, pass) }]
    }
    return try plan.runs.flatMap { try $0.streamTurns(rows, pass) }
  }

  /// The layers that a walk runs once.
  func forwardOnce(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    take(plan.turnsOnce, rows, plan, pass)
  }

  private func take(_ turns: [Plan.Turn], _ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    for turn in turns {
      for join in turn.joins { joinValidities(plan.joins[join], rows, pass) }
      turn.run._withUnsafeGuaranteedRef { $0.forward(rows, pass) }
      for output in turn.outputs {
        clearPadding(plan.given[output], plan.given[output].values, rows, pass)
      }
    }
  }

  /// What the layers of a walk's steps can compute before the first of them.
  func prepareSteps(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    for turn in plan.turns { turn.run._withUnsafeGuaranteedRef { $0.prepareSteps(rows, pass) } }
  }

  /// Sets all gradients of values to zero, before those of the outputs are written.
  func clearGradients(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    for place in plan.places where !place.gradients.isNone {
      kernels.fill(
        pass.pointer(place.gradients, row: rows.lowerBound), 0, count: rows.count * place.width)
    }
  }

  /// All layers backward, for rows whose outputs' gradients are in the workspace.
  func backward(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    for turn in plan.turns.reversed() {
      for output in turn.outputs {
        clearPadding(plan.given[output], plan.given[output].gradients, rows, pass)
      }
      turn.run._withUnsafeGuaranteedRef { $0.backward(rows, pass) }
    }
  }

  /// Adds the parameters' gradients of a shard, each after those of the rows before it.
  func addGradients(_ rows: Range<Int>, _ plan: Plan, _ pass: Pass) {
    for (index, task) in plan.gradientTasks.enumerated() {
      turnstiles.pass(index, as: rows) {
        plan.runs[task.run].addGradients(task: task.task, batch: rows.count, pass)
      }
    }
  }

  /// Adds the parameters' gradients of a whole batch.
  func addGradients(batch: Int, _ plan: Plan, _ settings: Settings) {
    pool.run(
      tasks: plan.gradientTasks.count,
      GradientTasks(executor: self, batch: batch, plan: plan, settings: settings))
  }

  private struct GradientTasks: Work {
    let executor: Executor
    let batch: Int
    let plan: Plan
    let settings: Settings

    func perform(task index: Int, worker: Int) {
      let task = plan.gradientTasks[index]
      plan.runs[task.run].addGradients(
        task: task.task, batch: batch,
        executor.pass(plan, worker: worker, firstRow: 0, settings))
    }
  }

  /// Zeros at the timesteps beyond each row's length.
  private func clearPadding(_ place: ValuePlace, _ slot: Slot, _ rows: Range<Int>, _ pass: Pass) {
    guard place.type == .float, !slot.isNone, let validity = pass.validity(place.validity)
    else { return }
    for row in rows {
      let length = Int(validity.lengths[row])
      kernels.fill(
        pass.pointer(slot, row: row) + length * place.stepWidth, 0,
        count: (place.timesteps - length) * place.stepWidth)
    }
  }

  private func joinValidities(_ join: Plan.Join, _ rows: Range<Int>, _ pass: Pass) {
    let joined = pass.validities[join.validity]
    guard !joined.isFull else { return }
    for row in rows {
      joined.fill(row)
      for source in join.sources {
        if let validity = pass.validity(source) { joined.narrow(row, to: validity) }
      }
    }
  }
}
