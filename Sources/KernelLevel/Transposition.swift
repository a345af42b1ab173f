// Transposition.swift — a square of floats turned over in registers
//
// As many vectors as a vector has lanes. A round interleaves each vector of the upper half with its
// counterpart in the lower half; after as many rounds as the width has bits, lane j of vector i has
// become lane i of vector j.

#if LEVEL_V4
  typealias Square = InlineArray<16, Vector>
#elseif LEVEL_V3
  typealias Square = InlineArray<8, Vector>
#else
  typealias Square = InlineArray<4, Vector>
#endif

@inline(always)
func transposed(_ square: Square) -> Square {
  let rounds = interleaved(interleaved(square))
  #if LEVEL_V4
    return interleaved(interleaved(rounds))
  #elseif LEVEL_V3
    return interleaved(rounds)
  #else
    return rounds
  #endif
}

@inline(always)
private func interleaved(_ square: Square) -> Square {
  let half = Vector.scalarCount / 2
  var next = square
  for i in 0..<half {
    next[2 * i].evenHalf = square[i].lowHalf
    next[2 * i].oddHalf = square[i + half].lowHalf
    next[2 * i + 1].evenHalf = square[i].highHalf
    next[2 * i + 1].oddHalf = square[i + half].highHalf
  }
  return next
}
