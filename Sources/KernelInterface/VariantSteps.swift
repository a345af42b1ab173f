// VariantSteps.swift — the pointwise arithmetic of the rarer cells, with its equations
//
// These steps take pre-activations with every product already in them. They leave a row that does not
// take part as RecurrentSteps does: its states stay as they are, its gates' gradients are zero.

/// One number per row, such as a timestep of an array [B, T, 1].
public struct RowScalars {
  public var base: MutableValues
  public var stride: Int
  public init(_ base: MutableValues, stride: Int) {
    self.base = base
    self.stride = stride
  }
  @inlinable public subscript(row: Int) -> MutableValues { base + row * stride }
}

/// The cell state of an LSTM with options:
///
///     i = σ(aᵢ + pᵢ ⊙ c₋)   f = σ(a_f + p_f ⊙ c₋)   g = τ(a_g)   c = clip(f ⊙ c₋ + i ⊙ g)
///
/// Coupled gates have no aᵢ: i = 1 − f. Peepholes: Gers & Schmidhuber 2000; coupling: Greff et al. 2017.
public struct LSTMCellStep {
  public var extent: StepExtent
  /// `[B, 4H]` in the order i f g o, or coupled `[B, 3H]`, f g o. Activations on return, but o.
  public var gates: Rows
  public var isCoupled: Bool
  /// `[3H]` in the order i f o, or coupled `[2H]`, f o; nil without.
  public var peephole: Values?
  /// Infinity without clipping.
  public var cellLimit: Float
  public var previousCell: Rows
  /// `[B, H]`, written. May be `previousCell`.
  public var cell: Rows
  public init(
    extent: StepExtent, gates: Rows, isCoupled: Bool, peephole: Values?, cellLimit: Float,
    previousCell: Rows, cell: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.isCoupled = isCoupled
    self.peephole = peephole
    self.cellLimit = cellLimit
    self.previousCell = previousCell
    self.cell = cell
  }
}

/// dc₋ and the gates' gradients from dc.
public struct LSTMCellStepGradient {
  /// What forward took; the gates' activations become gradients, but o.
  public var step: LSTMCellStep
  /// `[B, H]`: the whole dc on entry, dc₋ on return.
  public var dCell: Rows
  public init(step: LSTMCellStep, dCell: Rows) {
    self.step = step
    self.dCell = dCell
  }
}

/// What an LSTM with options gives: o = σ(aₒ + pₒ ⊙ c)   m = o ⊙ ω(ĉ), with ĉ = c or c normalised.
public struct LSTMOutputStep {
  public var extent: StepExtent
  /// As in `LSTMCellStep`; o becomes an activation.
  public var gates: Rows
  public var isCoupled: Bool
  public var peephole: Values?
  /// ω
  public var outputActivation: Activation
  public var cell: Rows
  /// `[B, H]`: ĉ.
  public var normalizedCell: Rows
  /// `[B, H]`: m, written in valid rows.
  public var output: Rows
  public init(
    extent: StepExtent, gates: Rows, isCoupled: Bool, peephole: Values?,
    outputActivation: Activation, cell: Rows, normalizedCell: Rows, output: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.isCoupled = isCoupled
    self.peephole = peephole
    self.outputActivation = outputActivation
    self.cell = cell
    self.normalizedCell = normalizedCell
    self.output = output
  }
}

/// dĉ = dm ⊙ o ⊙ ω′;  daₒ = dm ⊙ ω(ĉ) ⊙ σ′;  dc += pₒ ⊙ daₒ
public struct LSTMOutputStepGradient {
  /// What forward took, but for `output`; o becomes its gradient, 0 in invalid rows.
  public var step: LSTMOutputStep
  /// `[B, H]`: dm on entry, dĉ on return, 0 in invalid rows.
  public var dOutput: Rows
  /// `[B, H]`, added to in valid rows.
  public var dCell: Rows
  public init(step: LSTMOutputStep, dOutput: Rows, dCell: Rows) {
    self.step = step
    self.dOutput = dOutput
    self.dCell = dCell
  }
}

/// A GRU's timestep from finished sums, and with attention (AUGRU: Zhou et al. 2019, in oneDNN's
/// convention):
///
///     n = τ(a_n + r ⊙ q)   z̃ = (1 − s) z   h = (1 − z̃) ⊙ n + z̃ ⊙ h₋
public struct GRUSumsStep {
  public var extent: StepExtent
  /// `[B, 3H]`, order r z n: pre-activations on entry, activations on return. With `candidate` nil, r
  /// and z are activations already.
  public var gates: Rows
  /// `[B, H]`: q, read; nil for the form with the reset before the product.
  public var candidate: Rows?
  /// s; nil for 0.
  public var scores: RowScalars?
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden`.
  public var hidden: Rows
  public init(
    extent: StepExtent, gates: Rows, candidate: Rows?, scores: RowScalars?, previousHidden: Rows,
    hidden: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.candidate = candidate
    self.scores = scores
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// As `GRUStepGradient`, and ds −= Σ dz̃ ⊙ z.
public struct GRUSumsStepGradient {
  /// What forward took, but for `hidden`; activations become gradients, with `candidate` nil except r,
  /// which is left alone (and zero in invalid rows); q becomes dq.
  public var step: GRUSumsStep
  /// Added to; nil if it is not wanted.
  public var dScores: RowScalars?
  /// `[B, H]`: dh on entry; on return dh ⊙ z̃ in valid rows, dh in others.
  public var dHidden: Rows
  public init(step: GRUSumsStep, dScores: RowScalars?, dHidden: Rows) {
    self.step = step
    self.dScores = dScores
    self.dHidden = dHidden
  }
}

/// The first half of a minimal gated unit: f = σ(a_f)   s = f ⊙ u. Zhou et al. 2016.
public struct MGUResetStep {
  public var extent: StepExtent
  /// `[B, 2H]`, order f n: f becomes an activation.
  public var gates: Rows
  /// u, h₋ after recurrent dropout.
  public var recurrentInput: Rows
  /// `[B, H]`: s, written. 0 in invalid rows.
  public var reset: Rows
  public init(extent: StepExtent, gates: Rows, recurrentInput: Rows, reset: Rows) {
    self.extent = extent
    self.gates = gates
    self.recurrentInput = recurrentInput
    self.reset = reset
  }
}

/// da_f = (df + ds ⊙ u) ⊙ σ′;  du = ds ⊙ f
public struct MGUResetStepGradient {
  /// What forward took, but for `reset`; f's activation becomes da_f.
  public var step: MGUResetStep
  /// `[B, H]`: df, what f's gradient is made of besides.
  public var dForget: Rows
  /// `[B, H]`: ds on entry, du on return.
  public var dReset: Rows
  public init(step: MGUResetStep, dForget: Rows, dReset: Rows) {
    self.step = step
    self.dForget = dForget
    self.dReset = dReset
  }
}

/// The second half: n = τ(a_n)   h = (1 − f) ⊙ h₋ + f ⊙ n
public struct MGUStep {
  public var extent: StepExtent
  /// `[B, 2H]`: f's activation and a_n on entry, activations on return.
  public var gates: Rows
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden`.
  public var hidden: Rows
  public init(extent: StepExtent, gates: Rows, previousHidden: Rows, hidden: Rows) {
    self.extent = extent
    self.gates = gates
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// da_n = dh ⊙ f ⊙ τ′;  df = dh ⊙ (n − h₋);  dh₋ = dh ⊙ (1 − f)
public struct MGUStepGradient {
  /// What forward took, but for `hidden`; n becomes da_n, f stays (0 in invalid rows).
  public var step: MGUStep
  /// `[B, H]`: df, written; 0 in invalid rows.
  public var dForget: Rows
  /// `[B, H]`: dh on entry; on return dh ⊙ (1 − f) in valid rows, dh in others.
  public var dHidden: Rows
  public init(step: MGUStep, dForget: Rows, dHidden: Rows) {
    self.step = step
    self.dForget = dForget
    self.dHidden = dHidden
  }
}

/// The minimal recurrences of Feng et al. 2024, whose gates see the input alone:
///
///     minGRU    z = σ(a_z)                                   h = (1 − z) ⊙ h₋ + z ⊙ τ(a_n)
///     minLSTM   f = σ(a_f) / (σ(a_f) + σ(aᵢ))                h = f ⊙ h₋ + (1 − f) ⊙ τ(a_n)
public struct MinimalStep {
  public var extent: StepExtent
  /// minGRU `[B, 2H]`, order z n; minLSTM `[B, 3H]`, order f i n. On return n is an activation.
  public var gates: Rows
  public var isLSTM: Bool
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden`.
  public var hidden: Rows
  public init(extent: StepExtent, gates: Rows, isLSTM: Bool, previousHidden: Rows, hidden: Rows) {
    self.extent = extent
    self.gates = gates
    self.isLSTM = isLSTM
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// With w the weight of the new value: dn = dh ⊙ w;  dw = dh ⊙ (n − h₋);  dh₋ = dh ⊙ (1 − w)
public struct MinimalStepGradient {
  /// What forward took, but for `hidden`; the gates become their gradients.
  public var step: MinimalStep
  /// `[B, H]`: dh on entry; on return dh₋ in valid rows, dh in others.
  public var dHidden: Rows
  public init(step: MinimalStep, dHidden: Rows) {
    self.step = step
    self.dHidden = dHidden
  }
}

/// The scalar cell of xLSTM (Beck et al. 2024), with l = log σ(a_f) or l = a_f:
///
///     m = max(l + m₋, aᵢ)   i = exp(aᵢ − m)   f = exp(l + m₋ − m)
///     c = f ⊙ c₋ + i ⊙ τ(a_g)   n = f ⊙ n₋ + i   h = σ(aₒ) ⊙ c / n
///
/// Where n₋ = 0 nothing has been stored yet: m = aᵢ and f = 0.
public struct SLSTMStep {
  public var extent: StepExtent
  /// `[B, 4H]`, order i f g o. On return g and o are activations.
  public var gates: Rows
  /// Whether l = a_f.
  public var isExponential: Bool
  /// `[B, 3H]`: c n m.
  public var previousMemory: Rows
  /// `[B, 3H]`, written. May be `previousMemory`.
  public var memory: Rows
  public var previousHidden: Rows
  /// `[B, H]`, written. May be `previousHidden`.
  public var hidden: Rows
  public init(
    extent: StepExtent, gates: Rows, isExponential: Bool, previousMemory: Rows, memory: Rows,
    previousHidden: Rows, hidden: Rows
  ) {
    self.extent = extent
    self.gates = gates
    self.isExponential = isExponential
    self.previousMemory = previousMemory
    self.memory = memory
    self.previousHidden = previousHidden
    self.hidden = hidden
  }
}

/// The chain rule through all of it, the stabiliser included: m cancels in h, but not in the final
/// states.
public struct SLSTMStepGradient {
  /// What forward took, but for `hidden`; the gates become their gradients.
  public var step: SLSTMStep
  /// `[B, H]`: dh on entry; on return 0 in valid rows, dh in others.
  public var dHidden: Rows
  /// `[B, 3H]`: dc dn dm on entry, those of the previous timestep on return.
  public var dMemory: Rows
  public init(step: SLSTMStep, dHidden: Rows, dMemory: Rows) {
    self.step = step
    self.dHidden = dHidden
    self.dMemory = dMemory
  }
}
