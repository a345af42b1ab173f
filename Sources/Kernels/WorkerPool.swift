// WorkerPool.swift — a fixed number of threads that share the tasks of one call
//
// The caller is worker 0; the others sleep on a condition variable between runs, after a short
// while in which another run would find them awake. Tasks are handed out by a counter, so which
// worker takes which task is left to chance: results must not depend on it. A worker that comes when
// the tasks are done, because others had the processor, has no part in the run and is not waited for.
// Workers compute in the caller's arithmetic mode, and take no signals.

import Glibc
import Synchronization

/// A thread could not be created.
public struct ThreadError: Error, Equatable {
  /// How many threads were wanted, the caller included.
  public var threads: Int
  /// `errno` value; EINVAL if the count is not positive.
  public var code: Int32

  public init(threads: Int, code: Int32) {
    self.threads = threads
    self.code = code
  }
}

/// Work that threads share, task by task. A type of its own for each kind, because a closure that
/// other threads can see takes memory every time.
public protocol Work {
  /// - Parameter worker: the thread, 0 ..< threads.
  func perform(task: Int, worker: Int)
}

/// Runs tasks on the calling thread and `threads − 1` others. One run at a time.
public final class WorkerPool: @unchecked Sendable {
  /// Workers, the caller included.
  public let threads: Int
  private var crew: Crew?

  /// - Parameter threads: 1 or more; with 1, no thread is ever created.
  public init(threads: Int) throws(ThreadError) {
    guard threads >= 1 else { throw ThreadError(threads: threads, code: EINVAL) }
    self.threads = threads
    guard threads > 1 else { return }
    Forks.observe()
    crew = try Crew(size: threads - 1)
  }

  deinit { crew?.dismiss() }

  /// Performs the tasks 0 ..< tasks, each once, and returns when all are done. Takes no memory.
  ///
  /// In a child of fork the first run creates the threads anew; should the system refuse, the
  /// caller does all tasks alone.
  public func run(tasks: Int, _ work: some Work) {
    guard threads > 1, tasks > 1 else {
      for task in 0..<max(tasks, 0) { work.perform(task: task, worker: 0) }
      return
    }
    if crew?.generation != Forks.generation.load(ordering: .relaxed) {
      // The old crew's threads live in the parent only; its memory is theirs and stays behind.
      crew = try? Crew(size: threads - 1)
    }
    guard let crew else {
      for task in 0..<tasks { work.perform(task: task, worker: 0) }
      return
    }
    crew.run(tasks: tasks, work)
  }
}

extension WorkerPool {
  /// The same in one block of neighbouring tasks for each thread: what they touch mostly stays in the
  /// caches of the thread that had them in the run before. For tasks of one size.
  public func runBlocks(tasks: Int, _ work: some Work) {
    let blocks = min(threads, tasks)
    run(tasks: blocks, Blocks(work: work, tasks: tasks, count: blocks))
  }
}

private struct Blocks<W: Work>: Work {
  let work: W
  let tasks: Int
  let count: Int
  func perform(task block: Int, worker: Int) {
    for task in block * tasks / count..<(block + 1) * tasks / count {
      work.perform(task: task, worker: worker)
    }
  }
}

/// Where work of some type lies: of one size for all types, and small enough to be stored in place.
private struct WorkPointer<W: Work>: Work {
  let pointer: UnsafePointer<W>
  func perform(task: Int, worker: Int) { pointer.pointee.perform(task: task, worker: worker) }
}

/// The threads besides the caller, and what they share with it.
private final class Crew: @unchecked Sendable {
  let generation = Forks.generation.load(ordering: .relaxed)
  private var handles: [pthread_t] = []

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  private let nextTask = Atomic<Int>(0)
  /// Counts the runs; there may be work for a worker when it differs from what it saw last.
  private let runs = Atomic<Int>(0)
  /// Workers that take part in the present run; only while it is open do more join.
  private let working = Atomic<Int>(0)
  // Guarded by the mutex.
  private var sleepers = 0
  private var isDismissed = false
  private var isOpen = false
  private var tasks = 0
  private var work: (any Work)?
  private var mode = ArithmeticMode.current

  /// How often a thread lets others run before it sleeps: some hundred microseconds, twice what waking
  /// up costs, and longer than threads wait for each other in a training step.
  private static let patience = 400

  init(size: Int) throws(ThreadError) {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    pthread_cond_init(finished, nil)
    handles.reserveCapacity(size)

    // A new thread inherits the mask of its creator.
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    var code: Int32 = 0
    for worker in 1...size where code == 0 { code = start(worker) }
    pthread_sigmask(SIG_SETMASK, &previous, nil)

    if code != 0 {
      dismiss()
      throw ThreadError(threads: size + 1, code: code)
    }
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(wake)
    pthread_cond_destroy(finished)
    mutex.deallocate()
    wake.deallocate()
    finished.deallocate()
  }

  private final class Worker {
    let crew: Crew
    let index: Int
    init(crew: Crew, index: Int) {
      self.crew = crew
      self.index = index
    }
  }

  private func start(_ index: Int) -> Int32 {
    let worker = Unmanaged.passRetained(Worker(crew: self, index: index))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        let worker = Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue()
        worker.crew.work(as: worker.index)
        return nil
      }, worker.toOpaque())
    if code == 0 { handles.append(handle) } else { worker.release() }
    return code
  }

  /// Ends the threads and waits for them. In a forked child there are none to wait for.
  func dismiss() {
    guard generation == Forks.generation.load(ordering: .relaxed) else { return }
    pthread_mutex_lock(mutex)
    isDismissed = true
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    for handle in handles { pthread_join(handle, nil) }
    handles = []
  }

  func run(tasks: Int, _ work: some Work) {
    withUnsafePointer(to: work) { pointer in
      pthread_mutex_lock(mutex)
      self.work = WorkPointer(pointer: pointer)
      self.tasks = tasks
      mode = ArithmeticMode.current
      nextTask.store(0, ordering: .relaxed)
      isOpen = true
      runs.add(1, ordering: .releasing)
      if sleepers > 0 { pthread_cond_broadcast(wake) }
      pthread_mutex_unlock(mutex)

      takeTasks(tasks, work, worker: 0)

      pthread_mutex_lock(mutex)
      isOpen = false
      pthread_mutex_unlock(mutex)
      if isSoon({ working.load(ordering: .acquiring) == 0 }) { return }
      pthread_mutex_lock(mutex)
      while working.load(ordering: .acquiring) > 0 { pthread_cond_wait(finished, mutex) }
      pthread_mutex_unlock(mutex)
    }
  }

  private func takeTasks(_ tasks: Int, _ work: some Work, worker: Int) {
    while true {
      let task = nextTask.add(1, ordering: .relaxed).oldValue
      guard task < tasks else { return }
      work.perform(task: task, worker: worker)
    }
  }

  private func work(as worker: Int) {
    var seen = 0
    while true {
      _ = isSoon { runs.load(ordering: .acquiring) != seen }
      pthread_mutex_lock(mutex)
      sleepers += 1
      while runs.load(ordering: .acquiring) == seen && !isDismissed {
        pthread_cond_wait(wake, mutex)
      }
      sleepers -= 1
      if isDismissed { break }
      seen = runs.load(ordering: .relaxed)
      guard isOpen, let work else {
        pthread_mutex_unlock(mutex)
        continue
      }
      working.add(1, ordering: .relaxed)
      let tasks = tasks
      let mode = mode
      pthread_mutex_unlock(mutex)

      mode.apply()
      takeTasks(tasks, work, worker: worker)

      if working.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        // The caller looks at `working` with the mutex held before it sleeps.
        pthread_mutex_lock(mutex)
        pthread_cond_signal(finished)
        pthread_mutex_unlock(mutex)
      }
    }
    pthread_mutex_unlock(mutex)
  }

  /// Whether the condition comes true within a short while.
  private func isSoon(_ condition: () -> Bool) -> Bool {
    for _ in 0..<Self.patience {
      if condition() { return true }
      sched_yield()
    }
    return condition()
  }
}
