// LevelTests.swift — the choice of an instruction-set level

import Kernels
import Testing

@Test func theBaselineIsAlwaysThereAndTheBestLevelIsLast() {
  #expect(availableKernels[0].name == "baseline")
  #expect(Set(availableKernels.map { $0.name }).count == availableKernels.count)
  #expect(availableKernels.contains { $0.name == kernels.name })
}
