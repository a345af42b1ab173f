// Tiles.swift — a block of the product that stays in registers
//
// A tile is built from types rather than loops: vectors beside each other make a row, rows above
// each other make a tile. After inlining, every accumulator is a register of its own and the loop
// over k holds nothing but loads and multiply-adds.

import KernelInterface

/// Neighbouring vectors of one row.
protocol Strip {
  static var vectors: Int { get }
  /// How many groups of packed weights its vectors belong to.
  static var groups: Int { get }
  /// The vectors that `vector` gives for their numbers, the first of which is `first`.
  init(from first: Int, _ vector: (Int) -> Vector)
  subscript(index: Int) -> Vector { get set }
  /// Calls `body` with the numbers of its vectors, the first of which is `first`.
  static func forEachVector(from first: Int, _ body: (Int) -> Void)
  /// self += a · b
  mutating func add(_ a: Vector, _ b: Self)
}

extension Strip {
  @inline(always) static var zero: Self { Self(from: 0) { _ in .zero } }

  /// A row of c, of which only the last vector may not be full.
  @inline(always)
  init(c: Values, columns: Int) {
    self.init(from: 0) { load(c + $0 * Vector.scalarCount, Self.lanes($0, columns)) }
  }
  @inline(always)
  func write(to c: MutableValues, columns: Int) {
    Self.forEachVector(from: 0) {
      store(self[$0], c + $0 * Vector.scalarCount, Self.lanes($0, columns))
    }
  }
  @inline(always)
  private static func lanes(_ index: Int, _ columns: Int) -> Int {
    index < vectors - 1 ? Vector.scalarCount : columns - index * Vector.scalarCount
  }

  /// Whole vectors, `vectorStride` floats apart.
  @inline(always)
  func write(to c: MutableValues, vectorStride: Int) {
    Self.forEachVector(from: 0) { store(self[$0], c + $0 * vectorStride, Vector.scalarCount) }
  }
}

struct OneVector: Strip {
  var vector: Vector

  static var vectors: Int { 1 }
  static var groups: Int { 1 }

  @inline(always) init(vector: Vector) { self.vector = vector }
  @inline(always) init(from first: Int, _ vector: (Int) -> Vector) { self.vector = vector(first) }
  @inline(always) subscript(index: Int) -> Vector {
    get { vector }
    set { vector = newValue }
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) { body(first) }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    vector = multiplyAdd(a, b.vector, vector)
  }
}

/// Two strips side by side.
struct Beside<Left: Strip, Right: Strip>: Strip {
  var left: Left
  var right: Right

  @inline(always) static var vectors: Int { Left.vectors + Right.vectors }
  static var groups: Int { 1 }

  @inline(always) init(left: Left, right: Right) {
    self.left = left
    self.right = right
  }
  @inline(always) init(from first: Int, _ vector: (Int) -> Vector) {
    left = Left(from: first, vector)
    right = Right(from: first + Left.vectors, vector)
  }
  @inline(always) subscript(index: Int) -> Vector {
    get { index < Left.vectors ? left[index] : right[index - Left.vectors] }
    set {
      if index < Left.vectors {
        left[index] = newValue
      } else {
        right[index - Left.vectors] = newValue
      }
    }
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) {
    Left.forEachVector(from: first, body)
    Right.forEachVector(from: first + Left.vectors, body)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) {
    left.add(a, b.left)
    right.add(a, b.right)
  }
}

/// Two strips of neighbouring hidden units, whose weights are in groups of their own.
struct Neighbours<First: Strip, Second: Strip>: Strip {
  private var strips: Beside<First, Second>

  @inline(always) static var vectors: Int { First.vectors + Second.vectors }
  @inline(always) static var groups: Int { First.groups + Second.groups }
  @inline(always) var first: First { strips.left }
  @inline(always) var second: Second { strips.right }

  @inline(always) init(first: First, second: Second) {
    strips = Beside(left: first, right: second)
  }
  @inline(always) init(from first: Int, _ vector: (Int) -> Vector) {
    strips = Beside(from: first, vector)
  }
  @inline(always) subscript(index: Int) -> Vector {
    get { strips[index] }
    set { strips[index] = newValue }
  }
  @inline(always) static func forEachVector(from first: Int, _ body: (Int) -> Void) {
    Beside<First, Second>.forEachVector(from: first, body)
  }
  @inline(always) mutating func add(_ a: Vector, _ b: Self) { strips.add(a, b.strips) }
}

/// Rows of strips. They have numbers, the first of which is `first`.
protocol Tile {
  associatedtype Row: Strip
  static var rows: Int { get }
  init(from first: Int, _ row: (Int) -> Row)
  mutating func replaceRows(from first: Int, _ replacement: (Row, Int) -> Row)
  func forEachRow(from first: Int, _ body: (Row, Int) -> Void)
  /// self += the outer product of a column of a and a row of b.
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Row)
  /// The same for vector `index` of the row of b alone.
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Vector, at index: Int)
}

extension Tile {
  @inline(always) static var zero: Self { Self(from: 0) { _ in .zero } }

  @inline(always)
  init(c: MutableValues, stride: Int, columns: Int) {
    self.init(from: 0) { Row(c: Values(c + $0 * stride), columns: columns) }
  }
  @inline(always)
  func write(to c: MutableValues, stride: Int, columns: Int) {
    forEachRow(from: 0) { $0.write(to: c + $1 * stride, columns: columns) }
  }

  /// self += a · b over the whole depth.
  @inline(always)
  mutating func addProduct(_ factors: Factors) {
    let vectorStride = factors.b.vectorStride
    factors.forEachDepth { a, b in
      add(factors, a) { b + $0 * vectorStride }
    }
  }

  /// The same for weights, which are packed in groups and asked for ahead.
  @inline(always)
  mutating func addGroupedProduct(_ factors: Factors, _ ahead: WeightsAhead) {
    let groups = factors.groupOffsets
    let groupStride = factors.b.vectorStride
    let inGroup = Row.vectors / Row.groups
    var ahead = ahead
    factors.forEachDepth { a, b in
      @inline(always) func place(_ index: Int) -> Values {
        let group = index / inGroup
        let offset = Self.rows > 1 ? groups[group] : group * groupStride
        return b + offset + index % inGroup * Vector.scalarCount
      }
      ahead.ask(Row.self, rows: Self.rows, place)
      add(factors, a, place)
    }
  }

  /// self += the outer product of a column of a and a row of b.
  ///
  /// - Parameter place: where the row of b has its vector of that number.
  @inline(always)
  private mutating func add(_ factors: Factors, _ a: Values, _ place: (Int) -> Values) {
    let offsets = factors.aOffsets
    if Self.isFlat {
      Row.forEachVector(from: 0) { index in
        add(a, offsets, from: 0, load(place(index), Vector.scalarCount), at: index)
      }
    } else {
      add(a, offsets, from: 0, Row(from: 0) { load(place($0), Vector.scalarCount) })
    }
  }

  /// Whether a column of a takes fewer registers than a row of b. The shorter of the two stays in
  /// registers while the other passes: a tile of three rows of four vectors fills sixteen that way, and
  /// the other way needs one more.
  @inline(always) private static var isFlat: Bool { rows > 1 && rows < Row.vectors }
}

/// What a tile multiplies: a `[rows, depth]` and b `[depth, vectors]`.
struct Factors {
  var a: LeftMatrix
  var aOffsets: RowOffsets
  var b: RightMatrix
  let groupOffsets: GroupOffsets
  let depth: Int

  @inline(always)
  init(_ a: LeftMatrix, _ b: RightMatrix, depth: Int) {
    self.a = a
    aOffsets = RowOffsets(a, from: 0)
    self.b = b
    groupOffsets = GroupOffsets(b)
    self.depth = depth
  }

  /// The same for the rows of a from that row on. Of rows in panels, the first must still be there.
  @inline(always)
  func dropping(_ row: Int) -> Factors {
    var factors = self
    factors.a.base += a.offset(of: row)
    // All rows at equal distances have the same offsets; they take longer to find than to copy.
    if a.panelGap != 0 { factors.aOffsets = RowOffsets(a, from: row) }
    return factors
  }

  /// Calls `body` with each column of a and row of b.
  @inline(always)
  func forEachDepth(_ body: (Values, Values) -> Void) {
    var a = self.a.base
    var b = b.base
    for _ in 0..<depth {
      body(a, b)
      a += self.a.columnStride
      b += self.b.rowStride
    }
  }
}

extension LeftMatrix {
  /// How far a row lies behind the first.
  @inline(always)
  func offset(of row: Int) -> Int {
    row * rowStride + Int(UInt(bitPattern: row) / UInt(Vector.scalarCount)) * panelGap
  }
}

/// How far the rows of a tile's left-hand side lie behind its first row, in elements.
///
/// They are read from memory, so that the compiler does not know one from another. Knowing that they
/// are multiples of one stride, it walks from row to row by additions that wait for each other, and
/// those take longer than the multiply-adds.
struct RowOffsets {
  private let row1, row2, row3, row4, row5, row6, row7: Int

  @inline(always)
  init(_ a: LeftMatrix, from first: Int) {
    @inline(always) func offset(_ row: Int) -> Int {
      a.offset(of: first + row) - a.offset(of: first)
    }
    row1 = offset(1)
    row2 = offset(2)
    row3 = offset(3)
    row4 = offset(4)
    row5 = offset(5)
    row6 = offset(6)
    row7 = offset(7)
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

/// How far the groups of a tile's weights, four at the most, lie behind the first. Read from memory like
/// `RowOffsets`, for the same reason: of multiples of one stride the compiler makes a pointer for each group.
struct GroupOffsets {
  private let group1, group2, group3: Int

  @inline(always)
  init(_ b: RightMatrix) {
    group1 = b.vectorStride
    group2 = 2 * b.vectorStride
    group3 = 3 * b.vectorStride
  }

  @inline(always) subscript(group: Int) -> Int {
    switch group {
    case 0: 0
    case 1: group1
    case 2: group2
    default: group3
    }
  }
}

struct OneRow<Row: Strip>: Tile {
  var row: Row

  static var rows: Int { 1 }

  @inline(always) init(from first: Int, _ row: (Int) -> Row) { self.row = row(first) }
  @inline(always)
  mutating func replaceRows(from first: Int, _ replacement: (Row, Int) -> Row) {
    row = replacement(row, first)
  }
  @inline(always) func forEachRow(from first: Int, _ body: (Row, Int) -> Void) { body(row, first) }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Row) {
    row.add(Vector(repeating: a[offsets[first]]), b)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Vector, at index: Int)
  {
    row[index] = multiplyAdd(Vector(repeating: a[offsets[first]]), b, row[index])
  }
}

struct Above<Upper: Tile, Lower: Tile>: Tile where Upper.Row == Lower.Row {
  typealias Row = Upper.Row
  var upper: Upper
  var lower: Lower

  @inline(always) static var rows: Int { Upper.rows + Lower.rows }

  @inline(always) init(from first: Int, _ row: (Int) -> Row) {
    upper = Upper(from: first, row)
    lower = Lower(from: first + Upper.rows, row)
  }
  @inline(always)
  mutating func replaceRows(from first: Int, _ replacement: (Row, Int) -> Row) {
    upper.replaceRows(from: first, replacement)
    lower.replaceRows(from: first + Upper.rows, replacement)
  }
  @inline(always) func forEachRow(from first: Int, _ body: (Row, Int) -> Void) {
    upper.forEachRow(from: first, body)
    lower.forEachRow(from: first + Upper.rows, body)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Row) {
    upper.add(a, offsets, from: first, b)
    lower.add(a, offsets, from: first + Upper.rows, b)
  }
  @inline(always)
  mutating func add(_ a: Values, _ offsets: RowOffsets, from first: Int, _ b: Vector, at index: Int)
  {
    upper.add(a, offsets, from: first, b, at: index)
    lower.add(a, offsets, from: first + Upper.rows, b, at: index)
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
