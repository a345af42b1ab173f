// Layer.swift — what a layer is, and what it is while it runs
//
// A `Layer` is a description: sizes, options, the parameters it needs. It belongs to a model and
// never changes. A `LayerRun` is that layer placed in a workspace: it knows where its inputs,
// outputs and tape lie, and computes forward and backward for a range of batch rows. Between the
// two stand `LayerWeights`, the layer's parameters packed for matrix products, one set per model.
//
// Rules that every run follows:
// - forward writes its outputs for the given rows and touches nothing else that is shared;
// - backward reads its outputs' gradients and adds to its inputs' gradients, which start at zero;
// - what lies behind a row's length is not computed: a layer that works on each timestep alone visits
//   `Pass.forEachRun`. Float inputs and output gradients hold zeros there (the executor sees to it), a
//   layer's own memory whatever was there before, so nobody reads it;
// - parameter gradients are added afterwards for all rows of the workspace, shard by shard in order or the
//   batch at once, in tasks that write disjoint parts, so that no sum depends on how many threads there are.

import Kernels

/// The shape of one value in a model, without the batch.
public struct ValueShape: Equatable, Sendable {
  public var type: ElementType
  /// Whether there is a timesteps axis after the batch.
  public var hasTime: Bool
  /// Sizes after batch and timesteps; empty for ids.
  public var features: [Int]
  /// The number of timesteps where the model fixes it, as in `RepeatVector(20)`; nil where that of an
  /// input decides. The model's builder hands it on from layer to layer.
  public internal(set) var timesteps: Int?
  /// Whether a last axis follows that has an element for each timestep of another sequence: weights of
  /// attention. Such a value can be an output of the model; no layer takes it.
  public var hasKeys = false
  /// The size of that axis where the model fixes it.
  public internal(set) var keys: Int?

  public init(_ type: ElementType = .float, hasTime: Bool, features: [Int]) {
    self.type = type
    self.hasTime = hasTime
    self.features = features
  }

  /// Elements of one row at one timestep, for each key if there are keys.
  public var width: Int { features.reduce(1, *) }
  /// Size of the last axis, which Dense, LayerNorm and softmax work on.
  var lastAxis: Int { features.last ?? 1 }

  /// `[−1, −1, 64]`: as messages show it.
  public var pattern: [Int] { Array(sizes(batch: nil, timesteps: nil)) }
}

/// The description of a layer in a model.
protocol Layer: Sendable {
  /// What the notation knows about it.
  static var signature: Signature { get }

  /// - Throws: `LayerError` if it cannot take these inputs.
  init(_ call: BoundCall, inputs: [ValueShape]) throws

  var outputs: [ValueShape] { get }
  var parameters: [ParameterSpec] { get }
  /// Whether it can run one timestep at a time, without knowing later ones.
  var canStream: Bool { get }
  /// The same where it depends on the inputs.
  ///
  /// - Parameter changes: for each input, whether it changes from timestep to timestep, because it
  ///   has timesteps or was made of something that has. Others stay as they are until a reset.
  func canStream(_ changes: [Bool]) -> Bool
  /// Whether a window of a sequence, and the state that enters it, is all that forward and backward
  /// need. A layer that makes one value of a sequence needs more.
  var canContinue: Bool { get }
  /// Whether it can be walked along a sequence of the model, a timestep at a time, while the inputs that
  /// do not change, sequences among them, are there as a whole from the start.
  ///
  /// - Parameter changes: for each input, whether it was made of the sequence that is walked along.
  func canWalk(_ changes: [Bool]) -> Bool
  /// Whether a sequence comes out in another order than it went in.
  var reordersTime: Bool { get }
  /// The input whose timesteps the outputs have, if it is one alone; nil if all inputs with timesteps
  /// are walked together, and so must have as many.
  var timeSource: Int? { get }
  /// The input whose timesteps the last axis of an output with keys counts.
  var keySource: Int { get }
  /// Floats of state that a stream keeps per lane.
  var stateSize: Int { get }
  /// Floats that a walk keeps of every timestep of a row, for a layer that looks back at all of them.
  var historySize: Int { get }
  /// What its state begins with, one after the other; zeros behind them.
  func initialState(_ source: ParameterSource) -> [PlacedParameter]
  /// What was applied last to the first output, for losses that look behind it.
  var finalActivation: OutputActivation? { get }

  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)?
  func makeRun(_ placement: inout Placement) throws -> LayerRun
}

extension Layer {
  var parameters: [ParameterSpec] { [] }
  var canStream: Bool { true }
  func canStream(_ changes: [Bool]) -> Bool { canStream }
  var canContinue: Bool { false }
  func canWalk(_ changes: [Bool]) -> Bool { canStream(changes) }
  var reordersTime: Bool { false }
  var timeSource: Int? { nil }
  var keySource: Int { 0 }
  var stateSize: Int { 0 }
  var historySize: Int { 0 }
  func initialState(_ source: ParameterSource) -> [PlacedParameter] { [] }
  var finalActivation: OutputActivation? { nil }
  func makeWeights(_ source: ParameterSource) throws -> (any LayerWeights)? { nil }
}

/// Why a layer cannot stand where it does. The model's builder adds the place.
struct LayerError: Error {
  var message: String
  init(_ message: String) { self.message = message }
}

/// A layer's view of the model's parameters.
struct ParameterSource {
  let store: ParameterStore
  let layer: String

  /// `layer.name`. The layer declared it, so it is there.
  func callAsFunction(_ name: String) -> PlacedParameter {
    guard let entry = try? store.entry(named: "\(layer).\(name)") else {
      preconditionFailure("\(layer) did not declare \(name)")
    }
    return PlacedParameter(values: store.pointer(entry), offset: entry.offset, shape: entry.shape)
  }
}

/// A parameter's memory.
struct PlacedParameter {
  let values: MutableValues
  /// From the start of all parameters, and so of all gradients.
  let offset: Int
  let shape: [Int]

  /// Its gradient, in a training pass.
  func gradient(_ pass: Pass) -> MutableValues {
    guard let gradients = pass.gradients else { preconditionFailure("a pass without gradients") }
    return gradients + offset
  }
}

/// A layer's parameters, prepared for matrix products.
protocol LayerWeights: AnyObject {
  /// Packs the current values again, in some forms.
  func refresh(_ forms: PackedForms) throws
}

/// A layer placed in a workspace: what each kind of layer overrides.
///
/// A class and no protocol, because generation calls it every microsecond: a plan lends a class to the
/// call without counting references, for which protocols know no way.
class LayerRun {
  /// Before the first step of a walk: computes what depends only on inputs that do not change, for
  /// every step's forward to use.
  func prepareSteps(_ rows: Range<Int>, _ pass: Pass) {}
  func forward(_ rows: Range<Int>, _ pass: Pass) {}
  /// Forward of these rows, prepared for every timestep of a stream in which all timesteps count. A turn
  /// may keep where weights lie, but nothing that was computed from them.
  func streamTurns(_ rows: Range<Int>, _ pass: Pass) throws -> [StreamTurn] {
    [StreamTurn { self.forward(rows, pass) }]
  }
  func backward(_ rows: Range<Int>, _ pass: Pass) {}
  /// In how many parts the parameters' gradients are computed; 0 without parameters.
  var gradientTasks: Int { 0 }
  /// Adds to the gradients of one part, from all rows `0..<batch`.
  func addGradients(task: Int, batch: Int, _ pass: Pass) {}
}

/// Splits the rows of a weight gradient into tasks.
///
/// All rows of a task share what is packed for it, so one thread has one task. Several need smaller ones,
/// of small weights too: they share a batch's tasks, or follow each other through those of their shards.
/// No sum depends on the division, for each is of one row.
struct GradientParts {
  let rows: Int
  let threads: Int
  private var rowsPerTask: Int {
    threads == 1 ? max(1, rows) : rows >= 4096 ? 512 : rows >= 512 ? 256 : 64
  }
  /// Of the largest task.
  var most: Int { min(rows, rowsPerTask) }

  var count: Int { (rows + rowsPerTask - 1) / rowsPerTask }
  func range(_ task: Int) -> Range<Int> {
    task * rowsPerTask..<min(rows, (task + 1) * rowsPerTask)
  }
}
