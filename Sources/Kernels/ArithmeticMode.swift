// ArithmeticMode.swift — how a thread rounds, what it does with denormals, and what traps
//
// A state that decays towards zero becomes denormal, and arithmetic with denormals is 10 to 30
// times slower: they are taken as zero while the library works. Nor may an overflow or a NaN, which
// are ordinary here, end a host that has asked for traps. The mode belongs to the thread, and thus
// to the caller: it is put back on return, with the flags that record exceptions, and lent back
// while a callback of the caller's runs.

internal import CProcessor

/// A thread's floating-point control.
public struct ArithmeticMode: Sendable, Equatable {
  private var control: UInt

  /// The calling thread's.
  public static var current: ArithmeticMode { ArithmeticMode(control: refrain_control()) }

  /// Makes this mode the calling thread's.
  public func apply() { refrain_set_control(control) }

  /// Puts the calling thread in the library's mode: the caller's rounding, with denormal operands and
  /// results taken as zero, and without traps.
  ///
  /// - Returns: the mode before; apply it when done.
  public static func startComputing() -> ArithmeticMode {
    let before = current
    ArithmeticMode(control: before.control & ~bitsToClear | bitsToSet).apply()
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

#if arch(x86_64)
  /// MXCSR: denormals are zero as results (bit 15) and as operands (6), exceptions are masked (7 to
  /// 12), which is to set their flags and no more.
  private let bitsToSet: UInt = 1 << 15 | 1 << 6 | 0x3f << 7
  private let bitsToClear: UInt = 0
#elseif arch(arm64)
  /// FPCR: denormals are zero (bit 24), and nothing traps (8 to 12, 15 for a denormal operand).
  private let bitsToSet: UInt = 1 << 24
  private let bitsToClear: UInt = 0x9f << 8
#endif
