// Turnstiles.swift — places that threads pass in a fixed order
//
// Sums of floating-point numbers depend on the order of their terms. Where threads share the terms,
// each waits until those before its own were added.

import Glibc
import Synchronization

/// Turnstiles, each of which lets the numbers 0, 1, 2 … pass, one after the other. A number may only be
/// given to a thread once all smaller ones were.
public final class Turnstiles: @unchecked Sendable {
  /// For each turnstile, the number that is next.
  private var next = UnsafeMutableBufferPointer<Atomic<Int>>.allocate(capacity: 0)

  public init() {}

  deinit { next.deallocate() }

  /// Makes 0 the next number everywhere, while no thread is waiting.
  public func reset(_ count: Int) {
    if next.count < count {
      next.deallocate()
      next = .allocate(capacity: count)
      for index in 0..<count { (next.baseAddress! + index).initialize(to: Atomic(0)) }
    }
    for index in 0..<count { next[index].store(0, ordering: .relaxed) }
  }

  /// Does the work of consecutive numbers, once the turn of the first has come.
  @inline(__always)
  public func pass(_ index: Int, as numbers: Range<Int>, _ work: () -> Void) {
    while next[index].load(ordering: .acquiring) != numbers.lowerBound { sched_yield() }
    work()
    next[index].store(numbers.upperBound, ordering: .releasing)
  }
}
