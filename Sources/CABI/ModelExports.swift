// ModelExports.swift — refrain_model_*

import CRefrain
import Data
import Engine
import Format

@_cdecl("refrain_model_create") @implementation
public func refrain_model_create(
  _ notation: UnsafePointer<CChar>!, _ seed: UInt64,
  _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let notation = try text(notation, named: "notation")
    let result = try required(model, named: "model")
    result.pointee = try Handles.make(ModelBox(try Model(notation: notation, seed: seed)), .model)
  }
}

@_cdecl("refrain_model_load") @implementation
public func refrain_model_load(
  _ path: UnsafePointer<CChar>!, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let path = try text(path, named: "path")
    let result = try required(model, named: "model")
    result.pointee = try Handles.make(ModelBox(try ModelFile.load(path: path)), .model)
  }
}

@_cdecl("refrain_model_load_memory") @implementation
public func refrain_model_load_memory(
  _ bytes: UnsafeRawPointer!, _ size: Int64, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let bytes = try required(bytes, named: "bytes")
    let count = try CABI.size(size, named: "size")
    let result = try required(model, named: "model")
    let loaded = try ModelFile.load(UnsafeRawBufferPointer(start: bytes, count: count))
    result.pointee = try Handles.make(ModelBox(loaded), .model)
  }
}

@_cdecl("refrain_model_save") @implementation
public func refrain_model_save(_ model: OpaquePointer!, _ path: UnsafePointer<CChar>!)
  -> refrain_status
{
  boundary { try ModelFile.save(CABI.model(model), path: text(path, named: "path")) }
}

@_cdecl("refrain_model_save_memory") @implementation
public func refrain_model_save_memory(
  _ model: OpaquePointer!, _ bytes: UnsafeMutableRawPointer!, _ capacity: Int64,
  _ size: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let size = try required(size, named: "size")
    let file = try ModelFile.bytes(of: CABI.model(model))
    try file.withUnsafeBufferPointer { try write($0, bytes, capacity, size, "bytes") }
  }
}

@_cdecl("refrain_model_retain") @implementation
public func refrain_model_retain(_ model: OpaquePointer!) -> refrain_status {
  boundary { try Handles.retain(model: model) }
}

@_cdecl("refrain_model_release") @implementation
public func refrain_model_release(_ model: OpaquePointer!) { Handles.release(model, .model) }

@_cdecl("refrain_model_notation") @implementation
public func refrain_model_notation(
  _ model: OpaquePointer!, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary { try write(CABI.model(model).notation, text, capacity, length) }
}

@_cdecl("refrain_model_summary") @implementation
public func refrain_model_summary(
  _ model: OpaquePointer!, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary { try write(CABI.model(model).summary, text, capacity, length) }
}

@_cdecl("refrain_model_counts") @implementation
public func refrain_model_counts(
  _ model: OpaquePointer!, _ inputs: UnsafeMutablePointer<Int64>!,
  _ outputs: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    inputs?.pointee = Int64(model.inputCount)
    outputs?.pointee = Int64(model.outputCount)
  }
}

@_cdecl("refrain_model_input") @implementation
public func refrain_model_input(
  _ model: OpaquePointer!, _ index: Int64, _ description: UnsafeMutablePointer<refrain_tensor>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let index = try position(index, below: model.inputCount)
    try describe(model.inputShape(index), into: description)
  }
}

@_cdecl("refrain_model_output") @implementation
public func refrain_model_output(
  _ model: OpaquePointer!, _ index: Int64, _ description: UnsafeMutablePointer<refrain_tensor>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let index = try position(index, below: model.outputCount)
    try describe(model.outputShape(index), into: description)
  }
}

@_cdecl("refrain_model_output_for") @implementation
public func refrain_model_output_for(
  _ model: OpaquePointer!, _ index: Int64, _ inputs: UnsafePointer<refrain_tensor>!,
  _ inputCount: Int64, _ description: UnsafeMutablePointer<refrain_tensor>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let index = try position(index, below: model.outputCount)
    var views: [TensorView] = []
    try read(inputs, inputCount, named: "inputs", into: &views)
    let sizes = try model.outputSizes(index, for: views)
    try describe(
      model.outputShape(index).type, Array(sizes),
      into: try required(description, named: "description"))
  }
}

// MARK: Parameters

@_cdecl("refrain_model_parameter_counts") @implementation
public func refrain_model_parameter_counts(
  _ model: OpaquePointer!, _ parameters: UnsafeMutablePointer<Int64>!,
  _ numbers: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let store = try CABI.model(model).parameters
    parameters?.pointee = Int64(store.entries.count)
    numbers?.pointee = Int64(store.count)
  }
}

@_cdecl("refrain_model_parameter") @implementation
public func refrain_model_parameter(
  _ model: OpaquePointer!, _ index: Int64, _ name: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!, _ description: UnsafeMutablePointer<refrain_tensor>!
) -> refrain_status {
  boundary {
    let entries = try CABI.model(model).parameters.entries
    let entry = entries[try position(index, below: entries.count)]
    if let description {
      try check(description.pointee.struct_size, named: ArrayName("description"))
    }
    try write(entry.name, name, capacity, length)
    if let description { try describe(.float, entry.shape, into: description) }
  }
}

@_cdecl("refrain_model_get_parameter") @implementation
public func refrain_model_get_parameter(
  _ model: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ values: UnsafeMutablePointer<Float>!,
  _ count: Int64
) -> refrain_status {
  boundary {
    let store = try CABI.model(model).parameters
    let values = UnsafeMutableBufferPointer(
      start: try required(values, named: "values"), count: try size(count, named: "count"))
    try store.get(text(name, named: "name"), into: values)
  }
}

@_cdecl("refrain_model_set_parameter") @implementation
public func refrain_model_set_parameter(
  _ model: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ values: UnsafePointer<Float>!,
  _ count: Int64
) -> refrain_status {
  boundary {
    let store = try CABI.model(model).parameters
    let values = UnsafeBufferPointer(
      start: try required(values, named: "values"), count: try size(count, named: "count"))
    try store.set(text(name, named: "name"), to: values)
  }
}

@_cdecl("refrain_model_parameter_data") @implementation
public func refrain_model_parameter_data(
  _ model: OpaquePointer!, _ name: UnsafePointer<CChar>!,
  _ data: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>!, _ count: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let store = try CABI.model(model).parameters
    let data = try required(data, named: "data")
    let entry = try store.entry(named: text(name, named: "name"))
    data.pointee = store.values.pointer + entry.offset
    count?.pointee = Int64(entry.count)
  }
}

@_cdecl("refrain_model_parameters_changed") @implementation
public func refrain_model_parameters_changed(_ model: OpaquePointer!) -> refrain_status {
  boundary { try CABI.model(model).parameters.changed() }
}

// MARK: What travels with a model

@_cdecl("refrain_model_set_tokenizer") @implementation
public func refrain_model_set_tokenizer(_ model: OpaquePointer!, _ tokenizer: OpaquePointer!)
  -> refrain_status
{
  boundary {
    let model = try CABI.model(model)
    model.attachments.tokenizer = try tokenizer.map {
      try CABI.tokenizer($0).tokenizer.json()
    }
  }
}

@_cdecl("refrain_model_tokenizer") @implementation
public func refrain_model_tokenizer(
  _ model: OpaquePointer!, _ tokenizer: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let result = try required(tokenizer, named: "tokenizer")
    guard let state = model.attachments.tokenizer else {
      throw EngineError.order("the model has no tokenizer")
    }
    result.pointee = try Handles.make(TokenizerBox(try Tokenizer(json: state)), .tokenizer)
  }
}

private func role(_ pointer: UnsafePointer<CChar>?) throws -> String {
  let role = try text(pointer, named: "role")
  guard ["input", "target"].contains(role) else {
    throw EngineError.unknownName(role, kind: "role", nearest: "input")
  }
  return role
}

@_cdecl("refrain_model_set_scaler") @implementation
public func refrain_model_set_scaler(
  _ model: OpaquePointer!, _ role: UnsafePointer<CChar>!, _ scaler: OpaquePointer!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let role = try CABI.role(role)
    model.attachments.scalers[role] = try scaler.map { try CABI.scaler($0).scaler.json() }
  }
}

@_cdecl("refrain_model_scaler") @implementation
public func refrain_model_scaler(
  _ model: OpaquePointer!, _ role: UnsafePointer<CChar>!,
  _ scaler: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let role = try CABI.role(role)
    let result = try required(scaler, named: "scaler")
    guard let state = model.attachments.scalers[role] else {
      throw EngineError.order("the model has no \(role) scaler")
    }
    result.pointee = try Handles.make(ScalerBox(try Scaler(json: state)), .scaler)
  }
}

@_cdecl("refrain_model_set_labels") @implementation
public func refrain_model_set_labels(
  _ model: OpaquePointer!, _ labels: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int64
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let found = try size(count, named: "count")
    let classes = model.outputShape(0).width
    guard found == 0 || found == classes || (classes == 1 && found == 2) else {
      throw EngineError.shape(name: "labels", expected: [classes], found: [found])
    }
    model.attachments.labels = try texts(labels, count, named: "labels")
  }
}

@_cdecl("refrain_model_label_count") @implementation
public func refrain_model_label_count(
  _ model: OpaquePointer!, _ count: UnsafeMutablePointer<Int64>!
)
  -> refrain_status
{
  boundary {
    let model = try CABI.model(model)
    try required(count, named: "count").pointee = Int64(model.attachments.labels.count)
  }
}

@_cdecl("refrain_model_label") @implementation
public func refrain_model_label(
  _ model: OpaquePointer!, _ index: Int64, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let labels = try CABI.model(model).attachments.labels
    try write(labels[position(index, below: labels.count)], text, capacity, length)
  }
}
