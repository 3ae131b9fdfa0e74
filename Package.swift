// swift-tools-version: 6.2
import PackageDescription

/// Modules from the tool at the top to tensors at the bottom; a module may import only what stands below it.
/// The README's map says what each of them is for.
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  // The linker drops what nothing calls, from libquern above all.
  .unsafeFlags(
    ["-Xfrontend", "-function-sections", "-Xfrontend", "-internalize-at-link"], .when(configuration: .release)),
]

let cSections = ["-ffunction-sections", "-fdata-sections"]

/// How to build the fuzzer (`scripts/fuzz`): "coverage", "parsing" where only the modules that read files guide it, or
/// "address" for AddressSanitizer besides; `nil` in an ordinary build, which does without it.
let fuzzing = Context.environment["QUERN_FUZZING"]

/// The modules whose code guides the fuzzer. libFuzzer looks at the counters of all of it after each input, which takes
/// half of the time of a small one.
let parsingModules: Set = [
  "CImageCodecs", "COnnx", "CTOML", "Checkpoints", "Configuration", "Files", "Images", "PackageDelta", "PackageFormat",
  "Pixels", "Retrieval", "Tensors",
]
let fuzzedModules =
  fuzzing == "parsing"
  ? parsingModules
  : parsingModules.union([
    "Conversion", "Fidelity", "Graphs", "Inference", "ModelExport", "ModelImport", "Operators", "Passes", "ReportRules",
    "Reports", "Runtime",
  ])

let coverage = "edge,trace-cmp,inline-8bit-counters,pc-table"

/// The modules that wait for others most of the time. They are compiled for size, as the tool is downloaded by CI.
let compactModules: Set = [
  "Configuration", "Conversion", "DebianPackages", "Fidelity", "ModelExport", "ModelImport", "ReportRules", "Reports",
  "Signing",
]

let compact: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  guard let fuzzing, fuzzedModules.contains(name) else {
    return .target(
      name: name, dependencies: dependencies,
      swiftSettings: swiftSettings + (compactModules.contains(name) ? compact : []))
  }
  // With AddressSanitizer, which is passed to all modules, a second sanitizer would replace it.
  let sanitizer = fuzzing == "address" ? [] : ["-sanitize=fuzzer"]
  return .target(
    name: name, dependencies: dependencies,
    swiftSettings: swiftSettings + [.unsafeFlags(sanitizer + ["-sanitize-coverage=\(coverage)"])])
}

func c(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  let isFuzzed = fuzzing != nil && fuzzedModules.contains(name)
  return .target(
    name: name, dependencies: dependencies, path: "Sources/C/\(name)",
    cSettings: [.unsafeFlags(isFuzzed ? ["-fsanitize=fuzzer-no-link"] : cSections)],
    cxxSettings: [.unsafeFlags(isFuzzed ? ["-fsanitize=fuzzer-no-link"] : cSections)])
}

func system(_ name: String, pkgConfig: String, debian package: String) -> Target {
  .systemLibrary(name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

/// The tests that compute much themselves. Others are compiled without optimisation, which takes less time than it saves.
let computingTests: Set = [
  "CKernelsTests", "CalibrationTests", "NeighbourSearchTests", "OperatorsTests", "QuantizationTests", "RoundingTests",
]

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies,
    swiftSettings: swiftSettings + (computingTests.contains(name) ? [] : [.unsafeFlags(["-Onone"])]))
}

let package = Package(
  name: "quern",
  products: [
    .executable(name: "quern", targets: ["quern"]),
    // Linked into libquern by `scripts/build-library`.
    .library(name: "QuernC", type: .static, targets: ["QuernC"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    // The tool.
    .executableTarget(
      name: "quern",
      dependencies: [
        "CProcess", "Checkpoints", "Configuration", "Conversion", "DebianPackages", "Fidelity", "Files", "Graphs",
        "Images", "Inference", "Kernels", "LinearAlgebra", "ModelExport", "ModelImport", "NeighbourSearch",
        "PackageDelta", "PackageFormat", "Pixels", "PrintableText", "Quantization", "Reports", "Retrieval", "Runtime",
        "Signing", "Suggestions", "Threads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings + compact),

    // The library for devices, with a C interface.
    .target(
      name: "QuernC",
      dependencies: [
        "CQuern", "CThreads", "Files", "Graphs", "Inference", "Kernels", "PackageFormat", "Pixels", "Tensors",
        "Threads",
      ],
      exclude: ["abi.txt", "include"], swiftSettings: swiftSettings),
    .systemLibrary(name: "CQuern", path: "Sources/QuernC/include"),

    module("Configuration", ["CTOML", "Files", "Suggestions"]),
    module("Reports", ["Fidelity", "PrintableText", "Retrieval", "Suggestions"]),

    // The stages in a row, and then each of them, last first.
    module(
      "Conversion",
      [
        "Calibration", "Checkpoints", "DebianPackages", "Fidelity", "Files", "Graphs", "Images", "Inference", "Kernels",
        "LinearAlgebra", "ModelImport", "NeighbourSearch", "Operators", "PackageDelta", "PackageFormat", "Passes",
        "Pixels", "PrintableText", "Quantization", "Retrieval", "Rounding", "Runtime", "Search", "Signing",
        "Suggestions", "Tensors", "Threads", "Whitening",
      ]),
    module("Retrieval", ["Checkpoints", "Fidelity", "Files", "Images", "PrintableText", "Random", "Suggestions"]),
    module(
      "Inference",
      [
        "Files", "Graphs", "Kernels", "Operators", "PackageFormat", "Pixels", "Random", "ReportRules", "Runtime",
        "Tensors", "Threads",
      ]),
    module("Search", ["Graphs", "Quantization", "Tensors"]),
    module("Signing", ["CSigning", "Files", "PrintableText"]),
    module("Fidelity", ["Files", "PrintableText", "ReportRules", "Tensors"]),
    module(
      "Rounding",
      ["CKernels", "Graphs", "Kernels", "LinearAlgebra", "Operators", "Quantization", "Runtime", "Tensors", "Threads"]),
    module("Whitening", ["Graphs", "LinearAlgebra", "Operators", "Tensors"]),
    module("Quantization", ["Calibration", "Graphs", "Kernels", "Operators", "Suggestions", "Tensors", "Threads"]),
    module("Calibration", ["CKernels", "Graphs", "Kernels", "Operators", "Pixels", "Runtime", "Tensors", "Threads"]),
    module("NeighbourSearch", ["Checkpoints", "CKernels", "Files", "Kernels", "Tensors", "Threads"]),
    module("Images", ["CImageCodecs", "Files", "Pixels", "Random", "Suggestions", "Threads"]),
    module("PackageFormat", ["CZstd", "Files", "Graphs", "Pixels", "Suggestions", "Tensors", "Threads"]),
    module("Pixels", ["CResampling", "Suggestions"]),
    module("DebianPackages", ["CZlib", "PrintableText"]),
    module("PackageDelta", ["CZstd", "Files", "Graphs", "PackageFormat", "PrintableText", "Tensors", "Threads"]),
    module("Runtime", ["Graphs", "Kernels", "Operators", "Tensors", "Threads"]),
    module("Passes", ["Graphs", "Operators", "Tensors"]),
    module("ModelExport", ["Files", "Graphs", "Operators", "Tensors"]),
    module("ModelImport", ["Checkpoints", "Graphs", "Operators", "Suggestions", "Tensors"]),
    module("Checkpoints", ["COnnx", "CProtobufC", "Files", "PrintableText", "Suggestions", "Tensors"]),

    // What the stages share.
    module("Operators", ["CKernels", "Graphs", "Kernels", "Tensors", "Threads"]),
    module("Kernels", ["CKernels"]),
    module("LinearAlgebra", ["CLinearAlgebra"]),
    module("PrintableText", ["Suggestions"]),
    module("Random", []),
    module("ReportRules", []),
    module("Suggestions", []),
    module("Threads", ["CThreads"]),
    module("Graphs", ["Tensors"]),
    module("Files", ["CCrypto", "CFiles", "Suggestions", "Tensors", "Threads"]),
    module("Tensors", []),

    // C code of our own, and a module for each library of the system.
    c("CKernels"),
    c("CThreads"),
    c("CFiles"),
    c("CProcess", ["CFiles"]),
    c("CImageCodecs", ["CJPEG", "CPNG", "CWebP"]),
    c("CResampling"),
    c("CSigning", ["CCrypto"]),
    c("COnnx", ["CProtobufC"]),
    c("CTOML"),
    c("CLinearAlgebra"),
    system("CCrypto", pkgConfig: "libcrypto", debian: "libssl-dev"),
    system("CJPEG", pkgConfig: "libjpeg", debian: "libjpeg-dev"),
    system("CPNG", pkgConfig: "libpng", debian: "libpng-dev"),
    system("CWebP", pkgConfig: "libwebp", debian: "libwebp-dev"),
    system("CProtobufC", pkgConfig: "libprotobuf-c", debian: "libprotobuf-c-dev"),
    system("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
    system("CZstd", pkgConfig: "libzstd", debian: "libzstd-dev"),

    // Operators in double precision, and int8 arithmetic as its specification words it, for the tests below.
    .target(
      name: "ReferenceOperators", dependencies: ["Graphs", "Kernels", "Operators", "Tensors", "Threads"],
      path: "Tests/ReferenceOperators", swiftSettings: swiftSettings),

    // Comparisons and reports made up for the tests below.
    .target(
      name: "FidelitySamples", dependencies: ["Fidelity"], path: "Tests/FidelitySamples", swiftSettings: swiftSettings),

    // Packages in memory for the tests below.
    .target(
      name: "PackageSamples", dependencies: ["Graphs", "PackageFormat", "Pixels", "Tensors"],
      path: "Tests/PackageSamples", swiftSettings: swiftSettings),

    // The parsers as the fuzzer runs them, and the files that it found.
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Checkpoints", "Configuration", "Conversion", "Fidelity", "Files", "Graphs", "Images", "Inference",
        "ModelExport", "ModelImport", "PackageDelta", "PackageFormat", "Passes", "Pixels", "Reports", "Retrieval",
        "Runtime", "Tensors", "Threads",
      ],
      path: "Tests/FuzzTargets", swiftSettings: swiftSettings),
    tests("FuzzingTests", ["FuzzTargets"]),

    // Searches files of embeddings, for the benchmark and the comparison of searches in `scripts`.
    .executableTarget(
      name: "search-tool", dependencies: ["NeighbourSearch", "Threads"], path: "Tests/SearchTool",
      swiftSettings: swiftSettings),

    tests("CalibrationTests", ["Calibration", "Graphs", "Operators", "Pixels", "ReferenceOperators", "Runtime"]),
    tests("CKernelsTests", ["CKernels"]),
    tests("CheckpointsTests", ["Checkpoints", "Files", "Tensors"]),
    tests("ConfigurationTests", ["Configuration"]),
    tests("ConversionTests", ["Conversion", "Fidelity", "FidelitySamples", "Images", "PackageFormat", "Pixels"]),
    tests("DebianPackagesTests", ["DebianPackages"]),
    tests("FidelityTests", ["Fidelity", "FidelitySamples"]),
    tests("FilesTests", ["CFiles", "Files", "Tensors"]),
    tests("ImagesTests", ["Images", "Pixels", "Random"]),
    tests(
      "InferenceTests",
      [
        "Fidelity", "FidelitySamples", "Files", "Graphs", "Inference", "Kernels", "Operators", "PackageFormat",
        "PackageSamples", "Pixels", "Runtime", "Tensors", "Threads",
      ]),
    tests("LinearAlgebraTests", ["CLinearAlgebra", "LinearAlgebra"]),
    tests(
      "ModelExportTests",
      [
        "Checkpoints", "Graphs", "ModelExport", "ModelImport", "Operators", "Passes", "ReferenceOperators", "Runtime",
        "Tensors",
      ]),
    tests(
      "ModelImportTests",
      ["Checkpoints", "Graphs", "ModelImport", "Operators", "Passes", "ReferenceOperators", "Runtime", "Tensors"]),
    tests(
      "NeighbourSearchTests", ["Checkpoints", "Kernels", "NeighbourSearch", "ReferenceOperators", "Tensors", "Threads"]),
    tests("ONNXTests", ["Checkpoints", "Graphs", "ModelImport", "Operators", "Passes", "Runtime", "Tensors"]),
    tests(
      "OperatorsTests",
      [
        "Files", "Graphs", "Kernels", "Operators", "PackageFormat", "PackageSamples", "Pixels", "ReferenceOperators",
        "Runtime",
        "Tensors", "Threads",
      ]),
    tests("PackageFormatTests", ["Files", "Graphs", "PackageFormat", "PackageSamples", "Pixels", "Tensors"]),
    tests("PackageDeltaTests", ["CZstd", "Files", "Graphs", "PackageDelta", "PackageFormat", "Pixels", "Tensors"]),
    tests("PassesTests", ["Graphs", "Operators", "Passes", "ReferenceOperators", "Tensors"]),
    tests(
      "QuantizationTests",
      [
        "Calibration", "Graphs", "Images", "Inference", "Kernels", "Operators", "PackageFormat", "Passes", "Pixels",
        "Quantization", "ReferenceOperators", "Runtime", "Tensors",
      ]),
    tests("ReportsTests", ["Fidelity", "FidelitySamples", "Files", "Reports", "Retrieval"]),
    tests("RetrievalTests", ["Fidelity", "Retrieval"]),
    tests(
      "RoundingTests", ["Graphs", "LinearAlgebra", "Operators", "ReferenceOperators", "Rounding", "Tensors", "Threads"]),
    tests("RuntimeTests", ["Graphs", "Kernels", "Operators", "ReferenceOperators", "Runtime", "Tensors", "Threads"]),
    tests("SigningTests", ["CSigning", "Files", "Signing"]),
    tests("SearchTests", ["Graphs", "Operators", "Quantization", "Search", "Tensors"]),
    tests(
      "StoredQuantizationTests",
      ["Checkpoints", "Graphs", "ModelImport", "Operators", "Passes", "Quantization", "Runtime", "Tensors"]),
    tests("TensorsTests", ["Tensors"]),
    tests("ToolTests", ["PackageFormat", "PrintableText", "Tensors"]),
    tests(
      "TrunksTests",
      [
        "Calibration", "Checkpoints", "CKernels", "Graphs", "Inference", "Kernels", "ModelImport", "Operators",
        "PackageFormat", "PackageSamples", "Passes", "Pixels", "Quantization", "Random", "ReferenceOperators",
        "Runtime", "Tensors",
        "Threads",
      ]),
    tests("WhiteningTests", ["Graphs", "LinearAlgebra", "Operators", "Runtime", "Tensors", "Whitening"]),
  ],
  cxxLanguageStandard: .cxx17
)

if fuzzing != nil {
  package.targets += [
    .target(name: "CLibFuzzer", path: "Tests/CLibFuzzer"),
    .executableTarget(
      name: "quern-fuzzer",
      dependencies: [
        "CLibFuzzer", "CZlib", "CZstd", "Files", "FuzzTargets", "PackageFormat", "Tensors",
      ],
      path: "Tests/Fuzzer", swiftSettings: swiftSettings,
      // libFuzzer, which is written in C++, without its main function.
      linkerSettings: [
        .unsafeFlags(["-Xlinker", Context.environment["QUERN_FUZZER_LIBRARY"] ?? ""]), .linkedLibrary("stdc++"),
        .linkedLibrary("m"),
      ]),
  ]
}
