// KernelSet.swift — what every instruction-set level offers
//
// A level is the same source (Sources/KernelLevel) compiled for another instruction set. Its
// functions are reached through this protocol's witness table, chosen once when the library is
// loaded. They work on raw memory, trust their caller, and neither allocate nor throw.
//
// Matrices are row-major; a `stride` is the distance between rows, in elements. Shapes use the
// letters of the style: B rows, H hidden units, N columns, K depth.

/// Element type of all arithmetic.
public typealias Values = UnsafePointer<Float>
public typealias MutableValues = UnsafeMutablePointer<Float>

/// What a product is added to.
public enum ProductStart {
  case zero
  /// What c holds.
  case sums
  /// The same row `[N]`, such as a bias, for every row of c.
  case row(Values)
}

/// A function that takes a step that was prepared at a place.
public typealias PreparedStep = (_ place: UnsafeRawPointer) -> Void
/// Bytes that preparing a step may write.
public let preparedStepSize = 1024

/// The functions of one instruction-set level.
public protocol KernelSet: SendableMetatype {
  /// Such as "x86-64-v4".
  static var name: String { get }

  // MARK: Matrix products

  /// Columns that a packed panel holds; a packed matrix is padded to a multiple of it with zeros.
  static var panelWidth: Int { get }

  /// Columns that a tile of `multiply` has, unless there are only a few rows.
  static var tileWidth: Int { get }

  /// Packs `b` `[K, N]` for `multiply`: panel after panel, in each the K rows of `panelWidth`
  /// columns. Writes K · N rounded up to a multiple of `panelWidth` values.
  ///
  /// - Parameters:
  ///   - rowStride, columnStride: element (k, n) is at `b[k · rowStride + n · columnStride]`, so a
  ///     transposed matrix is packed by exchanging the two.
  ///   - panelStride: floats from one panel to the next, at least K · `panelWidth`; more if other rows
  ///     follow in the same panels.
  ///   - sums: of the columns, on the way; none unless `columnStride` is 1.
  static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, panelStride: Int,
    into packed: MutableValues, sums: ColumnSums)

  /// Packs `b` `[K, G·H]` for the steps of a cell with G gates: for the first `panelWidth` hidden
  /// units K rows, each with the vectors of all gates, then the same for the next units. Writes
  /// G · K · H values, with H rounded up to a multiple of `panelWidth`. `columns` is G·H.
  static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, inGroupsOf gates: Int,
    into packed: MutableValues)

  /// c `[M, N]` = start + a `[M, K]` · b `[K, N]`. Any size may be 0.
  ///
  /// Every element of c is one chain of multiply-adds over k in increasing order, so the bits of a row
  /// depend neither on M nor on which rows are computed together.
  ///
  /// - Parameter c: element (m, n) is at `c[m · cStride + n]`. Overlaps neither a nor b.
  static func multiply(
    _ a: LeftMatrix, _ b: RightMatrix, _ c: MutableValues, cStride: Int, rows: Int, columns: Int,
    depth: Int, start: ProductStart)

  // MARK: Recurrent steps

  /// One timestep with the product before it; see the structs for the equations.
  static func forward(_ step: RNNStep)
  /// Prepares forward of a step that is taken again and again, at a place of `preparedStepSize` bytes,
  /// aligned to a cache line. The step is taken by calling what is returned with that place.
  static func prepare(_ step: RNNStep, at place: UnsafeMutableRawPointer) -> PreparedStep
  static func backward(_ step: RNNStepGradient)
  static func forward(_ step: LSTMStep)
  static func prepare(_ step: LSTMStep, at place: UnsafeMutableRawPointer) -> PreparedStep
  static func backward(_ step: LSTMStepGradient)
  static func forward(_ step: GRUStep)
  static func prepare(_ step: GRUStep, at place: UnsafeMutableRawPointer) -> PreparedStep
  static func backward(_ step: GRUStepGradient)
  static func forward(_ step: GRUResetStep)
  static func backward(_ step: GRUResetStepGradient)
  static func backward(_ step: HiddenGradient)

  /// The pointwise half of a timestep of the rarer cells; see VariantSteps.
  static func forward(_ step: LSTMCellStep)
  static func backward(_ gradient: LSTMCellStepGradient)
  static func forward(_ step: LSTMOutputStep)
  static func backward(_ gradient: LSTMOutputStepGradient)
  static func forward(_ step: GRUSumsStep)
  static func backward(_ gradient: GRUSumsStepGradient)
  static func forward(_ step: MGUResetStep)
  static func backward(_ gradient: MGUResetStepGradient)
  static func forward(_ step: MGUStep)
  static func backward(_ gradient: MGUStepGradient)
  static func forward(_ step: MinimalStep)
  static func backward(_ gradient: MinimalStepGradient)
  static func forward(_ step: SLSTMStep)
  static func backward(_ gradient: SLSTMStepGradient)

  // MARK: Elements

  /// y = activation(x); y may be x.
  static func activate(_ activation: Activation, _ x: Values, _ y: MutableValues, count: Int)
  /// dx = dy · activation′, with the derivative taken from the output y. dx may be dy.
  static func activateBackward(
    _ activation: Activation, _ y: Values, _ dy: Values, _ dx: MutableValues, count: Int)

  /// Asks for `[B, N]` floats that will soon be read or written, where no near cache can have them.
  static func prefetch(_ rows: Rows, count: Int, columns: Int)

  static func fill(_ y: MutableValues, _ value: Float, count: Int)
  /// y += x
  static func add(_ x: Values, _ y: MutableValues, count: Int)
  /// y = a · x, y += a · x; y may be x.
  static func scale(_ x: Values, by a: Float, _ y: MutableValues, count: Int)
  static func addScaled(_ x: Values, by a: Float, _ y: MutableValues, count: Int)
  /// z = x ⊙ y, z += x ⊙ y; z may be x or y.
  static func multiply(_ x: Values, _ y: Values, _ z: MutableValues, count: Int)
  static func addProduct(_ x: Values, _ y: Values, _ z: MutableValues, count: Int)
  /// y = (1 − w) ⊙ y + w ⊙ x
  static func mix(_ x: Values, into y: MutableValues, by w: Values, count: Int)
  /// z = max(x, y); z may be x or y. If either is NaN, so is z.
  static func maximum(_ x: Values, _ y: Values, _ z: MutableValues, count: Int)
  /// Each element moved into −limit … limit; NaN stays NaN.
  static func clamp(_ x: MutableValues, limit: Float, count: Int)

  /// Copies `row` `[N]` into each of the rows of y.
  static func broadcast(_ row: Values, _ y: MutableValues, stride: Int, rows: Int, columns: Int)
  /// sums `[N]` += the sum over the rows of x, added in the order of the rows.
  static func addColumnSums(
    _ x: Values, stride: Int, rows: Int, columns: Int, into sums: MutableValues)

  // MARK: Reductions

  /// Σ x², summed in Double in a fixed order.
  static func sumOfSquares(_ x: Values, count: Int) -> Double
  /// Σ (x + factor · y)², likewise.
  static func sumOfSquares(_ x: Values, adding y: Values, times factor: Float, count: Int) -> Double
  /// Σ x · y, summed in Double in a fixed order.
  static func dot(_ x: Values, _ y: Values, count: Int) -> Double
  /// Whether every element is finite.
  static func isFinite(_ x: Values, count: Int) -> Bool

  // MARK: Rows

  /// Each row of x `[B, N]` to probabilities in y, which may be x. Stable for any finite logits.
  static func softmax(_ x: Values, _ y: MutableValues, rows: Int, columns: Int)
  /// dx = y ⊙ (dy − Σ dy ⊙ y), row by row; dx may be dy.
  static func softmaxBackward(
    _ y: Values, _ dy: Values, _ dx: MutableValues, rows: Int, columns: Int)
  /// log Σ exp of one row.
  static func logSumExp(_ x: Values, count: Int) -> Float

  /// y = (x − mean) · inverse deviation, row by row, times `scale` plus `offset` `[N]` (nil: 1 and
  /// 0). The normalised rows go to `normalized` and the inverse deviations `[B]` to `inverses`,
  /// which backward reads. The variance is the biased one, as in Ba et al. 2016.
  static func layerNorm(
    _ x: Values, scale: Values?, offset: Values?, epsilon: Float, _ y: MutableValues,
    normalized: MutableValues, inverses: MutableValues, rows: Int, columns: Int)
  /// dx of layerNorm from dy.
  static func layerNormBackward(
    _ dy: Values, scale: Values?, normalized: Values, inverses: Values, _ dx: MutableValues,
    rows: Int, columns: Int)

  // MARK: Optimisers

  /// One update of a run of parameters with its gradients; `OptimizerStep` has the equations.
  static func update(_ step: OptimizerStep)
}

extension KernelSet {
  /// Packs without sums.
  public static func pack(
    _ b: Values, rowStride: Int, columnStride: Int, depth: Int, columns: Int, panelStride: Int,
    into packed: MutableValues
  ) {
    pack(
      b, rowStride: rowStride, columnStride: columnStride, depth: depth, columns: columns,
      panelStride: panelStride, into: packed, sums: ColumnSums())
  }
}
