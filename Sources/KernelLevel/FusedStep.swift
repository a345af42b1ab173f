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
  /// What takes the units that the step leaves over: the step, or the one part that it consists of.
  associatedtype Narrow: FusedStep = Self where Narrow.Narrow == Narrow

  init(_ narrow: Narrow)
  var narrow: Narrow { get }

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
  @inline(always) init(_ narrow: Self) { self = narrow }
  @inline(always) var narrow: Self { self }
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

/// Steps over neighbouring hidden units at a time: cells with few gates, and single rows, need more sums at
/// once than one vector has, or the multiply-adds wait for each other.
struct Joined<First: FusedStep, Second: FusedStep>: FusedStep where First.Narrow == Second.Narrow {
  typealias Gates = Neighbours<First.Gates, Second.Gates>
  typealias Narrow = First.Narrow
  /// Nothing else, so that a run of all is one of the part.
  let narrow: Narrow

  @inline(always) init(_ narrow: Narrow) { self.narrow = narrow }

  @inline(always) private var first: First { First(narrow) }
  @inline(always) private var second: Second { Second(narrow) }

  @inline(always) static var units: Int { First.units + Second.units }
  @inline(always) static var isUsual: Bool { First.isUsual }
  @inline(always) static var turns: Bool { First.turns }

  @inline(always) func prefetch(_ row: Int, _ unit: Int) {
    first.prefetch(row, unit)
    second.prefetch(row, unit + First.units)
  }

  @inline(always) func start(_ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    Gates(
      first: first.start(row, unit, First.units),
      second: second.start(row, unit + First.units, lanes - First.units))
  }

  @inline(always) func turn(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) -> Gates {
    Gates(
      first: first.turn(gates.first, row, unit, First.units),
      second: second.turn(gates.second, row, unit + First.units, lanes - First.units))
  }

  @inline(always) func finish(_ gates: Gates, _ row: Int, _ unit: Int, _ lanes: Int) {
    first.finish(gates.first, row, unit, First.units)
    second.finish(gates.second, row, unit + First.units, lanes - First.units)
  }
}

/// A step twice.
@inline(always)
func paired<Step: FusedStep>(_ step: Step) -> Joined<Step, Step> { Joined(step.narrow) }

/// A step three times.
@inline(always)
func tripled<Step: FusedStep>(_ step: Step) -> Joined<Joined<Step, Step>, Step> {
  Joined(step.narrow)
}
