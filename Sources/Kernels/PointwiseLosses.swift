// PointwiseLosses.swift — losses that compare numbers one by one
//
// Each returns the sum over the elements, and where `gradient` is not nil writes the derivative of
// `scale` times that sum. Sums are in Double, in the order of the elements.

import Glibc

/// Σ (y − t)²
public func squaredError(
  _ y: Values, _ target: Values, count: Int, gradient: MutableValues?, scale: Float
) -> Double {
  sum(y, target, count, gradient) { difference in
    (Double(difference) * Double(difference), 2 * scale * difference)
  }
}

/// Σ |y − t|, with derivative 0 where they are equal.
public func absoluteError(
  _ y: Values, _ target: Values, count: Int, gradient: MutableValues?, scale: Float
) -> Double {
  sum(y, target, count, gradient) { difference in
    (
      Double(difference.magnitude),
      difference > 0 ? scale : difference < 0 ? -scale : 0 * difference
    )
  }
}

/// Σ ½ e² where |e| ≤ δ, δ (|e| − ½ δ) elsewhere, with e = y − t. Huber 1964.
public func huberError(
  _ y: Values, _ target: Values, delta: Float, count: Int, gradient: MutableValues?, scale: Float
) -> Double {
  sum(y, target, count, gradient) { difference in
    let magnitude = Double(difference.magnitude)
    if magnitude <= Double(delta) {
      return (0.5 * magnitude * magnitude, scale * difference)
    }
    let loss = Double(delta) * (magnitude - 0.5 * Double(delta))
    return (loss, difference > 0 ? scale * delta : difference < 0 ? -scale * delta : difference)
  }
}

@inline(__always)
private func sum(
  _ y: Values, _ target: Values, _ count: Int, _ gradient: MutableValues?,
  _ element: (_ difference: Float) -> (loss: Double, derivative: Float)
) -> Double {
  var total = 0.0
  for i in 0..<count {
    let (loss, derivative) = element(y[i] - target[i])
    total += loss
    gradient?[i] = derivative
  }
  return total
}

/// Σ −w t log σ(x) − (1 − t) log (1 − σ(x)), from logits x and targets t of 0 … 1.
///
/// With log σ(x) = −softplus(−x) and softplus(x) = max(x, 0) + log1p(e^−|x|), no logarithm of zero
/// can occur. The derivative is σ(x) (1 − t) − w t (1 − σ(x)).
///
/// - Parameter positiveWeights: w `[count]`; nil for 1.
public func binaryCrossEntropy(
  logits x: Values, _ target: Values, positiveWeights: Values?, count: Int,
  gradient: MutableValues?, scale: Float
) -> Double {
  var total = 0.0
  for i in 0..<count {
    let logit = Double(x[i])
    let t = Double(target[i])
    let w = positiveWeights.map { Double($0[i]) } ?? 1
    let tail = log1p(exp(-abs(logit)))
    total += w * t * (max(-logit, 0) + tail) + (1 - t) * (max(logit, 0) + tail)
    if let gradient {
      let probability = 1 / (1 + exp(-logit))
      gradient[i] = Float(probability * (1 - t) - w * t * (1 - probability)) * scale
    }
  }
  return total
}
