// Choices.swift — choosing among the classes of a softmax
//
// Classes are compared by their logits, which tell apart what probabilities round to 0. Of equals the
// smaller class comes first, so that a choice depends on nothing but the numbers.

import Glibc

/// The class with the largest logit; nil if a logit is NaN, or the largest is not finite, so that
/// there are no probabilities.
public func likeliest(_ logits: Values, count: Int) -> Int? {
  var best = 0
  var hasNaN = false
  for index in 0..<count {
    let logit = logits[index]
    if logit != logit { hasNaN = true }
    if logit > logits[best] { best = index }
  }
  return hasNaN || !logits[best].isFinite ? nil : best
}

// MARK: Sampling

/// How to draw from a softmax.
public struct Sampling: Sendable {
  /// Divides the logits; > 0.
  public let temperature: Double
  /// Draws among that many likeliest classes; nil for all.
  public let topK: Int?
  /// Then, among the fewest likeliest whose probabilities reach this together (Holtzman et al. 2020).
  public let topP: Double?

  public init(temperature: Double, topK: Int?, topP: Double?) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
  }

  /// Draws a class.
  ///
  /// - Parameters:
  ///   - top: the likeliest class.
  ///   - uniform: 0 ..< 1. The class at which the probabilities, added up in the order of the classes,
  ///     exceed it.
  ///   - weights, order: `[count]`, overwritten.
  public func draw(
    _ logits: Values, count: Int, top: Int, uniform: Double,
    weights: UnsafeMutablePointer<Double>, order: UnsafeMutablePointer<Int32>
  ) -> Int {
    let largest = Double(logits[top])
    for index in 0..<count {
      weights[index] = exp((Double(logits[index]) - largest) / temperature)
    }
    if let last = lastKept(logits, count, weights, order) {
      for index in 0..<count where Self.precedes(last, index, logits) { weights[index] = 0 }
    }
    var total = 0.0
    for index in 0..<count { total += weights[index] }
    var sum = 0.0
    var chosen = top
    for index in 0..<count where weights[index] > 0 {
      sum += weights[index]
      chosen = index
      if sum > uniform * total { break }
    }
    return chosen
  }

  /// The least likely class that may be drawn; nil if all may.
  private func lastKept(
    _ logits: Values, _ count: Int, _ weights: UnsafeMutablePointer<Double>,
    _ order: UnsafeMutablePointer<Int32>
  ) -> Int? {
    let limit = min(topK ?? count, count)
    let share = topP ?? 1
    guard limit < count || share < 1 else { return nil }
    for index in 0..<count { order[index] = Int32(index) }
    for root in (0..<count / 2).reversed() { Self.sink(root, order, count, logits) }
    // Taken from the heap, the likeliest classes gather at the array's end.
    var taken = 0
    var total = 0.0
    func take() -> Int {
      let likeliest = order[0]
      taken += 1
      order[0] = order[count - taken]
      order[count - taken] = likeliest
      Self.sink(0, order, count - taken, logits)
      return Int(likeliest)
    }
    if limit < count {
      while taken < limit { total += weights[take()] }
      guard share < 1 else { return Int(order[count - limit]) }
      var sum = 0.0
      for rank in 1...limit {
        sum += weights[Int(order[count - rank])]
        if sum >= share * total { return Int(order[count - rank]) }
      }
      return Int(order[count - limit])
    }
    for index in 0..<count { total += weights[index] }
    var sum = 0.0
    while taken < count {
      let last = take()
      sum += weights[last]
      if sum >= share * total { return last }
    }
    return nil
  }

  private static func precedes(_ a: Int, _ b: Int, _ logits: Values) -> Bool {
    logits[a] > logits[b] || (logits[a] == logits[b] && a < b)
  }

  /// Restores a heap of classes, the likeliest on top, below a node.
  private static func sink(
    _ node: Int, _ heap: UnsafeMutablePointer<Int32>, _ count: Int, _ logits: Values
  ) {
    var node = node
    while true {
      var child = 2 * node + 1
      guard child < count else { return }
      if child + 1 < count, precedes(Int(heap[child + 1]), Int(heap[child]), logits) { child += 1 }
      guard precedes(Int(heap[child]), Int(heap[node]), logits) else { return }
      (heap[node], heap[child]) = (heap[child], heap[node])
      node = child
    }
  }
}

// MARK: Beams

/// A hypothesis and one more class.
public struct Continuation: BitwiseCopyable, Sendable {
  public var score: Double
  /// Which hypothesis.
  public var parent: Int32
  public var id: Int32

  /// The larger score; of equals the earlier parent, then the smaller class.
  func precedes(_ other: Continuation) -> Bool {
    if score != other.score { return score > other.score }
    return parent != other.parent ? parent < other.parent : id < other.id
  }
}

/// The best of all continuations offered.
public struct BestContinuations {
  private let heap: UnsafeMutablePointer<Continuation>
  private let capacity: Int
  public private(set) var count = 0

  /// - Parameter memory: room for `capacity` of them, at least one.
  public init(_ memory: UnsafeMutablePointer<Continuation>, capacity: Int) {
    heap = memory
    self.capacity = capacity
  }

  public mutating func removeAll() { count = 0 }

  public subscript(rank: Int) -> Continuation { heap[rank] }

  /// Offers a hypothesis with every class that has a probability.
  ///
  /// - Parameter base: what added to a logit gives the continuation's score.
  public mutating func offer(_ logits: Values, count classes: Int, base: Double, parent: Int32) {
    for id in 0..<classes where logits[id] > -.infinity {
      let score = base + Double(logits[id])
      if count == capacity, score < heap[0].score { continue }
      offer(Continuation(score: score, parent: parent, id: Int32(id)))
    }
  }

  private mutating func offer(_ new: Continuation) {
    if count < capacity {
      var node = count
      heap[node] = new
      count += 1
      while node > 0, heap[(node - 1) / 2].precedes(heap[node]) {
        swap(node, (node - 1) / 2)
        node = (node - 1) / 2
      }
    } else if new.precedes(heap[0]) {
      heap[0] = new
      sink(count)
    }
  }

  /// Puts the best first. Only `removeAll` may follow.
  public mutating func sort() {
    for end in stride(from: count - 1, to: 0, by: -1) {
      swap(0, end)
      sink(end)
    }
  }

  private func swap(_ a: Int, _ b: Int) { (heap[a], heap[b]) = (heap[b], heap[a]) }

  /// Restores the heap, the worst on top, below its first node.
  private func sink(_ count: Int) {
    var node = 0
    while true {
      var child = 2 * node + 1
      guard child < count else { return }
      if child + 1 < count, heap[child].precedes(heap[child + 1]) { child += 1 }
      guard heap[node].precedes(heap[child]) else { return }
      swap(node, child)
      node = child
    }
  }
}
