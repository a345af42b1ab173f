// SessionExports.swift — refrain_session_*

import CRefrain
import Engine
import Format

@_cdecl("refrain_session_create") @implementation
public func refrain_session_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ session: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let model = try CABI.model(model)
    let options = try CABI.options(options)
    let result = try required(session, named: "session")
    result.pointee = try Handles.make(try Session(model, options: options), .session)
  }
}

@_cdecl("refrain_session_release") @implementation
public func refrain_session_release(_ session: OpaquePointer!) {
  Handles.release(session, .session)
}

@_cdecl("refrain_session_run") @implementation
public func refrain_session_run(
  _ session: OpaquePointer!, _ inputs: UnsafePointer<refrain_tensor>!, _ inputCount: Int64,
  _ outputs: UnsafeMutablePointer<refrain_tensor>!, _ outputCount: Int64
) -> refrain_status {
  boundary {
    let session = try CABI.session(session)
    defer { session.arguments.removeAll() }
    try read(inputs, inputCount, named: "inputs", into: &session.arguments.inputs)
    try read(outputs, outputCount, named: "outputs", into: &session.arguments.outputs)
    try session.run(session.arguments.inputs, into: session.arguments.outputs)
  }
}

@_cdecl("refrain_session_generate") @implementation
public func refrain_session_generate(
  _ session: OpaquePointer!, _ inputs: UnsafePointer<refrain_tensor>!, _ inputCount: Int64,
  _ options: UnsafePointer<CChar>!, _ ids: UnsafeMutablePointer<Int32>!,
  _ lengths: UnsafeMutablePointer<Int64>!, _ scores: UnsafeMutablePointer<Float>!
) -> refrain_status {
  boundary {
    let session = try CABI.session(session)
    defer { session.arguments.removeAll() }
    try read(inputs, inputCount, named: "inputs", into: &session.arguments.inputs)
    try session.generate(
      session.arguments.inputs, options: CABI.options(options),
      into: GeneratedArrays(
        ids: required(ids, named: "ids"), lengths: lengths, scores: scores))
  }
}

@_cdecl("refrain_session_step") @implementation
public func refrain_session_step(
  _ session: OpaquePointer!, _ x: UnsafePointer<Float>!, _ y: UnsafeMutablePointer<Float>!
) -> refrain_status {
  boundary {
    try Handles.lend(session, .session, named: "session", as: Session.self) {
      try $0.step(required(x, named: "x"), into: required(y, named: "y"))
    }
  }
}

@_cdecl("refrain_session_step_ids") @implementation
public func refrain_session_step_ids(
  _ session: OpaquePointer!, _ ids: UnsafePointer<Int32>!, _ y: UnsafeMutablePointer<Float>!
) -> refrain_status {
  boundary {
    try Handles.lend(session, .session, named: "session", as: Session.self) {
      try $0.step(ids: required(ids, named: "ids"), into: required(y, named: "y"))
    }
  }
}

@_cdecl("refrain_session_step_tensors") @implementation
public func refrain_session_step_tensors(
  _ session: OpaquePointer!, _ inputs: UnsafePointer<refrain_tensor>!, _ inputCount: Int64,
  _ outputs: UnsafeMutablePointer<refrain_tensor>!, _ outputCount: Int64
) -> refrain_status {
  boundary {
    let session = try CABI.session(session)
    defer { session.arguments.removeAll() }
    try read(inputs, inputCount, named: "inputs", into: &session.arguments.inputs)
    try read(outputs, outputCount, named: "outputs", into: &session.arguments.outputs)
    try session.step(session.arguments.inputs, into: session.arguments.outputs)
  }
}

@_cdecl("refrain_session_reset") @implementation
public func refrain_session_reset(_ session: OpaquePointer!, _ lane: Int64) -> refrain_status {
  boundary {
    try CABI.session(session)
      .reset(lane: lane == REFRAIN_ALL_LANES ? nil : Int(lane))
  }
}

@_cdecl("refrain_session_clone") @implementation
public func refrain_session_clone(
  _ session: OpaquePointer!, _ clone: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary {
    let session = try CABI.session(session)
    let result = try required(clone, named: "clone")
    result.pointee = try Handles.make(try session.clone(), .session)
  }
}

@_cdecl("refrain_session_save_state") @implementation
public func refrain_session_save_state(
  _ session: OpaquePointer!, _ bytes: UnsafeMutableRawPointer!, _ capacity: Int64,
  _ size: UnsafeMutablePointer<Int64>!
) -> refrain_status {
  boundary {
    let state = try StreamState.bytes(of: CABI.session(session))
    try state.withUnsafeBufferPointer { try write($0, bytes, capacity, size, "bytes") }
  }
}

@_cdecl("refrain_session_load_state") @implementation
public func refrain_session_load_state(
  _ session: OpaquePointer!, _ bytes: UnsafeRawPointer!, _ size: Int64
) -> refrain_status {
  boundary {
    let session = try CABI.session(session)
    let bytes = UnsafeRawBufferPointer(
      start: try required(bytes, named: "bytes"), count: try CABI.size(size, named: "size"))
    try StreamState.restore(session, from: bytes)
  }
}

@_cdecl("refrain_session_evaluate") @implementation
public func refrain_session_evaluate(
  _ session: OpaquePointer!, _ data: UnsafePointer<refrain_dataset>!,
  _ options: UnsafePointer<CChar>!, _ metrics: UnsafeMutablePointer<OpaquePointer?>!
) -> refrain_status {
  boundary { callersMode in
    let session = try CABI.session(session)
    let data = try dataSource(data, named: "data", callersMode)
    let options = try CABI.options(options)
    let result = try required(metrics, named: "metrics")
    result.pointee = try Handles.make(
      MetricsBox(try session.evaluate(data, options: options)), .metrics)
  }
}
