// swift-tools-version: 6.3
import PackageDescription

// Floors, bottom up (an arrow means "is imported by"):
//
//     KernelInterface ← KernelLevel… ← Kernels ← Engine ← Format     Kernels ← Format
//     CProcessor ← {KernelLevel…, Kernels}     COpenBLAS ← Kernels     JSON ← {Format, Data}
//         {CRefrain, Kernels, Engine, Data, Format} ← CABI
//
// Every import is declared: a module is compiled anew only when one changes that it declares.

/// The regular-expression engine, which the compiler would import by itself, stays outside: a single
/// `contains` of its kind costs 1.4 MB.
///
/// Overlapping accesses are looked for when compiling, not when running: finding one then would end
/// the host, and looking for it takes a tenth of a small timestep.
let checked: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .unsafeFlags([
    "-Xfrontend", "-disable-implicit-string-processing-module-import",
    "-enforce-exclusivity=unchecked",
  ]),
]

/// Element loops compiled for one instruction set. All levels share one folder of sources, reached
/// through symbolic links; `Kernels` chooses among them when the library is loaded. Unchecked,
/// because bounds are established above and a check inside a tile costs more than the arithmetic.
/// `define` tells the sources their level, from which they take the width of a vector.
func kernelLevel(_ name: String, march: String?, define: String?) -> Target {
  let instructionSet = march.map { ["-Xcc", "-march=\($0)"] } ?? []
  return .target(
    name: name, dependencies: ["CProcessor", "KernelInterface"],
    swiftSettings: checked + (define.map { [.define($0)] } ?? [])
      + [.unsafeFlags(["-Ounchecked"] + instructionSet)])
}

/// The architecture that builds, which is all that a manifest sees.
#if arch(x86_64)
  let builder = "x86_64"
#else
  let builder = "aarch64"
#endif
/// Whether x86-64 is compiled for. REFRAIN_ARCH names the architecture if the library is for another:
/// REFRAIN_ARCH=aarch64 with a Swift SDK for it.
let isForX86 = Context.environment["REFRAIN_ARCH", default: builder] == "x86_64"

let levels =
  [kernelLevel("KernelLevelBaseline", march: nil, define: nil)]
  + (isForX86
    ? [
      kernelLevel("KernelLevelV3", march: "x86-64-v3", define: "LEVEL_V3"),
      kernelLevel("KernelLevelV4", march: "x86-64-v4", define: "LEVEL_V4"),
    ] : [])

let package = Package(
  name: "Refrain",
  products: [.library(name: "refrain", type: .dynamic, targets: ["CABI"])],
  targets: levels + [
    // The contract, imported by Swift from the very file that C compiles.
    .systemLibrary(name: "CRefrain", path: "include"),

    // Inline functions for instructions that Swift has no name for.
    .systemLibrary(name: "CProcessor"),

    // Declarations of OpenBLAS; Kernels/BLAS.swift is the one file that calls it.
    .systemLibrary(name: "COpenBLAS"),

    // What a level of kernels must offer: a protocol and the structs its functions take.
    .target(name: "KernelInterface", swiftSettings: checked),

    // Storage, threads, random numbers, BLAS policy, and the choice of level.
    .target(
      name: "Kernels",
      dependencies: ["COpenBLAS", "CProcessor", "KernelInterface"]
        + levels.map { Target.Dependency(stringLiteral: $0.name) },
      swiftSettings: checked),

    // Notation, parameters, cells, layers, models, training, inference.
    .target(name: "Engine", dependencies: ["Kernels"], swiftSettings: checked),

    // A strict JSON reader and a writer: for headers of files, and for the state of tokenizers.
    .target(name: "JSON", swiftSettings: checked),

    // Tokenizer, padding, windows, scaling. Knows nothing of models.
    .target(name: "Data", dependencies: ["JSON"], swiftSettings: checked),

    // The safetensors container, model files and checkpoints.
    .target(name: "Format", dependencies: ["Kernels", "Engine", "JSON"], swiftSettings: checked),

    // The exported functions: borrow, view, call. -static-stdlib puts the Swift runtime into the
    // library; the version script leaves only refrain_* visible.
    .target(
      name: "CABI", dependencies: ["CRefrain", "Kernels", "Engine", "Data", "Format"],
      exclude: ["exports.map"],
      swiftSettings: checked,
      linkerSettings: [
        .unsafeFlags([
          "-static-stdlib", "-use-ld=lld",
          "-Xlinker", "-soname", "-Xlinker", "librefrain.so.1",
          "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/CABI/exports.map",
          "-Xlinker", "--gc-sections",
        ])
      ]),

    .testTarget(
      name: "KernelTests", dependencies: ["COpenBLAS", "Kernels"],
      exclude: ["check_levels.py", "check_loops.py"],
      swiftSettings: checked),
    .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: checked),
    .testTarget(name: "MetricsTests", dependencies: ["Engine"], swiftSettings: checked),
    .testTarget(name: "TrainingTests", dependencies: ["Engine"], swiftSettings: checked),
    .testTarget(name: "NotationTests", dependencies: ["Engine"], swiftSettings: checked),
  ]
)
