// RecurrentSteps.swift — the arguments of a timestep, with its equations
//
// A timestep comes with the product that goes before its arithmetic: forward with the hidden state's,
// backward with that of the next timestep's gradients, through which they reach this one.
//
// σ and τ stand for the gate activation and the state activation (sigmoid and tanh by default).
// A `Rows` is a matrix of `rows` rows (batch) whose columns are contiguous and whose rows are
// `stride` elements apart: timestep t of an array [B, T, N] has stride T · N.
//
// Where `valid` is not nil, row b takes part only if valid[b · validStride] is 1. A row that does
// not keeps its state: hidden = previous hidden, cell = previous cell; its gates are left alone in
// forward, and backward writes zero gradients for its gates and passes the state's gradient on.

/// A matrix whose rows are `stride` elements apart.
public struct Rows {
  public var base: MutableValues
  public var stride: Int
  public init(_ base: MutableValues, stride: Int) {
    self.base = base
    self.stride = stride
  }
  @inlinable public subscript(row: Int) -> MutableValues { base + row * stride }
  /// The rows from a later one on.
  public func from(_ row: Int) -> Rows { Rows(self[row], stride: stride) }
}

/// What all steps share.
public struct StepExtent {
  public var rows: Int
  public var hiddenSize: Int
  public var valid: UnsafePointer<UInt8>?
  public var validStride: Int
  public var gateActivation: Activation
  public var stateActivation: Activation
  /// Whether forward leaves what backward reads: the gates' activations, and q of a GRU. Without a
  /// backward pass they are not worth the traffic, and `gates` and `candidate` end as they may.
  public var keepsGates: Bool

  public init(
    rows: Int, hiddenSize: Int, valid: UnsafePointer<UInt8>?, validStride: Int,
    gateActivation: Activation, stateActivation: Activation, keepsGates: Bool = true
  ) {
    self.rows = rows
    self.hiddenSize = hiddenSize
    self.valid = valid
    self.validStride = validStride
    self.gateActivation = gateActivation
    self.stateActivation = stateActivation
    self.keepsGates = keepsGates
  }

  /// The rows from a later one on.
  public func from(_ row: Int) -> StepExtent {
    var rest = self
    rest.rows -= row
    if let valid { rest.valid = valid + row * validStride }
    return rest
  }
}

/// A product of a timestep: `input` · `weights` is added to what the gates' sums start from, in the same
/// pass as the step's own arithmetic.
public struct StepProduct {
  /// `[B, K]`. Overlaps nothing that the step writes.
  public var input: Rows
  /// `[K, G·H]` for G gates: see `RightMatrix.grouped`.
  public var weights: RightMatrix
  /// K.
  public var depth: Int
  public init(input: Rows, weights: RightMatrix, depth: Int) {
    self.input = input
    self.weights = weights
    self.depth = depth
  }

  /// Nothing to add. `place` is any memory.
  public static func none(_ place: Rows) -> StepProduct {
    StepProduct(
      input: place, weights: .packed(Values(place.base), depth: 0, panelWidth: 0), depth: 0)
  }

  /// The rows from a later one on.
  public func from(_ row: Int) -> StepProduct {
    StepProduct(input: input.from(row), weights: weights, depth: depth)
  }
}

/// What the gradient of a hidden state receives through the products of the timestep after it: the
/// gradients of that timestep's gates, times the weights. It is added to `dHidden` in the pass that
/// needs the sum.
public struct GradientProduct {
  /// `[B, K]` · `[K, H]`, the weights packed as one gate.
  public var first: StepProduct
  /// A further product, if the gates' gradients lie in two arrays.
  public var second: StepProduct?
  /// `[B, H]`: what the sum of the products is multiplied by, the mask of recurrent dropout; nil
  /// without.
  public var mask: Rows?

  public init(_ first: StepProduct, and second: StepProduct? = nil, mask: Rows? = nil) {
    self.first = first
    self.second = second
    self.mask = mask
  }

  /// The rows from a later one on.
  public func from(_ row: Int) -> GradientProduct {
    GradientProduct(first.from(row), and: second?.from(row), mask: mask?.from(row))
  }

  /// Nothing to add. `place` is any memory.
  public static func none(_ place: Rows, mask: Rows?) -> GradientProduct {
    GradientProduct(.none(place), mask: mask)
  }

  /// The same mask, but nothing to add.
  public var nothing: GradientProduct {
    var nothing = self
    nothing.first.depth = 0
    nothing.second = nil
    return nothing
  }
}

/// dh += the product: for rows that wait for their gradient longer than until the next step.
public struct HiddenGradient {
  public var rows: Int
  public var hiddenSize: Int
  public var product: GradientProduct
  /// `[B, H]`
  public var dHidden: Rows
  public init(rows: Int, hiddenSize: Int, product: GradientProduct, dHidden: Rows) {
    self.rows = rows
    self.hiddenSize = hiddenSize
    self.product = product
    self.dHidden = dHidden
  }
}

/// h = τ(a). Elman 1990.
public struct RNNStep {
  public var extent: StepExtent
  public var product: StepProduct
  /// That of the timestep's inputs, added first, where `start` does not hold it yet.
  public var inputProduct: StepProduct?
  /// `[B, H]`: a without its products. All rows may be the same one.
  public var start: Rows
  /// `[B, H]`: h of valid rows, written if gates are kept. May be `start`.
  public var gates: Rows
  public var previousHidden: Rows
  /// `[B, H]`, written.
  public var hidden: Rows
  public init(
    extent: StepExtent, product: StepProduct, inputProduct: StepProduct? = nil, start: Rows,
    gates: Rows, previousHidden: Rows, hidden: Rows
  ) {
    self.extent = extent
    self.product = product
    self.inputProduct = inputProduct
    self.start = start
    self.gates = gates
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// da = dh ⊙ τ′
public struct RNNStepGradient {
  public var extent: StepExtent
  /// `[B, H]`: h on entry, da on return.
  public var gates: Rows
  public var product: GradientProduct
  /// `[B, H]`: dh without its product on entry. On return what reaches h₋ other than through the
  /// product with weight_hh: 0 in valid rows, dh in others.
  public var dHidden: Rows
  public init(extent: StepExtent, gates: Rows, product: GradientProduct, dHidden: Rows) {
    self.extent = extent
    self.gates = gates
    self.product = product
    self.dHidden = dHidden
  }
}

/// i = σ(aᵢ)  f = σ(a_f)  g = τ(a_g)  o = σ(aₒ);  c = f ⊙ c₋ + i ⊙ g;  h = o ⊙ τ(c)
///
/// Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000.
public struct LSTMStep {
  public var extent: StepExtent
  public var product: StepProduct
  /// That of the timestep's inputs, added first, where `start` does not hold it yet.
  public var inputProduct: StepProduct?
  /// `[B, 4H]`, order i f g o: pre-activations without their products. All rows may be the same one.
  public var start: Rows
  /// `[B, 4H]`: activations of valid rows, written if gates are kept. May be `start`.
  public var gates: Rows
  public var previousCell: Rows
  /// `[B, H]`, written. May be `previousCell`.
  public var cell: Rows
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden` if that is not the product's input.
  public var hidden: Rows
  public init(
    extent: StepExtent, product: StepProduct, inputProduct: StepProduct? = nil, start: Rows,
    gates: Rows, previousCell: Rows, cell: Rows, previousHidden: Rows, hidden: Rows
  ) {
    self.extent = extent
    self.product = product
    self.inputProduct = inputProduct
    self.start = start
    self.gates = gates
    self.previousCell = previousCell
    self.cell = cell
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// dc += dh ⊙ o ⊙ τ′(c);  daₒ = dh ⊙ τ(c) ⊙ σ′;  daᵢ = dc ⊙ g ⊙ σ′;  da_g = dc ⊙ i ⊙ τ′;
/// da_f = dc ⊙ c₋ ⊙ σ′;  dc₋ = dc ⊙ f
public struct LSTMStepGradient {
  public var extent: StepExtent
  /// `[B, 4H]`: activations on entry, gradients of the pre-activations on return.
  public var gates: Rows
  public var previousCell: Rows
  public var cell: Rows
  public var product: GradientProduct
  /// `[B, H]`: dh without its product on entry; on return 0 in valid rows, dh in others.
  public var dHidden: Rows
  /// `[B, H]`: dc from the later timestep on entry, dc₋ on return.
  public var dCell: Rows
  public init(
    extent: StepExtent, gates: Rows, previousCell: Rows, cell: Rows, product: GradientProduct,
    dHidden: Rows, dCell: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.previousCell = previousCell
    self.cell = cell
    self.product = product
    self.dHidden = dHidden
    self.dCell = dCell
  }
}

/// r = σ(a_r)  z = σ(a_z)  n = τ(a_n + r ⊙ q);  h = (1 − z) ⊙ n + z ⊙ h₋
///
/// q is the candidate's recurrent part, weight_hn h₋ + bias_hn: the reset gate is applied after the
/// product, as in cuDNN, PyTorch and Keras's default. The product has three gates: r, z and q; that of
/// the inputs has r, z and n.
///
/// With `candidate` nil the term r ⊙ q is left out: then a_n has the product with r ⊙ h₋ instead
/// (Cho et al. 2014), the product's only gate, and r and z are activations already (GRUResetStep
/// made them).
public struct GRUStep {
  public var extent: StepExtent
  public var product: StepProduct
  /// That of the timestep's inputs, added first, where `start` does not hold it yet; nil with
  /// `candidate` nil.
  public var inputProduct: StepProduct?
  /// `[B, 3H]`, order r z n: pre-activations without their products. All rows may be the same one if
  /// there is an input product.
  public var start: Rows
  /// `[B, 3H]`: activations of valid rows, written if gates are kept; without an input product the
  /// same as `start`. With one, the n part is written in any case: n's sum waits there for r ⊙ q.
  public var gates: Rows
  /// `[B, H]`: q, written. nil for the form with the reset before the product.
  public var candidate: Rows?
  /// `[H]`: bias_hn, what q starts from; nil for zeros.
  public var candidateBias: Values?
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden` if that is not the product's input.
  public var hidden: Rows
  public init(
    extent: StepExtent, product: StepProduct, inputProduct: StepProduct? = nil, start: Rows,
    gates: Rows, candidate: Rows?, candidateBias: Values?, previousHidden: Rows, hidden: Rows
  ) {
    self.extent = extent
    self.product = product
    self.inputProduct = inputProduct
    self.start = start
    self.gates = gates
    self.candidate = candidate
    self.candidateBias = candidateBias
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// dn = dh ⊙ (1 − z)  da_n = dn ⊙ τ′;  dz = dh ⊙ (h₋ − n)  da_z = dz ⊙ σ′;
/// dq = da_n ⊙ r;  dr = da_n ⊙ q  da_r = dr ⊙ σ′;  dh₋ = dh ⊙ z (other than through products)
public struct GRUStepGradient {
  public var extent: StepExtent
  /// `[B, 3H]`: activations on entry, gradients of the pre-activations on return. With `candidate`
  /// nil the r part is left alone (GRUResetStepGradient makes it), but zeroed in invalid rows.
  public var gates: Rows
  /// `[B, H]`: q on entry, dq on return (0 in invalid rows).
  public var candidate: Rows?
  public var previousHidden: Rows
  public var product: GradientProduct
  /// `[B, H]`: dh without its product on entry; on return dh ⊙ z in valid rows, dh in others.
  public var dHidden: Rows
  public init(
    extent: StepExtent, gates: Rows, candidate: Rows?, previousHidden: Rows,
    product: GradientProduct, dHidden: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.candidate = candidate
    self.previousHidden = previousHidden
    self.product = product
    self.dHidden = dHidden
  }
}

/// The first half of a GRU whose reset gate comes before the product:
/// r = σ(a_r)  z = σ(a_z);  s = r ⊙ u, where u is h₋ after recurrent dropout. The product has two
/// gates: r and z.
public struct GRUResetStep {
  public var extent: StepExtent
  public var product: StepProduct
  /// `[B, 3H]`: the r and z parts, pre-activations without their product, become activations; n is
  /// left alone.
  public var gates: Rows
  /// `[B, H]`: u.
  public var recurrentInput: Rows
  /// `[B, H]`: s, written. 0 in invalid rows.
  public var reset: Rows
  public init(
    extent: StepExtent, product: StepProduct, gates: Rows, recurrentInput: Rows, reset: Rows
  ) {
    self.extent = extent
    self.product = product
    self.gates = gates
    self.recurrentInput = recurrentInput
    self.reset = reset
  }
}

/// dr = ds ⊙ u  da_r = dr ⊙ σ′;  du = ds ⊙ r
///
/// ds is the product itself, of da_n and the candidate's weights.
public struct GRUResetStepGradient {
  public var extent: StepExtent
  /// `[B, 3H]`: r on entry, da_r on return; the rest left alone.
  public var gates: Rows
  public var recurrentInput: Rows
  /// Its mask is that of du.
  public var product: GradientProduct
  /// `[B, H]`: du, masked, is added to it in valid rows.
  public var dHidden: Rows
  public init(
    extent: StepExtent, gates: Rows, recurrentInput: Rows, product: GradientProduct, dHidden: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.recurrentInput = recurrentInput
    self.product = product
    self.dHidden = dHidden
  }
}
