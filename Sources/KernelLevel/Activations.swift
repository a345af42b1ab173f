// Activations.swift — activations over a run of elements

import KernelInterface

extension Level {
  public static func activate(
    _ activation: Activation, _ x: Values, _ y: MutableValues, count: Int
  ) {
    withFunction(activation, Forward(x: x, y: y, count: count))
  }

  public static func activateBackward(
    _ activation: Activation, _ y: Values, _ dy: Values, _ dx: MutableValues, count: Int
  ) {
    withFunction(activation, Backward(y: y, dy: dy, dx: dx, count: count))
  }
}

private struct Forward: FunctionUser {
  let x: Values
  let y: MutableValues
  let count: Int

  @inline(__always) func use(_ function: some PointwiseFunction) {
    sweep(count) { store(function.value(load(x + $0, $1)), y + $0, $1) }
  }
}

private struct Backward: FunctionUser {
  let y: Values
  let dy: Values
  let dx: MutableValues
  let count: Int

  @inline(__always) func use(_ function: some PointwiseFunction) {
    sweep(count) {
      store(load(dy + $0, $1) * function.derivative(ofOutput: load(y + $0, $1)), dx + $0, $1)
    }
  }
}
