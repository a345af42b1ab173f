// AlignedBuffer.swift — memory for arrays, and the refusal of what cannot be had

import Glibc

/// Memory that was asked for and cannot be had.
public struct MemoryError: Error, Equatable {
  /// The size of the request; nil if it is negative or does not fit an integer.
  public var bytes: Int?

  public init(bytes: Int?) { self.bytes = bytes }
}

/// Zeroed memory for `count` elements, aligned to a cache line (64 bytes).
public final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  public let pointer: UnsafeMutablePointer<Element>
  public let count: Int

  /// Throws for a negative count, a size that overflows, one beyond the memory that there is (asking
  /// for it could succeed and end the process later), and whatever the allocator refuses.
  public init(count: Int) throws(MemoryError) {
    guard count >= 0 else { throw MemoryError(bytes: nil) }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !overflow else { throw MemoryError(bytes: nil) }
    guard bytes <= unquestionedBytes || bytes <= availableMemory() else {
      throw MemoryError(bytes: bytes)
    }

    var address: UnsafeMutableRawPointer?
    let huge = hugePages(for: bytes)
    let alignment = huge > 0 ? hugePage : max(64, MemoryLayout<Element>.alignment)
    guard posix_memalign(&address, alignment, max(bytes, huge, 1)) == 0, let address else {
      throw MemoryError(bytes: bytes)
    }
    // A wish that the system may not grant.
    if huge > 0 { madvise(address, huge, MADV_HUGEPAGE) }
    memset(address, 0, bytes)
    pointer = address.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { free(pointer) }
}

/// The size of a huge page on x86-64, and of the usual one on arm64.
private let hugePage = 1 << 21

/// How many bytes of a large block to ask for in huge pages: rows that lie pages apart, and weights
/// that every timestep reads from end to end, need fewer translations then. The last page is one of
/// them if it does not make the block larger by more than a third.
private func hugePages(for bytes: Int) -> Int {
  let whole = bytes / hugePage * hugePage
  let rest = bytes - whole
  return rest > 0 && hugePage - rest <= bytes / 3 ? whole + hugePage : whole
}
