// swift-tools-version: 6.2
import PackageDescription

/// Modules from the tool at the top to tensors at the bottom; a module may import only what stands below it.
/// The README's map says what each of them is for.
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

let package = Package(
  name: "quern",
  products: [
    .executable(name: "quern", targets: ["quern"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // The tool.
    .executableTarget(
      name: "quern",
      dependencies: [
        "Checkpoints", "Fidelity", "Files", "Graphs", "Images", "Kernels", "ModelExport", "ModelImport", "Operators",
        "PackageFormat", "Passes", "Pipeline", "Quantization", "Runtime", "Tensors",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings),

    // The stages in a row, and then each of them, last first.
    module(
      "Pipeline",
      [
        "Calibration", "Checkpoints", "Fidelity", "Files", "Graphs", "Images", "Kernels", "ModelImport", "Operators",
        "PackageFormat", "Passes", "Quantization", "Rounding", "Runtime", "Tensors",
      ]),
    module("Fidelity", []),
    module(
      "Rounding", ["CKernels", "COpenBLAS", "Graphs", "Kernels", "Operators", "Quantization", "Runtime", "Tensors"]),
    module("Quantization", ["Calibration", "Graphs", "Kernels", "Operators", "Tensors"]),
    module("Calibration", ["CKernels", "Graphs", "Images", "Kernels", "Operators", "Runtime", "Tensors"]),
    module("Images", ["CImageCodecs"]),
    module("PackageFormat", ["CZstd", "Files", "Graphs", "Tensors"]),
    module("Runtime", ["Graphs", "Kernels", "Operators", "Tensors"]),
    module("Passes", ["Graphs", "Operators", "Tensors"]),
    module("ModelExport", ["Files", "Graphs", "Operators", "Tensors"]),
    module("ModelImport", ["Checkpoints", "Graphs", "Operators", "Tensors"]),
    module("Checkpoints", ["COnnx", "CProtobufC", "Files", "Tensors"]),

    // What the stages share.
    module("Operators", ["CKernels", "Graphs", "Kernels", "Tensors"]),
    module("Kernels", ["CKernels"]),
    module("Graphs", ["Tensors"]),
    module("Files", ["CCrypto", "CFiles", "Tensors"]),
    module("Tensors", []),

    // C: kernels and shims of our own, and one module for each library.
    .target(name: "CKernels"),
    .target(name: "CFiles"),
    .target(name: "CImageCodecs", dependencies: ["CJPEG", "CPNG"]),
    .target(name: "COnnx", dependencies: ["CProtobufC"]),
    .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

    // Operators in double precision, and int8 arithmetic as its specification words it, for the tests below.
    .target(
      name: "ReferenceOperators", dependencies: ["Graphs", "Kernels", "Operators", "Tensors"],
      path: "Tests/ReferenceOperators", swiftSettings: swiftSettings),

    tests(
      "CalibrationTests",
      ["Calibration", "Graphs", "Images", "Kernels", "Operators", "ReferenceOperators", "Runtime", "Tensors"]),
    tests("CKernelsTests", ["CKernels"]),
    tests("CheckpointsTests", ["Checkpoints", "Files", "Tensors"]),
    tests("FidelityTests", ["Fidelity"]),
    tests("FilesTests", ["CFiles", "Files", "Tensors"]),
    tests("ImagesTests", ["Images"]),
    tests(
      "ModelExportTests",
      [
        "Checkpoints", "Graphs", "ModelExport", "ModelImport", "Operators", "ReferenceOperators", "Runtime", "Tensors",
      ]),
    tests(
      "ModelImportTests",
      ["Checkpoints", "Graphs", "ModelImport", "Operators", "Passes", "ReferenceOperators", "Runtime", "Tensors"]),
    tests(
      "ONNXTests",
      ["Checkpoints", "Files", "Graphs", "ModelImport", "Operators", "Passes", "Quantization", "Runtime", "Tensors"]),
    tests(
      "OperatorsTests",
      ["Files", "Graphs", "Kernels", "Operators", "PackageFormat", "ReferenceOperators", "Runtime", "Tensors"]),
    tests("PackageFormatTests", ["Files", "Graphs", "PackageFormat", "Tensors"]),
    tests("PassesTests", ["Graphs", "Operators", "Passes", "ReferenceOperators", "Tensors"]),
    tests(
      "QuantizationTests",
      [
        "Calibration", "Graphs", "Kernels", "Operators", "PackageFormat", "Passes", "Quantization",
        "ReferenceOperators", "Runtime", "Tensors",
      ]),
    tests("RoundingTests", ["Graphs", "Kernels", "Operators", "ReferenceOperators", "Rounding", "Tensors"]),
    tests("RuntimeTests", ["Graphs", "Kernels", "Operators", "ReferenceOperators", "Runtime", "Tensors"]),
    tests("TensorsTests", ["Tensors"]),
    tests("ToolTests", ["quern"]),
    tests(
      "TrunksTests",
      [
        "Calibration", "Checkpoints", "Graphs", "Images", "Kernels", "ModelImport", "Operators", "PackageFormat",
        "Passes",
        "Quantization", "Runtime", "Tensors",
      ]),
  ]
)
