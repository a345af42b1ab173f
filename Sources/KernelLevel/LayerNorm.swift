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

      // The variance in a second pass: E[x²] − E[x]² cancels where the mean is large.
      // A sum of floats and its quotient are rounded, and where the mean is large against the
      // deviations that shifts the row; what is missing is the mean of the differences.
      let center = Float(sumOverRun(columns) { load(x + $0, $1) } / Double(columns))
      let remainder = Float(sumOverRun(columns) { load(x + $0, $1) - center } / Double(columns))
      let squares = sumOverRun(columns) {
        let difference = load(x + $0, $1) - center - remainder
        return difference * difference
      }
      let variance = squares / Double(columns)
      let inverse = Float(1 / (variance + Double(epsilon)).squareRoot())
      inverses[row] = inverse

      sweep(columns) { index, lanes in
        var value = (load(x + index, lanes) - center - remainder) * inverse
        store(value, normalized + index, lanes)
        if let scale { value *= load(scale + index, lanes) }
        if let offset { value += load(offset + index, lanes) }
        store(value, y + index, lanes)
      }
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

      func scaled(_ index: Int, _ lanes: Int) -> Vector {
        let dy = load(dy + index, lanes)
        guard let scale else { return dy }
        return dy * load(scale + index, lanes)
      }
      let mean = Float(sumOverRun(columns) { scaled($0, $1) } / Double(columns))
      let correlation = Float(
        sumOverRun(columns) { scaled($0, $1) * load(normalized + $0, $1) } / Double(columns))
      sweep(columns) {
        let difference = scaled($0, $1) - mean
        let correction = load(normalized + $0, $1) * correlation
        store((difference - correction) * inverses[row], dx + $0, $1)
      }
    }
  }
}
