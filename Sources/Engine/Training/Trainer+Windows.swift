// Trainer+Windows.swift — sequences of any length in bounded memory
//
// A long sequence is taken a window of timesteps at a time; the workspace holds one window, and the
// state of every layer is carried from one to the next. There are two ways back:
//
//     truncate    gradients stop where a window begins, and `fit` updates the parameters after each
//                 window: truncated backpropagation through time (Williams & Peng 1990).
//     recompute   forward keeps the states that enter the windows; backward takes the windows from the
//                 last to the first, computes each one's activations again, and hands the state's
//                 gradient on. The gradients are those of the whole sequence, for one more forward
//                 pass: with windows of √T timesteps memory grows with √T (Chen et al. 2016, Gruslys
//                 et al. 2016).

import Kernels

/// How a trainer takes sequences that are longer than a window.
struct Windows {
  /// Timesteps.
  let size: Int
  /// Whether gradients go from window to window.
  let carriesGradients: Bool

  func count(_ timesteps: Int) -> Int { (timesteps - 1) / size + 1 }

  /// - Throws: if a layer needs more of a sequence than a window and the state that enters it.
  func check(_ model: Model) throws {
    let names = model.graph.nodes.filter { !$0.layer.canContinue }.map(\.name)
    guard names.isEmpty else {
      throw EngineError.unsupported(
        "the model's sequences cannot be taken in windows (truncate, recompute): "
          + "\(names.joined(separator: ", ")) needs more than a window and the state before it")
    }
  }
}

/// Memory for the states of a batch's rows.
struct WindowStates {
  private var memory: AlignedBuffer<Float>?
  /// Floats of one state of all rows.
  private var size = 0

  mutating func reserve(count: Int, rows: Int, width: Int) throws {
    size = try Int.product([rows, width], of: "the states between windows")
    let total = try Int.product([size, count], of: "the states between windows")
    if memory.map({ $0.count < total }) ?? true { memory = try AlignedBuffer(count: total) }
  }

  subscript(index: Int) -> MutableValues {
    guard let memory else { preconditionFailure("no states were reserved") }
    return memory.pointer + index * size
  }

  func copy(_ source: Int, to target: Int) { self[target].update(from: self[source], count: size) }
  func clear(_ index: Int) { kernels.fill(self[index], 0, count: size) }
}

extension Trainer {
  // The states: that of the window under way, the gradient of a state, then those that enter the
  // windows.
  private var running: Int { 0 }
  private var gradient: Int { 1 }
  private func entering(_ window: Int) -> Int { 2 + window }

  /// The windows of a batch; nil if it is no longer than one.
  func windowCount(_ batch: Batch) throws -> Int? {
    guard let windows = options.windows else { return nil }
    let timed = batch.inputs.indices.filter { batch.inputs[$0].hasTime }
    guard let first = timed.first else { return nil }
    let timesteps = batch.inputs[first].total
    for other in timed where batch.inputs[other].total != timesteps {
      throw EngineError.argument(
        name: batch.inputs[other].view.name,
        message: "windows (truncate, recompute) need inputs of as many timesteps: expected "
          + "\(timesteps), found \(batch.inputs[other].total)")
    }
    return timesteps > windows.size ? windows.count(timesteps) : nil
  }

  /// Whether gradients stop where a window begins.
  var truncates: Bool { options.windows.map { !$0.carriesGradients } ?? false }

  /// Whether the batch at hand is taken in windows.
  func takesWindows() throws -> Bool { try windowCount(batch) != nil }

  private func requireWindows() throws -> (windows: Windows, count: Int) {
    guard let windows = options.windows, let count = try windowCount(batch) else {
      preconditionFailure("a batch that is not taken in windows")
    }
    return (windows, count)
  }

  // MARK: One window

  /// Brings the state that sequences begin with.
  private func setInitialStates(_ index: Int) {
    states.clear(index)
    let initialState = InitialState(model)
    for row in 0..<batch.count {
      initialState.write(to: states[index] + row * model.graph.windowStateSize)
    }
  }

  private func windowSettings(
    _ window: Int, needsInputGradients: Bool = false, fused: UnsafePointer<Bool>? = nil,
    carriesGradients: Bool = false
  ) -> Executor.Settings {
    var settings = settings(needsInputGradients: needsInputGradients, fused: fused)
    settings.window = window
    settings.isWindow = true
    settings.state = states[running]
    settings.stateGradients = carriesGradients ? states[gradient] : nil
    return settings
  }

  /// The forward pass over a window, from and to the running state.
  private func forward(_ window: Int, size: Int) throws -> Plan {
    batch.show(from: window * size, timesteps: size)
    let plan = try executor.prepare(batch, .together)
    executor.forEachShard(plan, windowSettings(window), ForwardWork(batch: batch))
    return plan
  }

  // MARK: All windows

  /// The forward pass over all windows, which keeps the states that enter them.
  ///
  /// - Parameter each: what is done with a window while the workspace has it.
  func forwardWindows(_ each: (_ window: Int, Plan, Executor.Settings) throws -> Void) throws {
    let (windows, count) = try requireWindows()
    try states.reserve(count: 2 + count, rows: batch.count, width: model.graph.windowStateSize)
    setInitialStates(entering(0))
    states.copy(entering(0), to: running)
    for window in 0..<count {
      if window > 0 { states.copy(running, to: entering(window)) }
      let plan = try forward(window, size: windows.size)
      try each(window, plan, windowSettings(window))
    }
  }

  /// The backward pass over all windows, after `forwardWindows`.
  ///
  /// - Parameter each: the backward pass of a window, from its outputs.
  func backwardWindows(
    needsInputGradients: Bool, fused: UnsafePointer<Bool>?,
    _ each: (Plan, Executor.Settings) throws -> Void
  ) throws {
    let (windows, count) = try requireWindows()
    defer { batch.showAll() }
    states.clear(gradient)
    do {
      for window in (0..<count).reversed() {
        states.copy(entering(window), to: running)
        let plan = try forward(window, size: windows.size)
        let settings = windowSettings(
          window, needsInputGradients: needsInputGradients, fused: fused,
          carriesGradients: windows.carriesGradients)
        try each(plan, settings)
        executor.addGradients(batch: batch.count, plan, settings)
      }
    } catch {
      // For want of memory, in the middle: some windows' gradients are no gradient.
      zeroGradients()
      throw error
    }
  }

  /// Losses and gradients of a batch that is taken in windows, from targets that were checked.
  func backwardWindows(
    _ objective: Objective, _ targets: Targets, gradientScale: Double,
    into inputGradients: [TensorView?]
  ) throws -> LossSums {
    batchSums.total.clear()
    // What losses are divided by, and whether they are finite, is known once all of the sequence was
    // seen; until then no gradient is added.
    var divisors = LossSums(outputs: model.outputCount)
    var window = LossSums(outputs: model.outputCount)
    try forwardWindows { _, plan, settings in
      let pass = executor.pass(plan, worker: 0, firstRow: 0, settings)
      window.clear()
      for row in 0..<batch.count {
        objective.addDivisors(to: &divisors, row, at: row, targets, batch, plan, pass)
        objective.evaluate(
          addingTo: &window, row, at: row, targets, scales: batchSums.scales, batch, plan, pass,
          writesGradients: false)
      }
      guard window.losses.allSatisfy(\.isFinite) else { throw notFinite("the loss", plan) }
    }
    objective.applyReductions(to: &divisors)
    objective.scales(into: &batchSums.scales, divisors: divisors.divisors, factor: gradientScale)
    try objective.fused.withUnsafeBufferPointer { fused in
      try backwardWindows(
        needsInputGradients: !inputGradients.isEmpty, fused: fused.baseAddress
      ) { plan, settings in
        try addLosses(objective, targets, plan, settings, into: inputGradients)
      }
    }
    batchSums.total.divisors = divisors.divisors
    hasGradients = true
    return batchSums.total
  }

  /// Truncated backpropagation through a batch, with an update after each window.
  func learnWindows(
    _ objective: Objective, _ targets: Targets, update: () throws -> Void
  ) throws -> LossSums {
    let (windows, count) = try requireWindows()
    forgetForward()
    defer { batch.showAll() }
    try states.reserve(count: 2, rows: batch.count, width: model.graph.windowStateSize)
    setInitialStates(running)
    var sums = LossSums(outputs: model.outputCount)
    for window in 0..<count {
      let plan = try forward(window, size: windows.size)
      let settings = windowSettings(window)
      setDivisors(objective, targets, plan, settings)
      // Where nothing counts, there is nothing to learn.
      guard batchSums.total.divisors.contains(where: { $0 > 0 }) else { continue }
      try backward(objective, targets, gradientScale: 1, plan, settings, into: [])
      sums += batchSums.total
      try update()
    }
    return sums
  }
}
