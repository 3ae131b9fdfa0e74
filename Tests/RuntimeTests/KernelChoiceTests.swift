import Kernels
import Testing

/// Which tiers a processor with given features gets; nothing is run, so every processor can be asked about.
@Suite struct KernelChoiceTests {
  struct Machine: CustomTestStringConvertible {
    var testDescription: String
    var features: CPUFeatures
    var convolutions: String
    var others: String
  }

  #if arch(x86_64)
    static let machines = [
      Machine(testDescription: "Haswell", features: [.avx2], convolutions: "avx2", others: "avx2"),
      Machine(testDescription: "Skylake-X", features: [.avx2, .avx512], convolutions: "avx2", others: "avx512"),
      Machine(testDescription: "Alder Lake", features: [.avx2, .avxVNNI], convolutions: "avxvnni", others: "avx2"),
      Machine(
        testDescription: "Ice Lake", features: [.avx2, .avx512, .avx512VNNI], convolutions: "avx512vnni",
        others: "avx512"),
      Machine(
        testDescription: "Sapphire Rapids", features: [.avx2, .avx512, .avx512VNNI, .avxVNNI],
        convolutions: "avx512vnni", others: "avx512"),
    ]
  #elseif arch(arm64)
    static let machines = [
      Machine(testDescription: "Cortex-A53", features: [.neon], convolutions: "neon", others: "neon"),
      Machine(
        testDescription: "Neoverse N1", features: [.neon, .neonDot], convolutions: "neondot", others: "neon"),
    ]
  #else
    static let machines: [Machine] = []
  #endif

  @Test(
    arguments: machines + [Machine(testDescription: "none", features: [], convolutions: "scalar", others: "scalar")])
  func bestTierThatTheFeaturesAllow(machine: Machine) {
    let names = KernelSet(features: machine.features).names
    for family in ["igemm", "depthwise"] { #expect(names.contains("\(family): \(machine.convolutions)")) }
    for family in ["elementwise", "pool", "rowlinear"] { #expect(names.contains("\(family): \(machine.others)")) }
  }
}
