// Decoding+Beams.swift — beam search
//
// Of all continuations of a row's hypotheses by one id, the best `beams` that do not end are followed.
// One that ends is compared with the best that ended so far, if it is better than the last of those.
// A row is done when nothing that is followed can become better: a score only falls, so at the most it
// stays, divided by the largest penalty. At `max_length` what is still followed takes part as it is.
//
// Hypotheses are kept as links, an id and the hypothesis before it; the best is read from its end.

import Glibc
import Kernels

extension DecodingWalk {
  /// A sequence that ended, or was cut off.
  private struct Result {
    /// Score over penalty.
    let rank: Double
    let score: Double
    let length: Int
    /// The hypothesis of its last id.
    let beam: Int
  }

  private struct Search {
    /// Of the hypotheses that are followed, the best first.
    var scores: [Double] = [0]
    var length = 0
    var best: Result?
    var isDone = false

    /// Keeps a result if it is better than what there is.
    mutating func offer(_ result: Result) {
      if best.map({ result.rank > $0.rank }) ?? true { best = result }
    }
  }

  mutating func searchBeams() {
    guard let continuations = memory.continuations else { return }
    let prompts = decoding.prompts
    var best = BestContinuations(continuations.pointer, capacity: continuations.count)
    var searches = [Search](repeating: Search(), count: rows.count)
    var left = rows.count
    var t = 0
    while left > 0 {
      step()
      t += 1
      for (row, source) in rows.enumerated() where !searches[row].isDone {
        if t < prompts.length(source) {
          for beam in row * beams..<(row + 1) * beams {
            feed(prompts.id(source, t), beam)
            copyState(from: beam, to: beam)
          }
          continue
        }
        extend(&searches[row], row, &best)
        if searches[row].isDone {
          left -= 1
          finish(searches[row], row, source)
        }
      }
      swapStates()
    }
  }

  /// One more id.
  private func extend(_ search: inout Search, _ row: Int, _ best: inout BestContinuations) {
    let options = decoding.options
    best.removeAll()
    for (beam, score) in search.scores.enumerated() {
      let place = row * beams + beam
      guard let (_, offset) = normalizer(place) else { continue }
      best.offer(
        logits(place), count: decoding.generator.classes, base: score + offset,
        parent: Int32(beam))
    }
    guard best.count > 0 else {
      // There are no probabilities any more: the row ends with what it has.
      if search.best == nil {
        search.best = Result(rank: .nan, score: .nan, length: search.length, beam: 0)
      }
      search.isDone = true
      return
    }
    best.sort()
    let length = search.length + 1
    search.scores.removeAll(keepingCapacity: true)
    for rank in 0..<best.count where search.scores.count < beams {
      let new = best[rank]
      if let end = options.end, new.id == Int32(end) {
        search.offer(
          Result(
            rank: new.score / penalty(length), score: new.score, length: search.length,
            beam: Int(new.parent)))
        continue
      }
      let beam = search.scores.count
      links(row, search.length)[beam] = BeamLink(id: new.id, parent: new.parent)
      feed(new.id, row * beams + beam)
      copyState(from: row * beams + Int(new.parent), to: row * beams + beam)
      search.scores.append(new.score)
    }
    search.length = length
    if length == options.maxLength {
      for (beam, score) in search.scores.enumerated() {
        search.offer(
          Result(rank: score / penalty(length), score: score, length: length, beam: beam))
      }
      search.isDone = true
    } else if let first = search.scores.first {
      search.isDone = search.best.map { $0.rank >= first / penalty(options.maxLength) } ?? false
    } else {
      search.isDone = true
    }
  }

  /// ((5 + ids) / 6)^α. Wu et al. 2016, equation 14.
  private func penalty(_ ids: Int) -> Double {
    let exponent = decoding.options.lengthPenalty
    return exponent == 0 ? 1 : pow((5 + Double(ids)) / 6, exponent)
  }

  /// `[beams]`: the hypotheses' ids at a position.
  private func links(_ row: Int, _ position: Int) -> UnsafeMutablePointer<BeamLink> {
    guard let links = memory.links else { preconditionFailure("beam search without its memory") }
    return links.pointer + (row * decoding.options.maxLength + position) * beams
  }

  private func finish(_ search: Search, _ row: Int, _ source: Int) {
    guard let best = search.best else { preconditionFailure("a row is done with a result") }
    let ids = decoding.arrays.ids + source * decoding.options.maxLength
    var beam = best.beam
    for position in (0..<best.length).reversed() {
      let link = links(row, position)[beam]
      ids[position] = link.id
      beam = Int(link.parent)
    }
    decoding.finish(row: source, length: best.length, score: best.score)
  }
}
