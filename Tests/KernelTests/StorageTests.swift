// StorageTests.swift — aligned memory, what it refuses, and the floating-point mode

import Glibc
import Kernels
import Testing

@Suite struct StorageTests {
  @Test(arguments: [0, 1, 15, 16, 1000])
  func memoryIsAlignedAndZero(count: Int) throws {
    for _ in 0..<3 {
      let buffer = try AlignedBuffer<Float>(count: count)
      #expect(buffer.count == count)
      #expect(UInt(bitPattern: buffer.pointer) % 64 == 0)
      for index in 0..<count {
        #expect(buffer.pointer[index] == 0)
        buffer.pointer[index] = 1
      }
    }
  }

  @Test func sizesThatCannotBeHadAreRefused() {
    #expect(throws: MemoryError(bytes: nil)) { try AlignedBuffer<Float>(count: -1) }
    #expect(throws: MemoryError(bytes: nil)) { try AlignedBuffer<Double>(count: .max / 4) }
    #expect(throws: MemoryError(bytes: 1 << 60)) { try AlignedBuffer<UInt8>(count: 1 << 60) }
    #expect(throws: MemoryError(bytes: 1 << 50)) { try AlignedBuffer<Float>(count: 1 << 48) }
  }

  @Test func theCallersModeComesBack() {
    #expect(isDenormalArithmeticExact())
    #if arch(arm64)
      let (nearest, upward): (Int32, Int32) = (0, 0x40_0000)  // FE_TONEAREST and FE_UPWARD
    #else
      let (nearest, upward): (Int32, Int32) = (0, 0x800)
    #endif
    fesetround(upward)
    let callersMode = ArithmeticMode.startComputing()
    #expect(!isDenormalArithmeticExact())
    callersMode.lend {
      #expect(isDenormalArithmeticExact())
      #expect(fegetround() == upward)
    }
    let own = ArithmeticMode.startComputing()
    #expect(!isDenormalArithmeticExact())
    own.apply()
    #expect(!isDenormalArithmeticExact())
    callersMode.apply()
    #expect(isDenormalArithmeticExact())
    #expect(fegetround() == upward)
    fesetround(nearest)
  }
}
