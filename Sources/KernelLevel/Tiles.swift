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
  /// As many vectors of b, which are `vectorStride` floats apart.
  init(b: Values, vectorStride: Int)
  /// The same for b packed in groups, which are `groupStride` floats apart.
  init(groups b: Values, groupStride: Int)
  /// How many groups it reads from.
  static var groups: Int { get }
  init(c: MutableValues, columns: Int)
  func write(to c: MutableValues, columns: Int)
  /// Whole vectors, `vectorStride` floats apart.
  func write(to c: MutableValues, vectorStride: Int)
  /// self += a · b
  mutating func add(_ a: Vector, _ b: Self)
  /// The same for its vector `index` alone.
  mutating func add(_ a: Vector, _ b: Vector, at index: Int)
  /// Calls `body` with the numbers of its vectors, the first of which is `first`.
  static func forEachVector(from first: Int, _ body: (Int) -> Void)
}

extension Strip {
  /// Where its vector `index` is in b, packed in groups.
  @inline(always)
  static func place(of index: Int, groups b: Values, groupStride: Int) -> Values {
    let inGroup = vectors / groups
    return b + index / inGroup * groupStride + index % inGroup * Vector.scalarCount
  }
}

struct OneVector: Strip {
  var vector: Vector

  static var vectors: Int { 1 }
  static var zero: Self { Self(vector: .zero) }

  @inline(always) init(vector: Vector) { self.vector = vector }
  @inline(always) init(b: Values, vectorStride: Int) {
    vector = load(b, Vector.scalarCount)
  }
  @inline(always) init(groups b: Values, groupStride: Int) {
    vector = load(b, Vector.scalarCount)
  }
  @inline(always) static var groups: Int { 1 }
  @inline(always) init(c: MutableValues, columns: Int) { vector = load(c, columns) }
  @inline(always) func write(to c: MutableValues, columns: Int) {
    store(vector, c, columns)
  }
  @inline(always) func write(to c: MutableValues, vectorStride: Int) {
    store(vector, c, Vector.scalarCount)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    vector = multiplyAdd(a, b.vector, vector)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Vector, at index: Int) {
    vector = multiplyAdd(a, b, vector)
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) {
    body(first)
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
  @inline(always) init(b: Values, vectorStride: Int) {
    left = Left(b: b, vectorStride: vectorStride)
    right = Right(b: b + Left.vectors * vectorStride, vectorStride: vectorStride)
  }
  @inline(always) init(groups b: Values, groupStride: Int) {
    left = Left(groups: b, groupStride: groupStride)
    right = Right(groups: b + Self.leftColumns, groupStride: groupStride)
  }
  @inline(always) static var groups: Int { 1 }
  @inline(always) init(c: MutableValues, columns: Int) {
    left = Left(c: c, columns: Self.leftColumns)
    right = Right(c: c + Self.leftColumns, columns: columns - Self.leftColumns)
  }
  @inline(always) func write(to c: MutableValues, columns: Int) {
    left.write(to: c, columns: Self.leftColumns)
    right.write(to: c + Self.leftColumns, columns: columns - Self.leftColumns)
  }
  @inline(always) func write(to c: MutableValues, vectorStride: Int) {
    left.write(to: c, vectorStride: vectorStride)
    right.write(to: c + Left.vectors * vectorStride, vectorStride: vectorStride)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    left.add(a, b.left)
    right.add(a, b.right)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Vector, at index: Int) {
    if index < Left.vectors {
      left.add(a, b, at: index)
    } else {
      right.add(a, b, at: index - Left.vectors)
    }
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) {
    Left.forEachVector(from: first, body)
    Right.forEachVector(from: first + Left.vectors, body)
  }
}

/// Two strips of neighbouring hidden units, whose weights are in groups of their own.
struct Twins<Half: Strip>: Strip {
  private var strips: Beside<Half, Half>

  @inline(always) static var vectors: Int { 2 * Half.vectors }
  @inline(always) static var groups: Int { 2 * Half.groups }
  @inline(always) static var zero: Self { Self(strips: .zero) }
  @inline(always) var first: Half { strips.left }
  @inline(always) var second: Half { strips.right }

  @inline(always) private init(strips: Beside<Half, Half>) { self.strips = strips }
  @inline(always) init(first: Half, second: Half) {
    strips = Beside(left: first, right: second)
  }
  @inline(always) init(b: Values, vectorStride: Int) {
    strips = Beside(b: b, vectorStride: vectorStride)
  }
  @inline(always) init(groups b: Values, groupStride: Int) {
    strips = Beside(
      left: Half(groups: b, groupStride: groupStride),
      right: Half(groups: b + Half.groups * groupStride, groupStride: groupStride))
  }
  @inline(always) init(c: MutableValues, columns: Int) { strips = Beside(c: c, columns: columns) }
  @inline(always) func write(to c: MutableValues, columns: Int) {
    strips.write(to: c, columns: columns)
  }
  @inline(always) func write(to c: MutableValues, vectorStride: Int) {
    strips.write(to: c, vectorStride: vectorStride)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) { strips.add(a, b.strips) }
  @inline(always) mutating func add(_ a: Vector, _ b: Vector, at index: Int) {
    strips.add(a, b, at: index)
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) {
    Beside<Half, Half>.forEachVector(from: first, body)
  }
}

/// Rows of strips. `row` and `unit` in a step's functions are those of the tile's first element.
protocol Tile {
  associatedtype Row: Strip
  static var rows: Int { get }
  static var zero: Self { get }
  init(c: MutableValues, stride: Int, columns: Int)
  func write(to c: MutableValues, stride: Int, columns: Int)
  init<Step: FusedStep>(start step: Step, row: Int, unit: Int, lanes: Int) where Step.Gates == Row
  mutating func turn<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Row
  func finish<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Row
  /// self += the outer product of a column of a and a row of b.
  ///
  /// - Parameter first: which row of a is the tile's first.
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Row)
  /// The same for vector `index` of the row of b alone.
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Vector, at index: Int)
}

extension Tile {
  /// self += a · b over the whole depth.
  @inline(always)
  mutating func addProduct(_ factors: Factors) {
    let vectorStride = factors.b.vectorStride
    if Self.isFlat {
      addVectors(factors) { b, index in b + index * vectorStride }
    } else {
      addRows(factors) { Row(b: $0, vectorStride: vectorStride) }
    }
  }

  /// The same for b packed in groups.
  @inline(always)
  mutating func addGroupedProduct(_ factors: Factors) {
    let groupStride = factors.b.vectorStride
    if Self.isFlat {
      addVectors(factors) { Row.place(of: $1, groups: $0, groupStride: groupStride) }
    } else {
      addRows(factors) { Row(groups: $0, groupStride: groupStride) }
    }
  }

  /// Whether a column of a takes fewer registers than a row of b. The shorter of the two stays in
  /// registers while the other passes: a tile of three rows of four vectors fills sixteen that way, and
  /// the other way needs one more.
  @inline(always) private static var isFlat: Bool { rows > 1 && rows < Row.vectors }

  @inline(always)
  private mutating func addRows(_ factors: Factors, _ row: (Values) -> Row) {
    factors.forEachDepth { a, b in add(a, factors.aOffsets, first: 0, row(b)) }
  }

  /// - Parameter place: where a row of b has its vector of that number.
  @inline(always)
  private mutating func addVectors(_ factors: Factors, _ place: (Values, Int) -> Values) {
    factors.forEachDepth { a, b in
      Row.forEachVector(from: 0) { index in
        let vector = load(place(b, index), Vector.scalarCount)
        add(a, factors.aOffsets, first: 0, vector, at: index)
      }
    }
  }
}

/// What a tile multiplies: a `[rows, depth]` and b `[depth, vectors]`.
struct Factors {
  var a: Values
  let aRowStride: Int
  let aColumnStride: Int
  let aOffsets: RowOffsets
  var b: RightMatrix
  let depth: Int

  init(a: Values, aRowStride: Int, aColumnStride: Int, b: RightMatrix, depth: Int) {
    self.a = a
    self.aRowStride = aRowStride
    self.aColumnStride = aColumnStride
    aOffsets = RowOffsets(stride: aRowStride)
    self.b = b
    self.depth = depth
  }

  /// Calls `body` with each column of a and row of b.
  @inline(always)
  func forEachDepth(_ body: (Values, Values) -> Void) {
    var a = a
    var b = b.base
    for _ in 0..<depth {
      body(a, b)
      a += aColumnStride
      b += self.b.rowStride
    }
  }
}

/// How far the rows of a tile's left-hand side lie behind its first row, in elements.
///
/// They are read from memory, so that the compiler does not know one from another. Knowing that they
/// are multiples of one stride, it walks from row to row by additions that wait for each other, and
/// those take longer than the multiply-adds.
struct RowOffsets {
  private let row1, row2, row3, row4, row5, row6, row7: Int

  init(stride: Int) {
    row1 = stride
    row2 = 2 * stride
    row3 = 3 * stride
    row4 = 4 * stride
    row5 = 5 * stride
    row6 = 6 * stride
    row7 = 7 * stride
  }

  @inline(always) subscript(row: Int) -> Int {
    switch row {
    case 0: 0
    case 1: row1
    case 2: row2
    case 3: row3
    case 4: row4
    case 5: row5
    case 6: row6
    default: row7
    }
  }
}

struct OneRow<Row: Strip>: Tile {
  var row: Row

  static var rows: Int { 1 }
  @inline(always) static var zero: Self { Self(row: .zero) }

  @inline(always) init(row: Row) { self.row = row }
  @inline(always)
  init<Step: FusedStep>(start step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Row {
    self.row = step.start(row, unit, lanes)
  }
  @inline(always)
  mutating func turn<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Row {
    self.row = step.turn(self.row, row, unit, lanes)
  }
  @inline(always)
  func finish<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Row {
    step.finish(self.row, row, unit, lanes)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Row) {
    row.add(Vector(repeating: a[offsets[first]]), b)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Vector, at index: Int) {
    row.add(Vector(repeating: a[offsets[first]]), b, at: index)
  }
  @inline(always)
  init(c: MutableValues, stride: Int, columns: Int) {
    row = Row(c: c, columns: columns)
  }
  @inline(always)
  func write(to c: MutableValues, stride: Int, columns: Int) {
    row.write(to: c, columns: columns)
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
  @inline(always)
  init<Step: FusedStep>(start step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Upper.Row {
    upper = Upper(start: step, row: row, unit: unit, lanes: lanes)
    lower = Lower(start: step, row: row + Upper.rows, unit: unit, lanes: lanes)
  }
  @inline(always)
  mutating func turn<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Upper.Row {
    upper.turn(step, row: row, unit: unit, lanes: lanes)
    lower.turn(step, row: row + Upper.rows, unit: unit, lanes: lanes)
  }
  @inline(always)
  func finish<Step: FusedStep>(_ step: Step, row: Int, unit: Int, lanes: Int)
  where Step.Gates == Upper.Row {
    upper.finish(step, row: row, unit: unit, lanes: lanes)
    lower.finish(step, row: row + Upper.rows, unit: unit, lanes: lanes)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Upper.Row) {
    upper.add(a, offsets, first: first, b)
    lower.add(a, offsets, first: first + Upper.rows, b)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, first: Int, _ b: Vector, at index: Int) {
    upper.add(a, offsets, first: first, b, at: index)
    lower.add(a, offsets, first: first + Upper.rows, b, at: index)
  }
  @inline(always)
  init(c: MutableValues, stride: Int, columns: Int) {
    upper = Upper(c: c, stride: stride, columns: columns)
    lower = Lower(c: c + Upper.rows * stride, stride: stride, columns: columns)
  }
  @inline(always)
  func write(to c: MutableValues, stride: Int, columns: Int) {
    upper.write(to: c, stride: stride, columns: columns)
    lower.write(to: c + Upper.rows * stride, stride: stride, columns: columns)
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
