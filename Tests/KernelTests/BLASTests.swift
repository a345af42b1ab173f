// BLASTests.swift — OpenBLAS beside a host that uses it too

import COpenBLAS
import Glibc
import Testing

@testable import Kernels

/// The host's view of the very library that the kernels open.
private struct Host {
  let threadCount: @convention(c) () -> CInt
  let setThreadCount: @convention(c) (CInt) -> Void

  init?() {
    guard BLAS.isUsable, let handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD),
      let get = dlsym(handle, "openblas_get_num_threads"),
      let set = dlsym(handle, "openblas_set_num_threads")
    else { return nil }
    threadCount = unsafeBitCast(get, to: (@convention(c) () -> CInt).self)
    setThreadCount = unsafeBitCast(set, to: (@convention(c) (CInt) -> Void).self)
  }
}

private func multiply(
  _ a: Memory, _ b: Memory, _ c: Memory, rows: Int, columns: Int, depth: Int
) -> Bool {
  BLAS.multiply(
    a.constant, aStride: depth, aIsTransposed: false, b.constant, bStride: columns,
    bIsTransposed: false, c.pointer, cStride: columns, rows: rows, columns: columns,
    depth: depth, accumulate: false)
}

private let isMissing = Comment("SKIPPED: no usable OpenBLAS on this machine")

@Suite(.serialized, .enabled(if: Host() != nil, isMissing)) struct BLASTests {
  @Test func theHostsThreadCountComesBack() throws {
    let host = try #require(Host())
    let before = host.threadCount()
    defer { host.setThreadCount(before) }
    host.setThreadCount(2)
    let (a, b) = (Memory(numbers(64 * 64, seed: 1)), Memory(numbers(64 * 64, seed: 2)))
    let c = Memory(count: 64 * 64)
    #expect(multiply(a, b, c, rows: 64, columns: 64, depth: 64))
    #expect(host.threadCount() == 2)
  }

  @Test func concurrentCallersGetTheRightNumbersAndLeaveTheCount() async throws {
    let host = try #require(Host())
    let before = host.threadCount()
    defer { host.setThreadCount(before) }
    host.setThreadCount(2)
    let (rows, columns, depth) = (70, 90, 130)
    let a = numbers(rows * depth, seed: 3)
    let b = numbers(depth * columns, seed: 4)
    var expected = [Double](repeating: 0, count: rows * columns)
    for m in 0..<rows {
      for k in 0..<depth {
        for n in 0..<columns {
          expected[m * columns + n] += Double(a[m * depth + k]) * Double(b[k * columns + n])
        }
      }
    }
    let answer = expected
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let (left, right) = (Memory(a), Memory(b))
          for _ in 0..<60 {
            let c = Memory(count: rows * columns)
            #expect(multiply(left, right, c, rows: rows, columns: columns, depth: depth))
            expectClose(c.values, answer, tolerance: 3e-5, "concurrent product")
          }
          _ = (left.values, right.values)
        }
      }
    }
    #expect(host.threadCount() == 2)
  }

  @Test func packedMatrixReachesBLASThroughEveryStride() throws {
    let (rows, columns, depth) = (9, 21, 13)
    for aIsTransposed in [false, true] {
      for bIsTransposed in [false, true] {
        for accumulate in [false, true] {
          let a = Memory(numbers(rows * depth, seed: 5))
          let b = Memory(numbers(depth * columns, seed: 6))
          let start = numbers(rows * columns, seed: 7)
          let (ours, theirs) = (Memory(start), Memory(start))
          let matrix = try PackedMatrix(depth: depth, columns: columns)
          matrix.update(
            b.constant, rowStride: bIsTransposed ? 1 : columns,
            columnStride: bIsTransposed ? depth : 1)
          let (aRowStride, aColumnStride) = aIsTransposed ? (1, rows) : (depth, 1)
          matrix.view.multiply(
            a.constant, aRowStride: aRowStride, aColumnStride: aColumnStride,
            into: ours.pointer, cStride: columns, rows: rows,
            start: accumulate ? .sums : .zero)
          #expect(
            matrix.view.multiplyWithBLAS(
              a.constant, aRowStride: aRowStride, aColumnStride: aColumnStride, part: 0..<depth,
              into: theirs.pointer, cStride: columns, rows: rows,
              start: accumulate ? .sums : .zero))
          expectClose(
            theirs.values, ours.values.map(Double.init), tolerance: 1e-5, "BLAS and kernel")
          _ = (a.values, b.values)
        }
      }
    }
  }

  @Test func sizesBeyond32BitsAreRefused() {
    let c = Memory([5])
    #expect(
      !BLAS.multiply(
        c.constant, aStride: 1, aIsTransposed: false, c.constant, bStride: 1,
        bIsTransposed: false, c.pointer, cStride: 1, rows: 1 << 31, columns: 1, depth: 1,
        accumulate: false))
    #expect(c.values == [5])
  }

  @Test func theDescriptionNamesTheLibrary() {
    #expect(BLAS.isUsable && BLAS.description.contains("OpenBLAS"))
    #expect(BLAS.description != "OpenBLAS not loaded")
  }
}
