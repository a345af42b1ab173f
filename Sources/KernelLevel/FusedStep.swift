// FusedStep.swift — a timestep's product and its gate arithmetic in one pass
//
// The weights of one vector of hidden units form a group, in which every row has all gates, so that
// a tile holds all gates of a few rows for those units. It starts from the pre-activations that the
// input projection left, or from the biases and the inputs' product, adds the recurrent product, and
// hands each row to the cell's arithmetic while the gates are still in registers.

import CProcessor
import KernelInterface

/// What a cell does with one vector of hidden units of one row.
protocol FusedStep {
  /// One vector for each gate.
  associatedtype Gates: Strip
  /// What takes the units that the step leaves over.
  associatedtype Narrow: FusedStep = Self
  /// The narrow step is a part of the step, or all of it.
  static func narrow(_ step: UnsafePointer<Self>) -> UnsafePointer<Narrow>

  /// How many hidden units `Gates` covers.
  static var units: Int { get }
  /// Whether the activations are known when the step is compiled.
  static var isUsual: Bool { get }

  /// What the sums start from.
  ///
  /// - Parameters:
  ///   - unit: the first hidden unit.
  ///   - lanes: how many there are, more than `units` less one vector.
  func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates

  /// Whether `turn` changes the sums.
  static var turns: Bool { get }
  /// What the sums go on from between a step's two products.
  func turn(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) -> Gates

  /// Takes the finished sums, and writes what the step has to write.
  func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int)

  /// Asks for what `start` and `finish` will read of a vector of units, where no cache near by has it:
  /// an array with all timesteps is too large for one.
  func prefetch(_ row: Int, _ unit: Int)
}

extension FusedStep where Narrow == Self {
  @inline(always) static func narrow(_ step: UnsafePointer<Self>) -> UnsafePointer<Self> { step }
}

extension FusedStep {
  @inline(always) static var turns: Bool { false }
  @inline(always) func turn(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    gates
  }
}

/// Asks for a vector of each gate of a row.
@inline(always)
func prefetchGates(_ gates: Rows, _ count: Int, _ row: Int, _ unit: Int, _ hiddenSize: Int) {
  for gate in 0..<count { refrain_prefetch(gates[row] + gate * hiddenSize + unit) }
}

/// Two vectors of hidden units at a time: cells with few gates, and single rows, need more sums at
/// once than one vector has, or the multiply-adds wait for each other.
struct Paired<Step: FusedStep>: FusedStep {
  typealias Gates = Twins<Step.Gates>
  typealias Narrow = Step.Narrow
  /// Nothing else, so that it lies where the pair does.
  let step: Step

  @inline(always) init(_ step: Step) { self.step = step }

  @inline(always) static func narrow(_ pair: UnsafePointer<Self>) -> UnsafePointer<Narrow> {
    Step.narrow(UnsafeRawPointer(pair).assumingMemoryBound(to: Step.self))
  }

  @inline(always) static var units: Int { 2 * Step.units }
  @inline(always) static var isUsual: Bool { Step.isUsual }
  @inline(always) static var turns: Bool { Step.turns }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    step.prefetch(row, unit)
    step.prefetch(row, unit + Step.units)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    Gates(
      first: step.start(row, unit, Step.units),
      second: step.start(row, unit + Step.units, lanes - Step.units))
  }

  @inline(always) func turn(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    Gates(
      first: step.turn(gates.first, row, unit, Step.units),
      second: step.turn(gates.second, row, unit + Step.units, lanes - Step.units))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    step.finish(gates.first, row, unit, Step.units)
    step.finish(gates.second, row, unit + Step.units, lanes - Step.units)
  }
}

@inline(always)
func run(
  _ step: some FusedStep, _ extent: StepExtent, _ product: StepProduct,
  after input: StepProduct? = nil
) {
  run(
    step, rows: extent.rows, hiddenSize: extent.hiddenSize, input ?? product,
    and: input == nil ? nil : product)
}

/// Runs a step over all hidden units: as far as it reaches, and its narrow part over the rest.
///
/// - Parameter tileRows: the most rows that a tile may have.
@inline(always)
func run<Step: FusedStep>(
  _ step: Step, rows: Int, hiddenSize: Int, _ product: StepProduct,
  and second: StepProduct? = nil, tileRows: Int = 8
) {
  // A tile is called often: what it needs lies at one place and is not copied.
  withUnsafePointer(to: step) { step in
    withUnsafeTemporaryAllocation(of: Factors.self, capacity: 2) { memory in
      memory.initializeElement(at: 0, to: Factors(product))
      if let second { memory.initializeElement(at: 1, to: Factors(second)) }
      let factors = StepFactors(rebasing: memory[..<(second == nil ? 1 : 2)])
      runUnits(step, rows, hiddenSize, factors, tileRows)
    }
  }
}

@inline(always)
private func runUnits<Step: FusedStep>(
  _ step: UnsafePointer<Step>, _ rows: Int, _ hiddenSize: Int, _ factors: StepFactors,
  _ tileRows: Int
) {
  let width = Vector.scalarCount
  var unit = 0
  while unit < hiddenSize {
    let rest = hiddenSize - unit
    // An activation that is looked up takes the time; it needs no second set of tiles.
    let isWide = Step.isUsual && rest > Step.units - width
    let vectors = isWide ? Step.units / width : 1
    if isWide {
      runRows(step, rows, hiddenSize, factors, unit, min(rest, Step.units), tileRows)
    } else {
      runRows(Step.narrow(step), rows, hiddenSize, factors, unit, min(rest, width), tileRows)
    }
    for index in factors.indices {
      factors[index].b.base += vectors * factors[index].b.vectorStride
    }
    unit += vectors * width
  }
}

/// The products of a step in the order in which they are added, with the weights of the units at hand.
private typealias StepFactors = UnsafeMutableBufferPointer<Factors>

extension Factors {
  @inline(always)
  fileprivate init(_ product: StepProduct) {
    self.init(
      a: product.input.base, aRowStride: product.input.stride, aColumnStride: 1,
      b: product.weights, depth: product.depth)
  }
}

/// As many rows at a time as leave registers for the weights and for the cell's arithmetic. The widest
/// strips are made for single rows.
@inline(always)
private func rowsOfTile(vectors: Int) -> Int {
  if vectors > 4 { return 1 }
  #if LEVEL_V4
    return min(8, 24 / vectors)
  #elseif LEVEL_V3
    return min(6, 12 / vectors)
  #else
    return 2
  #endif
}

/// All rows for one vector of hidden units, or several. What is rare, a vector that is not full or
/// an activation that is looked up, makes do with small tiles: every tile is compiled for each cell.
@inline(always)
private func runRows<Step: FusedStep>(
  _ step: UnsafePointer<Step>, _ rows: Int, _ hiddenSize: Int, _ factors: StepFactors, _ unit: Int,
  _ lanes: Int, _ tileRows: Int
) {
  typealias Gates = Step.Gates
  let limit = min(tileRows, rowsOfTile(vectors: Gates.vectors))
  if lanes < Step.units || !Step.isUsual {
    forEachPart(of: rows, atMost: min(2, limit)) { row, part in
      switch part {
      case 2 where limit >= 2: runTile(step, factors, row, unit, lanes, as: TwoRows<Gates>.self)
      default: runTile(step, factors, row, unit, lanes, as: OneRow<Gates>.self)
      }
    }
    return
  }
  forEachPart(of: rows, atMost: limit) { row, part in
    let end = row + part
    if end < rows {
      prefetch(step, end..<min(end + part, rows), unit)
    } else if rows > 1, unit + Step.units < hiddenSize {
      prefetch(step, 0..<min(limit, rows), unit + Step.units)
    }
    switch part {
    case 1: runFullTile(step, factors, row, unit, as: OneRow<Gates>.self)
    case 2 where limit >= 2: runFullTile(step, factors, row, unit, as: TwoRows<Gates>.self)
    case 3 where limit >= 3: runFullTile(step, factors, row, unit, as: ThreeRows<Gates>.self)
    case 4 where limit >= 4: runFullTile(step, factors, row, unit, as: FourRows<Gates>.self)
    case 5 where limit >= 5: runFullTile(step, factors, row, unit, as: FiveRows<Gates>.self)
    case 6 where limit >= 6: runFullTile(step, factors, row, unit, as: SixRows<Gates>.self)
    case 7 where limit >= 7: runFullTile(step, factors, row, unit, as: SevenRows<Gates>.self)
    case 8 where limit >= 8: runFullTile(step, factors, row, unit, as: EightRows<Gates>.self)
    default: break
    }
  }
}

@inline(always)
private func prefetch<Step: FusedStep>(_ step: UnsafePointer<Step>, _ rows: Range<Int>, _ unit: Int)
{
  for row in rows { step.pointee.prefetch(row, unit) }
}

@inline(never)
private func runFullTile<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ factors: StepFactors, _ row: Int, _ unit: Int, as: T.Type
) where T.Row == Step.Gates {
  compute(step, factors, row, unit, Step.units, as: T.self)
}

@inline(never)
private func runTile<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ factors: StepFactors, _ row: Int, _ unit: Int, _ lanes: Int,
  as: T.Type
) where T.Row == Step.Gates {
  compute(step, factors, row, unit, lanes, as: T.self)
}

@inline(always)
private func compute<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ factors: StepFactors, _ row: Int, _ unit: Int, _ lanes: Int,
  as: T.Type
) where T.Row == Step.Gates {
  let step = step.pointee
  var tile = T(start: step, row: row, unit: unit, lanes: lanes)
  @inline(always) func add(_ index: Int) {
    var product = factors[index]
    product.a += row * product.aRowStride
    tile.addGroupedProduct(product)
  }
  if Step.turns {
    add(0)
    if factors.count > 1 {
      tile.turn(step, row: row, unit: unit, lanes: lanes)
      add(1)
    }
  } else {
    // One loop for all products, which is half the code.
    for index in factors.indices { add(index) }
  }
  tile.finish(step, row: row, unit: unit, lanes: lanes)
}
