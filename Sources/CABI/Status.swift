// Status.swift — statuses, versions, and what the library knows about itself

import CRefrain
import Engine
import Kernels

private func permanent(_ text: String) -> UnsafePointer<CChar> {
  let bytes = Array(text.utf8CString)
  let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
  memory.initialize(from: bytes, count: bytes.count)
  return UnsafePointer(memory)
}

private nonisolated(unsafe) let statusNames: [UnsafePointer<CChar>] = [
  "REFRAIN_OK", "REFRAIN_NULL_POINTER", "REFRAIN_HANDLE", "REFRAIN_ARGUMENT", "REFRAIN_SHAPE",
  "REFRAIN_NOTATION", "REFRAIN_NAME", "REFRAIN_CAPACITY", "REFRAIN_ORDER", "REFRAIN_UNSUPPORTED",
  "REFRAIN_FILE", "REFRAIN_FORMAT", "REFRAIN_MEMORY", "REFRAIN_NOT_FINITE", "REFRAIN_CANCELLED",
  "REFRAIN_INTERNAL",
].map(permanent)
private nonisolated(unsafe) let unknownStatus = permanent("unknown status")
private nonisolated(unsafe) let version = permanent(
  "\(REFRAIN_VERSION_MAJOR).\(REFRAIN_VERSION_MINOR).\(REFRAIN_VERSION_PATCH)")
// What is said of OpenBLAS changes once, when it is first wanted; both texts stay.
private nonisolated(unsafe) let firstBuildInfo = permanent(buildInfo())
private nonisolated(unsafe) let laterBuildInfo = permanent(buildInfo())

private func buildInfo() -> String {
  "Refrain \(String(cString: version)), kernels \(kernels.name), \(BLAS.description)"
}

@_cdecl("refrain_last_error") @implementation
public func refrain_last_error() -> UnsafePointer<CChar>! { LastError.current }

@_cdecl("refrain_status_name") @implementation
public func refrain_status_name(_ status: refrain_status) -> UnsafePointer<CChar>! {
  statusNames.indices.contains(Int(status)) ? statusNames[Int(status)] : unknownStatus
}

@_cdecl("refrain_version") @implementation
public func refrain_version() -> UnsafePointer<CChar>! { version }

@_cdecl("refrain_build_info") @implementation
public func refrain_build_info() -> UnsafePointer<CChar>! {
  BLAS.isDecided ? laterBuildInfo : firstBuildInfo
}

@_cdecl("refrain_describe") @implementation
public func refrain_describe(
  _ name: UnsafePointer<CChar>!, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let name = try name.map { try CABI.text($0, named: "name") } ?? ""
    guard let description = everyName.describe(name.isEmpty ? nil : name) else {
      throw EngineError.unknownName(name, kind: "name", nearest: everyName.nearest(to: name))
    }
    try write(description, text, capacity, length)
  }
}
