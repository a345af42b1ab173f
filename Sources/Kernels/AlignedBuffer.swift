// AlignedBuffer.swift — memory for numbers
//
// The one place where large memory is asked for. A request that cannot be had is an error, never a
// trap: what exceeds the machine's memory is refused before the system is asked, because an
// overcommitting system would promise it and end the process later.

import Glibc

/// Memory that cannot be had.
public struct MemoryError: Error, Equatable, CustomStringConvertible {
  public let count: Int
  public let elementSize: Int

  public var description: String {
    "cannot have memory for \(count) values of \(elementSize) bytes"
  }
}

/// `count` elements, zero at first, aligned to a cache line.
public final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  public let pointer: UnsafeMutablePointer<Element>
  public let count: Int

  private static var alignment: Int { 64 }

  public init(count: Int) throws(MemoryError) {
    let refused = MemoryError(count: count, elementSize: MemoryLayout<Element>.stride)
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, bytes <= physicalMemory else { throw refused }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, Self.alignment, max(bytes, Self.alignment)) == 0, let memory else {
      throw refused
    }
    memset(memory, 0, bytes)
    pointer = memory.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { free(pointer) }
}

/// Bytes of memory that this machine has.
public let physicalMemory: Int = {
  let (bytes, overflow) = sysconf(Int32(_SC_PHYS_PAGES))
    .multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
  return overflow || bytes <= 0 ? .max : bytes
}()
