// TrainingOptions.swift — the option texts of trainers, fits and evaluations

/// "loss=crossentropy, optimizer=Adam(0.001), clip_norm=5, threads=2"
struct TrainerOptions: Sendable {
  static let signature = Signature(
    kind: .options, name: "trainer", meaning: "Options of a trainer.",
    options: [
      Option(
        "loss", .optional(.either([.call(.loss), .list(of: .optional(.call(.loss)))])),
        default: .none,
        "What to make small; for several outputs a list, with none for an output that has no loss. "
          + "none alone: gradients come from the caller."),
      lossWeightsOption,
      Option(
        "optimizer", .call(.optimizer), defaultCall: "Adam", "How gradients change parameters."),
      Option(
        "schedule", .call(.schedule), defaultCall: "Constant", "How the learning rate changes."),
      Option(
        "clip_norm", .optional(.number(.positive)), default: .none,
        "Largest norm of all gradients together; larger ones are scaled down to it."),
      Option(
        "clip_parameter_norm", .optional(.number(.positive)), default: .none,
        "Largest norm of each parameter's gradient (Keras's clipnorm)."),
      Option(
        "clip_value", .optional(.number(.positive)), default: .none,
        "Largest magnitude of each gradient's elements."),
      Option(
        "l2", .number(.nonNegative), default: .number(0),
        "Penalty l2 · Σ w² on weights, not biases; the reported loss is without it."),
      Option(
        "truncate", .optional(.integer(1...Int(Int32.max))), default: .none,
        "Timesteps of a window after which gradients stop and fit updates the parameters, while the "
          + "state goes on (truncated BPTT); none: whole sequences."),
      Option(
        "recompute", .optional(.integer(1...Int(Int32.max))), default: .none,
        "Timesteps of a window whose activations backward computes again, so that memory holds one "
          + "window; about the root of a sequence's length takes least. none: all are kept."),
      Option("threads", .integer(1...256), default: .integer(1), "Threads to use, exactly."),
      Option(
        "seed", .integer(0...Int.max), default: .integer(0), "Of dropout and of shuffling."),
    ])

  /// nil for an output that has none.
  let losses: [Loss?]
  /// Empty for ones.
  let lossWeights: [Double]
  let optimizer: Optimizer
  let schedule: Schedule
  let clipNorm: Double?
  let clipParameterNorm: Double?
  let clipValue: Double?
  let l2: Double
  /// nil for whole sequences.
  let windows: Windows?
  let threads: Int
  let seed: UInt64
  let canonical: String

  init(_ text: String) throws {
    let options = try bindOptions(text, to: Self.signature)
    switch options["loss"] {
    case .call(let loss): losses = [Loss(loss)]
    case .list(let losses): self.losses = losses.map(Loss.init(listed:))
    default: losses = []
    }
    lossWeights = options.list("loss_weights").map(\.asNumber)
    optimizer = Optimizer(options.call("optimizer"))
    schedule = Schedule(options.call("schedule"))
    clipNorm = options.optionalNumber("clip_norm")
    clipParameterNorm = options.optionalNumber("clip_parameter_norm")
    clipValue = options.optionalNumber("clip_value")
    l2 = options.number("l2")
    let (truncate, recompute) = (
      options.optionalInteger("truncate"), options.optionalInteger("recompute")
    )
    guard truncate == nil || recompute == nil else {
      throw EngineError.argument(
        name: "recompute", message: "goes through all of a sequence, which truncate cuts; take one")
    }
    windows = (truncate ?? recompute).map {
      Windows(size: $0, carriesGradients: truncate == nil)
    }
    threads = options.integer("threads")
    seed = UInt64(options.integer("seed"))
    canonical = options.canonical
  }
}

/// "epochs=5, batch_size=32, patience=2, restore_best=true"
struct FitOptions: Sendable {
  static let signature = Signature(
    kind: .options, name: "fit", meaning: "Options of a fit.",
    options: [
      Option(
        "epochs", .integer(1...Int(Int32.max)), default: .integer(1), "Passes over the data."),
      Option(
        "batch_size", .integer(1...Int(Int32.max)), default: .integer(32),
        "Sequences per update; the last batch of an epoch may have fewer."),
      Option(
        "shuffle", .boolean, default: .boolean(true), "Whether each epoch has an order of its own."),
      Option(
        "bucket", .boolean, default: .boolean(true),
        "Whether shuffled sequences that have lengths share batches with others of similar length."),
      Option(
        "accumulate", .integer(1...Int(Int32.max)), default: .integer(1),
        "Batches per update; their gradients are averaged."),
      Option(
        "patience", .optional(.integer(0...Int(Int32.max))), default: .none,
        "Epochs in a row without improvement after which to stop; none: never."),
      Option(
        "min_delta", .number(.nonNegative), default: .number(0),
        "Change of the monitored value that counts as improvement."),
      Option(
        "monitor", .choice(["loss", "accuracy"]), default: .text("loss"),
        "What patience and restore_best watch: of the validation data, or without them of training."
      ),
      Option(
        "restore_best", .boolean, default: .boolean(false),
        "Whether to end with the parameters of the best epoch."),
      Option(
        "threads", .optional(.integer(1...256)), default: .none,
        "Threads to use in this fit, exactly; none: the trainer's."),
      Option(
        "resume", .boolean, default: .boolean(false),
        "Whether to go on with the fit that was cancelled or loaded from a checkpoint."),
    ])

  let epochs: Int
  let batchSize: Int
  let shuffles: Bool
  let buckets: Bool
  let accumulate: Int
  let patience: Int?
  let minDelta: Double
  let monitorsAccuracy: Bool
  let restoresBest: Bool
  let threads: Int?
  let resumes: Bool

  init(_ text: String) throws {
    let options = try bindOptions(text, to: Self.signature)
    epochs = options.integer("epochs")
    batchSize = options.integer("batch_size")
    shuffles = options.boolean("shuffle")
    buckets = options.boolean("bucket")
    accumulate = options.integer("accumulate")
    patience = options.optionalInteger("patience")
    minDelta = options.number("min_delta")
    monitorsAccuracy = options.text("monitor") == "accuracy"
    restoresBest = options.boolean("restore_best")
    threads = options.optionalInteger("threads")
    resumes = options.boolean("resume")
  }
}

/// "loss=crossentropy, batch_size=32"
struct EvaluationOptions: Sendable {
  static let signature = Signature(
    kind: .options, name: "evaluate", meaning: "Options of an evaluation.",
    options: [
      Option(
        "loss", .either([.call(.loss), .list(of: .optional(.call(.loss)))]),
        "What to measure; for several outputs a list, with none for an output that has no loss."),
      lossWeightsOption,
      Option(
        "batch_size", .integer(1...Int(Int32.max)), default: .integer(256), "Sequences at a time."),
    ])

  /// nil for an output that has none.
  let losses: [Loss?]
  /// Empty for ones.
  let lossWeights: [Double]
  let batchSize: Int

  init(_ text: String) throws {
    let options = try bindOptions(text, to: Self.signature)
    switch options["loss"] {
    case .list(let losses): self.losses = losses.map(Loss.init(listed:))
    default: losses = [Loss(options.call("loss"))]
    }
    lossWeights = options.list("loss_weights").map(\.asNumber)
    batchSize = options.integer("batch_size")
  }
}

/// The sum of several losses is weighted.
private let lossWeightsOption = Option(
  "loss_weights", .list(of: .number(.nonNegative)), default: .list([]),
  "What each output's loss counts in the sum, one number per output; all 1 by default.")

extension Loss {
  /// An item of a list of losses; nil for none.
  fileprivate init?(listed value: Value) {
    guard case .call(let call) = value else { return nil }
    self.init(call)
  }
}

/// An option text against its signature.
func bindOptions(_ text: String, to signature: Signature) throws(NotationError) -> BoundCall {
  try Vocabulary.registry.bind(
    try parseArguments(text), options: signature.name, source: text)
}
