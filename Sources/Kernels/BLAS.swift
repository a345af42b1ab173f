// BLAS.swift — OpenBLAS, for products where it is faster than our kernel
//
// The one file that touches it. Its hazards, and what is done about each:
//
// - Loading it starts a thread per processor, but a process that only loads our library must have
//   none. It is not linked: dlopen finds it at the first product that is large enough.
// - Its thread count belongs to the process. It is 1 while any call of ours is inside, and what the
//   host had before once the last one leaves; our threads are those of WorkerPool. A product of the
//   host at the same time is right, but may find itself on one thread.
// - A serial build shares buffers between concurrent calls and returns wrong numbers. An OpenMP
//   build keeps the count per calling thread, so that it cannot be put back from another, and its
//   threads do not survive fork. Only the pthread build is used.
// - A build with 64-bit integers has the same names. It is not used.
// - Sizes are 32-bit and unchecked. Products that exceed them are refused here.
// - OpenBLAS ends its threads before a fork, and starts them anew in parent and child, but not well
//   while a product is under way: a fork waits until ours are finished, and lets none begin.
//
// On x86-64 it is not worth its hazards. One core of an EPYC 9005, OpenBLAS 0.3.21, GFLOP/s of ours
// and of its kernels for the same instructions: 2048 × 512 × 512 gives 260 and 250 (SkylakeX; it
// picks Haswell's by itself, 126) at x86-64-v4, 132 and 129 (Haswell) at v3, 46 and 45 to 47 at the
// baseline. 32 × 256 × 64 gives 258 and 110, 1 × 2048 × 512 gives 50 and 9. So large products use it
// by default only on other architectures, whose tiles are not tuned. REFRAIN_BLAS=on in the
// environment uses it for large products everywhere, REFRAIN_BLAS=off nowhere.

internal import COpenBLAS
import Glibc
import Synchronization

public enum BLAS {
  /// For logs: OpenBLAS's own description, or why it is not in use. Never loads it.
  public static var description: String {
    guard isDecided else { return "OpenBLAS not loaded" }
    return switch outcome {
    case .found(let library): library.configuration
    case .refused(let reason): reason
    }
  }

  /// Whether large products should go to OpenBLAS if it is usable.
  public static let isWanted: Bool = {
    switch environment("REFRAIN_BLAS") {
    case "on": return true
    case "off": return false
    default:
      #if arch(x86_64)
        return false
      #else
        return true
      #endif
    }
  }()

  /// Whether products may go to OpenBLAS. Loads it.
  static var isUsable: Bool { library != nil }

  /// c `[M, N]` = a `[M, K]` · b `[K, N]`, or c += with `accumulate`, on the calling thread. A
  /// matrix marked transposed is stored the other way round. Returns false, having done nothing, if
  /// OpenBLAS cannot be used or a size exceeds 32 bits.
  static func multiply(
    _ a: Values, aStride: Int, aIsTransposed: Bool, _ b: Values, bStride: Int,
    bIsTransposed: Bool, _ c: MutableValues, cStride: Int, rows: Int, columns: Int, depth: Int,
    accumulate: Bool
  ) -> Bool {
    guard let library, let m = blasint(exactly: rows), let n = blasint(exactly: columns),
      let k = blasint(exactly: depth), let lda = blasint(exactly: aStride),
      let ldb = blasint(exactly: bStride), let ldc = blasint(exactly: cStride)
    else { return false }
    BLASThreads.shared.enter(library)
    library.sgemm(
      CblasRowMajor, aIsTransposed ? CblasTrans : CblasNoTrans,
      bIsTransposed ? CblasTrans : CblasNoTrans, m, n, k, 1, a, lda, b, ldb,
      accumulate ? 1 : 0, c, ldc)
    BLASThreads.shared.leave(library)
    return true
  }

  private enum Outcome {
    case found(BLASLibrary)
    case refused(String)
  }

  /// Whether a product has been large enough to look for OpenBLAS.
  public static var isDecided: Bool { wasAsked.load(ordering: .acquiring) }

  private static let wasAsked = Atomic<Bool>(false)

  private static var library: BLASLibrary? {
    guard case .found(let library) = outcome else { return nil }
    return library
  }

  private static let outcome: Outcome = {
    defer { wasAsked.store(true, ordering: .releasing) }
    if environment("REFRAIN_BLAS") == "off" { return .refused("OpenBLAS switched off") }
    guard let handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL) else {
      return .refused("OpenBLAS not found")
    }
    guard let library = BLASLibrary(handle) else {
      return .refused("OpenBLAS lacks a function that is needed")
    }
    // 0 serial, 1 pthreads, 2 OpenMP.
    guard library.parallelism == 1,
      !library.configuration.split(separator: " ").contains("USE64BITINT")
    else {
      return .refused("\(library.configuration) not used: no pthread build with 32-bit integers")
    }
    BLASThreads.shared.observeForks()
    return .found(library)
  }()
}

/// The functions of OpenBLAS, with the types of <cblas.h>.
private struct BLASLibrary: Sendable {
  typealias SGEMM =
    @convention(c) (
      CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, Float,
      UnsafePointer<Float>, blasint, UnsafePointer<Float>, blasint, Float,
      UnsafeMutablePointer<Float>, blasint
    ) -> Void

  let sgemm: SGEMM
  let threadCount: @convention(c) () -> CInt
  let setThreadCount: @convention(c) (CInt) -> Void
  let parallelism: CInt
  let configuration: String

  init?(_ handle: UnsafeMutableRawPointer) {
    guard let sgemm = dlsym(handle, "cblas_sgemm"),
      let getThreads = dlsym(handle, "openblas_get_num_threads"),
      let setThreads = dlsym(handle, "openblas_set_num_threads"),
      let getParallel = dlsym(handle, "openblas_get_parallel"),
      let getConfig = dlsym(handle, "openblas_get_config")
    else { return nil }
    typealias Getter = @convention(c) () -> CInt
    typealias TextGetter = @convention(c) () -> UnsafePointer<CChar>?
    self.sgemm = unsafeBitCast(sgemm, to: SGEMM.self)
    threadCount = unsafeBitCast(getThreads, to: Getter.self)
    setThreadCount = unsafeBitCast(setThreads, to: (@convention(c) (CInt) -> Void).self)
    parallelism = unsafeBitCast(getParallel, to: Getter.self)()
    let text = unsafeBitCast(getConfig, to: TextGetter.self)()
    configuration = text.map { String(cString: $0) } ?? "OpenBLAS"
  }
}

/// Keeps OpenBLAS at one thread while calls are inside.
final class BLASThreads: @unchecked Sendable {
  static let shared = BLASThreads()

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let isIdle = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // Guarded by the mutex.
  private var callers = 0
  /// The host's thread count, while it is not in force.
  private var hostThreads: CInt?

  private init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(isIdle, nil)
  }

  /// To be called once, after OpenBLAS was loaded: what is registered last is called first, so its
  /// own preparation for a fork finds no product of ours under way.
  fileprivate func observeForks() {
    pthread_atfork(
      {
        let own = BLASThreads.shared
        pthread_mutex_lock(own.mutex)
        while own.callers > 0 { pthread_cond_wait(own.isIdle, own.mutex) }
      },
      { pthread_mutex_unlock(BLASThreads.shared.mutex) },
      {
        let own = BLASThreads.shared
        pthread_mutex_init(own.mutex, nil)
        pthread_cond_init(own.isIdle, nil)
      })
  }

  fileprivate func enter(_ library: BLASLibrary) {
    pthread_mutex_lock(mutex)
    callers += 1
    if hostThreads == nil {
      let count = library.threadCount()
      hostThreads = count
      if count != 1 { library.setThreadCount(1) }
    }
    pthread_mutex_unlock(mutex)
  }

  fileprivate func leave(_ library: BLASLibrary) {
    pthread_mutex_lock(mutex)
    callers -= 1
    if callers == 0, let count = hostThreads {
      if count != 1 { library.setThreadCount(count) }
      hostThreads = nil
      pthread_cond_broadcast(isIdle)
    }
    pthread_mutex_unlock(mutex)
  }
}
