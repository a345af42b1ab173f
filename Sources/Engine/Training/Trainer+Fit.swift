// Trainer+Fit.swift — training over a data set
//
// An epoch's order of sequences follows from the trainer's seed and the epoch's number, so a fit
// that was interrupted goes on in the middle of an epoch with the same bits.

import Kernels

/// Where a fit stands, in full: enough to go on with it.
struct FitState {
  var epoch = 0
  /// Batches of this epoch that are done.
  var batch = 0
  /// Of the epoch so far.
  var sums: LossSums
  var sequences = 0
  /// Lower is better; accuracy is negated.
  var best = Double.infinity
  var waited = 0
  /// Parameters of the best epoch so far.
  var bestParameters: [Float]?
  /// Batches of an epoch, once known.
  var batches = 0
  /// Set in the first epoch's number among all epochs of this trainer, for the order of sequences.
  var firstEpoch = 0
  /// What must be the same to go on.
  var setting = FitSetting()
}

/// What decides which sequences make which batch, and what their gradients count.
struct FitSetting: Equatable {
  var batchSize = 0
  var sequences = 0
  var accumulate = 0
  var shuffles = false
  var buckets = false

  init() {}

  init(_ options: FitOptions, sequences: Int) {
    batchSize = options.batchSize
    self.sequences = sequences
    accumulate = options.accumulate
    shuffles = options.shuffles
    buckets = options.buckets
  }

  var description: String {
    "batches of \(batchSize) from \(sequences) sequences, accumulate=\(accumulate), "
      + "shuffle=\(shuffles), bucket=\(buckets)"
  }
}

/// What a fit tells its caller.
public struct FitProgress {
  public var isEndOfEpoch: Bool
  public var isStopping = false
  public var epoch: Int
  public var epochs: Int
  public var batch: Int
  public var batches: Int
  public var sequences: Int
  public var updates: Int
  public var loss: Double
  public var accuracy: Double
  public var validLoss = Double.nan
  public var validAccuracy = Double.nan
  public var learningRate: Double
  public var gradientNorm: Double
  public var seconds: Double
  public var sequencesPerSecond: Double
}

extension FitState {
  /// Becomes the same as another state, with sums in memory of its own: each of the two goes on
  /// without making a copy.
  mutating func copy(_ other: FitState) {
    var own = LossSums(outputs: 0)
    swap(&own, &sums)
    own.copy(other.sums)
    self = other
    sums = own
  }
}

extension Trainer {
  /// Keeps where a fit stands.
  fileprivate func keep(_ state: FitState) {
    if interrupted == nil {
      interrupted = state
      interrupted?.sums = LossSums(outputs: model.outputCount)
    }
    interrupted?.copy(state)
  }

  /// Trains.
  ///
  /// - Parameter progress: called after each batch and epoch; returns whether to go on.
  /// - Throws: `EngineError.cancelled` if it, or the source, asks to stop. What was learned stays.
  public func fit(
    _ source: DataSource, validation: DataSource?, options text: String,
    progress: @escaping (FitProgress) -> Bool
  ) throws {
    guard let objective else { throw EngineError.order("fit needs a trainer with a loss") }
    let fit = try FitOptions(text)
    let own = executor
    defer {
      // A callback may have run one that was the other executor's.
      if executor !== own { forgetForward() }
      executor = own
    }
    if let threads = fit.threads, threads != own.pool.threads {
      executor = Executor(model, isTraining: true, pool: try WorkerPool(threads: threads))
    }
    var loop = try FitLoop(self, objective, fit, source, validation, progress)
    try loop.run()
  }
}

/// One call of `fit`.
private struct FitLoop {
  private let trainer: Trainer
  private let objective: Objective
  private let options: FitOptions
  private let source: DataSource
  private let data: CheckedData?
  private let progress: (FitProgress) -> Bool
  private var validation: Evaluation?
  private var state: FitState
  private let start = monotonicSeconds()
  private var epochStart = monotonicSeconds()
  /// Sequences of this epoch that an earlier call had done.
  private var resumedSequences = 0
  private var gradientNorm = Double.nan
  private var learningRate = Double.nan

  init(
    _ trainer: Trainer, _ objective: Objective, _ options: FitOptions, _ source: DataSource,
    _ validation: DataSource?, _ progress: @escaping (FitProgress) -> Bool
  ) throws {
    guard !trainer.truncates || options.accumulate == 1 else {
      throw EngineError.argument(
        name: "accumulate",
        message: "a trainer with truncate updates after each window; expected 1, "
          + "found \(options.accumulate)")
    }
    self.trainer = trainer
    self.objective = objective
    self.options = options
    self.source = source
    self.progress = progress
    if case .arrays(let arrays) = source {
      data = try CheckedData(arrays, trainer.model, objective)
    } else {
      data = nil
    }
    if let validation {
      self.validation = try Evaluation(
        validation, objective, trainer.model, pool: trainer.executor.pool,
        batchSize: max(options.batchSize, 256))
    }
    let count = data?.batch.count ?? 0
    let setting = FitSetting(options, sequences: count)
    let batches = (count + options.batchSize - 1) / options.batchSize
    if options.resumes {
      guard let interrupted = trainer.interrupted else {
        throw EngineError.order("resume=true, but no fit was interrupted")
      }
      guard interrupted.setting == setting else {
        throw EngineError.argument(
          name: "resume",
          message: "the interrupted fit had \(interrupted.setting.description), "
            + "found \(setting.description)")
      }
      guard data == nil || (interrupted.batches == batches && interrupted.batch <= batches) else {
        throw EngineError.argument(
          name: "resume",
          message: "the interrupted fit stands at batch \(interrupted.batch) of "
            + "\(interrupted.batches), but these data make \(batches)")
      }
      state = interrupted
      resumedSequences = interrupted.sequences
    } else {
      state = FitState(sums: LossSums(outputs: trainer.model.outputCount))
      state.firstEpoch = trainer.epochs
      state.setting = setting
      state.batches = batches
    }
  }

  mutating func run() throws {
    if !options.resumes { trainer.zeroGradients() }
    do {
      while state.epoch < options.epochs {
        try runEpoch()
        let isStopping = try endEpoch()
        if isStopping { break }
      }
    } catch {
      if error as? EngineError != .cancelled {
        trainer.zeroGradients()
        trainer.interrupted = nil
      }
      throw error
    }
    trainer.interrupted = nil
    if options.restoresBest, let best = state.bestParameters {
      let values = trainer.model.parameters.values
      best.withUnsafeBufferPointer {
        values.pointer.update(from: $0.baseAddress!, count: values.count)
      }
      trainer.model.parameters.changed()
    }
  }

  // MARK: An epoch

  private mutating func runEpoch() throws {
    epochStart = monotonicSeconds()
    trainer.keep(state)
    switch source {
    case .arrays:
      guard let data else { preconditionFailure("arrays were checked") }
      let order = try epochOrder(data.batch)
      while state.batch < state.batches {
        let first = state.batch * options.batchSize
        let rows = first..<min(data.batch.count, first + options.batchSize)
        let isLast = state.batch + 1 == state.batches
        try order.withUnsafeBufferPointer { order in
          try trainer.runForward(UnsafeBufferPointer(rebasing: order[rows]), of: data.batch)
          try learn(data.targets, isLast: isLast)
        }
      }
    case .batches(let next):
      while let arrays = try next(state.epoch, state.batch) {
        let checked = try CheckedData(arrays, trainer.model, objective)
        let isLast = state.epoch > 0 && state.batch + 1 == state.batches
        try trainer.runForward(checked.batch)
        try learn(checked.targets, isLast: isLast)
      }
      guard state.batch > 0 else {
        throw EngineError.argument(name: "train", message: "the callback supplied no batch")
      }
      if trainer.hasGradients { try update() }
      state.batches = state.batch
    }
  }

  private func epochOrder(_ batch: Batch) throws -> [Int] {
    guard options.shuffles else { return Array(0..<batch.count) }
    return try EpochOrder.shuffled(
      batch, batchSize: options.batchSize, bucketed: options.buckets,
      seed: trainer.options.seed, epoch: state.firstEpoch + state.epoch)
  }

  /// What follows a forward pass.
  private mutating func learn(_ targets: Targets, isLast: Bool) throws {
    let sequences = trainer.batch.count
    if trainer.truncates, try trainer.takesWindows() {
      state.sums += try trainer.learnWindows(objective, targets) { try update() }
    } else {
      state.sums += try trainer.backward(
        objective, targets, gradientScale: 1 / Double(options.accumulate), into: [])
    }
    state.batch += 1
    state.sequences += sequences
    if trainer.hasGradients, state.batch % options.accumulate == 0 || isLast { try update() }
    trainer.keep(state)
    guard progress(report(isEndOfEpoch: false)) else { throw EngineError.cancelled }
  }

  /// Each batch's gradients count 1 / accumulate; those of an incomplete group, at the end of an
  /// epoch, are brought to an average of their own.
  private mutating func update() throws {
    let rest = state.batch % options.accumulate
    if rest != 0 { trainer.scaleGradients(by: Float(options.accumulate) / Float(rest)) }
    learningRate = trainer.learningRate
    gradientNorm = try trainer.update()
  }

  // MARK: Its end

  /// - Returns: whether early stopping ends the fit.
  private mutating func endEpoch() throws -> Bool {
    let epochSeconds = monotonicSeconds() - epochStart
    var report = report(isEndOfEpoch: true)
    report.sequencesPerSecond = Double(state.sequences - resumedSequences) / max(1e-9, epochSeconds)
    if let sums = try validation?.run(epoch: state.epoch) {
      report.validLoss = sums.loss
      report.validAccuracy = objective.hasAccuracy ? sums.accuracy : .nan
      guard sums.loss.isFinite else {
        throw EngineError.notFinite(
          "the validation loss after update \(trainer.updates) is not finite")
      }
    }
    trainer.epochs += 1
    let isValidated = validation != nil
    let loss = isValidated ? report.validLoss : report.loss
    let accuracy = isValidated ? report.validAccuracy : report.accuracy
    trainer.report(loss)
    let isStopping = judge(options.monitorsAccuracy ? -accuracy : loss)
    report.isStopping = isStopping

    state.epoch += 1
    state.batch = 0
    state.sequences = 0
    resumedSequences = 0
    state.sums = LossSums(outputs: trainer.model.outputCount)
    trainer.keep(state)
    guard progress(report) || isStopping || state.epoch == options.epochs else {
      throw EngineError.cancelled
    }
    return isStopping
  }

  /// Keeps the best epoch; says whether patience is over.
  private mutating func judge(_ value: Double) -> Bool {
    if value < state.best - options.minDelta || (state.best == .infinity && value.isFinite) {
      state.best = value
      state.waited = 0
      if options.restoresBest {
        let values = trainer.model.parameters.values
        state.bestParameters = Array(
          UnsafeBufferPointer(start: values.pointer, count: values.count))
      }
    } else {
      state.waited += 1
    }
    guard let patience = options.patience else { return false }
    return state.waited >= max(1, patience)
  }

  private func report(isEndOfEpoch: Bool) -> FitProgress {
    let now = monotonicSeconds()
    return FitProgress(
      isEndOfEpoch: isEndOfEpoch, epoch: state.epoch, epochs: options.epochs,
      batch: state.batch - 1, batches: state.batches, sequences: state.sequences,
      updates: trainer.updates, loss: state.sums.loss,
      accuracy: objective.hasAccuracy ? state.sums.accuracy : .nan, learningRate: learningRate,
      gradientNorm: gradientNorm, seconds: now - start,
      sequencesPerSecond: Double(state.sequences - resumedSequences) / max(1e-9, now - epochStart))
  }
}
