// ParameterStore.swift — every parameter of a model in one block of memory
//
// Gradients and optimiser moments have the same layout, so an update is one sweep over parallel
// blocks. Each parameter starts on a cache line; the gaps hold zeros and stay zero.

import Kernels

/// What a layer asks for.
struct ParameterSpec: Sendable {
  /// The last part of the name, such as "weight_ih".
  var name: String
  var shape: [Int]
  var initializer: Initializer
  /// Whether L2 applies: weights yes, biases and scales no.
  var isWeight: Bool
}

/// Where one parameter lives.
public struct ParameterEntry: Sendable {
  /// Layer and parameter, such as "lstm.weight_ih".
  public let name: String
  public let shape: [Int]
  public let offset: Int
  public let count: Int
  let isWeight: Bool
  let initializer: Initializer
  var range: Range<Int> { offset..<offset + count }
}

/// The parameters of a model.
public final class ParameterStore: @unchecked Sendable {
  public let entries: [ParameterEntry]
  /// All values, gaps included.
  public let values: AlignedBuffer<Float>
  /// Grows with every change, so that packed copies know when they are stale.
  public private(set) var version = 1
  private let indices: [String: Int]

  /// Floats between the starts of neighbouring parameters are a multiple of this.
  private static let alignment = 16

  init(_ specs: [(layer: String, parameters: [ParameterSpec])]) throws {
    var entries: [ParameterEntry] = []
    var indices: [String: Int] = [:]
    var offset = 0
    for (layer, parameters) in specs {
      for spec in parameters {
        let name = "\(layer).\(spec.name)"
        let count = try Int.product(spec.shape, of: name)
        indices[name] = entries.count
        entries.append(
          ParameterEntry(
            name: name, shape: spec.shape, offset: offset, count: count, isWeight: spec.isWeight,
            initializer: spec.initializer))
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= Int.max / 8 else {
          throw EngineError.memory("\(name): the model has too many parameters")
        }
        offset = (end + Self.alignment - 1) / Self.alignment * Self.alignment
      }
    }
    self.entries = entries
    self.indices = indices
    values = try AlignedBuffer(count: offset)
  }

  /// Numbers in all parameters, gaps not included.
  public var count: Int { entries.reduce(0) { $0 + $1.count } }

  /// Draws all values. The same seed gives the same bits; a parameter's values depend on its own
  /// index and shape alone.
  func initialize(seed: UInt64) {
    for (index, entry) in entries.enumerated() {
      var random = RandomSequence(seed: seed, stream: UInt64(index))
      entry.initializer.fill(values.pointer + entry.offset, shape: entry.shape, random: &random)
    }
    changed()
  }

  /// To be called after values were written.
  public func changed() { version &+= 1 }

  public func entry(named name: String) throws -> ParameterEntry {
    guard let index = indices[name] else {
      throw EngineError.unknownName(
        name, kind: "parameter", nearest: nearestName(to: name, among: entries.map(\.name)))
    }
    return entries[index]
  }

  func pointer(_ entry: ParameterEntry) -> MutableValues { values.pointer + entry.offset }

  public func set(_ name: String, to source: UnsafeBufferPointer<Float>) throws {
    let entry = try checked(name, count: source.count)
    guard kernels.isFinite(source.baseAddress!, count: source.count) else {
      throw EngineError.notFinite("\(name): a value is not finite; the parameter was not changed")
    }
    pointer(entry).update(from: source.baseAddress!, count: entry.count)
    changed()
  }

  public func get(_ name: String, into target: UnsafeMutableBufferPointer<Float>) throws {
    let entry = try checked(name, count: target.count)
    target.baseAddress!.update(from: pointer(entry), count: entry.count)
  }

  private func checked(_ name: String, count: Int) throws -> ParameterEntry {
    let entry = try entry(named: name)
    guard entry.count == count else {
      throw EngineError.shape(name: name, expected: entry.shape, found: [count])
    }
    return entry
  }

  /// The first parameter with a value that is not finite.
  public func firstNonFinite() -> ParameterEntry? {
    entries.first { !kernels.isFinite(pointer($0), count: $0.count) }
  }
}
