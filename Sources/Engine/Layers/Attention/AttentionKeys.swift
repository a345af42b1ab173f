// AttentionKeys.swift — which keys a sequence's queries may look at, and how much at each
//
// A key beyond a row's length does not exist; one under a mask, or behind a causal query, has weight
// exactly 0. Scores of keys that count are gathered before the softmax sees them, so what stands at
// the others, whatever it is, takes no part. A query that has no key at all gets zeros.

import Kernels

/// The keys of one batch row.
struct AttentionKeys {
  /// Keys within the row's length.
  let count: Int
  /// `[count]`, 1 where a key counts; nil if all do.
  private let flags: UnsafePointer<UInt8>?
  /// Whether query i sees the keys 0 … i alone.
  private let isCausal: Bool

  /// - Parameter validity: of the sequence that the keys are made of; nil if all its timesteps count.
  init(_ validity: Validity?, row: Int, timesteps: Int, isCausal: Bool = false) {
    count = Validity.length(validity, row: row, timesteps: timesteps)
    self.isCausal = isCausal
    var masked: UnsafePointer<UInt8>?
    if let validity {
      let flags = UnsafePointer(validity.row(row))
      if !(0..<count).allSatisfy({ flags[$0] == 1 }) { masked = flags }
    }
    flags = masked
  }

  func counts(_ key: Int) -> Bool { key < count && flags.map { $0[key] == 1 } ?? true }

  /// Turns scores into weights, in place: each row's softmax of scale · score.
  ///
  /// - Parameters:
  ///   - scores: `[queries, count]`; of a row `width` floats are written, those behind `count` too.
  ///   - scratch: `count` floats, overwritten.
  func softmax(_ scores: StridedMatrix, scale: Float, width: Int, scratch: MutableValues) {
    for query in 0..<scores.rows {
      let row = scores.row(query)
      let seen = isCausal ? min(count, query + 1) : count
      if let flags {
        softmaxOfCounted(row, seen, flags, scale, scratch)
      } else if seen > 0 {
        if scale != 1 { kernels.scale(row, by: scale, row, count: seen) }
        kernels.softmax(row, row, rows: 1, columns: seen)
      }
      kernels.fill(row + seen, 0, count: width - seen)
    }
  }

  private func softmaxOfCounted(
    _ row: MutableValues, _ seen: Int, _ flags: UnsafePointer<UInt8>, _ scale: Float,
    _ scratch: MutableValues
  ) {
    var counted = 0
    for key in 0..<seen where flags[key] == 1 {
      scratch[counted] = row[key] * scale
      counted += 1
    }
    if counted > 0 { kernels.softmax(scratch, scratch, rows: 1, columns: counted) }
    var next = 0
    for key in 0..<seen {
      let counts = flags[key] == 1
      row[key] = counts ? scratch[next] : 0
      if counts { next += 1 }
    }
  }
}
