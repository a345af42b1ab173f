// ArithmeticMode.swift — how a thread rounds, what it does with denormals, and what traps
//
// A state that decays towards zero becomes denormal, and arithmetic with denormals is 10 to 30
// times slower: they are taken as zero while the library works. Nor may an overflow or a NaN, which
// are ordinary here, end a host that has asked for traps. The mode belongs to the thread, and thus
// to the caller: it is put back on return, with the flags that record exceptions, and lent back
// while a callback of the caller's runs. Other architectures than x86-64 keep the caller's mode.

internal import CProcessor

/// A thread's floating-point control.
public struct ArithmeticMode: Sendable, Equatable {
  private var control: UInt32

  /// The calling thread's.
  public static var current: ArithmeticMode {
    #if arch(x86_64)
      ArithmeticMode(control: refrain_control())
    #else
      ArithmeticMode(control: 0)
    #endif
  }

  /// Makes this mode the calling thread's.
  public func apply() {
    #if arch(x86_64)
      refrain_set_control(control)
    #endif
  }

  /// Puts the calling thread in the library's mode: the caller's rounding, with denormal operands and
  /// results taken as zero, and without traps.
  ///
  /// - Returns: the mode before; apply it when done.
  public static func startComputing() -> ArithmeticMode {
    let before = current
    ArithmeticMode(control: before.control | flushDenormals | maskExceptions).apply()
    return before
  }

  /// Runs a callback of the caller whose mode this is.
  public func lend<Result>(_ callback: () throws -> Result) rethrows -> Result {
    let own = ArithmeticMode.current
    apply()
    defer { own.apply() }
    return try callback()
  }
}

/// Bits of MXCSR: flush-to-zero (15) for results, denormals-are-zero (6) for operands.
private let flushDenormals: UInt32 = 1 << 15 | 1 << 6
/// Bits 7 to 12: an exception that is masked sets its flag and no more.
private let maskExceptions: UInt32 = 0x3f << 7
