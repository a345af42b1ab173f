// Level.swift — the kernels of one instruction-set level
//
// This folder is compiled once per level, each time as a module of its own with another -march.
// Nothing here is decided at run time: the width of a vector and the shape of a tile are constants
// of the level, everything else is the same source.

import KernelInterface

/// The functions of the level that this module is compiled for.
public enum Level: KernelSet {
  #if LEVEL_V4
    public static let name = "x86-64-v4"
  #elseif LEVEL_V3
    public static let name = "x86-64-v3"
  #else
    public static let name = "baseline"
  #endif

  public static var panelWidth: Int { Vector.scalarCount }
  public static var tileWidth: Int { vectorsOfTile(rows: .max) * Vector.scalarCount }
}

#if LEVEL_V4
  /// As many floats as a register holds.
  typealias Vector = SIMD16<Float>
  typealias VectorBits = SIMD16<UInt32>
  typealias SignedBits = SIMD16<Int32>
#elseif LEVEL_V3
  /// As many floats as a register holds.
  typealias Vector = SIMD8<Float>
  typealias VectorBits = SIMD8<UInt32>
  typealias SignedBits = SIMD8<Int32>
#else
  /// As many floats as a register holds.
  typealias Vector = SIMD4<Float>
  typealias VectorBits = SIMD4<UInt32>
  typealias SignedBits = SIMD4<Int32>
#endif
