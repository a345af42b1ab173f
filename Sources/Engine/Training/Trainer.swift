// Trainer.swift — the one writer of a model
//
// What a trainer remembers between calls is all here, and all that decides how training goes on is in
// a checkpoint. The bare steps are in Trainer+Passes (forward, and backward from any gradient or from
// a loss), Trainer+Windows (the same for long sequences) and Trainer+Update; `fit`, in Trainer+Fit, is
// a loop over these.

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
  let pieces: [ParameterPiece]
  /// For each of them, the sum of its gradients' squares.
  let squares: AlignedBuffer<Double>
  /// For each of them, what clipping its own parameter multiplies its gradients by.
  let scales: AlignedBuffer<Float>

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
  var pending: Pending?
  enum Pending {
    /// Its values are in the workspace, laid out by this plan.
    case done(Plan)
    /// Nobody has asked for its values yet: it is left to the backward pass, which can take rows both
    /// ways while the cache has them.
    case deferred
    /// Likewise, window by window.
    case inWindows

    var plan: Plan? {
      if case .done(let plan) = self { plan } else { nil }
    }
  }
  var hasGradients = false

  // Filled anew by every call, so that a warm one takes no memory, but in windows. Nobody else keeps
  // a copy.

  /// The arrays of the call under way.
  public var arguments = Arguments()
  /// What the last forward pass went over.
  var batch = Batch()
  /// Becomes `batch` when it was checked, so that a refused call changes nothing.
  var candidate = Batch()
  /// Has the order of `batch`.
  var sorter = LengthSorter()
  var batchSums: BatchSums
  /// Between the windows of long sequences.
  var states = WindowStates()
  /// Copies of a caller's inputs, for a forward pass that comes after the call.
  var kept = KeptArrays()

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
    let penalty = Float(2 * options.l2)
    pieces = model.parameters.entries.flatMap { entry in
      stride(from: entry.offset, to: entry.range.upperBound, by: Self.pieceSize).map {
        ParameterPiece(
          range: $0..<min($0 + Self.pieceSize, entry.range.upperBound),
          penalty: entry.isWeight ? penalty : 0)
      }
    }
    squares = try AlignedBuffer(count: max(1, pieces.count))
    scales = try AlignedBuffer(count: max(1, pieces.count))
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
}
