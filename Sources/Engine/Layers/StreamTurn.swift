// StreamTurn.swift — a layer's part of a stream's timestep, prepared once
//
// The timesteps of a stream are all alike: the same rows, at the same places, with weights that are packed
// where they were before. A timestep of a small model takes a tenth of a microsecond, and working out the
// places takes as long. So a stream asks every layer once what it will do, and then has it done.

import Kernels

/// Something to be done in every timestep.
///
/// A class and no protocol, for the reason that `LayerRun` is one.
class StreamTurn {
  func take() {}
}

/// A layer's forward pass as it is.
final class ForwardTurn: StreamTurn {
  private let run: LayerRun
  private let rows: Range<Int>
  private let pass: Pass

  init(_ run: LayerRun, _ rows: Range<Int>, _ pass: Pass) {
    self.run = run
    self.rows = rows
    self.pass = pass
  }

  override func take() { run.forward(rows, pass) }
}

/// A step of a cell that one kernel computes.
final class StepTurn<Step: KernelStep>: StreamTurn {
  private let step: Step

  init(_ step: Step) { self.step = step }

  override func take() { step.compute() }
}

/// Copies rows of `count` floats.
final class CopyTurn: StreamTurn {
  private let source: Rows
  private let target: Rows
  private let rows: Int
  private let count: Int

  init(_ source: Rows, to target: Rows, rows: Int, count: Int) {
    self.source = source
    self.target = target
    self.rows = rows
    self.count = count
  }

  override func take() {
    for row in 0..<rows { target[row].update(from: source[row], count: count) }
  }
}

protocol KernelStep {
  func compute()
}

extension RNNStep: KernelStep {
  func compute() { kernels.forward(self) }
}

extension LSTMStep: KernelStep {
  func compute() { kernels.forward(self) }
}

extension GRUStep: KernelStep {
  func compute() { kernels.forward(self) }
}
