// Tiles.swift — a block of the product that stays in registers
//
// A tile is built from types rather than loops: vectors beside each other make a row, rows above
// each other make a tile. After inlining, every accumulator is a register of its own and the loop
// over k holds nothing but loads and multiply-adds.

import KernelInterface

/// Neighbouring vectors of one row.
protocol Strip {
  static var vectors: Int { get }
  static var zero: Self { get }
  /// Row k of as many packed panels, which are `panelStride` floats apart.
  init(panels: Values, panelStride: Int)
  init(c: MutableValues, columns: Int)
  func write(to c: MutableValues, columns: Int)
  /// self += a · b
  mutating func add(_ a: Vector, _ b: Self)
}

struct OneVector: Strip {
  var vector: Vector

  static var vectors: Int { 1 }
  static var zero: Self { Self(vector: .zero) }

  @inline(always) init(vector: Vector) { self.vector = vector }
  @inline(always) init(panels: Values, panelStride: Int) {
    vector = load(panels, Vector.scalarCount)
  }
  @inline(always) init(c: MutableValues, columns: Int) { vector = load(c, columns) }
  @inline(always) func write(to c: MutableValues, columns: Int) {
    store(vector, c, columns)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    vector = multiplyAdd(a, b.vector, vector)
  }
}

/// Two strips side by side, the first of them always full.
struct Beside<Left: Strip, Right: Strip>: Strip {
  var left: Left
  var right: Right

  @inline(always) static var vectors: Int { Left.vectors + Right.vectors }
  @inline(always) static var zero: Self { Self(left: .zero, right: .zero) }
  @inline(always) static var leftColumns: Int { Left.vectors * Vector.scalarCount }

  @inline(always) init(left: Left, right: Right) {
    self.left = left
    self.right = right
  }
  @inline(always) init(panels: Values, panelStride: Int) {
    left = Left(panels: panels, panelStride: panelStride)
    right = Right(panels: panels + Left.vectors * panelStride, panelStride: panelStride)
  }
  @inline(always) init(c: MutableValues, columns: Int) {
    left = Left(c: c, columns: Self.leftColumns)
    right = Right(c: c + Self.leftColumns, columns: columns - Self.leftColumns)
  }
  @inline(always) func write(to c: MutableValues, columns: Int) {
    left.write(to: c, columns: Self.leftColumns)
    right.write(to: c + Self.leftColumns, columns: columns - Self.leftColumns)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    left.add(a, b.left)
    right.add(a, b.right)
  }
}

/// Rows of strips.
protocol Tile {
  associatedtype Row: Strip
  static var rows: Int { get }
  static var zero: Self { get }
  init(c: MutableValues, stride: Int, columns: Int)
  func write(to c: MutableValues, stride: Int, columns: Int)
  /// self += the outer product of a column of a and a row of b.
  mutating func add(_ a: Values, stride: Int, _ b: Row)
}

struct OneRow<Row: Strip>: Tile {
  var row: Row

  static var rows: Int { 1 }
  @inline(always) static var zero: Self { Self(row: .zero) }

  @inline(always) init(row: Row) { self.row = row }
  @inline(always) init(c: MutableValues, stride: Int, columns: Int) {
    row = Row(c: c, columns: columns)
  }
  @inline(always) func write(to c: MutableValues, stride: Int, columns: Int) {
    row.write(to: c, columns: columns)
  }
  @inline(always) mutating func add(_ a: Values, stride: Int, _ b: Row) {
    row.add(Vector(repeating: a.pointee), b)
  }
}

struct Above<Upper: Tile, Lower: Tile>: Tile where Upper.Row == Lower.Row {
  var upper: Upper
  var lower: Lower

  @inline(always) static var rows: Int { Upper.rows + Lower.rows }
  @inline(always) static var zero: Self { Self(upper: .zero, lower: .zero) }

  @inline(always) init(upper: Upper, lower: Lower) {
    self.upper = upper
    self.lower = lower
  }
  @inline(always) init(c: MutableValues, stride: Int, columns: Int) {
    upper = Upper(c: c, stride: stride, columns: columns)
    lower = Lower(c: c + Upper.rows * stride, stride: stride, columns: columns)
  }
  @inline(always) func write(to c: MutableValues, stride: Int, columns: Int) {
    upper.write(to: c, stride: stride, columns: columns)
    lower.write(to: c + Upper.rows * stride, stride: stride, columns: columns)
  }
  @inline(always) mutating func add(_ a: Values, stride: Int, _ b: Upper.Row) {
    upper.add(a, stride: stride, b)
    lower.add(a + Upper.rows * stride, stride: stride, b)
  }
}

typealias TwoVectors = Beside<OneVector, OneVector>
typealias ThreeVectors = Beside<TwoVectors, OneVector>
typealias FourVectors = Beside<TwoVectors, TwoVectors>
typealias SixVectors = Beside<FourVectors, TwoVectors>
typealias EightVectors = Beside<FourVectors, FourVectors>

typealias TwoRows<Row: Strip> = Above<OneRow<Row>, OneRow<Row>>
typealias ThreeRows<Row: Strip> = Above<TwoRows<Row>, OneRow<Row>>
typealias FourRows<Row: Strip> = Above<TwoRows<Row>, TwoRows<Row>>
typealias FiveRows<Row: Strip> = Above<FourRows<Row>, OneRow<Row>>
typealias SixRows<Row: Strip> = Above<FourRows<Row>, TwoRows<Row>>
typealias SevenRows<Row: Strip> = Above<FourRows<Row>, ThreeRows<Row>>
typealias EightRows<Row: Strip> = Above<FourRows<Row>, FourRows<Row>>
