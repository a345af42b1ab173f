// StepRun.swift — a fused step over all rows and hidden units, tile by tile
//
// How many rows there are, and how many a tile may have, goes down as arguments: of a single row the
// compiler then makes no loop, and no tile that is higher than it may be.

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
  withUnsafeTemporaryAllocation(of: StepRun<Step>.self, capacity: 1) { memory in
    let run = memory.baseAddress!
    run.initialize(to: StepRun(step, hiddenSize: hiddenSize, product, and: second))
    runUnits(run, rows: rows, tileRows: tileRows)
  }
}

/// Prepares a step of a single row that is run again and again; see `KernelSet.prepare`.
///
/// - Parameter three: the same for three vectors of units at a time, of which it would leave one over.
@inline(always)
func prepareRun(
  _ step: some FusedStep, three: some FusedStep, _ extent: StepExtent, _ product: StepProduct,
  after input: StepProduct?, at place: UnsafeMutableRawPointer
) -> PreparedStep {
  let vectors = (extent.hiddenSize + Vector.scalarCount - 1) / Vector.scalarCount
  return vectors == 3
    ? prepareRun(three, extent, product, after: input, at: place)
    : prepareRun(step, extent, product, after: input, at: place)
}

@inline(always)
private func prepareRun<Step: FusedStep>(
  _ step: Step, _ extent: StepExtent, _ product: StepProduct, after input: StepProduct?,
  at place: UnsafeMutableRawPointer
) -> PreparedStep {
  place.initializeMemory(
    as: StepRun<Step>.self,
    to: StepRun(
      step, hiddenSize: extent.hiddenSize, input ?? product,
      and: input == nil ? nil : product))
  return { runUnits($0.assumingMemoryBound(to: StepRun<Step>.self), rows: 1, tileRows: 1) }
}

/// A step and what it multiplies. Tiles are called often: all that they need lies here, in one place, and
/// is not copied.
private struct StepRun<Step: FusedStep> {
  let step: Step
  let hiddenSize: Int
  /// In the order in which they are added.
  let products: InlineArray<2, Factors>
  let productCount: Int

  @inline(always)
  init(_ step: Step, hiddenSize: Int, _ product: StepProduct, and second: StepProduct?) {
    self.step = step
    self.hiddenSize = hiddenSize
    products = [Factors(product), Factors(second ?? product)]
    productCount = second == nil ? 1 : 2
  }
}

extension Factors {
  @inline(always)
  fileprivate init(_ product: StepProduct) {
    self.init(
      .strided(Values(product.input.base), rowStride: product.input.stride, columnStride: 1),
      product.weights, depth: product.depth)
  }
}

/// Runs a step over all hidden units: as far as it reaches, and its narrow part over the rest.
@inline(always)
private func runUnits<Step: FusedStep>(
  _ run: UnsafePointer<StepRun<Step>>, rows: Int, tileRows: Int
) {
  let width = Vector.scalarCount
  let hiddenSize = run.pointee.hiddenSize
  var unit = 0
  while unit < hiddenSize {
    let rest = hiddenSize - unit
    // An activation that is looked up takes the time; it needs no second set of tiles.
    if Step.isUsual && rest > Step.units - width {
      runRows(run, rows, unit, min(rest, Step.units), tileRows)
      unit += Step.units
    } else {
      runRows(
        UnsafeRawPointer(run).assumingMemoryBound(to: StepRun<Step.Narrow>.self), rows,
        unit, min(rest, width), tileRows)
      unit += width
    }
  }
}

/// As many rows at a time as leave registers for the weights and for the cell's arithmetic: of the twelve
/// sums of six rows at x86-64-v3, the compiler moves three over the stack. The widest strips are made for
/// single rows.
@inline(always)
private func rowsOfTile(vectors: Int) -> Int {
  if vectors > 4 { return 1 }
  #if LEVEL_V4
    return min(8, 24 / vectors)
  #elseif LEVEL_V3
    return min(5, 12 / vectors)
  #else
    return 2
  #endif
}

/// All rows for one vector of hidden units, or several. What is rare, a vector that is not full or
/// an activation that is looked up, makes do with few tiles: every tile is compiled for each cell.
@inline(always)
private func runRows<Step: FusedStep>(
  _ run: UnsafePointer<StepRun<Step>>, _ rows: Int, _ unit: Int, _ lanes: Int, _ tileRows: Int
) {
  typealias Gates = Step.Gates
  let limit = min(tileRows, rowsOfTile(vectors: Gates.vectors))
  if lanes < Step.units || !Step.isUsual {
    var row = 0
    if !Step.isUsual && Gates.vectors == 1 && tileRows >= 4 {
      while row + 4 <= rows {
        runTile(run, row, unit, lanes, as: FourRows<Gates>.self)
        row += 4
      }
    }
    if limit >= 2 {
      while row + 2 <= rows {
        runTile(run, row, unit, lanes, as: TwoRows<Gates>.self)
        row += 2
      }
    }
    while row < rows {
      runTile(run, row, unit, lanes, as: OneRow<Gates>.self)
      row += 1
    }
    return
  }
  forEachPart(of: rows, atMost: limit) { row, part in
    let end = row + part
    if end < rows {
      prefetch(run, end..<min(end + part, rows), unit)
    } else if rows > 1, unit + Step.units < run.pointee.hiddenSize {
      prefetch(run, 0..<min(limit, rows), unit + Step.units)
    }
    switch part {
    case 1: runFullTile(run, row, unit, as: OneRow<Gates>.self)
    case 2 where limit >= 2: runFullTile(run, row, unit, as: TwoRows<Gates>.self)
    case 3 where limit >= 3: runFullTile(run, row, unit, as: ThreeRows<Gates>.self)
    case 4 where limit >= 4: runFullTile(run, row, unit, as: FourRows<Gates>.self)
    case 5 where limit >= 5: runFullTile(run, row, unit, as: FiveRows<Gates>.self)
    case 6 where limit >= 6: runFullTile(run, row, unit, as: SixRows<Gates>.self)
    case 7 where limit >= 7: runFullTile(run, row, unit, as: SevenRows<Gates>.self)
    case 8 where limit >= 8: runFullTile(run, row, unit, as: EightRows<Gates>.self)
    default: break
    }
  }
}

@inline(always)
private func prefetch<Step: FusedStep>(
  _ run: UnsafePointer<StepRun<Step>>, _ rows: Range<Int>, _ unit: Int
) {
  for row in rows { run.pointee.step.prefetch(row, unit) }
}

@inline(never)
private func runFullTile<Step: FusedStep, T: Tile>(
  _ run: UnsafePointer<StepRun<Step>>, _ row: Int, _ unit: Int, as: T.Type
) where T.Row == Step.Gates {
  compute(run, row, unit, Step.units, as: T.self)
}

@inline(never)
private func runTile<Step: FusedStep, T: Tile>(
  _ run: UnsafePointer<StepRun<Step>>, _ row: Int, _ unit: Int, _ lanes: Int, as: T.Type
) where T.Row == Step.Gates {
  compute(run, row, unit, lanes, as: T.self)
}

@inline(always)
private func compute<Step: FusedStep, T: Tile>(
  _ run: UnsafePointer<StepRun<Step>>, _ row: Int, _ unit: Int, _ lanes: Int, as: T.Type
) where T.Row == Step.Gates {
  let step = run.pointee.step
  @inline(always) func start(_ row: Int) -> Step.Gates { step.start(row, unit, lanes) }
  @inline(always) func turn(_ gates: Step.Gates, _ row: Int) -> Step.Gates {
    step.turn(gates, row, unit, lanes)
  }
  @inline(always) func finish(_ gates: Step.Gates, _ row: Int) {
    step.finish(gates, row, unit, lanes)
  }
  var tile = T(from: row, start)
  @inline(always) func add(_ index: Int) {
    var product = run.pointee.products[index]
    product.a.base += row * product.a.rowStride
    @inline(always) func strip(_ unit: Int) -> RightMatrix {
      var weights = run.pointee.products[index].b
      weights.base += unit / Vector.scalarCount * weights.vectorStride
      return weights
    }
    product.b = strip(unit)
    // After the last strip comes the next timestep's first.
    let nextUnit = unit + Step.units < run.pointee.hiddenSize ? unit + Step.units : 0
    let ahead = WeightsAhead(
      strip(nextUnit), depth: product.depth, for: Step.Gates.self,
      tile: Int(UInt(bitPattern: row) / UInt(T.rows)))
    tile.addGroupedProduct(product, ahead)
  }
  if Step.turns {
    add(0)
    if run.pointee.productCount > 1 {
      tile.replaceRows(from: row, turn)
      add(1)
    }
  } else {
    // One loop for all products, which is half the code.
    for index in 0..<run.pointee.productCount { add(index) }
  }
  tile.forEachRow(from: row, finish)
}
