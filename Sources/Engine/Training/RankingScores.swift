// RankingScores.swift — the area under the ROC curve
//
// The area is the probability that a member of a class scores higher than a non-member, a tie
// counting one half (Mann–Whitney; Hanley & McNeil 1982), which is the trapezoidal rule on the
// curve. With weights:
//
//     area = Σ over scores s of  P(s) · (N(< s) + N(s) / 2)  /  (P · N)
//
// where P(s) and N(s) are the members' and non-members' weights at score s. It depends on the order
// of all scores, so they are kept.

struct RankingScores: Sendable {
  private let classes: Int
  /// With two classes only class 1 is ranked.
  private let columns: Int
  /// `[items, columns]`.
  private var scores: [Float] = []
  /// `[items]`.
  private var truth: [Int32] = []
  private var weights: [Float] = []

  init(classes: Int) {
    self.classes = classes
    columns = classes == 2 ? 1 : classes
  }

  var count: Int { scores.count }

  /// Takes `probabilities` `[items, classes]` or, for two classes, of class 1 `[items]`.
  mutating func add(
    truth: UnsafeBufferPointer<Int32>, weights: UnsafeBufferPointer<Float>?,
    probabilities: UnsafeBufferPointer<Float>
  ) {
    if columns == 1, probabilities.count == 2 * truth.count {
      for item in 0..<truth.count { scores.append(probabilities[2 * item + 1]) }
    } else {
      scores.append(contentsOf: probabilities)
    }
    self.truth.append(contentsOf: truth)
    if let weights {
      self.weights.append(contentsOf: weights)
    } else {
      self.weights.append(contentsOf: repeatElement(1, count: truth.count))
    }
  }

  /// For two classes the area of class 1, for more the mean over the classes; nil if one of them
  /// has no members or no non-members.
  var area: Double? {
    if classes == 2 { return area(ofClass: 1, column: 0) }
    var sum = 0.0
    for label in 0..<classes {
      guard let area = area(ofClass: Int32(label), column: label) else { return nil }
      sum += area
    }
    return sum / Double(classes)
  }

  private func area(ofClass label: Int32, column: Int) -> Double? {
    let order = truth.indices.sorted {
      scores[$0 * columns + column] < scores[$1 * columns + column]
    }
    var members = 0.0
    var others = 0.0
    var wins = 0.0
    var position = 0
    while position < order.count {
      let score = scores[order[position] * columns + column]
      var tiedMembers = 0.0
      var tiedOthers = 0.0
      while position < order.count, scores[order[position] * columns + column] == score {
        let item = order[position]
        if truth[item] == label {
          tiedMembers += Double(weights[item])
        } else {
          tiedOthers += Double(weights[item])
        }
        position += 1
      }
      wins += tiedMembers * (others + tiedOthers / 2)
      members += tiedMembers
      others += tiedOthers
    }
    guard members > 0, others > 0 else { return nil }
    return wins / (members * others)
  }
}
