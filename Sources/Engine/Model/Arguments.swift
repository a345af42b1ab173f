// Arguments.swift — the arrays of a call

/// The arrays that a call is about. Each call fills the lists it needs anew and empties them when it
/// ends; the lists keep their memory, so that a warm call takes none.
public struct Arguments {
  public var inputs: [TensorView] = []
  public var outputs: [TensorView] = []
  public var targets: [TensorView] = []
  public var outputGradients: [TensorView] = []
  /// nil where a gradient is not wanted.
  public var inputGradients: [TensorView?] = []

  public init() {}

  public mutating func removeAll() {
    inputs.removeAll(keepingCapacity: true)
    outputs.removeAll(keepingCapacity: true)
    targets.removeAll(keepingCapacity: true)
    outputGradients.removeAll(keepingCapacity: true)
    inputGradients.removeAll(keepingCapacity: true)
  }
}
