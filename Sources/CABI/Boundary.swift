// Boundary.swift — the guard around every exported function
//
// Whatever a call throws becomes a status and a message for the calling thread; nothing leaves
// this library but values. The message lives in memory that belongs to the thread and is freed when
// it ends.

import CRefrain
import Data
import Engine
import Format
import Glibc
import Kernels

/// What can be wrong about the arguments themselves.
enum BoundaryError: Error {
  case null(String)
  case handle(String)
  case argument(String)
  case capacity(String)
}

/// Runs the body of an exported function.
///
/// - Parameter body: takes the caller's floating-point mode, in which callbacks run.
@inline(__always)
func boundary(_ body: (_ callersMode: ArithmeticMode) throws -> Void) -> Int32 {
  let callersMode = ArithmeticMode.startComputing()
  defer { callersMode.apply() }
  do {
    try body(callersMode)
    return Int32(REFRAIN_OK)
  } catch {
    return fail(error)
  }
}

/// Runs the body of an exported function without callbacks.
@inline(__always)
func boundary(_ body: () throws -> Void) -> Int32 {
  boundary { _ in try body() }
}

/// Records the message of an error; its status.
@inline(never)
private func fail(_ error: any Error) -> Int32 {
  let (status, message) = describe(error)
  LastError.set(message)
  return status
}

private func describe(_ error: any Error) -> (Int32, String) {
  switch error {
  case let error as BoundaryError:
    switch error {
    case .null(let name): (Int32(REFRAIN_NULL_POINTER), "\(name) is NULL")
    case .handle(let message): (Int32(REFRAIN_HANDLE), message)
    case .argument(let message): (Int32(REFRAIN_ARGUMENT), message)
    case .capacity(let message): (Int32(REFRAIN_CAPACITY), message)
    }
  case let error as NotationError: (Int32(REFRAIN_NOTATION), error.description)
  case let error as EngineError: (status(of: error), error.description)
  case let error as MemoryError: (Int32(REFRAIN_MEMORY), message(of: error))
  case let error as MetricsError: (Int32(REFRAIN_ARGUMENT), error.description)
  case let error as DataError: (status(of: error), error.description)
  case let error as FileError: (Int32(REFRAIN_FILE), error.description)
  case let error as FormatError: (Int32(REFRAIN_FORMAT), error.description)
  case let error as ThreadError: (Int32(REFRAIN_MEMORY), message(of: error))
  default: (Int32(REFRAIN_INTERNAL), "\(error)")
  }
}

private func message(of error: MemoryError) -> String {
  error.bytes.map { "cannot have \($0) bytes of memory" }
    ?? "cannot have memory for an array whose size does not fit an integer"
}

private func message(of error: ThreadError) -> String {
  "cannot start \(error.threads - 1) threads: \(String(cString: strerror(error.code)))"
}

private func status(of error: DataError) -> Int32 {
  switch error {
  case .argument: Int32(REFRAIN_ARGUMENT)
  case .features: Int32(REFRAIN_SHAPE)
  case .order: Int32(REFRAIN_ORDER)
  case .state: Int32(REFRAIN_FORMAT)
  case .unknownID: Int32(REFRAIN_NAME)
  }
}

private func status(of error: EngineError) -> Int32 {
  switch error {
  case .shape, .type, .count: Int32(REFRAIN_SHAPE)
  case .argument: Int32(REFRAIN_ARGUMENT)
  case .unknownName: Int32(REFRAIN_NAME)
  case .order: Int32(REFRAIN_ORDER)
  case .unsupported: Int32(REFRAIN_UNSUPPORTED)
  case .memory: Int32(REFRAIN_MEMORY)
  case .notFinite: Int32(REFRAIN_NOT_FINITE)
  case .cancelled: Int32(REFRAIN_CANCELLED)
  }
}

/// The calling thread's message.
enum LastError {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { free($0) }
    return key
  }()
  private nonisolated(unsafe) static let empty: UnsafePointer<CChar> = {
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
    text.pointee = 0
    return UnsafePointer(text)
  }()

  static func set(_ message: String) {
    free(pthread_getspecific(key))
    pthread_setspecific(key, message.withCString { strdup($0) })
  }

  static var current: UnsafePointer<CChar> {
    pthread_getspecific(key).map { UnsafePointer($0.assumingMemoryBound(to: CChar.self)) } ?? empty
  }
}

// MARK: Arguments

/// A text that must be there, in UTF-8.
func text(_ pointer: UnsafePointer<CChar>?, named name: String) throws -> String {
  guard let pointer else { throw BoundaryError.null(name) }
  guard let text = String(validatingCString: pointer) else {
    throw BoundaryError.argument("\(name): expected UTF-8, found bytes that are not")
  }
  return text
}

/// An option text; NULL is the same as "".
func options(_ pointer: UnsafePointer<CChar>?) throws -> String {
  try pointer.map { try text($0, named: "options") } ?? ""
}

/// A pointer that must be there.
func required<T>(_ pointer: T?, named name: @autoclosure () -> String) throws -> T {
  guard let pointer else { throw BoundaryError.null(name()) }
  return pointer
}

/// Elements of any type that an address can tell apart: 2⁴⁷ bytes. No caller can have more.
let maximumElements = 1 << 44

/// A size of at least 0.
func size(_ value: Int64, named name: @autoclosure () -> String) throws -> Int {
  guard value >= 0 else {
    throw BoundaryError.argument("\(name()): expected a size ≥ 0, found \(value)")
  }
  return Int(value)
}

/// Elements of an array with these sizes, small enough to have been allocated by anyone.
func elements(_ sizes: (value: Int64, name: String)...) throws -> Int {
  var count = 1
  for (value, name) in sizes {
    let (product, overflow) = count.multipliedReportingOverflow(by: try size(value, named: name))
    guard !overflow, product <= maximumElements else {
      throw BoundaryError.argument(
        "\(name): \(sizes.map { String($0.value) }.joined(separator: " × ")) elements are too many")
    }
    count = product
  }
  return count
}

/// Copies a text out; see "Texts that the library returns" in refrain.h.
func write(
  _ source: String, _ text: UnsafeMutablePointer<CChar>?, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>?
) throws {
  var source = source
  try source.withUTF8 { bytes in
    try write(bytes, minimum: 1, text.map { UnsafeMutableRawPointer($0) }, capacity, length, "text")
    text?[bytes.count] = 0
  }
}

/// Copies bytes out, or says how many there are.
///
/// - Parameter minimum: bytes of room needed beyond the bytes themselves.
func write(
  _ bytes: UnsafeBufferPointer<UInt8>, minimum: Int = 0, _ target: UnsafeMutableRawPointer?,
  _ capacity: Int64, _ length: UnsafeMutablePointer<Int64>?, _ name: String
) throws {
  let capacity = try size(capacity, named: "capacity")
  guard target != nil || capacity == 0 else { throw BoundaryError.null(name) }
  length?.pointee = Int64(bytes.count)
  guard let target, capacity >= bytes.count + minimum else {
    throw BoundaryError.capacity(
      "\(name): needs \(bytes.count + minimum) bytes, found room for \(capacity)")
  }
  if let base = bytes.baseAddress { target.copyMemory(from: base, byteCount: bytes.count) }
}

/// An index into something with `count` elements.
func position(_ index: Int64, below count: Int) throws -> Int {
  guard index >= 0, index < Int64(count) else {
    throw BoundaryError.argument(
      count == 0
        ? "index: there is nothing to choose from, found \(index)"
        : "index: expected 0 … \(count - 1), found \(index)")
  }
  return Int(index)
}

/// An array of texts that must be there, in UTF-8.
func texts(
  _ pointer: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int64, named name: String
) throws -> [String] {
  let count = try elements((count, "count"))
  guard count > 0 else { return [] }
  let pointer = try required(pointer, named: name)
  return try (0..<count).map { try text(pointer[$0], named: "\(name)[\($0)]") }
}
