// LayerNorm.swift — rows with mean 0 and variance 1 (Ba, Kiros & Hinton 2016)

import KernelInterface

extension Level {
  public static func layerNorm(
    _ x: Values, scale: Values?, offset: Values?, epsilon: Float, _ y: MutableValues,
    normalized: MutableValues, inverses: MutableValues, rows: Int, columns: Int
  ) {
    guard columns > 0 else { return }
    for row in 0..<rows {
      let x = x + row * columns
      let y = y + row * columns
      let normalized = normalized + row * columns

      // A mean that is rounded shifts the whole row, and where it is large against the deviations
      // that shows. What is missing is the mean of the differences; the variance is taken from
      // them too, since E[x²] − E[x]² cancels.
      let center = Float(mean(columns) { load(x + $0, $1) })
      let remainder = Float(mean(columns) { load(x + $0, $1) - center })
      let variance = mean(columns) {
        let difference = load(x + $0, $1) - center - remainder
        return difference * difference
      }
      let inverse = Float(1 / (variance + Double(epsilon)).squareRoot())
      inverses[row] = inverse

      @inline(always) func part(_ index: Int, _ lanes: Int) {
        var value = (load(x + index, lanes) - center - remainder) * inverse
        store(value, normalized + index, lanes)
        if let scale { value *= load(scale + index, lanes) }
        if let offset { value += load(offset + index, lanes) }
        store(value, y + index, lanes)
      }
      sweep(columns, part)
    }
  }

  /// With u = dy ⊙ scale and x̂ the normalised row: dx = inverse · (u − mean(u) − x̂ · mean(u ⊙ x̂)).
  public static func layerNormBackward(
    _ dy: Values, scale: Values?, normalized: Values, inverses: Values, _ dx: MutableValues,
    rows: Int, columns: Int
  ) {
    guard columns > 0 else { return }
    for row in 0..<rows {
      let dy = dy + row * columns
      let dx = dx + row * columns
      let normalized = normalized + row * columns

      @inline(always) func scaled(_ j: Int, _ lanes: Int) -> Vector {
        let dy = load(dy + j, lanes)
        guard let scale else { return dy }
        return dy * load(scale + j, lanes)
      }
      let shift = Float(mean(columns) { scaled($0, $1) })
      let correlation = Float(mean(columns) { scaled($0, $1) * load(normalized + $0, $1) })
      @inline(always) func part(_ j: Int, _ lanes: Int) {
        let difference = scaled(j, lanes) - shift
        let correction = load(normalized + j, lanes) * correlation
        store((difference - correction) * inverses[row], dx + j, lanes)
      }
      sweep(columns, part)
    }
  }
}

/// The mean of a row's terms.
@inline(always)
private func mean(_ count: Int, _ term: (_ offset: Int, _ lanes: Int) -> Vector) -> Double {
  var sum = RunSum()
  @inline(always) func part(_ j: Int, _ lanes: Int) {
    sum.add(term(j, lanes), lanes)
  }
  sweep(count, part)
  return sum.value / Double(count)
}
