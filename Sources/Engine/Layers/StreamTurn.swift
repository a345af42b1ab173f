// StreamTurn.swift — a layer's part of a stream's timestep, prepared once
//
// The timesteps of a stream are all alike: the same rows, at the same places, with weights that are packed
// where they were before. A timestep of a small model takes a tenth of a microsecond, and working out the
// places takes as long. So a stream asks every layer once what it will do, and then has it done.

import Kernels

/// Something to be done in every timestep.
///
/// An object around a closure, because a stream lends an object to the call without counting references.
final class StreamTurn {
  let take: () -> Void

  init(_ take: @escaping () -> Void) { self.take = take }

  /// A step of the kernels, prepared by `prepare` at the place that it is given.
  init(_ prepare: (UnsafeMutableRawPointer) -> PreparedStep) throws {
    let memory = try AlignedBuffer<UInt8>(count: preparedStepSize)
    let step = prepare(memory.pointer)
    take = { step(memory.pointer) }
  }
}
