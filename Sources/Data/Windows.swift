// Windows.swift — a series cut into pieces with what follows them

/// Which windows to cut.
public struct WindowOptions: Equatable, Sendable {
  /// Timesteps of a window, and of what follows it.
  public var length: Int
  public var horizon: Int
  /// Timesteps from one window's start to the next.
  public var stride: Int

  public init(length: Int, horizon: Int, stride: Int) {
    self.length = length
    self.horizon = horizon
    self.stride = stride
  }

  /// How many windows a series has.
  public func count(timesteps: Int) -> Int {
    let (needed, overflow) = length.addingReportingOverflow(horizon)
    guard !overflow, timesteps >= needed else { return 0 }
    return (timesteps - needed) / stride + 1
  }
}

/// Cuts `series` `[timesteps, features]` into x `[windows, length, features]` and y `[windows,
/// horizon, features]`, which may be nil.
public func cutWindows(
  _ series: UnsafePointer<Float>, timesteps: Int, features: Int, _ options: WindowOptions,
  x: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>?
) {
  for window in 0..<options.count(timesteps: timesteps) {
    let start = series + window * options.stride * features
    let inputs = options.length * features
    let targets = options.horizon * features
    (x + window * inputs).update(from: start, count: inputs)
    y.map { $0 + window * targets }?.update(from: start + inputs, count: targets)
  }
}
