// StepRun.swift — a fused step over all rows and hidden units, tile by tile
//
// How many rows there are, and how many a tile may have, goes down as arguments: of a single row the
// compiler then makes no loop, and no tile that is higher than it may be. Step and products lie apart, and
// the weights' place is moved on in memory: worked out in the tile, it cost the tiles of backward, at
// x86-64-v3, three sums in registers.

import CProcessor
import KernelInterface

@inline(always)
func run(
  _ step: some FusedStep, _ extent: StepExtent, _ product: StepProduct,
  after input: StepProduct? = nil
) {
  run(
    step, rows: extent.rows, hiddenSize: extent.hiddenSize, input ?? product,
    and: input == nil ? nil : product)
}

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
      let products = StepFactors(rebasing: memory[..<(second == nil ? 1 : 2)])
      runUnits(step, rows: rows, hiddenSize: hiddenSize, products, tileRows: tileRows)
    }
  }
}

/// Prepares a step of a single row that is run again and again; see `KernelSet.prepare`.
@inline(always)
func prepareRun<Step: FusedStep>(
  _ step: Step, _ extent: StepExtent, _ product: StepProduct, after input: StepProduct?,
  at place: UnsafeMutableRawPointer
) -> PreparedStep {
  place.initializeMemory(
    as: PreparedRun<Step>.self,
    to: PreparedRun(
      step: step, hiddenSize: extent.hiddenSize, first: Factors(input ?? product),
      second: Factors(product), count: input == nil ? 1 : 2))
  return { place in
    let run = place.assumingMemoryBound(to: PreparedRun<Step>.self)
    withUnsafeTemporaryAllocation(of: Factors.self, capacity: 2) { memory in
      memory.initializeElement(at: 0, to: run.pointee.first)
      memory.initializeElement(at: 1, to: run.pointee.second)
      runUnits(
        place.assumingMemoryBound(to: Step.self), rows: 1, hiddenSize: run.pointee.hiddenSize,
        StepFactors(rebasing: memory[..<run.pointee.count]), tileRows: 1)
    }
  }
}

/// A step of a single row, and what it multiplies.
private struct PreparedRun<Step: FusedStep> {
  /// First, so that it lies where the run does.
  let step: Step
  let hiddenSize: Int
  /// In the order in which they are added: one or both.
  let first, second: Factors
  let count: Int
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

/// Runs a step over all hidden units: as far as it reaches, and its narrow part over the rest.
@inline(always)
private func runUnits<Step: FusedStep>(
  _ step: UnsafePointer<Step>, rows: Int, hiddenSize: Int, _ products: StepFactors, tileRows: Int
) {
  let width = Vector.scalarCount
  var unit = 0
  while unit < hiddenSize {
    let rest = hiddenSize - unit
    // An activation that is looked up takes the time; it needs no second set of tiles.
    let isWide = Step.isUsual && rest > Step.units - width
    let vectors = isWide ? Step.units / width : 1
    if isWide {
      runRows(step, rows, hiddenSize, products, unit, min(rest, Step.units), tileRows)
    } else {
      runRows(
        UnsafeRawPointer(step).assumingMemoryBound(to: Step.Narrow.self), rows, hiddenSize,
        products, unit, min(rest, width), tileRows)
    }
    for index in products.indices {
      products[index].b.base += vectors * products[index].b.vectorStride
    }
    unit += vectors * width
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
  _ step: UnsafePointer<Step>, _ rows: Int, _ hiddenSize: Int, _ products: StepFactors,
  _ unit: Int, _ lanes: Int, _ tileRows: Int
) {
  typealias Gates = Step.Gates
  let limit = min(tileRows, rowsOfTile(vectors: Gates.vectors))
  if lanes < Step.units || !Step.isUsual {
    forEachPart(of: rows, atMost: min(2, limit)) { row, part in
      switch part {
      case 2 where limit >= 2: runTile(step, products, row, unit, lanes, as: TwoRows<Gates>.self)
      default: runTile(step, products, row, unit, lanes, as: OneRow<Gates>.self)
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
    case 1: runFullTile(step, products, row, unit, as: OneRow<Gates>.self)
    case 2 where limit >= 2: runFullTile(step, products, row, unit, as: TwoRows<Gates>.self)
    case 3 where limit >= 3: runFullTile(step, products, row, unit, as: ThreeRows<Gates>.self)
    case 4 where limit >= 4: runFullTile(step, products, row, unit, as: FourRows<Gates>.self)
    case 5 where limit >= 5: runFullTile(step, products, row, unit, as: FiveRows<Gates>.self)
    case 6 where limit >= 6: runFullTile(step, products, row, unit, as: SixRows<Gates>.self)
    case 7 where limit >= 7: runFullTile(step, products, row, unit, as: SevenRows<Gates>.self)
    case 8 where limit >= 8: runFullTile(step, products, row, unit, as: EightRows<Gates>.self)
    default: break
    }
  }
}

@inline(always)
private func prefetch<Step: FusedStep>(
  _ step: UnsafePointer<Step>, _ rows: Range<Int>, _ unit: Int
) {
  for row in rows { step.pointee.prefetch(row, unit) }
}

@inline(never)
private func runFullTile<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ products: StepFactors, _ row: Int, _ unit: Int, as: T.Type
) where T.Row == Step.Gates {
  compute(step, products, row, unit, Step.units, as: T.self)
}

@inline(never)
private func runTile<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ products: StepFactors, _ row: Int, _ unit: Int, _ lanes: Int,
  as: T.Type
) where T.Row == Step.Gates {
  compute(step, products, row, unit, lanes, as: T.self)
}

@inline(always)
private func compute<Step: FusedStep, T: Tile>(
  _ step: UnsafePointer<Step>, _ products: StepFactors, _ row: Int, _ unit: Int, _ lanes: Int,
  as: T.Type
) where T.Row == Step.Gates {
  let step = step.pointee
  @inline(always) func start(_ row: Int) -> Step.Gates { step.start(row, unit, lanes) }
  @inline(always) func turn(_ gates: Step.Gates, _ row: Int) -> Step.Gates {
    step.turn(gates, row, unit, lanes)
  }
  @inline(always) func finish(_ gates: Step.Gates, _ row: Int) {
    step.finish(gates, row, unit, lanes)
  }
  var tile = T(from: row, start)
  @inline(always) func add(_ index: Int) {
    var product = products[index]
    product.a += row * product.aRowStride
    tile.addGroupedProduct(product)
  }
  if Step.turns {
    add(0)
    if products.count > 1 {
      tile.replaceRows(from: row, turn)
      add(1)
    }
  } else {
    // One loop for all products, which is half the code.
    for index in products.indices { add(index) }
  }
  tile.forEachRow(from: row, finish)
}
