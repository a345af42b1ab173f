// FloatingPoint.swift — denormals are zero while the engine works
//
// A state that decays towards zero becomes denormal, and arithmetic with denormals is 10 to 30
// times slower. The mode belongs to the thread, and thus to the caller: it is put back on return.

import Glibc

/// Runs `body` with denormal operands and results taken as zero, and restores the thread's
/// floating-point environment. A nested call costs only the question.
@inlinable
public func withDenormalsFlushed<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  #if arch(x86_64)
    var saved = fenv_t()
    fegetenv(&saved)
    guard saved.__mxcsr & flushDenormals != flushDenormals else { return try body() }
    var flushing = saved
    flushing.__mxcsr |= flushDenormals
    fesetenv(&flushing)
    defer { fesetenv(&saved) }
  #endif
  return try body()
}

#if arch(x86_64)
  /// Bits of MXCSR: flush-to-zero (15) for results, denormals-are-zero (6) for operands.
  @usableFromInline let flushDenormals: UInt32 = 1 << 15 | 1 << 6
#endif
