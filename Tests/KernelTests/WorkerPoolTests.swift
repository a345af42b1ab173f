// WorkerPoolTests.swift — tasks, workers, threads, forks

import Foundation
import Kernels
import Synchronization
import Testing

private func threadCount() -> Int {
  (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
}

/// fork(), which Swift hides because few programs survive it.
private let forkFunction = unsafeBitCast(
  dlsym(nil, "fork"), to: (@convention(c) () -> pid_t).self)

/// Whether `body` returns true in a child process, within ten seconds.
private func inChild(_ body: () -> Bool) -> Bool {
  let child = forkFunction()
  if child == 0 { _exit(body() ? 0 : 1) }
  var status: Int32 = -1
  for _ in 0..<1000 {
    if waitpid(child, &status, WNOHANG) == child { return status == 0 }
    usleep(10_000)
  }
  kill(child, SIGKILL)
  waitpid(child, &status, 0)
  return false
}

/// A closure as work.
private struct Calls: Work {
  let body: (_ task: Int, _ worker: Int) -> Void
  func perform(task: Int, worker: Int) { body(task, worker) }
}

extension WorkerPool {
  fileprivate func run(
    tasks: Int, inBlocks: Bool = false, _ body: (_ task: Int, _ worker: Int) -> Void
  ) {
    withoutActuallyEscaping(body) {
      let calls = Calls(body: $0)
      if inBlocks { runBlocks(tasks: tasks, calls) } else { run(tasks: tasks, calls) }
    }
  }
}

/// Whether a run calls each task once, with workers in range.
private func runsEachTaskOnce(_ pool: WorkerPool, tasks: Int, inBlocks: Bool = false) -> Bool {
  let calls = UnsafeMutablePointer<Int>.allocate(capacity: tasks + 1)
  calls.initialize(repeating: 0, count: tasks + 1)
  defer { calls.deallocate() }
  let strays = Atomic<Int>(0)
  pool.run(tasks: tasks, inBlocks: inBlocks) { task, worker in
    if !(0..<pool.threads).contains(worker) { strays.add(1, ordering: .relaxed) }
    calls[task] += 1
  }
  return (0..<tasks).allSatisfy { calls[$0] == 1 } && strays.load(ordering: .relaxed) == 0
}

@Suite(.serialized) struct WorkerPoolTests {
  @Test(arguments: [1, 2, 3, 8])
  func eachTaskRunsOnce(threads: Int) throws {
    let pool = try WorkerPool(threads: threads)
    for tasks in [0, 1, 2, 7, 1000] {
      #expect(runsEachTaskOnce(pool, tasks: tasks))
      #expect(runsEachTaskOnce(pool, tasks: tasks, inBlocks: true))
    }
    for _ in 0..<300 { #expect(runsEachTaskOnce(pool, tasks: 3)) }
  }

  @Test func poolsOfOtherThreadsWorkAtTheSameTime() async throws {
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          guard let pool = try? WorkerPool(threads: 3) else { return false }
          return (0..<200).allSatisfy { _ in runsEachTaskOnce(pool, tasks: 5) }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func allWorkersTakePart() throws {
    let pool = try WorkerPool(threads: 4)
    let seen = Atomic<Int>(0)
    let arrived = Atomic<Int>(0)
    pool.run(tasks: 4) { _, worker in
      seen.bitwiseXor(1 << worker, ordering: .relaxed)
      // Nobody leaves before all four are here, so four threads there must be.
      arrived.add(1, ordering: .relaxed)
      while arrived.load(ordering: .relaxed) < 4 { usleep(100) }
    }
    #expect(seen.load(ordering: .relaxed) == 0b1111)
  }

  @Test func countsThatAreNotPositiveAreRefused() {
    #expect(throws: ThreadError(threads: 0, code: EINVAL)) { try WorkerPool(threads: 0) }
    #expect(throws: ThreadError.self) { try WorkerPool(threads: -3) }
  }

  @Test func workersBlockSignalsAndShareTheCallersFloatingPointMode() throws {
    // A thread inherits its creator's mask, and the test's own may be full.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let pool = try WorkerPool(threads: 2)
    var after = sigset_t()
    pthread_sigmask(SIG_SETMASK, nil, &after)
    #expect(sigismember(&after, SIGTERM) == 0)
    let unblocked = Atomic<Int>(0)
    let denormals = Atomic<Int>(0)
    let arrived = Atomic<Int>(0)
    let own = ArithmeticMode.startComputing()
    pool.run(tasks: 2) { _, worker in
      arrived.add(1, ordering: .relaxed)
      while arrived.load(ordering: .relaxed) < 2 { usleep(100) }
      if isDenormalArithmeticExact() { denormals.add(1, ordering: .relaxed) }
      guard worker > 0 else { return }
      var mask = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &mask)
      for signal in [SIGINT, SIGTERM, SIGUSR1, SIGALRM] where sigismember(&mask, signal) != 1 {
        unblocked.add(1, ordering: .relaxed)
      }
    }
    own.apply()
    #expect(unblocked.load(ordering: .relaxed) == 0)
    #expect(denormals.load(ordering: .relaxed) == 0)
    #expect(isDenormalArithmeticExact())
  }

  @Test func aForkedChildMayUseThePool() throws {
    let pool = try WorkerPool(threads: 3)
    #expect(runsEachTaskOnce(pool, tasks: 9))
    #expect(inChild { runsEachTaskOnce(pool, tasks: 9) && threadCount() == 3 })
    #expect(
      inChild {
        // A pool that was never used since the fork is released without waiting for anyone.
        var other = try? WorkerPool(threads: 2)
        other = nil
        return other == nil && inChild { runsEachTaskOnce(pool, tasks: 9) }
      })
    #expect(runsEachTaskOnce(pool, tasks: 9))
  }
}

/// With numbers that the compiler cannot know.
func isDenormalArithmeticExact() -> Bool {
  strtof("1.2e-38", nil) * strtof("0.5", nil) != 0
}
