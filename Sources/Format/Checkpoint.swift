// Checkpoint.swift — a trainer as a file: everything that exact resumption needs
//
// Promises only that: a checkpoint is read by the version of the library that wrote it.

import Engine
import JSON
import Kernels

public enum Checkpoint {
  private static let kind = "refrain checkpoint"
  private static let version = "1"

  public static func save(_ trainer: Trainer, path: String) throws {
    let snapshot = trainer.snapshot()
    var writer = SafetensorsWriter()
    writer.metadata = [
      "format": kind, "format_version": version, "notation": trainer.model.notation,
      "trainer": trainer.notation,
    ]
    for (name, value) in snapshot.integers { writer.metadata["n.\(name)"] = String(value) }
    for (name, values) in snapshot.numbers {
      // Hexadecimal bit patterns: exact, also for infinities.
      writer.metadata["x.\(name)"] = values.map { String($0.bitPattern, radix: 16) }
        .joined(separator: " ")
    }
    for (name, values) in snapshot.arrays {
      writer.add(name, .f32, shape: [values.count], UnsafeRawBufferPointer(values))
    }
    try withExtendedLifetime(snapshot) {
      try writeAtomically(path: path) { try writer.write(to: $0) }
    }
  }

  public static func load(into trainer: Trainer, path: String) throws {
    let (memory, count) = try readFile(path: path)
    try withExtendedLifetime(memory) {
      let file = try SafetensorsReader(UnsafeRawBufferPointer(start: memory.pointer, count: count))
      guard file.metadata["format"] == kind, file.metadata["format_version"] == version else {
        throw FormatError("expected a \(kind) of version \(version), found something else")
      }
      for (name, expected) in [
        ("notation", trainer.model.notation), ("trainer", trainer.notation),
      ] where file.metadata[name] != expected {
        throw FormatError(
          "the checkpoint's \(name == "trainer" ? "options" : "model") differ: expected "
            + "\(shown(expected)), found \(shown(file.metadata[name] ?? ""))")
      }
      try restore(trainer, file)
    }
  }

  private static func restore(_ trainer: Trainer, _ file: SafetensorsReader) throws {
    var integers: [String: Int] = [:]
    var numbers: [String: [Double]] = [:]
    for (name, text) in file.metadata {
      if name.hasPrefix("n.") {
        integers[String(name.dropFirst(2))] = try integer(text, name)
      } else if name.hasPrefix("x.") {
        numbers[String(name.dropFirst(2))] = try text.split(separator: " ").map {
          guard let bits = UInt64($0, radix: 16) else {
            throw FormatError("\(shown(name)) is damaged")
          }
          return Double(bitPattern: bits)
        }
      }
    }
    var arrays: [String: [Float]] = [:]
    for tensor in file.tensors {
      guard tensor.type == .f32 else { throw FormatError("\(shown(tensor.name)) is damaged") }
      arrays[tensor.name] = (0..<tensor.count).map {
        tensor.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
      }
    }
    guard trainer.restore(integers: integers, numbers: numbers, arrays: arrays) else {
      throw FormatError("the checkpoint does not have what this trainer needs")
    }
  }

  private static func integer(_ text: String, _ name: String) throws -> Int {
    // No counter comes near this; a larger number would overflow where it is counted on.
    guard let value = Int(text), 0...1 << 48 ~= value else {
      throw FormatError("\(shown(name)) is damaged")
    }
    return value
  }
}
