// Kernels.swift — which instruction-set level runs
//
// The level is chosen once, when a kernel is first needed, by what the processor can do and the
// operating system has enabled. The environment variable REFRAIN_ISA may ask for a lower one
// (baseline, x86-64-v3 or x86-64-v4); a level that the processor lacks is ignored.

import Glibc
@_exported import KernelInterface
internal import KernelLevelBaseline

#if arch(x86_64)
  internal import KernelLevelV3
  internal import KernelLevelV4
#endif

/// The levels that this processor can run, from the plainest to the best. Never empty.
public let availableKernels: [any KernelSet.Type] = {
  var levels: [any KernelSet.Type] = [KernelLevelBaseline.Level.self]
  #if arch(x86_64)
    if ProcessorFeatures.hasV3 { levels.append(KernelLevelV3.Level.self) }
    if ProcessorFeatures.hasV4 { levels.append(KernelLevelV4.Level.self) }
  #endif
  return levels
}()

/// The level in use.
public let kernels: any KernelSet.Type = {
  if let wish = environment("REFRAIN_ISA"),
    let level = availableKernels.first(where: { $0.name == wish })
  {
    return level
  }
  return availableKernels[availableKernels.count - 1]
}()

/// The value of an environment variable; nil if it is not set.
func environment(_ name: String) -> String? {
  getenv(name).map { String(cString: $0) }
}
