// ModelFile.swift — a model as a file
//
// A safetensors file that any reader of the format can open. Arrays have PyTorch's names and
// layouts, which are the engine's own. Texts in `__metadata__`:
//
//     format           "refrain model"
//     format_version   "1"
//     notation         the architecture
//     conventions      gate orders and the like, in words, for people who read the weights elsewhere
//     tokenizer, scaler.input, scaler.target, labels        what travels with the model, if present
//
// Arrays named `sample.input.N` and `sample.output.N` are one small batch and what the model gave for
// it when it was saved; a reader runs it again and refuses a file whose answer differs.

import Engine
import Glibc
import JSON
import Kernels

public enum ModelFile {
  private static let kind = "refrain model"
  private static let version = 1
  private static let conventions =
    "row-major; weight_ih [gates * hidden, input], weight_hh [gates * hidden, hidden]; "
    + "gate order LSTM i f g o, GRU r z n; GRU h = (1 - z) * n + z * h_prev, reset gate after the "
    + "recurrent product unless the notation says reset_after=false; suffix _reverse for the reverse "
    + "direction; dense weight [out, in]"

  // MARK: Saving

  public static func save(_ model: Model, path: String) throws {
    try withWriter(model) { writer in
      try writeAtomically(path: path) { try writer.write(to: $0) }
    }
  }

  public static func bytes(of model: Model) throws -> [UInt8] {
    try withWriter(model) { try $0.bytes() }
  }

  private static func withWriter<R>(_ model: Model, _ body: (SafetensorsWriter) throws -> R) throws
    -> R
  {
    if let entry = model.parameters.firstNonFinite() {
      throw EngineError.notFinite("\(entry.name) has a value that is not finite; nothing was saved")
    }
    let sample = try Sample(model)
    var writer = SafetensorsWriter()
    writer.metadata = [
      "format": kind, "format_version": String(version), "notation": model.notation,
      "conventions": conventions,
    ]
    let attachments = model.attachments
    writer.metadata["tokenizer"] = attachments.tokenizer
    for (role, scaler) in attachments.scalers { writer.metadata["scaler.\(role)"] = scaler }
    if !attachments.labels.isEmpty {
      writer.metadata["labels"] = JSONValue.array(attachments.labels.map { .string($0) }).text
    }
    for entry in model.parameters.entries {
      writer.add(
        entry.name, .f32, shape: entry.shape,
        UnsafeRawBufferPointer(
          start: model.parameters.values.pointer + entry.offset, count: entry.count * 4))
    }
    for array in sample.arrays {
      writer.add(array.name, array.type, shape: array.shape, array.bytes)
    }
    return try withExtendedLifetime(sample) { try body(writer) }
  }

  // MARK: Loading

  public static func load(path: String) throws -> Model {
    let (memory, count) = try readFile(path: path)
    return try withExtendedLifetime(memory) {
      try load(UnsafeRawBufferPointer(start: memory.pointer, count: count))
    }
  }

  public static func load(_ bytes: UnsafeRawBufferPointer) throws -> Model {
    let file = try SafetensorsReader(bytes)
    try checkKind(file.metadata)
    guard let notation = file.metadata["notation"] else {
      throw FormatError("the file has no notation of the model")
    }
    try checkSize(notation, file)
    let model: Model
    do {
      model = try Model(notation: notation, seed: nil)
    } catch let error as NotationError {
      throw FormatError("the notation in the file cannot be understood: \(error)")
    }
    try readParameters(model, file)
    try readAttachments(model, file.metadata)
    try Sample.verify(model, file)
    return model
  }

  private static func checkKind(_ metadata: [String: String]) throws {
    guard metadata["format"] == kind else {
      throw FormatError(
        "expected a \(kind), found "
          + (metadata["format"].map(shown) ?? "a safetensors file without a notation"))
    }
    guard let text = metadata["format_version"], let found = Int(text), found >= 1 else {
      throw FormatError("the file has no format version")
    }
    guard found <= version else {
      throw FormatError(
        "the file has format version \(found); this library reads up to \(version)")
    }
  }

  /// Before memory is asked for: the architecture needs exactly the numbers that the file has.
  private static func checkSize(_ notation: String, _ file: SafetensorsReader) throws {
    let found = file.tensors.filter { !$0.name.hasPrefix("sample.") }.reduce(0) { $0 + $1.count }
    let needed: Int
    do {
      needed = try Model.parameterCount(notation: notation)
    } catch let error as NotationError {
      throw FormatError("the notation in the file cannot be understood: \(error)")
    }
    guard needed == found else {
      throw FormatError("the notation needs \(needed) numbers, the file has \(found)")
    }
  }

  private static func readParameters(_ model: Model, _ file: SafetensorsReader) throws {
    var known: Set<String> = []
    for entry in model.parameters.entries {
      known.insert(entry.name)
      guard let tensor = file[entry.name] else {
        throw FormatError("the parameter '\(entry.name)' is missing")
      }
      guard tensor.type == .f32, tensor.shape == entry.shape else {
        throw FormatError(
          "parameter '\(entry.name)': expected F32 \(entry.shape), found \(tensor.type.rawValue) "
            + "\(tensor.shape)")
      }
      UnsafeMutableRawBufferPointer(
        start: model.parameters.values.pointer + entry.offset, count: entry.count * 4
      ).copyMemory(from: tensor.bytes)
    }
    for tensor in file.tensors
    where !known.contains(tensor.name) && !tensor.name.hasPrefix("sample.") {
      throw FormatError("\(shown(tensor.name)) is no parameter of this model")
    }
    if let entry = model.parameters.firstNonFinite() {
      throw EngineError.notFinite(
        "\(entry.name) has a value that is not finite; nothing was loaded")
    }
    model.parameters.changed()
  }

  private static func readAttachments(_ model: Model, _ metadata: [String: String]) throws {
    model.attachments.tokenizer = metadata["tokenizer"]
    for role in ["input", "target"] {
      model.attachments.scalers[role] = metadata["scaler.\(role)"]
    }
    guard let text = metadata["labels"] else { return }
    guard let values = (try? JSONValue(parsing: text))?.asArray,
      case let labels = values.compactMap(\.asString), labels.count == values.count
    else { throw FormatError("the labels are no list of texts") }
    model.attachments.labels = labels
  }
}

/// A small batch with the model's answers.
private final class Sample {
  struct Array {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let bytes: UnsafeRawBufferPointer
  }

  private(set) var arrays: [Array] = []
  private var memory: [AlignedBuffer<Float>] = []

  private static let batch = 2
  private static let timesteps = 5

  /// Makes inputs for a model and runs it.
  init(_ model: Model) throws {
    var random = RandomSequence(seed: 0, stream: 0)
    var inputs: [TensorView] = []
    for index in 0..<model.inputCount {
      let shape = model.inputShape(index)
      let view = try reserve("sample.input.\(index)", shape)
      for i in 0..<view.shape.reduce(1, *) {
        switch shape.type {
        case .float:
          (view.base + 4 * i).storeBytes(of: Float(random.normal()), as: Float.self)
        case .ids:
          let limit = min(model.vocabulary(ofInput: index) ?? 1, Int(Int32.max))
          let id = Int32(random.uniformDouble() * Double(limit))
          (view.base + 4 * i).storeBytes(of: id, as: Int32.self)
        }
      }
      inputs.append(view)
    }
    let outputs = try (0..<model.outputCount).map {
      try reserve("sample.output.\($0)", model.outputShape($0))
    }
    try Session(model, options: "").run(inputs, into: outputs)
  }

  private func reserve(_ name: String, _ shape: ValueShape) throws -> TensorView {
    let sizes = shape.sizes(
      batch: Self.batch, timesteps: Self.timesteps, keys: Self.timesteps)
    let buffer = try AlignedBuffer<Float>(count: try Int.product(Swift.Array(sizes), of: name))
    memory.append(buffer)
    arrays.append(
      Array(
        name: name, type: shape.type == .float ? .f32 : .i32, shape: Swift.Array(sizes),
        bytes: UnsafeRawBufferPointer(start: buffer.pointer, count: buffer.count * 4)))
    return TensorView(
      name: ArrayName(name), base: UnsafeMutableRawPointer(buffer.pointer), type: shape.type,
      shape: sizes)
  }

  /// Runs the file's sample and compares; a file without one is accepted.
  static func verify(_ model: Model, _ file: SafetensorsReader) throws {
    let stored = file.tensors.filter { $0.name.hasPrefix("sample.") }
    guard !stored.isEmpty else { return }
    guard stored.count == model.inputCount + model.outputCount else {
      throw FormatError("the sample in the file is not complete")
    }
    var kept: [AlignedBuffer<UInt8>] = []
    func view(_ name: String, _ shape: ValueShape) throws -> (TensorView, SafetensorsReader.Tensor)
    {
      guard let tensor = file[name], tensor.type == (shape.type == .float ? .f32 : .i32) else {
        throw FormatError("the sample in the file has no '\(name)'")
      }
      let buffer = try AlignedBuffer<UInt8>(count: tensor.bytes.count)
      UnsafeMutableRawBufferPointer(start: buffer.pointer, count: buffer.count)
        .copyMemory(from: tensor.bytes)
      kept.append(buffer)
      guard let sizes = Shape(tensor.shape) else {
        throw FormatError(
          "the sample in the file does not fit the model: '\(name)' has \(tensor.shape.count) axes")
      }
      let view = TensorView(
        name: ArrayName(name), base: UnsafeMutableRawPointer(buffer.pointer), type: shape.type,
        shape: sizes)
      return (view, tensor)
    }
    let inputs = try (0..<model.inputCount).map {
      try view("sample.input.\($0)", model.inputShape($0)).0
    }
    let outputs = try (0..<model.outputCount).map {
      try view("sample.output.\($0)", model.outputShape($0))
    }
    do {
      try Session(model, options: "").run(inputs, into: outputs.map(\.0))
    } catch let error as EngineError {
      throw FormatError("the sample in the file does not fit the model: \(error)")
    }
    for (view, tensor) in outputs { try compare(view, tensor) }
  }

  /// Other processors round differently: a thousandth of the largest value is allowed.
  private static func compare(_ view: TensorView, _ tensor: SafetensorsReader.Tensor) throws {
    let count = tensor.count
    func value(_ index: Int) -> (found: Float, expected: Float) {
      (
        view.base.loadUnaligned(fromByteOffset: 4 * index, as: Float.self),
        tensor.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
      )
    }
    let largest = (0..<count).reduce(Float(0)) { max($0, abs(value($1).expected)) }
    for index in 0..<count {
      let (found, expected) = value(index)
      guard abs(found - expected) <= 1e-5 + 1e-3 * largest else {
        throw FormatError(
          "the model gives \(found) where \(expected) was recorded when it was saved "
            + "(\(tensor.name)[\(index)]): the file is damaged")
      }
    }
  }
}
