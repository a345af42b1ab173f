// ProcessorFeatures.swift — what the x86-64 processor can do
//
// Swift has no CPUID. glibc's dynamic linker has already asked the processor, and offers the answer
// through <sys/platform/x86.h> from version 2.33 on (older ones cannot load a library that needs
// pthreads in libc, which came with 2.34). Its "active" bits are set only if the operating system
// also saves the registers that a feature uses. Where the function is missing, the baseline runs.

import Glibc

#if arch(x86_64)
  enum ProcessorFeatures {
    /// The instructions of the psABI's x86-64-v3.
    static let hasV3 =
      isActive(
        leaf: 0, register: 2,  // CPUID 1, ECX: SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE,
        bits: [0, 9, 12, 13, 19, 20, 22, 23, 28, 29])  // POPCNT, AVX, F16C
      && isActive(leaf: 1, register: 1, bits: [3, 5, 8])  // CPUID 7, EBX: BMI1, AVX2, BMI2
      && isActive(leaf: 2, register: 2, bits: [0, 5])  // CPUID 8000_0001, ECX: LAHF, LZCNT

    /// The instructions of the psABI's x86-64-v4: AVX-512 F, DQ, CD, BW, VL.
    static let hasV4 = hasV3 && isActive(leaf: 1, register: 1, bits: [16, 17, 28, 30, 31])

    /// `struct cpuid_feature`: four registers as the processor reports them, four as active.
    private typealias FeatureLeaf = UnsafePointer<UInt32>
    private typealias LeafFunction = @convention(c) (UInt32) -> FeatureLeaf?

    private static let leafFunction: LeafFunction? =
      dlsym(nil, "__x86_get_cpuid_feature_leaf").map { unsafeBitCast($0, to: LeafFunction.self) }

    /// Whether all bits of a register (0 … 3: EAX, EBX, ECX, EDX) of glibc's leaf are active.
    private static func isActive(leaf: UInt32, register: Int, bits: [UInt32]) -> Bool {
      guard let registers = leafFunction?(leaf) else { return false }
      let active = registers[4 + register]
      return bits.allSatisfy { active >> $0 & 1 == 1 }
    }
  }
#endif
