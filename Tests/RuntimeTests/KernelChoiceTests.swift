import Foundation
import Kernels
import Testing

/// Which tiers a processor with given features gets; nothing is run, so every processor can be asked about.
@Suite struct KernelChoiceTests {
  struct Machine: CustomTestStringConvertible {
    var testDescription: String
    var features: CPUFeatures
    /// By family; the tier of all others under "".
    var tiers: [String: String]

    func tier(_ family: String) -> String? { tiers[family] ?? tiers[""] }
  }

  #if arch(x86_64)
    static let machines = [
      Machine(testDescription: "Haswell", features: [.avx2], tiers: ["": "avx2"]),
      Machine(
        testDescription: "Skylake-X", features: [.avx2, .avx512],
        tiers: ["igemm": "avx2", "depthwise": "avx2", "moments": "avx2", "lookup": "avx2", "": "avx512"]),
      Machine(
        testDescription: "Alder Lake", features: [.avx2, .avxVNNI],
        tiers: ["igemm": "avxvnni", "depthwise": "avxvnni", "": "avx2"]),
      Machine(
        testDescription: "Cascade Lake", features: [.avx2, .avx512, .avx512VNNI],
        tiers: [
          "igemm": "avx512vnni", "depthwise": "avx512vnni", "moments": "avx512vnni", "lookup": "avx2", "": "avx512",
        ]),
      Machine(
        testDescription: "Sapphire Rapids", features: [.avx2, .avx512, .avx512VNNI, .avx512VBMI, .avxVNNI],
        tiers: [
          "igemm": "avx512vnni", "depthwise": "avx512vnni", "moments": "avx512vnni", "lookup": "avx512vbmi",
          "": "avx512",
        ]),
    ]
  #elseif arch(arm64)
    static let machines = [
      Machine(
        testDescription: "Cortex-A53", features: [.neon], tiers: ["fgemm": "scalar", "moments": "scalar", "": "neon"]),
      Machine(
        testDescription: "Neoverse N1", features: [.neon, .neonDot],
        tiers: ["igemm": "neondot", "depthwise": "neondot", "fgemm": "scalar", "moments": "scalar", "": "neon"]),
    ]
  #else
    static let machines: [Machine] = []
  #endif

  @Test(arguments: machines + [Machine(testDescription: "none", features: [], tiers: ["": "scalar"])])
  func bestTierThatTheFeaturesAllow(machine: Machine) throws {
    let names = KernelSet(features: machine.features).names
    for family in try Self.families() {
      let tier = try #require(machine.tier(family))
      #expect(names.contains("\(family): \(tier)"), "\(family) of \(machine.testDescription): \(names)")
    }
    #expect(try names.count == Self.families().count)
  }

  /// The folders of kernels that have a table of tiers: a family that is added is asked for here.
  private static func families() throws -> [String] {
    let kernels = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/C/CKernels")
    return try FileManager.default.contentsOfDirectory(atPath: kernels.path).filter {
      FileManager.default.fileExists(atPath: kernels.appending(path: "\($0)/kernels.def").path)
    }
  }
}
