// BLAS.swift — the one file that calls OpenBLAS
//
// Hazards, and what is done about each:
//
// - Loading the library starts its threads, and a process that merely loads us must have none. So
//   it is not linked, but opened with the first product that is large enough to want it.
// - A serial build returns wrong numbers when several threads call it at once, and we cannot lock
//   out the host's own calls. A serial build is not used; our own kernel is.
// - The number of threads is one setting for the whole process. While any call of ours is inside, it
//   is 1, so that our threads do not multiply; the last call to leave puts back what it found.
// - Sizes are 32-bit integers. Larger products stay with our kernel.
// - Its threads do not survive fork. With the number of threads at 1 none is used.
//
// REFRAIN_BLAS=off keeps all products with our kernel.

import COpenBLAS
import Glibc

public enum BLAS {
  private typealias Product = @convention(c) (
    CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, Float,
    UnsafePointer<Float>?, blasint, UnsafePointer<Float>?, blasint, Float,
    UnsafeMutablePointer<Float>?, blasint
  ) -> Void

  private struct Library {
    let product: Product
    let threads: @convention(c) () -> Int32
    let setThreads: @convention(c) (Int32) -> Void
    let description: String
  }

  private static let library: Library? = open()
  private static let lock = Mutex()
  private nonisolated(unsafe) static var callers = 0
  private nonisolated(unsafe) static var hostThreads: Int32 = 1
  private nonisolated(unsafe) static var wasOpened = false

  /// For build information; does not load anything.
  public static var description: String {
    let opened = lock.withLock { wasOpened }
    guard opened else { return "OpenBLAS \(isOff ? "off" : "not loaded yet")" }
    return library?.description ?? "OpenBLAS not available"
  }

  private static let isOff = getenv("REFRAIN_BLAS").map { String(cString: $0) } == "off"

  private static func open() -> Library? {
    lock.withLock { wasOpened = true }
    guard !isOff, let handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL),
      let product = dlsym(handle, "cblas_sgemm"),
      let threads = dlsym(handle, "openblas_get_num_threads"),
      let setThreads = dlsym(handle, "openblas_set_num_threads"),
      let parallel = dlsym(handle, "openblas_get_parallel"),
      let config = dlsym(handle, "openblas_get_config")
    else { return nil }
    typealias Number = @convention(c) () -> Int32
    typealias Text = @convention(c) () -> UnsafePointer<CChar>?
    guard unsafeBitCast(parallel, to: Number.self)() != 0 else { return nil }
    let text = unsafeBitCast(config, to: Text.self)().map { String(cString: $0) } ?? "OpenBLAS"
    return Library(
      product: unsafeBitCast(product, to: Product.self),
      threads: unsafeBitCast(threads, to: Number.self),
      setThreads: unsafeBitCast(setThreads, to: (@convention(c) (Int32) -> Void).self),
      description: text)
  }

  /// c `[M, N]` = op(a) op(b), or c += with `accumulate`; all row-major.
  ///
  /// - Parameters:
  ///   - aTransposed: a is stored `[K, M]`; `bTransposed`: b is stored `[N, K]`.
  /// - Returns: false if it did nothing, because there is no BLAS to use.
  static func multiply(
    _ a: Values, aStride: Int, aTransposed: Bool, _ b: Values, bStride: Int, bTransposed: Bool,
    _ c: MutableValues, cStride: Int, rows: Int, columns: Int, depth: Int, accumulate: Bool
  ) -> Bool {
    let largest = max(rows, columns, depth, aStride, bStride, cStride)
    guard largest <= Int(Int32.max), let library else { return false }
    enter(library)
    defer { leave(library) }
    library.product(
      CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans,
      bTransposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns), blasint(depth), 1,
      a, blasint(aStride), b, blasint(bStride), accumulate ? 1 : 0, c, blasint(cStride))
    return true
  }

  private static func enter(_ library: Library) {
    lock.withLock {
      if callers == 0 {
        hostThreads = library.threads()
        if hostThreads != 1 { library.setThreads(1) }
      }
      callers += 1
    }
  }

  private static func leave(_ library: Library) {
    lock.withLock {
      callers -= 1
      if callers == 0, hostThreads != 1 { library.setThreads(hostThreads) }
    }
  }
}
