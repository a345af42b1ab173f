// Trainer+Snapshot.swift — everything a trainer remembers, for checkpoints

import Kernels

/// A trainer's memory by name. The arrays are the trainer's own, to be written at once.
public final class TrainerSnapshot {
  public fileprivate(set) var integers: [String: Int] = [:]
  public fileprivate(set) var numbers: [String: [Double]] = [:]
  public fileprivate(set) var arrays: [(name: String, values: UnsafeBufferPointer<Float>)] = []
  /// Keeps what has no other owner.
  fileprivate var kept: [AlignedBuffer<Float>] = []
}

extension Trainer {
  public func snapshot() -> TrainerSnapshot {
    let snapshot = TrainerSnapshot()
    snapshot.integers = [
      "updates": updates, "passes": passes, "epochs": epochs, "plateau.waited": plateau.waited,
    ]
    snapshot.numbers = [
      "learning_rate": [baseLearningRate], "plateau": [plateau.best, plateau.factor],
    ]
    func add(_ name: String, _ buffer: AlignedBuffer<Float>?) {
      guard let buffer else { return }
      snapshot.arrays.append(
        (name, UnsafeBufferPointer(start: buffer.pointer, count: buffer.count)))
    }
    add("parameters", model.parameters.values)
    add("first_moments", firstMoments)
    add("second_moments", secondMoments)
    if hasGradients { add("gradients", gradients) }
    if let fit = interrupted { record(fit, in: snapshot) }
    return snapshot
  }

  private func record(_ fit: FitState, in snapshot: TrainerSnapshot) {
    snapshot.integers["fit.epoch"] = fit.epoch
    snapshot.integers["fit.batch"] = fit.batch
    snapshot.integers["fit.sequences"] = fit.sequences
    snapshot.integers["fit.waited"] = fit.waited
    snapshot.integers["fit.batches"] = fit.batches
    snapshot.integers["fit.first_epoch"] = fit.firstEpoch
    snapshot.integers["fit.batch_size"] = fit.setting.batchSize
    snapshot.integers["fit.sequences_in_epoch"] = fit.setting.sequences
    snapshot.integers["fit.accumulate"] = fit.setting.accumulate
    snapshot.integers["fit.shuffle"] = fit.setting.shuffles ? 1 : 0
    snapshot.integers["fit.bucket"] = fit.setting.buckets ? 1 : 0
    snapshot.numbers["fit.best"] = [fit.best]
    snapshot.numbers["fit.losses"] = fit.sums.losses
    snapshot.numbers["fit.divisors"] = fit.sums.divisors
    snapshot.numbers["fit.decisions"] = [fit.sums.correct, fit.sums.decisions]
    if let best = fit.bestParameters, let copy = try? AlignedBuffer<Float>(count: best.count) {
      best.withUnsafeBufferPointer { source in
        if let base = source.baseAddress { copy.pointer.update(from: base, count: best.count) }
      }
      snapshot.kept.append(copy)
      snapshot.arrays.append(
        ("best_parameters", UnsafeBufferPointer(start: copy.pointer, count: copy.count)))
    }
  }

  /// Takes over what `snapshot` gave.
  ///
  /// - Returns: false, having changed nothing, if something is missing or of another size.
  public func restore(
    integers: [String: Int], numbers: [String: [Double]], arrays: [String: [Float]]
  ) -> Bool {
    let size = model.parameters.values.count
    guard let updates = integers["updates"], let passes = integers["passes"],
      let epochs = integers["epochs"], let waited = integers["plateau.waited"],
      let rate = numbers["learning_rate"], rate.count == 1, let plateau = numbers["plateau"],
      plateau.count == 2
    else { return false }
    let wanted: [(String, AlignedBuffer<Float>?)] = [
      ("parameters", model.parameters.values), ("first_moments", firstMoments),
      ("second_moments", secondMoments),
    ]
    guard wanted.allSatisfy({ $1 == nil || arrays[$0]?.count == size }),
      arrays["gradients"].map({ $0.count == size }) ?? true,
      arrays["best_parameters"].map({ $0.count == size }) ?? true
    else { return false }
    var fit: FitState?
    if integers["fit.epoch"] != nil {
      guard let restored = fitState(integers, numbers, arrays) else { return false }
      fit = restored
    }

    zeroGradients()
    for (name, buffer) in wanted + [("gradients", gradients)] {
      guard let buffer, let values = arrays[name] else { continue }
      values.withUnsafeBufferPointer { source in
        if let base = source.baseAddress { buffer.pointer.update(from: base, count: size) }
      }
    }
    hasGradients = arrays["gradients"] != nil
    self.updates = updates
    self.passes = passes
    self.epochs = epochs
    baseLearningRate = rate[0]
    self.plateau = PlateauState(best: plateau[0], waited: waited, factor: plateau[1])
    interrupted = fit
    model.parameters.changed()
    return true
  }

  private func fitState(
    _ integers: [String: Int], _ numbers: [String: [Double]], _ arrays: [String: [Float]]
  ) -> FitState? {
    let outputs = model.outputCount
    guard let losses = numbers["fit.losses"], losses.count == outputs,
      let divisors = numbers["fit.divisors"], divisors.count == outputs,
      let decisions = numbers["fit.decisions"], decisions.count == 2,
      let best = numbers["fit.best"], best.count == 1
    else { return nil }
    var fit = FitState(sums: LossSums(outputs: outputs))
    fit.sums.losses = losses
    fit.sums.divisors = divisors
    fit.sums.correct = decisions[0]
    fit.sums.decisions = decisions[1]
    fit.best = best[0]
    fit.bestParameters = arrays["best_parameters"]
    let fields: [(String, WritableKeyPath<FitState, Int>)] = [
      ("fit.epoch", \.epoch), ("fit.batch", \.batch), ("fit.sequences", \.sequences),
      ("fit.waited", \.waited), ("fit.batches", \.batches), ("fit.first_epoch", \.firstEpoch),
      ("fit.batch_size", \.setting.batchSize), ("fit.sequences_in_epoch", \.setting.sequences),
      ("fit.accumulate", \.setting.accumulate),
    ]
    for (name, field) in fields {
      guard let value = integers[name] else { return nil }
      fit[keyPath: field] = value
    }
    guard let shuffles = integers["fit.shuffle"], let buckets = integers["fit.bucket"] else {
      return nil
    }
    fit.setting.shuffles = shuffles != 0
    fit.setting.buckets = buckets != 0
    return fit
  }
}
