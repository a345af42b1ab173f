// Padding.swift — sequences to one length, as Keras's pad_sequences

/// How sequences are brought to one length.
public struct PaddingOptions: Equatable, Sendable {
  public var padding = SequenceEnd.pre
  public var truncating = SequenceEnd.pre

  public init(padding: SequenceEnd = .pre, truncating: SequenceEnd = .pre) {
    self.padding = padding
    self.truncating = truncating
  }
}

/// Writes `sequence` into the `length` places of `row`.
///
/// - Parameter value: fills the places that are left.
/// - Returns: how many of the sequence's values stayed.
@discardableResult
public func pad<T>(
  _ sequence: UnsafeBufferPointer<T>, into row: UnsafeMutablePointer<T>, length: Int, value: T,
  _ options: PaddingOptions
) -> Int {
  let kept = min(sequence.count, length)
  let first = options.truncating == .pre ? sequence.count - kept : 0
  let offset = options.padding == .pre ? length - kept : 0
  for i in 0..<length { row[i] = value }
  for i in 0..<kept { row[offset + i] = sequence[first + i] }
  return kept
}
