// SeriesExports.swift — refrain_pad_sequences, refrain_windows, refrain_scaler_*

import CRefrain
import Data
import Engine

@_cdecl("refrain_pad_sequences") @implementation
public func refrain_pad_sequences(
  _ type: Int32, _ values: UnsafeRawPointer!, _ lengths: UnsafePointer<Int64>!, _ count: Int64,
  _ options: UnsafePointer<CChar>!, _ out: UnsafeMutableRawPointer!, _ maxlen: Int64
) -> refrain_status {
  boundary {
    let total = try elements((count, "count"), (maxlen, "maxlen"))
    let (options, value) = try paddingOptions(CABI.options(options))
    guard count > 0 else { return }
    let lengths = try required(lengths, named: "lengths")
    var sum = 0
    for row in 0..<Int(count) {
      let length = try size(lengths[row], named: "lengths[\(row)]")
      let (next, overflow) = sum.addingReportingOverflow(length)
      guard !overflow, next <= maximumElements else {
        throw BoundaryError.argument("lengths[\(row)]: \(length) values are too many")
      }
      sum = next
    }
    guard total > 0 else { return }
    let out = try required(out, named: "out")
    let source = sum == 0 ? nil : try required(values, named: "values")
    switch type {
    case Int32(REFRAIN_FLOAT32):
      padAll(source, lengths, Int(count), Float(value), options, out, Int(maxlen))
    case Int32(REFRAIN_INT32):
      guard let value = Int32(exactly: value) else {
        throw BoundaryError.argument("value: expected a 32-bit integer, found \(value)")
      }
      padAll(source, lengths, Int(count), value, options, out, Int(maxlen))
    default:
      throw BoundaryError.argument(
        "type: expected REFRAIN_FLOAT32 or REFRAIN_INT32, found \(type)")
    }
  }
}

private func padAll<T>(
  _ values: UnsafeRawPointer?, _ lengths: UnsafePointer<Int64>, _ count: Int, _ value: T,
  _ options: PaddingOptions, _ out: UnsafeMutableRawPointer, _ maxlen: Int
) {
  var source = values?.assumingMemoryBound(to: T.self)
  let target = out.assumingMemoryBound(to: T.self)
  for row in 0..<count {
    let length = Int(lengths[row])
    pad(
      UnsafeBufferPointer(start: length == 0 ? nil : source, count: length),
      into: target + row * maxlen, length: maxlen, value: value, options)
    source = source.map { $0 + length }
  }
}

@_cdecl("refrain_windows") @implementation
public func refrain_windows(
  _ series: UnsafePointer<Float>!, _ timesteps: Int64, _ features: Int64,
  _ options: UnsafePointer<CChar>!, _ x: UnsafeMutablePointer<Float>!,
  _ y: UnsafeMutablePointer<Float>!, _ windows: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    _ = try elements((timesteps, "timesteps"), (features, "features"))
    let options = try WindowOptions(CABI.options(options))
    let count = options.count(timesteps: Int(timesteps))
    _ = try elements(
      (Int64(count), "windows"), (Int64(options.length), "length"), (features, "features"))
    if x != nil, count > 0, features > 0 {
      cutWindows(
        try required(series, named: "series"), timesteps: Int(timesteps), features: Int(features),
        options, x: x, y: y)
    }
    try required(windows, named: "windows").pointee = Int64(count)
  }
}

// MARK: Scalers

@_cdecl("refrain_scaler_create") @implementation
public func refrain_scaler_create(
  _ notation: UnsafePointer<CChar>!, _ scaler: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let notation = try text(notation, named: "notation")
    let result = try required(scaler, named: "scaler")
    result.pointee = try Handles.make(ScalerBox(try Scaler(notation: notation)), .scaler)
  }
}

@_cdecl("refrain_scaler_release") @implementation
public func refrain_scaler_release(_ scaler: OpaquePointer!) { Handles.release(scaler, .scaler) }

@_cdecl("refrain_scaler_fit") @implementation
public func refrain_scaler_fit(
  _ scaler: OpaquePointer!, _ x: UnsafePointer<Float>!, _ rows: Int64, _ features: Int64
) -> refrain_status {
  boundary {
    let box = try CABI.scaler(scaler)
    _ = try elements((rows, "rows"), (features, "features"))
    try box.scaler.fit(required(x, named: "x"), rows: Int(rows), features: Int(features))
  }
}

@_cdecl("refrain_scaler_transform") @implementation
public func refrain_scaler_transform(
  _ scaler: OpaquePointer!, _ x: UnsafePointer<Float>!, _ rows: Int64, _ features: Int64,
  _ out: UnsafeMutablePointer<Float>!
) -> refrain_status {
  boundary {
    let scaler = try CABI.scaler(scaler).scaler
    _ = try elements((rows, "rows"), (features, "features"))
    try scaler.transform(
      required(x, named: "x"), rows: Int(rows), features: Int(features),
      into: required(out, named: "out"))
  }
}

@_cdecl("refrain_scaler_inverse") @implementation
public func refrain_scaler_inverse(
  _ scaler: OpaquePointer!, _ x: UnsafePointer<Float>!, _ rows: Int64, _ features: Int64,
  _ out: UnsafeMutablePointer<Float>!
) -> refrain_status {
  boundary {
    let scaler = try CABI.scaler(scaler).scaler
    _ = try elements((rows, "rows"), (features, "features"))
    try scaler.inverse(
      required(x, named: "x"), rows: Int(rows), features: Int(features),
      into: required(out, named: "out"))
  }
}
