// Activations.swift — activations over a run of elements

import KernelInterface

extension Level {
  public static func activate(
    _ activation: Activation, _ x: Values, _ y: MutableValues, count: Int
  ) {
    withFunction(activation, Forward.self, (x, y, count))
  }

  public static func activateBackward(
    _ activation: Activation, _ y: Values, _ dy: Values, _ dx: MutableValues, count: Int
  ) {
    withFunction(activation, Backward.self, (y, dy, dx, count))
  }
}

private enum Forward: FunctionUser {
  @inline(never)
  static func use(
    _ function: some PointwiseFunction, _ run: (x: Values, y: MutableValues, count: Int)
  ) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      store(function.value(load(run.x + j, lanes)), run.y + j, lanes)
    }
    sweep(run.count, part)
  }
}

private enum Backward: FunctionUser {
  @inline(never)
  static func use(
    _ function: some PointwiseFunction,
    _ run: (y: Values, dy: Values, dx: MutableValues, count: Int)
  ) {
    @inline(always) func part(_ j: Int, _ lanes: Int) {
      let derivative = function.derivative(ofOutput: load(run.y + j, lanes))
      store(load(run.dy + j, lanes) * derivative, run.dx + j, lanes)
    }
    sweep(run.count, part)
  }
}
