// Projection.swift — a linear map between places of a workspace
//
// y = x Wᵀ + b for every timestep. Layers that are made of several such maps, as attention is, place
// them here: forward, backward, and the gradients of W and b in tasks.
//
// What lies behind a length is left alone, in a layer's own memory whatever it is.

import Kernels

/// Vectors of some floats within wider ones: `column` floats into each timestep's `stride`.
struct VectorPlace {
  let values: Slot
  /// `.none` in workspaces for inference.
  let gradients: Slot
  let timesteps: Int
  let stride: Int
  let column: Int
  /// Which timesteps count; an index into the pass's validities.
  let validity: Int?
  /// The model's value that lies here; nil for a layer's own memory.
  let value: ValuePlace?

  init(_ place: ValuePlace) {
    values = place.values
    gradients = place.gradients
    timesteps = place.timesteps
    stride = place.stepWidth
    column = 0
    validity = place.validity
    value = place
  }

  /// Memory of a layer's own, as many timesteps as `other` has.
  init(like other: ValuePlace, stride: Int, _ placement: inout Placement) throws {
    values = try placement.reserve(other.timesteps, stride)
    gradients = placement.isTraining ? try placement.reserve(other.timesteps, stride) : .none
    timesteps = other.timesteps
    self.stride = stride
    column = 0
    validity = other.validity
    value = nil
  }

  private init(_ other: VectorPlace, column: Int) {
    values = other.values
    gradients = other.gradients
    timesteps = other.timesteps
    stride = other.stride
    self.column = column
    validity = other.validity
    value = other.value
  }

  func shifted(_ columns: Int) -> VectorPlace { VectorPlace(self, column: column + columns) }

  /// The first `count` timesteps of a row, with `columns` elements of each.
  func matrix(_ row: Int, count: Int, columns: Int, _ pass: Pass) -> StridedMatrix {
    matrix(values, row, count, columns, pass)
  }

  func gradientMatrix(_ row: Int, count: Int, columns: Int, _ pass: Pass) -> StridedMatrix {
    matrix(gradients, row, count, columns, pass)
  }

  private func matrix(_ slot: Slot, _ row: Int, _ count: Int, _ columns: Int, _ pass: Pass)
    -> StridedMatrix
  {
    StridedMatrix(
      base: pass.pointer(slot, row: row) + column, rows: count, columns: columns,
      rowStride: stride)
  }

  /// Whether anyone asks for the gradients.
  func wantsGradient(_ pass: Pass) -> Bool { value.map(pass.wantsGradient) ?? true }
}

/// Which map: some rows of a weight, and as many elements of a bias.
struct ProjectionSpec: Sendable {
  let weight: String
  /// nil without one.
  let bias: String?
  let rows: Range<Int>
  /// The bias's element of the first row.
  let firstBias: Int

  /// - Parameter firstBias: the number of the first row by default.
  init(weight: String, bias: String?, rows: Range<Int>, firstBias: Int? = nil) {
    self.weight = weight
    self.bias = bias
    self.rows = rows
    self.firstBias = firstBias ?? rows.lowerBound
  }
}

/// Weights of several maps, packed.
final class ProjectionWeights: LayerWeights {
  let packed: [PackedWeight]

  init(_ specs: [ProjectionSpec], _ source: ParameterSource) throws {
    packed = try specs.map { try PackedWeight(source($0.weight), part: $0.rows) }
  }

  func refresh(_ forms: PackedForms) throws {
    for weight in packed { try weight.refresh(forms) }
  }
}

/// One map in a workspace.
struct Projection {
  private let spec: ProjectionSpec
  private let packed: PackedWeight
  private let weight: PlacedParameter
  private let bias: PlacedParameter?
  private let input: VectorPlace
  private let output: VectorPlace
  private let inputSize: Int
  private let parts: GradientParts

  init(
    _ spec: ProjectionSpec, _ packed: PackedWeight, from input: VectorPlace, to output: VectorPlace,
    _ placement: inout Placement
  ) {
    self.spec = spec
    self.packed = packed
    self.input = input
    self.output = output
    weight = placement.parameters(spec.weight)
    bias = spec.bias.map { placement.parameters($0) }
    inputSize = weight.shape[1]
    parts = GradientParts(rows: spec.rows.count, threads: placement.threads)
    if placement.isTraining {
      placement.requireScratch(
        transposedProductScratch(rows: parts.most, columns: inputSize, depth: .max))
    }
  }

  func forward(_ rows: Range<Int>, _ pass: Pass) {
    forEachRun(of: rows, pass) { run in
      packed.view.forward.multiply(
        pass.pointer(input.values, run) + input.column, aRowStride: input.stride,
        into: pass.pointer(output.values, run) + output.column, cStride: output.stride,
        rows: run.count, start: bias.map { .row($0.values + spec.firstBias) } ?? .zero)
    }
  }

  private func forEachRun(of rows: Range<Int>, _ pass: Pass, _ body: (TimestepRun) -> Void) {
    pass.forEachRun(of: rows, timesteps: input.timesteps, validity: input.validity, body)
  }

  /// Adds to the gradients of a value of the model; writes those of a layer's own memory.
  func backward(_ rows: Range<Int>, _ pass: Pass) {
    guard input.wantsGradient(pass) else { return }
    forEachRun(of: rows, pass) { run in
      packed.view.backward.multiply(
        pass.pointer(output.gradients, run) + output.column, aRowStride: output.stride,
        into: pass.pointer(input.gradients, run) + input.column, cStride: input.stride,
        rows: run.count, start: input.value == nil ? .zero : .sums)
    }
  }

  var gradientTasks: Int { parts.count }

  func addGradients(task: Int, batch: Int, _ pass: Pass) {
    let part = parts.range(task)
    let first = spec.rows.lowerBound + part.lowerBound
    accumulateTransposedProduct(
      a: pass.pointer(output.gradients) + output.column + part.lowerBound, aStride: output.stride,
      rows: part.count,
      into: TransposedTarget(
        b: pass.pointer(input.values) + input.column, bStride: input.stride, columns: inputSize,
        c: weight.gradient(pass) + first * inputSize, cStride: inputSize,
        sums: bias.map { $0.gradient(pass) + spec.firstBias + part.lowerBound }),
      depth: Validity.sequences(
        pass.validity(input.validity), rows: 0..<batch, timesteps: input.timesteps),
      scratch: pass.scratch)
  }
}

extension [Projection] {
  var gradientTasks: Int { reduce(0) { $0 + $1.gradientTasks } }

  /// Does a task if it is one of these maps'; gives what is left of its number otherwise.
  func addGradients(task: Int, batch: Int, _ pass: Pass) -> Int? {
    var task = task
    for projection in self {
      if task < projection.gradientTasks {
        projection.addGradients(task: task, batch: batch, pass)
        return nil
      }
      task -= projection.gradientTasks
    }
    return task
  }
}
