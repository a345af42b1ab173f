// AvailableMemory.swift — how much memory a request may take
//
// An overcommitting system promises memory that it does not have, and ends the process that believes
// it. Large requests are therefore held against what the machine, and the control group that the
// process lives in, can still give.

import Glibc

/// Requests up to this size are left to the allocator: 64 MiB.
let unquestionedBytes = 1 << 26

/// Bytes that can be had without ending this process or another; an estimate of the system's own.
func availableMemory() -> Int {
  var available = physicalMemory
  if let text = contents(of: "/proc/meminfo"),
    let kibibytes = number(after: "MemAvailable:", in: text)
  {
    available = min(available, kibibytes.multipliedReportingOverflow(by: 1024).partialValue)
  }
  if let limit = contents(of: "/sys/fs/cgroup/memory.max").flatMap({ number(after: "", in: $0) }),
    let used = contents(of: "/sys/fs/cgroup/memory.current").flatMap({ number(after: "", in: $0) })
  {
    available = min(available, max(0, limit - used))
  }
  return available
}

/// Bytes of memory in this machine.
private let physicalMemory: Int = {
  let (bytes, overflow) = sysconf(Int32(_SC_PHYS_PAGES))
    .multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
  return overflow || bytes <= 0 ? Int.max : bytes
}()

/// The first 4 KiB of a small file of the system.
private func contents(of path: String) -> [UInt8]? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { buffer in
    let count = read(file, buffer.baseAddress, buffer.count)
    return count > 0 ? Array(buffer[..<count]) : nil
  }
}

/// The decimal number that follows a word and blanks.
private func number(after word: StaticString, in text: [UInt8]) -> Int? {
  let word = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
  var start = 0
  while start + word.count <= text.count {
    if text[start..<start + word.count].elementsEqual(word) {
      let rest = text[(start + word.count)...].drop { $0 == UInt8(ascii: " ") }
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      return Int(String(decoding: digits, as: UTF8.self))
    }
    start += 1
  }
  return nil
}
