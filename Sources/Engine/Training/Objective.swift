// Objective.swift — losses applied to a model's outputs
//
// Shared by training, validation and evaluation: which items count, with what weight; the loss and
// its gradients; the figures that are collected on the way. An output may have no loss: one that is
// there to be looked at, such as attention's weights.

import Kernels

/// The targets and weights of a batch.
struct Targets {
  /// One per output with a loss.
  let views: [TensorView]
  /// `[n]` or `[n, T]`, or nil for ones.
  let sampleWeights: TensorView?
}

/// A model's losses: one for each of its outputs, or for some of them. The loss is their weighted sum.
struct Objective {
  private struct Output {
    let loss: Loss
    /// What it counts in the sum.
    let weight: Double
    let value: Int
    let usesLogits: Bool
    let shape: ValueShape
  }

  /// Those with a loss.
  private let outputs: [Output]
  private let model: Model
  /// For each of the model's values, whether its gradient is taken at its logits.
  let fused: [Bool]

  /// - Parameters:
  ///   - losses: one per output of the model, nil for one that has none.
  ///   - weights: one per output of the model, or none at all for ones.
  init(_ losses: [Loss?], weights: [Double] = [], _ model: Model) throws {
    let graph = model.graph
    guard losses.count == graph.outputs.count else {
      throw EngineError.count(name: "losses", expected: graph.outputs.count, found: losses.count)
    }
    guard weights.isEmpty || weights.count == losses.count else {
      throw EngineError.count(
        name: "loss_weights", expected: losses.count, found: weights.count)
    }
    guard losses.contains(where: { $0 != nil }) else {
      throw EngineError.unsupported("there is no loss: every output has none")
    }
    var fused = [Bool](repeating: false, count: graph.values.count)
    var outputs: [Output] = []
    for (index, value) in graph.outputs.enumerated() {
      guard let loss = losses[index] else { continue }
      let node = graph.nodes.first { $0.outputs.contains(value) }
      let activation = node.flatMap { $0.outputs.first == value ? $0.layer.finalActivation : nil }
      let name = node?.name ?? "output"
      let shape = graph.values[value].shape
      guard !shape.hasKeys else {
        throw EngineError.unsupported(
          "the weights of \(name) can have no loss, because a batch may be cut to its longest "
            + "sequence; give them none, as in loss=[crossentropy, none]")
      }
      let usesLogits = try loss.usesLogits(of: activation, output: name)
      if usesLogits, graph.consumers(of: value) > 0 {
        throw EngineError.unsupported(
          "the output of \(name) also goes into another layer, so its loss cannot look behind it; "
            + "give the loss an output of its own")
      }
      fused[value] = usesLogits
      try loss.check(outputSize: shape.lastAxis)
      outputs.append(
        Output(
          loss: loss, weight: weights.isEmpty ? 1 : weights[index], value: value,
          usesLogits: usesLogits, shape: shape))
    }
    self.outputs = outputs
    self.model = model
    self.fused = fused
  }

  /// Whether there is an accuracy: all losses are of classification.
  var hasAccuracy: Bool { outputs.allSatisfy { $0.loss.isClassification } }
  /// What figures are collected of: the first output with a loss.
  var first: (loss: Loss, value: Int, shape: ValueShape) {
    (outputs[0].loss, outputs[0].value, outputs[0].shape)
  }

  /// What gradients are multiplied by, for each output with a loss.
  ///
  /// - Parameter factor: for all of them.
  func scales(into scales: inout [Double], divisors: [Double], factor: Double) {
    for (index, output) in outputs.enumerated() {
      scales[index] = divisors[index] > 0 ? factor * output.weight / divisors[index] : 0
    }
  }

  // MARK: Checking

  /// A batch whose forward pass has run: its lengths and masks are in the workspace, and the caller's
  /// may be gone.
  struct Loaded {
    let plan: Plan
    let pass: Pass
  }

  /// - Throws: unless targets and weights fit `batch`, and every class that counts is one.
  func check(_ targets: Targets, _ batch: Batch, _ loaded: Loaded? = nil) throws {
    guard targets.views.count == outputs.count else {
      throw EngineError.count(name: "targets", expected: outputs.count, found: targets.views.count)
    }
    for (output, view) in zip(outputs, targets.views) {
      let timesteps = timesteps(of: output, batch)
      try output.loss.check(view, for: output.shape, batch: batch.count, timesteps: timesteps)
      let items = itemsPerRow(output, timesteps)
      for row in 0..<batch.count {
        let first = batch.source(row) * items
        try output.loss.checkClasses(
          view, first..<first + items, outputSize: output.shape.lastAxis
        ) { counts(output, row: row, item: $0 - first, batch, loaded) }
      }
      if view.type == .float, !kernels.isFinite(view.floats, count: view.shape.elements) {
        try checkFinite(view, output, items, batch, loaded)
      }
    }
    if let weights = targets.sampleWeights { try check(weights, batch) }
  }

  /// Values that do not count may be anything.
  private func checkFinite(
    _ view: TensorView, _ output: Output, _ items: Int, _ batch: Batch, _ loaded: Loaded?
  ) throws {
    let size = output.shape.lastAxis
    for row in 0..<batch.count {
      let source = batch.source(row)
      for item in 0..<items where counts(output, row: row, item: item, batch, loaded) {
        let index = (source * items + item) * size
        guard kernels.isFinite(view.floats + index, count: size) else {
          throw EngineError.argument(
            name: "\(view.name)[\(source)]",
            message: "expected finite values, found one that is not")
        }
      }
    }
  }

  private func check(_ weights: TensorView, _ batch: Batch) throws {
    guard weights.type == .float else {
      throw EngineError.type(name: weights.name, expected: .float, found: weights.type)
    }
    var expected = Shape()
    expected.append(batch.count)
    if weights.shape.count > 1 {
      let timed = outputs.first { $0.shape.hasTime }
      expected.append(timed.map { timesteps(of: $0, batch) } ?? 1)
    }
    guard weights.shape == expected else {
      throw EngineError.shape(
        name: weights.name, expected: Array(expected), found: Array(weights.shape))
    }
    for index in 0..<weights.shape.elements {
      let weight = weights.floats[index]
      guard weight.isFinite, weight >= 0 else {
        throw EngineError.argument(
          name: "\(weights.name)[\(index)]",
          message: "expected a finite weight ≥ 0, found \(weight)")
      }
    }
  }

  /// Whether an input's length and mask let an item of a batch's row count; what layers decide comes
  /// later.
  private func counts(
    _ output: Output, row: Int, item: Int, _ batch: Batch, _ loaded: Loaded?
  ) -> Bool {
    guard let axis = model.graph.values[output.value].timeAxis else { return true }
    let t = item / vectors(output)
    // Behind a layer that reorders time a mask says nothing about this timestep.
    if let loaded {
      guard let validity = loaded.pass.validity(loaded.plan.inputs[axis].validity) else {
        return true
      }
      return t < Int(validity.lengths[row])
        && (model.graph.reordersTime || validity.row(row)[t] == 1)
    }
    let input = batch.inputs[axis].view
    let source = batch.source(row)
    if let lengths = input.lengths, t >= Int(lengths[source]) { return false }
    if let mask = input.mask, !model.graph.reordersTime,
      mask[source * batch.inputs[axis].timesteps + t] == 0
    {
      return false
    }
    return true
  }

  /// Timesteps of the caller's arrays for this output.
  private func timesteps(of output: Output, _ batch: Batch) -> Int {
    model.graph.timesteps(of: output.value) { batch.inputs[$0].timesteps }
  }

  /// Vectors of the last axis at one timestep.
  private func vectors(_ output: Output) -> Int { output.shape.width / output.shape.lastAxis }
  private func itemsPerRow(_ output: Output, _ timesteps: Int) -> Int {
    timesteps * vectors(output)
  }

  // MARK: Weights

  /// Whether what sums are divided by is known before the forward pass: the batch alone says what counts.
  var dividesBeforeForward: Bool {
    let graph = model.graph
    return outputs.allSatisfy { output in
      guard let validity = graph.values[output.value].validity else { return true }
      if case .input = graph.validities[validity] { return true }
      return false
    }
  }

  /// Adds what each output's sums are divided by, of a row whose forward pass has run, or of which the
  /// workspace has what counts in the inputs, if that is enough.
  ///
  /// - Parameters:
  ///   - row: of the batch.
  ///   - local: the same row in the workspace.
  func addDivisors(
    to sums: inout LossSums, _ row: Int, at local: Int, _ targets: Targets, _ batch: Batch,
    _ plan: Plan, _ pass: Pass
  ) {
    for (index, output) in outputs.enumerated() {
      var total = 0.0
      forEachItem(output, targets.views[index], targets, row, local, batch, plan, pass) {
        target, weight, _ in
        total += weight * output.loss.weight(of: target)
      }
      sums.divisors[index] += total * output.loss.elementsPerItem(outputSize: output.shape.lastAxis)
    }
  }

  /// Sets to 1 what a loss that is not averaged is divided by.
  func applyReductions(to sums: inout LossSums) {
    for (index, output) in outputs.enumerated() where output.loss.isSum { sums.divisors[index] = 1 }
  }

  /// Visits the items of a row that count.
  ///
  /// - Parameters:
  ///   - row: of the batch; `local` is the same row in the workspace.
  ///   - body: takes the target, the sample weight, and the item's first element within the row.
  @inline(__always)
  private func forEachItem(
    _ output: Output, _ view: TensorView, _ targets: Targets, _ row: Int, _ local: Int,
    _ batch: Batch, _ plan: Plan, _ pass: Pass,
    _ body: (_ target: Loss.ItemTarget, _ weight: Double, _ offset: Int) -> Void
  ) {
    let place = plan.places[output.value]
    let start = place.hasTime ? batch.start : 0
    guard place.hasTime || batch.isAtEnd else { return }
    let source = batch.source(row)
    let timesteps = timesteps(of: output, batch)
    let vectors = vectors(output)
    let size = output.shape.lastAxis
    let flags = pass.validity(place.validity)?.row(local)
    for t in 0..<place.timesteps {
      if let flags, flags[t] == 0 { continue }
      var weight = 1.0
      if let weights = targets.sampleWeights {
        let perTimestep = weights.shape.count > 1
        weight = Double(
          weights.floats[
            perTimestep
              ? source * weights.shape[1] + min(start + t, weights.shape[1] - 1) : source])
      }
      if weight == 0 { continue }
      for vector in 0..<vectors {
        let item = (source * timesteps + start + t) * vectors + vector
        let target: Loss.ItemTarget =
          view.type == .ids
          ? .id(Int(view.ids[item])) : .values(Values(view.floats + item * size))
        body(target, weight, (t * vectors + vector) * size)
      }
    }
  }

  // MARK: Loss and gradient

  /// Adds the losses, times their weights, of a row whose forward pass has run; with `writesGradients`,
  /// writes the outputs' gradients, which were zero. The sums' divisors are left as they are.
  ///
  /// - Parameters:
  ///   - row: of the batch.
  ///   - local: the same row in the workspace.
  ///   - scales: for each output with a loss, what the gradients are multiplied by.
  func evaluate(
    addingTo sums: inout LossSums, _ row: Int, at local: Int, _ targets: Targets,
    scales: [Double], _ batch: Batch, _ plan: Plan, _ pass: Pass, writesGradients: Bool
  ) {
    var (correct, decisions) = (0.0, 0.0)
    for (index, output) in outputs.enumerated() {
      let place = plan.places[output.value]
      let size = output.shape.lastAxis
      let scale = scales[index]
      var loss = 0.0
      let x = pass.pointer(output.usesLogits ? place.logits : place.values, row: local)
      let gradients = writesGradients ? pass.pointer(place.gradients, row: local) : nil
      forEachItem(output, targets.views[index], targets, row, local, batch, plan, pass) {
        target, weight, offset in
        loss += output.loss.item(
          x + offset, size: size, target, sampleWeight: weight,
          gradient: gradients.map { $0 + offset }, scale: scale)
        if output.loss.isClassification, output.loss.weight(of: target) > 0 {
          let (right, of) = output.loss.correct(x + offset, size: size, target)
          correct += weight * right
          decisions += weight * of
        }
      }
      sums.losses[index] += loss * output.weight
    }
    sums.correct += correct
    sums.decisions += decisions
  }

  /// Visits what metrics are made of: each counted item of a row, of the first output with a loss.
  func forEachResult(
    _ row: Int, at local: Int, _ targets: Targets, _ batch: Batch, _ plan: Plan, _ pass: Pass,
    _ body: (_ y: Values, _ target: Loss.ItemTarget, _ weight: Double) -> Void
  ) {
    guard let output = outputs.first else { return }
    let place = plan.places[output.value]
    let y = pass.pointer(place.values, row: local)
    forEachItem(output, targets.views[0], targets, row, local, batch, plan, pass) {
      target, weight, offset in
      if output.loss.weight(of: target) > 0 { body(y + offset, target, weight) }
    }
  }
}
