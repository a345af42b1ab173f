/// Weights by true and predicted class. With many classes most pairs never occur, and only those
/// that do take memory: a language model's 10 000 words would need 800 MB otherwise.
struct ConfusionMatrix: Sendable {
  /// Up to here the matrix is held whole: 8 MB.
  private static let denseLimit = 1024

  private let classes: Int
  /// `[classes, classes]`, row the truth; empty beyond the limit.
  private var cells: [Double] = []
  /// By the same index; used beyond the limit.
  private var sparseCells: [Int: Double] = [:]

  init(classes: Int) {
    self.classes = classes
    if classes <= Self.denseLimit { cells = [Double](repeating: 0, count: classes * classes) }
  }

  mutating func add(_ weight: Double, truth: Int, predicted: Int) {
    let index = truth * classes + predicted
    if classes <= Self.denseLimit {
      cells[index] += weight
    } else {
      sparseCells[index, default: 0] += weight
    }
  }

  /// Writes all of `[classes, classes]`.
  func write(into counts: UnsafeMutableBufferPointer<Double>) {
    if classes <= Self.denseLimit {
      _ = counts.update(fromContentsOf: cells)
    } else {
      counts.update(repeating: 0)
      for (index, weight) in sparseCells { counts[index] = weight }
    }
  }
}
