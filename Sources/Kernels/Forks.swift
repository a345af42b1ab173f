// Forks.swift — noticing that this process is a fork's child
//
// Threads do not survive fork. Whoever makes some asks here first, and compares generations later.

import Glibc
import Synchronization

enum Forks {
  /// Counts the forks that lie between the first process and this one, from the first `observe()`.
  static let generation = Atomic<Int>(0)

  /// From now on `generation` rises in every child.
  static func observe() { _ = registration }

  private static let registration: Bool = {
    // What the handler touches must exist before a fork: a child cannot wait for another thread
    // that was about to make it.
    _ = generation.load(ordering: .relaxed)
    return pthread_atfork(nil, nil) { Forks.generation.add(1, ordering: .relaxed) } == 0
  }()
}
