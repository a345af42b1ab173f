// StreamState.swift — the state of a session's streams as bytes
//
// A safetensors container with one array and the notation of the model that it belongs to.

import Engine

public enum StreamState {
  private static let kind = "refrain stream state"

  public static func bytes(of session: Session) throws -> [UInt8] {
    try session.withState { state in
      var writer = SafetensorsWriter()
      writer.metadata = ["format": kind, "notation": session.model.notation]
      writer.add(
        "state", .f32, shape: [session.lanes, state.count / session.lanes],
        UnsafeRawBufferPointer(state))
      return try writer.bytes()
    }
  }

  public static func restore(_ session: Session, from bytes: UnsafeRawBufferPointer) throws {
    let file = try SafetensorsReader(bytes)
    guard file.metadata["format"] == kind, let tensor = file["state"], tensor.type == .f32 else {
      throw FormatError("expected a \(kind), found something else")
    }
    guard file.metadata["notation"] == session.model.notation else {
      throw FormatError("the state is that of another model")
    }
    try session.withState { state in
      let expected = [session.lanes, state.count / session.lanes]
      guard tensor.shape == expected else {
        throw FormatError("the state has shape \(tensor.shape), expected \(expected)")
      }
      for index in 0..<state.count {
        guard tensor.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self).isFinite else {
          throw FormatError("the state has a value that is not finite")
        }
      }
      UnsafeMutableRawBufferPointer(state).copyMemory(from: tensor.bytes)
    }
  }
}
