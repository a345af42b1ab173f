// FloatingPoint.swift — denormals are zero while the engine works
//
// A state that decays towards zero becomes denormal, and arithmetic with denormals is 10 to 30
// times slower. The mode belongs to the thread, and thus to the caller: it is put back on return.

internal import CProcessor

/// Runs `body` with denormal operands and results taken as zero, and restores the thread's
/// floating-point control, its exception flags included. A nested call costs only the question.
public func withDenormalsFlushed<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  #if arch(x86_64)
    let saved = refrain_control()
    guard saved & flushDenormals != flushDenormals else { return try body() }
    refrain_set_control(saved | flushDenormals)
    defer { refrain_set_control(saved) }
  #endif
  return try body()
}

#if arch(x86_64)
  /// Bits of MXCSR: flush-to-zero (15) for results, denormals-are-zero (6) for operands.
  private let flushDenormals: UInt32 = 1 << 15 | 1 << 6
#endif
