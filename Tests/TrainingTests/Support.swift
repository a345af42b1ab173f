// Support.swift — batches of sequences with lengths

import Testing

@testable import Engine

/// Ids [count, 100] with lengths of 1 … 100 that follow from the row, or with none.
func withBatch(_ count: Int, hasLengths: Bool = true, _ body: (Batch) throws -> Void) throws {
  try withBatch(
    (0..<count).map { 1 + $0 * 37 % 100 }, timesteps: 100, hasLengths: hasLengths, body)
}

func withBatch(
  _ lengths: [Int], timesteps: Int, hasLengths: Bool = true, _ body: (Batch) throws -> Void
) throws {
  let model = try Model(notation: "Embedding(5, 2) -> RNN(2)", seed: 1)
  var ids = [Int32](repeating: 1, count: max(1, lengths.count * timesteps))
  let shape = try #require(Shape([lengths.count, timesteps]))
  try ids.withUnsafeMutableBytes { ids in
    try lengths.map(Int64.init).withUnsafeBufferPointer { lengths in
      let view = TensorView(
        name: ArrayName("x"), base: ids.baseAddress!, type: .ids, shape: shape,
        lengths: hasLengths ? lengths.baseAddress : nil)
      try body(Batch([view], model))
    }
  }
}
