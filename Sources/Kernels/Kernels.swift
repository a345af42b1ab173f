// Kernels.swift — the choice of an instruction-set level
//
// Made once, from what the processor has and the operating system saves. REFRAIN_ISA=baseline,
// x86-64-v3 or x86-64-v4 forces a level, for tests; one that this machine lacks is ignored.

import Glibc
@_exported import KernelInterface
import KernelLevelBaseline

#if arch(x86_64)
  import KernelLevelV3
  import KernelLevelV4
#endif

/// The levels that this machine can run, the fastest last.
public let availableKernels: [any KernelSet.Type] = {
  var levels: [any KernelSet.Type] = [KernelLevelBaseline.Level.self]
  #if arch(x86_64)
    if Processor.hasV3 { levels.append(KernelLevelV3.Level.self) }
    if Processor.hasV3 && Processor.hasV4 { levels.append(KernelLevelV4.Level.self) }
  #endif
  return levels
}()

/// The level in use.
public let kernels: any KernelSet.Type = {
  if let wanted = getenv("REFRAIN_ISA").map({ String(cString: $0) }),
    let level = availableKernels.first(where: { $0.name == wanted })
  {
    return level
  }
  return availableKernels[availableKernels.count - 1]
}()

#if arch(x86_64)
  /// What glibc's loader found out about the processor; see <sys/platform/x86.h>.
  ///
  /// Its answers on "active" features include whether the operating system saves the registers. On
  /// a glibc before 2.33 the function is missing, and the baseline is used.
  private enum Processor {
    /// `struct cpuid_feature`: what the processor has, then what may be used, by register.
    private typealias Leaf = UnsafePointer<UInt32>
    private typealias GetLeaf = @convention(c) (UInt32) -> Leaf?

    private static let getLeaf: GetLeaf? = {
      guard let symbol = dlsym(nil, "__x86_get_cpuid_feature_leaf") else { return nil }
      return unsafeBitCast(symbol, to: GetLeaf.self)
    }()

    private enum Register: Int { case eax, ebx, ecx, edx }

    private static func has(_ leaf: UInt32, _ register: Register, _ bits: [UInt32]) -> Bool {
      guard let active = getLeaf?(leaf) else { return false }
      let value = active[4 + register.rawValue]
      return bits.allSatisfy { value >> $0 & 1 == 1 }
    }

    /// Leaf 1: FMA, SSE4.2, MOVBE, POPCNT, AVX, F16C; leaf 7: BMI1, AVX2, BMI2; leaf 0x80000001:
    /// LZCNT. glibc numbers the leaves 0, 1 and 2.
    static var hasV3: Bool {
      has(0, .ecx, [12, 20, 22, 23, 28, 29]) && has(1, .ebx, [3, 5, 8]) && has(2, .ecx, [5])
    }

    /// Leaf 7: AVX-512 F, DQ, CD, BW, VL.
    static var hasV4: Bool { has(1, .ebx, [16, 17, 28, 30, 31]) }
  }
#endif
