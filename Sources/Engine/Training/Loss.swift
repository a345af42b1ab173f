// Loss.swift — what training makes small
//
// A loss is an average over items: sequences, or the timesteps that count. An item's weight is its
// sample weight times, for cross-entropy of class ids, the weight of its class; the average divides
// by the sum of the weights, so what weighs nothing does not exist. Regression losses average over
// an item's features as well.

import Kernels

/// A loss with its options.
struct Loss: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    /// −log softmax(x)[class], from class ids or probabilities.
    case crossEntropy
    /// −t log σ(x) − (1 − t) log (1 − σ(x))
    case binaryCrossEntropy
    case squared
    case absolute
    case huber(delta: Float)
  }

  let kind: Kind
  /// Cross-entropy: the target becomes (1 − ε) target + ε / classes. Szegedy et al. 2016.
  private let labelSmoothing: Float
  /// Cross-entropy: targets of this class do not count.
  private let ignoredClass: Int?
  /// Cross-entropy: a weight per class. Binary: a weight of the positives, per output.
  private let weights: [Float]
  /// Sums instead of averaging.
  let isSum: Bool
  let canonical: String

  // MARK: Notation

  private static let reduction = Option(
    "reduction", .choice(["mean", "sum"]), default: .text("mean"),
    "mean: divided by the sum of the items' weights; sum: not divided.")

  static let signatures: [Signature] = [
    Signature(
      kind: .loss, name: "crossentropy",
      meaning: "−log of the probability of the true class; from softmax outputs, or logits.",
      options: [
        Option(
          "label_smoothing", .number(.fraction), default: .number(0),
          "Share of the target that is spread evenly over all classes."),
        Option(
          "ignore_class", .optional(.integer(Int(Int32.min)...Int(Int32.max))),
          default: .none, "Targets with this class do not count."),
        Option(
          "class_weights", .list(of: .number(.nonNegative)), default: .list([]),
          "A weight for each class; all 1 by default."),
        reduction,
      ], aliases: ["categorical_crossentropy", "sparse_categorical_crossentropy"]),
    Signature(
      kind: .loss, name: "binary_crossentropy",
      meaning: "−t log p − (1 − t) log (1 − p); from sigmoid outputs, or logits.",
      options: [
        Option(
          "positive_weights", .list(of: .number(.nonNegative)), default: .list([]),
          "A weight of the positives for each output; all 1 by default."),
        reduction,
      ]),
    Signature(
      kind: .loss, name: "mse", meaning: "Mean squared error.", options: [reduction],
      aliases: ["mean_squared_error"]),
    Signature(
      kind: .loss, name: "mae", meaning: "Mean absolute error.", options: [reduction],
      aliases: ["mean_absolute_error"]),
    Signature(
      kind: .loss, name: "huber", meaning: "Squared near 0, absolute beyond delta (Huber 1964).",
      options: [
        Option(
          "delta", .number(.positive), default: .number(1), "Where the one becomes the other."),
        reduction,
      ]),
  ]

  init(_ call: BoundCall) {
    var smoothing = 0.0
    var ignored: Int?
    var weights: [Value] = []
    switch call.name {
    case "crossentropy":
      kind = .crossEntropy
      smoothing = call.number("label_smoothing")
      ignored = call.optionalInteger("ignore_class")
      weights = call.list("class_weights")
    case "binary_crossentropy":
      kind = .binaryCrossEntropy
      weights = call.list("positive_weights")
    case "mse": kind = .squared
    case "mae": kind = .absolute
    case "huber": kind = .huber(delta: Float(call.number("delta")))
    default: preconditionFailure("no loss \(call.name) in the registry")
    }
    labelSmoothing = Float(smoothing)
    ignoredClass = ignored
    self.weights = weights.map { Float($0.asNumber) }
    isSum = call.text("reduction") == "sum"
    canonical = call.canonical
  }

  // MARK: Fitting to an output

  /// Whether the loss is taken from the output's logits, given what the output applies last.
  ///
  /// - Throws: if the two do not go together.
  func usesLogits(of activation: OutputActivation?, output: String) throws -> Bool {
    switch (kind, activation) {
    case (.crossEntropy, .softmax?), (.binaryCrossEntropy, .pointwise(.sigmoid)?):
      return true
    case (.crossEntropy, .pointwise(.sigmoid)?):
      throw EngineError.unsupported(
        "crossentropy does not go with the sigmoid of \(output): use softmax, or binary_crossentropy"
      )
    case (.binaryCrossEntropy, .softmax?):
      throw EngineError.unsupported(
        "binary_crossentropy does not go with the softmax of \(output): use sigmoid, or crossentropy"
      )
    default:
      return false
    }
  }

  /// - Throws: unless the options fit an output of this size.
  func check(outputSize: Int) throws {
    guard weights.isEmpty || weights.count == outputSize else {
      throw EngineError.argument(
        name: kind == .crossEntropy ? "class_weights" : "positive_weights",
        message: "expected \(outputSize) numbers, found \(weights.count)")
    }
  }

  var isClassification: Bool { kind == .crossEntropy || kind == .binaryCrossEntropy }

  /// - Throws: unless `target` is what this loss takes for an output of `shape`.
  func check(_ target: TensorView, for shape: ValueShape, batch: Int, timesteps: Int) throws {
    if target.type == .ids {
      guard takesClasses(shape) else {
        throw EngineError.type(name: target.name, expected: .float, found: .ids)
      }
      var expected = shape.sizes(batch: batch, timesteps: timesteps)
      if !shape.features.isEmpty { expected.removeLast() }
      // A trailing axis of size 1 is allowed, as in [n, 1].
      var trimmed = target
      if trimmed.shape.count == expected.count + 1, trimmed.shape.last == 1 {
        trimmed.shape.removeLast()
      }
      try trimmed.check(.ids, expected)
    } else {
      try target.check(shape, batch: batch, timesteps: timesteps)
    }
  }

  /// Class ids, or 0 and 1 for a single binary output.
  private func takesClasses(_ shape: ValueShape) -> Bool {
    kind == .crossEntropy || (kind == .binaryCrossEntropy && shape.lastAxis == 1)
  }

  /// - Throws: if a class among `items` that counts is not one of the output's.
  func checkClasses(
    _ target: TensorView, _ items: Range<Int>, outputSize: Int, counts: (Int) -> Bool
  ) throws {
    guard target.type == .ids else { return }
    let classes = kind == .crossEntropy ? outputSize : 2
    for index in items {
      let id = Int(target.ids[index])
      if (0..<classes).contains(id) || id == ignoredClass || !counts(index) { continue }
      throw EngineError.argument(
        name: "\(target.name)[\(index)]",
        message: "expected a class of 0 … \(classes - 1), found \(id)")
    }
  }

  // MARK: Items

  /// One item's target: a class, or values as many as the output has.
  enum ItemTarget {
    case id(Int)
    case values(Values)
  }

  /// What an item's weight is multiplied by.
  func weight(of target: ItemTarget) -> Double {
    guard kind == .crossEntropy, case .id(let id) = target else { return 1 }
    if id == ignoredClass { return 0 }
    return weights.isEmpty ? 1 : Double(weights[id])
  }

  /// How many numbers an item's loss is the sum of, for the average.
  func elementsPerItem(outputSize: Int) -> Double {
    kind == .crossEntropy ? 1 : Double(outputSize)
  }

  /// The loss of an item times its sample weight, its class weight included.
  ///
  /// - Parameters:
  ///   - x: the output, or its logits where `usesLogits` says so: `[size]`.
  ///   - sampleWeight: the item's weight without that of its class.
  ///   - gradient: `[size]`, receives the derivative of the result times `scale`; may be nil.
  func item(
    _ x: Values, size: Int, _ target: ItemTarget, sampleWeight: Double, gradient: MutableValues?,
    scale: Double
  ) -> Double {
    let factor = Float(sampleWeight * scale)
    switch kind {
    case .crossEntropy:
      return crossEntropy(x, size, target, sampleWeight, gradient, factor)
    case .binaryCrossEntropy:
      return withValues(target) { values in
        weights.withUnsafeBufferPointer { weights in
          sampleWeight
            * binaryCrossEntropy(
              logits: x, values, positiveWeights: weights.isEmpty ? nil : weights.baseAddress,
              count: size, gradient: gradient, scale: factor)
        }
      }
    case .squared:
      return withValues(target) {
        sampleWeight * squaredError(x, $0, count: size, gradient: gradient, scale: factor)
      }
    case .absolute:
      return withValues(target) {
        sampleWeight * absoluteError(x, $0, count: size, gradient: gradient, scale: factor)
      }
    case .huber(let delta):
      return withValues(target) {
        sampleWeight
          * huberError(x, $0, delta: delta, count: size, gradient: gradient, scale: factor)
      }
    }
  }

  private func withValues<R>(_ target: ItemTarget, _ body: (Values) -> R) -> R {
    switch target {
    case .values(let values):
      return body(values)
    case .id(let id):
      var value = Float(id)
      return body(&value)
    }
  }

  /// With q the smoothed and weighted target, loss = Σ q (log Σ exp x − x) and
  /// dx = softmax(x) Σ q − q.
  private func crossEntropy(
    _ x: Values, _ size: Int, _ target: ItemTarget, _ sampleWeight: Double,
    _ gradient: MutableValues?, _ factor: Float
  ) -> Double {
    if case .id(let id) = target, id == ignoredClass {
      if let gradient { kernels.fill(gradient, 0, count: size) }
      return 0
    }
    let normalizer = Double(kernels.logSumExp(x, count: size))
    var loss = 0.0
    var total = 0.0
    func visit(_ k: Int, _ q: Double) {
      total += q
      if q != 0 { loss += q * (normalizer - Double(x[k])) }
    }
    if case .id(let id) = target, labelSmoothing == 0 {
      visit(id, share(id, target, size))
    } else {
      for k in 0..<size { visit(k, share(k, target, size)) }
    }
    guard let gradient else { return sampleWeight * loss }

    kernels.softmax(x, gradient, rows: 1, columns: size)
    kernels.scale(gradient, by: factor * Float(total), gradient, count: size)
    if case .id(let id) = target, labelSmoothing == 0 {
      gradient[id] -= factor * Float(total)
    } else {
      for k in 0..<size { gradient[k] -= factor * Float(share(k, target, size)) }
    }
    return sampleWeight * loss
  }

  /// q of class k.
  private func share(_ k: Int, _ target: ItemTarget, _ size: Int) -> Double {
    let smoothing = Double(labelSmoothing)
    let truth =
      switch target {
      case .id(let id): id == k ? 1.0 : 0.0
      case .values(let values): Double(values[k])
      }
    let share = (1 - smoothing) * truth + smoothing / Double(size)
    return weights.isEmpty ? share : share * Double(weights[k])
  }

  /// How many of an item's decisions are right, of how many: the largest output is the true class,
  /// or each binary output is on the right side.
  func correct(_ x: Values, size: Int, _ target: ItemTarget) -> (right: Double, of: Double) {
    if kind == .crossEntropy {
      var truth = 0
      switch target {
      case .id(let id): truth = id
      case .values(let values): truth = largest(values, size)
      }
      return (largest(x, size) == truth ? 1 : 0, 1)
    }
    return withValues(target) { values in
      let right = (0..<size).count { (x[$0] > 0) == (values[$0] > 0.5) }
      return (Double(right), Double(size))
    }
  }
}

/// The index of the first largest value.
func largest(_ x: Values, _ count: Int) -> Int {
  var best = 0
  for i in 1..<max(1, count) where x[i] > x[best] { best = i }
  return best
}
