// WorkerPool.swift — threads that share the tasks of one call
//
// The calling thread takes part; the others sleep on a condition between calls. Tasks are handed
// out by an atomic counter, so which thread runs a task is left open, and nothing that a task
// computes may depend on it. After fork() a child has none of the threads: it makes them anew at its
// next call.

import Glibc
import Synchronization

/// A thread that the system would not start.
public struct ThreadError: Error, CustomStringConvertible {
  public let code: Int32
  public var description: String { "cannot start a thread: \(String(cString: strerror(code)))" }
}

/// A fixed number of threads.
public final class WorkerPool: @unchecked Sendable {
  /// The calling thread included.
  public let threads: Int
  private var crew: Crew?

  public init(threads: Int) throws {
    precondition(threads >= 1)
    self.threads = threads
    if threads > 1 { crew = try Crew(workers: threads - 1) }
  }

  deinit { crew?.dismiss() }

  /// Runs `body(task, worker)` for every task; worker is 0 for the calling thread and below
  /// `threads` for all. Returns when all are done.
  public func run(tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    guard let crew, tasks > 1 else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    if crew.isFromParent { replaceCrew() }
    guard let crew = self.crew else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    withoutActuallyEscaping(body) { crew.run(tasks: tasks, $0) }
  }

  /// In a forked child: the old crew's memory is left as it was, because its locks may be held by
  /// threads that do not exist here.
  private func replaceCrew() {
    if let crew { _ = Unmanaged.passRetained(crew) }
    crew = try? Crew(workers: threads - 1)
  }
}

/// The sleeping threads of a pool.
private final class Crew: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let done: UnsafeMutablePointer<pthread_cond_t>
  private var handles: [pthread_t] = []

  // Guarded by the mutex.
  private var call = 0
  private var working = 0
  private var isDismissed = false
  private var body: ((Int, Int) -> Void)?
  private var tasks = 0

  private let next = Atomic<Int>(0)
  private let generation: Int

  private static let forks = Atomic<Int>(0)
  private static let watchesForks: Void = {
    pthread_atfork(nil, nil) { Crew.forks.wrappingAdd(1, ordering: .relaxed) }
    return ()
  }()

  init(workers: Int) throws {
    _ = Self.watchesForks
    generation = Self.forks.load(ordering: .relaxed)
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    done = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    pthread_cond_init(done, nil)
    for worker in 1...workers {
      do {
        handles.append(try start(worker))
      } catch {
        dismiss()
        throw error
      }
    }
  }

  deinit {
    guard !isFromParent else { return }
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(wake)
    pthread_cond_destroy(done)
    mutex.deallocate()
    wake.deallocate()
    done.deallocate()
  }

  /// Whether this process was forked after the crew was made.
  var isFromParent: Bool { Self.forks.load(ordering: .relaxed) != generation }

  /// Ends the threads and waits for them.
  func dismiss() {
    guard !isFromParent else { return }
    pthread_mutex_lock(mutex)
    isDismissed = true
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    for handle in handles { pthread_join(handle, nil) }
    handles = []
  }

  func run(tasks: Int, _ body: @escaping (Int, Int) -> Void) {
    pthread_mutex_lock(mutex)
    self.body = body
    self.tasks = tasks
    next.store(0, ordering: .relaxed)
    working = handles.count
    call += 1
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)

    takeTasks(tasks, 0, body)

    pthread_mutex_lock(mutex)
    while working > 0 { pthread_cond_wait(done, mutex) }
    self.body = nil
    pthread_mutex_unlock(mutex)
  }

  private func takeTasks(_ tasks: Int, _ worker: Int, _ body: (Int, Int) -> Void) {
    while true {
      let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard task < tasks else { return }
      body(task, worker)
    }
  }

  // MARK: Threads

  private final class Start {
    let crew: Crew
    let worker: Int
    init(crew: Crew, worker: Int) {
      self.crew = crew
      self.worker = worker
    }
  }

  /// Signals are the host's business: a worker blocks all of them.
  private func start(_ worker: Int) throws -> pthread_t {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let start = Unmanaged.passRetained(Start(crew: self, worker: worker))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.crew.work(as: start.worker)
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw ThreadError(code: code)
    }
    return handle
  }

  private func work(as worker: Int) {
    var seen = 0
    pthread_mutex_lock(mutex)
    while true {
      while call == seen && !isDismissed { pthread_cond_wait(wake, mutex) }
      if isDismissed { break }
      seen = call
      let tasks = self.tasks
      let body = self.body
      pthread_mutex_unlock(mutex)
      if let body { takeTasks(tasks, worker, body) }
      pthread_mutex_lock(mutex)
      working -= 1
      if working == 0 { pthread_cond_signal(done) }
    }
    pthread_mutex_unlock(mutex)
  }
}
