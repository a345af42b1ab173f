// Trainer+Passes.swift — forward, and backward from any gradient or from the loss

import Kernels

extension Trainer {
  // MARK: Forward

  /// The forward pass in training mode, remembered for a backward pass.
  public func forward(_ inputs: [TensorView], into outputs: [TensorView]) throws {
    try candidate.take(inputs, model)
    try requireRows(candidate)
    try checkOutputs(outputs, model, candidate)
    let isInWindows = try windowCount(candidate) != nil
    if isInWindows || outputs.isEmpty {
      // `batch` may still read what was kept before.
      pending = nil
      try kept.take(inputs)
      try candidate.take(kept.views, model)
    }
    swap(&batch, &candidate)
    pending = nil
    try batch.sortByLength(&sorter)
    if isInWindows { return try forwardInWindows(into: outputs) }
    if outputs.isEmpty { return try deferForward() }
    passes += 1
    let plan = try runForwardTogether()
    pending = .done(plan)
    executor.forEachShard(plan, settings(), OutputWork(batch: batch, outputs: outputs))
  }

  private func forwardInWindows(into outputs: [TensorView]) throws {
    passes += 1
    defer { batch.showAll() }
    try forwardWindows { _, plan, settings in
      guard !outputs.isEmpty else { return }
      executor.forEachShard(plan, settings, OutputWork(batch: batch, outputs: outputs))
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

  /// The forward pass over `batch`, left to the backward pass, which knows the loss.
  private func runForward() throws {
    pending = nil
    try batch.sortByLength(&sorter)
    guard try takesWindows() else { return try deferForward() }
    passes += 1
    pending = .inWindows
  }

  private func deferForward() throws {
    executor.divide(batch)
    // Whether there is memory for it is known at once.
    _ = try executor.prepare(batch, division)
    passes += 1
    pending = .deferred
  }

  private func runForwardTogether() throws -> Plan {
    let plan = try executor.prepare(batch, .together)
    executor.forEachShard(plan, settings(), ForwardWork(batch: batch))
    return plan
  }

  /// How a batch is taken whose forward pass was deferred. With one shard, a thread reuses no workspace, and
  /// would only wait for the others at every gradient. Gradients that are there already could not be had
  /// again, should the loss of a later shard not be finite.
  private var division: Division {
    executor.shards.ranges.count >= 2 * executor.pool.threads && !hasGradients
      && objective.map(\.dividesBeforeForward) ?? false ? .byShard : .together
  }

  func settings(needsInputGradients: Bool = false, fused: UnsafePointer<Bool>? = nil)
    -> Executor.Settings
  {
    Executor.Settings(
      seed: options.seed, step: UInt64(passes), rowNumbers: batch.order?.numbers,
      gradients: gradients.pointer, needsInputGradients: needsInputGradients, fused: fused)
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
        plan, settings, lastFirst: true,
        BackwardWork(
          batch: batch, outputGradients: outputGradients,
          inputGradients: InputGradients(views: inputGradients)))
    }
    switch forward {
    case .inWindows:
      try backwardWindows(needsInputGradients: !inputGradients.isEmpty, fused: nil, run)
    case .done, .deferred:
      let plan = try forward.plan ?? runForwardTogether()
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
    if let plan = try requireForward().plan {
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
    if case .inWindows = forward {
      return try backwardWindows(
        objective, targets, gradientScale: gradientScale, into: inputGradients)
    }
    let settings = settings(needsInputGradients: !inputGradients.isEmpty)
    if case .deferred = forward, division == .byShard,
      try takeRoundTrips(objective, targets, gradientScale, settings, inputGradients)
    {
      return batchSums.total
    }
    let plan = try forward.plan ?? runForwardTogether()
    setDivisors(objective, targets, plan, settings)
    try backward(
      objective, targets, gradientScale: gradientScale, plan, settings, into: inputGradients)
    return batchSums.total
  }

  /// What the losses of a batch are divided by.
  func setDivisors(
    _ objective: Objective, _ targets: Targets, _ plan: Plan, _ settings: Executor.Settings
  ) {
    batchSums.total.clear()
    for rows in executor.shards.ranges {
      let place = executor.place(rows)
      let pass = executor.pass(plan, worker: 0, firstRow: rows.lowerBound, settings)
      if executor.division == .byShard {
        batch.loadValidity(rows, at: place.lowerBound, plan, pass)
      }
      for (row, local) in zip(rows, place) {
        objective.addDivisors(to: &batchSums.total, row, at: local, targets, batch, plan, pass)
      }
    }
  }

  /// Losses and gradients of the pass in the workspace, once `setDivisors` was called.
  func backward(
    _ objective: Objective, _ targets: Targets, gradientScale: Double, _ plan: Plan,
    _ settings: Executor.Settings, into inputGradients: [TensorView?]
  ) throws {
    setScales(objective, gradientScale)
    try objective.fused.withUnsafeBufferPointer { fused in
      var settings = settings
      settings.fused = fused.baseAddress
      try addLosses(objective, targets, plan, settings, into: inputGradients)
      executor.addGradients(batch: batch.count, plan, settings)
      hasGradients = true
    }
  }

  /// Forward, losses and backward of one shard after the other, with the parameters' gradients.
  ///
  /// - Returns: false, and no gradients, if the loss is not finite. Taken together, the batch shows where.
  private func takeRoundTrips(
    _ objective: Objective, _ targets: Targets, _ gradientScale: Double,
    _ settings: Executor.Settings, _ inputGradients: [TensorView?]
  ) throws -> Bool {
    let plan = try executor.prepare(batch, .byShard)
    setDivisors(objective, targets, plan, settings)
    setScales(objective, gradientScale)
    objective.fused.withUnsafeBufferPointer { fused in
      var settings = settings
      settings.fused = fused.baseAddress
      addLosses(objective, targets, inputGradients) { loss in
        executor.forEachShard(
          plan, settings, RoundTripWork(forward: ForwardWork(batch: batch), loss: loss))
      }
    }
    hasGradients = batchSums.total.losses.allSatisfy(\.isFinite)
    if !hasGradients { zeroGradients() }
    return hasGradients
  }

  /// What gradients are multiplied by, from what the losses are divided by.
  private func setScales(_ objective: Objective, _ gradientScale: Double) {
    objective.applyReductions(to: &batchSums.total)
    objective.scales(
      into: &batchSums.scales, divisors: batchSums.total.divisors, factor: gradientScale)
  }

  /// Adds the losses of a pass to the batch's, and goes back from them.
  func addLosses(
    _ objective: Objective, _ targets: Targets, _ plan: Plan, _ settings: Executor.Settings,
    into inputGradients: [TensorView?]
  ) throws {
    addLosses(objective, targets, inputGradients) { loss in
      executor.forEachShard(plan, settings, lastFirst: true, loss)
    }
    guard batchSums.total.losses.allSatisfy(\.isFinite) else { throw notFinite("the loss", plan) }
  }

  /// Adds to the batch's losses what work on its shards makes of them.
  private func addLosses(
    _ objective: Objective, _ targets: Targets, _ inputGradients: [TensorView?],
    _ body: (LossWork) -> Void
  ) {
    let scales = batchSums.scales
    batchSums.addRows(batch.count) { sums in
      body(
        LossWork(
          objective: objective, batch: batch, targets: targets, scales: scales, sums: sums,
          inputGradients: InputGradients(views: inputGradients)))
    }
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

  // MARK: Numbers that stopped being finite

  /// An error that names the step and the first layer, forward, then backward, with such a number.
  func notFinite(_ what: String, _ plan: Plan) -> EngineError {
    let pass = executor.pass(plan, worker: 0, firstRow: 0, settings())
    let step = "update \(updates + 1)"
    func isFinite(_ place: ValuePlace, _ slot: Slot) -> Bool {
      guard !slot.isNone, place.type == .float else { return true }
      var areFinite = true
      pass.forEachRun(of: 0..<batch.count, place) { run in
        areFinite =
          areFinite
          && kernels.isFinite(pass.pointer(slot, run), count: run.count * place.stepWidth)
      }
      return areFinite
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
