// Handles.swift — the one place where objects become handles and handles objects
//
// A handle is not an address but a number: the index of an entry in a table, and the entry's
// generation. Releasing an object ends its generation, so an old handle is noticed instead of being
// followed. Looking an entry up takes no lock: chunks of the table are published before any handle
// to them exists, and never move.

import CRefrain
import Data
import Engine
import Kernels

/// The kinds of objects that callers hold.
enum HandleKind: UInt, CaseIterable {
  case model = 1
  case session, trainer, tokenizer, scaler, metrics

  var name: String { "refrain_\(self)" }
}

/// An object that callers hold. What is written lies in a box of its own, so that the table only
/// ever holds references.
final class TokenizerBox {
  var tokenizer: Tokenizer
  init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }
}

final class ScalerBox {
  var scaler: Scaler
  init(_ scaler: Scaler) { self.scaler = scaler }
}

final class MetricsBox {
  let result: EvaluationResult
  init(_ result: EvaluationResult) { self.result = result }
}

/// A model may have several owners, all with the same handle.
final class ModelBox {
  let model: Model
  var owners = 1
  init(_ model: Model) { self.model = model }
}

enum Handles {
  private struct Entry {
    var object: Unmanaged<AnyObject>?
    var kind: UInt = 0
    var generation: UInt = 1
  }

  private static let chunkBits: UInt = 10
  private static let maximumChunks = 1 << 12
  private static let lock = Mutex()
  /// Made with the first handle.
  private nonisolated(unsafe) static var chunks: UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>?
  private nonisolated(unsafe) static var used: UInt = 0
  private nonisolated(unsafe) static var free: [UInt] = []

  /// What the bits of a handle say: the entry's generation (35 bits) and index (22), the kind (3), and a
  /// mark of four that no pointer to an object in memory has set together, so that an address is never
  /// taken for a handle.
  private struct Name {
    let generation, index, kind: UInt
    let isMarked: Bool

    private static let mark: UInt = 0b1011
    private static let kindShift: UInt = 4
    private static let indexShift: UInt = 7
    private static let generationShift: UInt = 29
    static let generations: UInt = 1 << 35

    @inline(__always)
    init(_ handle: OpaquePointer) {
      let bits = UInt(bitPattern: handle)
      generation = bits >> Self.generationShift
      index = bits >> Self.indexShift & (1 << 22 - 1)
      kind = bits >> Self.kindShift & 0b111
      isMarked = bits & 0b1111 == Self.mark
    }

    static func handle(generation: UInt, index: UInt, _ kind: HandleKind) -> OpaquePointer {
      let bits =
        generation << generationShift | index << indexShift | kind.rawValue << kindShift | mark
      guard let handle = OpaquePointer(bitPattern: bits) else {
        preconditionFailure("a handle is never 0")
      }
      return handle
    }
  }

  /// Takes ownership of an object.
  static func make(_ object: AnyObject, _ kind: HandleKind) throws -> OpaquePointer {
    try lock.withLock {
      let index: UInt
      if let reused = free.popLast() {
        index = reused
      } else {
        guard used < UInt(maximumChunks) << chunkBits else {
          throw EngineError.memory("too many objects: \(used) are alive")
        }
        index = used
        if chunks == nil {
          chunks = .allocate(capacity: maximumChunks)
          chunks?.initialize(repeating: nil, count: maximumChunks)
        }
        if index & (1 << chunkBits - 1) == 0 {
          let chunk = UnsafeMutablePointer<Entry>.allocate(capacity: 1 << chunkBits)
          chunk.initialize(repeating: Entry(), count: 1 << chunkBits)
          chunks![Int(index >> chunkBits)] = chunk
        }
        used += 1
      }
      let entry = entry(index)
      entry.pointee.object = Unmanaged.passRetained(object)
      entry.pointee.kind = kind.rawValue
      return Name.handle(generation: entry.pointee.generation, index: index, kind)
    }
  }

  private static func entry(_ index: UInt) -> UnsafeMutablePointer<Entry> {
    chunks![Int(index >> chunkBits)]! + Int(index & (1 << chunkBits - 1))
  }

  /// The living entry of a handle.
  @inline(__always)
  private static func find(
    _ handle: OpaquePointer, _ kind: HandleKind, named argument: String
  ) throws -> UnsafeMutablePointer<Entry> {
    let name = Name(handle)
    guard name.isMarked, name.kind == kind.rawValue, name.index < used else {
      throw notFound(handle, kind, named: argument)
    }
    let entry = entry(name.index)
    guard entry.pointee.generation % Name.generations == name.generation,
      entry.pointee.kind == kind.rawValue, entry.pointee.object != nil
    else { throw notFound(handle, kind, named: argument) }
    return entry
  }

  /// What is wrong with a handle that `find` does not find.
  @inline(never)
  private static func notFound(
    _ handle: OpaquePointer, _ kind: HandleKind, named argument: String
  ) -> BoundaryError {
    let name = Name(handle)
    guard name.isMarked, name.index < used else {
      return .handle("\(argument): expected a \(kind.name), found something that is no handle")
    }
    guard name.kind == kind.rawValue else {
      let other = HandleKind(rawValue: name.kind)?.name ?? "something that is no handle"
      return .handle("\(argument): expected a \(kind.name), found a \(other)")
    }
    return .handle("\(argument): this \(kind.name) was released")
  }

  /// The object of a handle, for the length of a call.
  static func borrow<T: AnyObject>(
    _ handle: OpaquePointer?, _ kind: HandleKind, named name: String, as type: T.Type
  ) throws -> T {
    guard let handle else { throw BoundaryError.null(name) }
    let object = try find(handle, kind, named: name).pointee.object
    guard let object = object?.takeUnretainedValue() as? T else {
      throw BoundaryError.handle("\(name): this \(kind.name) was released")
    }
    return object
  }

  /// The object of a handle, for a call that takes no time and calls nobody back: references are not
  /// counted, so nobody may release it meanwhile.
  @inline(__always)
  static func lend<T: AnyObject>(
    _ handle: OpaquePointer?, _ kind: HandleKind, named name: String, as type: T.Type,
    _ body: (T) throws -> Void
  ) throws {
    guard let handle else { throw BoundaryError.null(name) }
    guard let object = try find(handle, kind, named: name).pointee.object else {
      throw notFound(handle, kind, named: name)
    }
    // The entry's kind says of what type it is.
    try object._withUnsafeGuaranteedRef { try body(unsafeDowncast($0, to: type)) }
  }

  /// Gives up an object. NULL, and what is no living handle, are left alone.
  static func release(_ handle: OpaquePointer?, _ kind: HandleKind) {
    guard let handle else { return }
    let object: Unmanaged<AnyObject>? = lock.withLock {
      guard let entry = try? find(handle, kind, named: "") else { return nil }
      if let model = entry.pointee.object?.takeUnretainedValue() as? ModelBox {
        model.owners -= 1
        if model.owners > 0 { return nil }
      }
      let object = entry.pointee.object
      entry.pointee.object = nil
      entry.pointee.generation += 1
      free.append(Name(handle).index)
      return object
    }
    object?.release()
  }

  /// Counts one more owner of a model.
  static func retain(model handle: OpaquePointer?) throws {
    let box = try borrow(handle, .model, named: "model", as: ModelBox.self)
    lock.withLock { box.owners += 1 }
  }
}

func model(_ handle: OpaquePointer?) throws -> Model {
  try Handles.borrow(handle, .model, named: "model", as: ModelBox.self).model
}
func session(_ handle: OpaquePointer?) throws -> Session {
  try Handles.borrow(handle, .session, named: "session", as: Session.self)
}
func trainer(_ handle: OpaquePointer?) throws -> Trainer {
  try Handles.borrow(handle, .trainer, named: "trainer", as: Trainer.self)
}
func tokenizer(_ handle: OpaquePointer?) throws -> TokenizerBox {
  try Handles.borrow(handle, .tokenizer, named: "tokenizer", as: TokenizerBox.self)
}
func scaler(_ handle: OpaquePointer?) throws -> ScalerBox {
  try Handles.borrow(handle, .scaler, named: "scaler", as: ScalerBox.self)
}
func metrics(_ handle: OpaquePointer?) throws -> EvaluationResult {
  try Handles.borrow(handle, .metrics, named: "metrics", as: MetricsBox.self).result
}
