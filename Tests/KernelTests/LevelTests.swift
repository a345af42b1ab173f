// LevelTests.swift — the choice of an instruction-set level

import Kernels
import Testing

/// Tests of a level that the processor lacks do not run; this one says so.
@Test(.enabled(if: availableKernels.count == 3, "this processor lacks a level"))
func everyLevelIsTested() {
  #expect(TestedLevel.all.count == availableKernels.count)
}

@Test func theBaselineIsAlwaysThereAndTheBestLevelIsLast() {
  #expect(availableKernels[0].name == "baseline")
  #expect(Set(availableKernels.map { $0.name }).count == availableKernels.count)
  #expect(availableKernels.contains { $0.name == kernels.name })
}
