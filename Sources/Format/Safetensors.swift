// Safetensors.swift — the container: named arrays and a few texts
//
//     8 bytes   length of the header, little-endian
//     header    JSON: name → {dtype, shape, data_offsets}, and __metadata__: texts by name
//     data      the arrays, one after the other, without gaps
//
// The format is Hugging Face's; its reference library orders arrays by type, the widest first, then
// by the bytes of their names, and so do we. A reader checks everything before it believes anything:
// files may come from strangers.

import JSON

/// Element types of the format, in the order in which the reference library writes them.
enum SafetensorsType: String, CaseIterable {
  case u64 = "U64"
  case i64 = "I64"
  case f64 = "F64"
  case f32 = "F32"
  case u32 = "U32"
  case i32 = "I32"
  case bf16 = "BF16"
  case f16 = "F16"
  case u16 = "U16"
  case i16 = "I16"
  case i8 = "I8"
  case u8 = "U8"
  case bool = "BOOL"

  fileprivate var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  var size: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

/// The limit of the format for the header.
private let maximumHeader = 100_000_000

// MARK: Reading

/// A container in memory, checked. The memory must outlive it.
struct SafetensorsReader {
  struct Tensor {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let bytes: UnsafeRawBufferPointer
    var count: Int { shape.reduce(1, *) }
  }

  /// In the order of the header.
  let tensors: [Tensor]
  let metadata: [String: String]
  private let indices: [String: Int]

  init(_ file: UnsafeRawBufferPointer) throws {
    guard file.count >= 8 else {
      throw FormatError("a safetensors file has at least 8 bytes, found \(file.count)")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumHeader), Int(length) <= file.count - 8 else {
      throw FormatError(
        "the header has \(length) bytes, but only \(file.count - 8) follow its length, "
          + "and \(maximumHeader) are allowed", at: 0)
    }
    let header = UnsafeRawBufferPointer(rebasing: file[8..<8 + Int(length)])
    let data = UnsafeRawBufferPointer(rebasing: file[(8 + Int(length))...])
    guard header.first == UInt8(ascii: "{") else {
      throw FormatError("the header does not begin with {", at: 8)
    }
    let json: JSONValue
    do {
      json = try JSONValue(parsing: header)
    } catch {
      throw FormatError("the header is no valid JSON: \(error.message)", at: 8 + error.offset)
    }
    guard let members = json.asObject else { throw FormatError("the header is no object", at: 8) }

    var tensors: [Tensor] = []
    var metadata: [String: String] = [:]
    for member in members {
      if member.name == "__metadata__" {
        metadata = try Self.metadata(member.value)
      } else {
        tensors.append(try Self.tensor(member, data))
      }
    }
    try Self.checkCoverage(tensors, data)
    self.tensors = tensors
    self.metadata = metadata
    indices = Dictionary(
      tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    guard indices.count == tensors.count else {
      throw FormatError("two tensors have names that are the same but for their encoding")
    }
  }

  private static func metadata(_ value: JSONValue) throws -> [String: String] {
    guard let members = value.asObject else { throw FormatError("__metadata__ is no object") }
    var metadata: [String: String] = [:]
    for member in members {
      guard let text = member.value.asString else {
        throw FormatError("__metadata__ has a value that is no text: \(shown(member.name))")
      }
      metadata[member.name] = text
    }
    guard metadata.count == members.count else {
      throw FormatError("__metadata__ has two names that are the same but for their encoding")
    }
    return metadata
  }

  private static func tensor(_ member: JSONMember, _ data: UnsafeRawBufferPointer) throws -> Tensor
  {
    func wrong(_ what: String) -> FormatError {
      FormatError("tensor \(shown(member.name)): \(what)")
    }
    guard let fields = member.value.asObject else { throw wrong("its entry is no object") }
    for field in fields where !["dtype", "shape", "data_offsets"].contains(field.name) {
      throw wrong("unknown field \(shown(field.name))")
    }
    guard let typeName = member.value["dtype"]?.asString,
      let type = SafetensorsType(rawValue: typeName)
    else { throw wrong("it has no known dtype") }
    guard let sizes = member.value["shape"]?.asArray else { throw wrong("it has no shape") }
    var shape: [Int] = []
    var count = 1
    for size in sizes {
      guard let size = size.asInteger, size >= 0 else {
        throw wrong("its shape has something other than sizes")
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else { throw wrong("its shape is too large") }
      shape.append(size)
      count = product
    }
    guard let offsets = member.value["data_offsets"]?.asArray, offsets.count == 2,
      let begin = offsets[0].asInteger, let end = offsets[1].asInteger
    else { throw wrong("data_offsets are not two integers") }
    guard begin >= 0, begin <= end, end <= data.count else {
      throw wrong("data_offsets \(begin) … \(end) are not within the \(data.count) bytes of data")
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: type.size)
    guard !overflow, bytes == end - begin else {
      throw wrong("its shape needs other than the \(end - begin) bytes that it has")
    }
    return Tensor(
      name: member.name, type: type, shape: shape,
      bytes: UnsafeRawBufferPointer(rebasing: data[begin..<end]))
  }

  /// Every byte of the data belongs to one tensor.
  private static func checkCoverage(_ tensors: [Tensor], _ data: UnsafeRawBufferPointer) throws {
    func offset(_ tensor: Tensor) -> Int {
      guard let base = tensor.bytes.baseAddress, let start = data.baseAddress else { return 0 }
      return base - start
    }
    var covered = 0
    for tensor in tensors.filter({ !$0.bytes.isEmpty }).sorted(by: { offset($0) < offset($1) }) {
      guard offset(tensor) == covered else {
        throw FormatError(
          "tensor \(shown(tensor.name)) begins at \(offset(tensor)) of the data, expected \(covered)"
        )
      }
      covered += tensor.bytes.count
    }
    guard covered == data.count else {
      throw FormatError("\(data.count - covered) bytes at the end belong to no tensor")
    }
  }

  subscript(_ name: String) -> Tensor? { indices[name].map { tensors[$0] } }
}

// MARK: Writing

/// A container to be written.
struct SafetensorsWriter {
  private struct Entry {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let bytes: UnsafeRawBufferPointer
  }

  private var entries: [Entry] = []
  var metadata: [String: String] = [:]

  /// - Parameter bytes: must stay valid until the container is written.
  mutating func add(
    _ name: String, _ type: SafetensorsType, shape: [Int], _ bytes: UnsafeRawBufferPointer
  ) {
    precondition(bytes.count == shape.reduce(type.size, *))
    entries.append(Entry(name: name, type: type, shape: shape, bytes: bytes))
  }

  /// The file, piece by piece.
  func write(to sink: (UnsafeRawBufferPointer) throws -> Void) throws {
    let ordered = entries.sorted {
      $0.type != $1.type
        ? $0.type.rank < $1.type.rank : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
    }
    var members: [JSONMember] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }
      members.append(
        JSONMember("__metadata__", .object(texts.map { JSONMember($0.key, .string($0.value)) })))
    }
    var offset = 0
    for entry in ordered {
      members.append(
        JSONMember(
          entry.name,
          .object([
            JSONMember("dtype", .string(entry.type.rawValue)),
            JSONMember("shape", .array(entry.shape.map { .integer($0) })),
            JSONMember(
              "data_offsets", .array([.integer(offset), .integer(offset + entry.bytes.count)])),
          ])))
      offset += entry.bytes.count
    }
    // Spaces after the header let the data begin at a multiple of 8.
    var header = Array(JSONValue.object(members).text.utf8)
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    guard header.count <= maximumHeader else {
      throw FormatError("the header would have \(header.count) bytes; \(maximumHeader) are allowed")
    }
    try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try sink($0) }
    try header.withUnsafeBytes { try sink($0) }
    for entry in ordered { try sink(entry.bytes) }
  }

  /// The whole file in memory.
  func bytes() throws -> [UInt8] {
    var bytes: [UInt8] = []
    try write { bytes += $0 }
    return bytes
  }
}
