// FloatingPoint.swift — denormal numbers count as zero while we compute
//
// States that fade away through the denormal range slow a recurrent network down ten times and more.
// The setting belongs to the thread, and to the caller: it is put back on return.

import Glibc

/// Runs `body` with denormal inputs and results taken as zero, where the processor can.
@inline(__always)
public func withDenormalsFlushed<R>(_ body: () throws -> R) rethrows -> R {
  #if arch(x86_64)
    var saved = fenv_t()
    fegetenv(&saved)
    var changed = saved
    changed.__mxcsr |= flushToZero | denormalsAreZero
    fesetenv(&changed)
    defer { fesetenv(&saved) }
  #endif
  return try body()
}

#if arch(x86_64)
  /// Bits 15 and 6 of MXCSR.
  @usableFromInline let flushToZero: UInt32 = 1 << 15
  @usableFromInline let denormalsAreZero: UInt32 = 1 << 6
#endif
