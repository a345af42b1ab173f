// Zoneout.swift — a state that keeps some of its entries from one timestep to the next
//
// Krueger et al. 2017: s = (1 − k) ⊙ s̃ + k ⊙ s₋, where s̃ is what the cell computed and k is drawn anew
// for each row, timestep and unit: 1 with the given rate, else 0. Without training k is its
// expectation, the rate.

import Kernels

/// Zoneout of one of the states of a recurrent layer.
struct Zoneout {
  private let rate: Float
  /// Floats of the state.
  private let width: Int
  private let timesteps: Int
  /// k `[B, T, width]`, in training.
  private let kept: Slot
  private let stream: UInt64

  /// nil for a rate of 0.
  init?(rate: Float, width: Int, timesteps: Int, stream: UInt64, _ placement: inout Placement)
    throws
  {
    guard rate > 0 else { return nil }
    self.rate = rate
    self.width = width
    self.timesteps = timesteps
    self.stream = stream
    kept = placement.isTraining ? try placement.reserve(timesteps, width) : .none
  }

  /// A function of seed, pass, layer and row alone.
  func draw(_ rows: Range<Int>, _ pass: Pass) {
    for row in rows {
      randomMask(
        pass.pointer(kept, row: row), count: timesteps * width, rate: rate, drawn: 1, others: 0,
        seed: pass.seed, stream: pass.timed(stream), step: pass.step,
        row: pass.randomRow(row))
    }
  }

  /// `state` becomes s, in rows that the timestep does not count for s̃. `candidate`, s̃, may be where
  /// `state` is; in inference `previous` may.
  func forward(
    _ t: Int, from previous: Rows, _ candidate: Rows, into state: Rows, _ extent: StepExtent,
    _ rows: Range<Int>, _ pass: Pass
  ) {
    for (i, row) in rows.enumerated() {
      let (previous, candidate, state) = (previous[i], candidate[i], state[i])
      if !extent.counts(i) {
        if candidate != state { state.update(from: candidate, count: width) }
      } else if pass.isTraining {
        if candidate != state { state.update(from: candidate, count: width) }
        let k = pass.pointer(kept, row: row) + t * width
        kernels.mix(previous, into: state, by: k, count: width)
      } else if state == previous {
        kernels.scale(state, by: rate, state, count: width)
        kernels.addScaled(candidate, by: 1 - rate, state, count: width)
      } else {
        kernels.scale(candidate, by: 1 - rate, state, count: width)
        kernels.addScaled(previous, by: rate, state, count: width)
      }
    }
  }

  /// `gradient`, that of s, becomes that of s̃; what goes to s₋ past the cell is put into `carried`.
  func backward(_ t: Int, _ gradient: Rows, carried: Rows, _ rows: Range<Int>, _ pass: Pass) {
    for (i, row) in rows.enumerated() {
      let k = pass.pointer(kept, row: row) + t * width
      kernels.multiply(gradient[i], k, carried[i], count: width)
      kernels.addScaled(carried[i], by: -1, gradient[i], count: width)
    }
  }
}
