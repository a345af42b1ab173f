// DataSource.swift — where a fit's batches come from

/// Inputs with their targets.
public struct DataArrays {
  public var inputs: [TensorView] = []
  public var targets: [TensorView] = []
  public var sampleWeights: TensorView?

  public init() {}
}

/// A data set in memory, or one that a callback supplies batch by batch.
public enum DataSource {
  case arrays(DataArrays)
  /// Takes epoch and batch, both from 0; nil ends the epoch. Throws `EngineError.cancelled` to stop.
  case batches((_ epoch: Int, _ batch: Int) throws -> DataArrays?)
}

/// Arrays checked against a model and its objective.
struct CheckedData {
  let batch: Batch
  let targets: Targets

  init(_ arrays: DataArrays, _ model: Model, _ objective: Objective) throws {
    batch = try Batch(arrays.inputs, model)
    guard batch.count > 0 else {
      throw EngineError.argument(name: "inputs", message: "expected sequences, found 0")
    }
    targets = Targets(views: arrays.targets, sampleWeights: arrays.sampleWeights)
    try objective.check(targets, batch)
  }
}
