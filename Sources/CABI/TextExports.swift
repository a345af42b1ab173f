// TextExports.swift — refrain_tokenizer_*

import CRefrain
import Data
import Engine

@_cdecl("refrain_tokenizer_create") @implementation
public func refrain_tokenizer_create(
  _ options: UnsafePointer<CChar>!, _ tokenizer: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let options = try TokenizerOptions(CABI.options(options))
    let result = try required(tokenizer, named: "tokenizer")
    result.pointee = try Handles.make(TokenizerBox(try Tokenizer(options)), .tokenizer)
  }
}

@_cdecl("refrain_tokenizer_release") @implementation
public func refrain_tokenizer_release(_ tokenizer: OpaquePointer!) {
  Handles.release(tokenizer, .tokenizer)
}

@_cdecl("refrain_tokenizer_fit") @implementation
public func refrain_tokenizer_fit(
  _ tokenizer: OpaquePointer!, _ texts: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int64
) -> refrain_status {
  boundary {
    let box = try CABI.tokenizer(tokenizer)
    let texts = try CABI.texts(texts, count, named: "texts")
    box.tokenizer.fit(texts)
  }
}

@_cdecl("refrain_tokenizer_encode") @implementation
public func refrain_tokenizer_encode(
  _ tokenizer: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ ids: UnsafeMutablePointer<Int32>!,
  _ capacity: Int64, _ count: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    let text = try CABI.text(text, named: "text")
    let count = try required(count, named: "count")
    let capacity = try size(capacity, named: "capacity")
    guard ids != nil || capacity == 0 else { throw BoundaryError.null("ids") }
    let encoded = tokenizer.encode(text)
    count.pointee = Int64(encoded.count)
    guard encoded.count <= capacity else {
      throw BoundaryError.capacity("ids: needs room for \(encoded.count), found \(capacity)")
    }
    ids?.update(from: encoded, count: encoded.count)
  }
}

@_cdecl("refrain_tokenizer_encode_batch") @implementation
public func refrain_tokenizer_encode_batch(
  _ tokenizer: OpaquePointer!, _ texts: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int64,
  _ ids: UnsafeMutablePointer<Int32>!, _ maxlen: Int64, _ lengths: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    _ = try elements((count, "count"), (maxlen, "maxlen"))
    let texts = try CABI.texts(texts, count, named: "texts")
    let length = Int(maxlen)
    let options = PaddingOptions(
      padding: tokenizer.options.padding, truncating: tokenizer.options.truncating)
    for (row, text) in texts.enumerated() {
      let encoded = tokenizer.encode(text)
      lengths?[row] = Int64(min(encoded.count, length))
      guard let ids else { continue }
      _ = encoded.withUnsafeBufferPointer {
        pad($0, into: ids + row * length, length: length, value: 0, options)
      }
    }
  }
}

@_cdecl("refrain_tokenizer_decode") @implementation
public func refrain_tokenizer_decode(
  _ tokenizer: OpaquePointer!, _ ids: UnsafePointer<Int32>!, _ count: Int64,
  _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64, _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    let count = try elements((count, "count"))
    let ids = count == 0 ? nil : try required(ids, named: "ids")
    let sequence = UnsafeBufferPointer(start: ids, count: count)
    try write(tokenizer.decode(sequence), text, capacity, length)
  }
}

@_cdecl("refrain_tokenizer_size") @implementation
public func refrain_tokenizer_size(
  _ tokenizer: OpaquePointer!, _ size: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    try required(size, named: "size").pointee = Int64(tokenizer.size)
  }
}

@_cdecl("refrain_tokenizer_maxlen") @implementation
public func refrain_tokenizer_maxlen(
  _ tokenizer: OpaquePointer!, _ maxlen: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    try required(maxlen, named: "maxlen").pointee = Int64(tokenizer.options.maxlen)
  }
}

@_cdecl("refrain_tokenizer_id") @implementation
public func refrain_tokenizer_id(
  _ tokenizer: OpaquePointer!, _ word: UnsafePointer<CChar>!, _ id: UnsafeMutablePointer<Int32>!
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    let word = try text(word, named: "word")
    try required(id, named: "id").pointee = Int32(tokenizer.id(of: word))
  }
}

@_cdecl("refrain_tokenizer_word") @implementation
public func refrain_tokenizer_word(
  _ tokenizer: OpaquePointer!, _ id: Int32, _ text: UnsafeMutablePointer<CChar>!,
  _ capacity: Int64, _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    try write(CABI.tokenizer(tokenizer).tokenizer.word(Int(id)), text, capacity, length)
  }
}

@_cdecl("refrain_tokenizer_matrix") @implementation
public func refrain_tokenizer_matrix(
  _ tokenizer: OpaquePointer!, _ texts: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int64,
  _ mode: UnsafePointer<CChar>!, _ matrix: UnsafeMutablePointer<Double>!, _ capacity: Int64
) -> refrain_status {
  boundary {
    let tokenizer = try CABI.tokenizer(tokenizer).tokenizer
    let needed = try elements((count, "count"), (Int64(tokenizer.size), "size"))
    let name = try text(mode, named: "mode")
    guard let mode = Tokenizer.MatrixMode(rawValue: name) else {
      let known = Tokenizer.MatrixMode.allCases.map(\.rawValue).joined(separator: ", ")
      throw BoundaryError.argument("mode: expected one of \(known), found '\(name)'")
    }
    let matrix = try required(matrix, named: "matrix")
    guard try size(capacity, named: "capacity") >= needed else {
      throw BoundaryError.capacity("matrix: needs room for \(needed) numbers, found \(capacity)")
    }
    let texts = try CABI.texts(texts, count, named: "texts")
    matrix.update(from: try tokenizer.matrix(texts, mode), count: needed)
  }
}

@_cdecl("refrain_tokenizer_json") @implementation
public func refrain_tokenizer_json(
  _ tokenizer: OpaquePointer!, _ text: UnsafeMutablePointer<CChar>!, _ capacity: Int64,
  _ length: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary { try write(CABI.tokenizer(tokenizer).tokenizer.json(), text, capacity, length) }
}

@_cdecl("refrain_tokenizer_from_json") @implementation
public func refrain_tokenizer_from_json(
  _ json: UnsafePointer<CChar>!, _ tokenizer: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let json = try text(json, named: "json")
    let result = try required(tokenizer, named: "tokenizer")
    result.pointee = try Handles.make(TokenizerBox(try Tokenizer(json: json)), .tokenizer)
  }
}
