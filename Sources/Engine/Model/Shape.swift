// Shape.swift — the sizes of an array from outside

/// Up to eight sizes, kept in place: making, copying and comparing them takes no memory.
public struct Shape: Equatable, Sendable {
  public static let maximumRank = 8

  private var sizes = InlineArray<8, Int>(repeating: 0)
  public private(set) var count = 0

  public init() {}

  /// nil for more sizes than there is room for.
  public init?(_ sizes: some Collection<Int>) {
    guard sizes.count <= Self.maximumRank else { return nil }
    for size in sizes { append(size) }
  }

  public mutating func append(_ size: Int) {
    precondition(count < Self.maximumRank, "a shape with too many sizes")
    sizes[count] = size
    count += 1
  }

  public mutating func removeLast() {
    precondition(count > 0, "a shape without sizes")
    count -= 1
  }

  /// Elements of an array with these sizes, which were checked to be countable.
  var elements: Int { reduce(1, *) }

  public static func == (a: Shape, b: Shape) -> Bool { a.elementsEqual(b) }
}

extension Shape: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }
  public subscript(axis: Int) -> Int { sizes[axis] }
}

extension ValueShape {
  /// An array's sizes for a batch, timesteps and keys; −1, which stands for any, where nil. What the
  /// model fixes is as the model says.
  public func sizes(batch: Int?, timesteps: Int?, keys: Int? = nil) -> Shape {
    var sizes = Shape()
    sizes.append(batch ?? -1)
    if hasTime { sizes.append(self.timesteps ?? timesteps ?? -1) }
    for size in features { sizes.append(size) }
    if hasKeys { sizes.append(self.keys ?? keys ?? -1) }
    return sizes
  }
}
