// Pooling.swift — a sequence to one vector: its last, mean or largest values
//
// Only timesteps that count take part; of none, the result is 0. A stream's pooling runs over the
// timesteps since the lane was reset.

import Kernels

struct PoolingLayer: Layer {
  static let signature = Signature(
    kind: .layer, name: "Pooling", meaning: "A sequence to one vector.",
    options: [
      Option(
        "mode", .choice(["last", "mean", "max"]),
        "The last valid timestep, the mean of all, or the largest value of each feature.")
    ])

  enum Mode: String, Sendable { case last, mean, max }

  let mode: Mode
  let outputs: [ValueShape]
  /// A count, then the sum or the maximum so far.
  var stateSize: Int { mode == .last ? 0 : 1 + outputs[0].width }

  init(_ call: BoundCall, inputs: [ValueShape]) throws {
    guard inputs.count == 1, inputs[0].type == .float, inputs[0].hasTime else {
      throw LayerError("Pooling takes one float input with timesteps")
    }
    mode = Mode(rawValue: call.text("mode")) ?? .last
    outputs = [ValueShape(hasTime: false, features: inputs[0].features)]
  }

  func makeRun(_ placement: inout Placement) throws -> LayerRun {
    PoolingRun(mode, placement)
  }
}

private final class PoolingRun: LayerRun {
  private let mode: PoolingLayer.Mode
  private let input: ValuePlace
  private let output: ValuePlace
  private let size: Int
  private let stateOffset: Int

  init(_ mode: PoolingLayer.Mode, _ placement: Placement) {
    self.mode = mode
    input = placement.inputs[0]
    output = placement.outputs[0]
    size = output.width
    stateOffset = placement.stateOffset
  }

  private func isValid(_ row: Int, _ t: Int, _ validity: Validity?) -> Bool {
    validity.map { $0.row(row)[t] == 1 } ?? true
  }

  private func lastValid(_ row: Int, _ validity: Validity?) -> Int? {
    (0..<input.timesteps).last { isValid(row, $0, validity) }
  }

  override func forward(_ rows: Range<Int>, _ pass: Pass) {
    let validity = pass.validity(input.validity)
    for row in rows {
      let x = pass.pointer(input.values, row: row)
      let y = pass.pointer(output.values, row: row)
      if mode == .last {
        if let t = lastValid(row, validity) {
          y.update(from: x + t * size, count: size)
        } else {
          kernels.fill(y, 0, count: size)
        }
        continue
      }
      let state = pass.state.map { $0 + row * pass.stateWidth + stateOffset }
      var count: Float = 0
      if let state, state[0] > 0 {
        count = state[0]
        y.update(from: state + 1, count: size)
      } else {
        kernels.fill(y, 0, count: size)
      }
      for t in 0..<input.timesteps where isValid(row, t, validity) {
        if mode == .mean {
          kernels.add(x + t * size, y, count: size)
        } else if count == 0 {
          y.update(from: x + t * size, count: size)
        } else {
          kernels.maximum(x + t * size, y, y, count: size)
        }
        count += 1
      }
      if let state {
        state[0] = count
        (state + 1).update(from: y, count: size)
      }
      if mode == .mean, count > 0 { kernels.scale(y, by: 1 / count, y, count: size) }
    }
  }

  override func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard pass.wantsGradient(input) else { return }
    let validity = pass.validity(input.validity)
    for row in rows {
      let dy = pass.pointer(output.gradients, row: row)
      let dx = pass.pointer(input.gradients, row: row)
      switch mode {
      case .last:
        if let t = lastValid(row, validity) { kernels.add(dy, dx + t * size, count: size) }
      case .mean:
        let valid = (0..<input.timesteps).count { isValid(row, $0, validity) }
        for t in 0..<input.timesteps where isValid(row, t, validity) {
          kernels.addScaled(dy, by: 1 / Float(valid), dx + t * size, count: size)
        }
      case .max:
        backwardMaximum(row, dy, dx, validity, pass)
      }
    }
  }

  /// The gradient goes to the first timestep that has the maximum.
  private func backwardMaximum(
    _ row: Int, _ dy: Values, _ dx: MutableValues, _ validity: Validity?, _ pass: Pass
  ) {
    let x = pass.pointer(input.values, row: row)
    let y = pass.pointer(output.values, row: row)
    for feature in 0..<size {
      let first = (0..<input.timesteps).first {
        isValid(row, $0, validity) && x[$0 * size + feature] == y[feature]
      }
      if let first { dx[first * size + feature] += dy[feature] }
    }
  }
}
