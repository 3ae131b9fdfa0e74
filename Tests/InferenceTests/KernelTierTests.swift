import Foundation
import Kernels
import Testing

/// Tiers that kernels run with, and how they are named elsewhere.
@Suite struct KernelTierTests {
  private static func text(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// The kernels of each tier's table row, as their names in `KernelSet.names`, can be chosen by a tier with a name.
  @Test func everyKernelBelongsToATier() throws {
    let families = [
      "igemm", "lookup", "moments", "depthwise", "fgemm", "elementwise", "pool", "rowlinear", "histogram",
      "winograd", "layernorm", "depthwise_f32",
    ]
    for family in families {
      let table = try Self.text("Sources/C/CKernels/\(family)/kernels.def")
      // The names that end rows, such as "avx512vnni".
      let names = table.matches(of: /QUERN_KERNEL\([^,]*, "([a-z0-9]+)"/).map { String($0.output.1) }
      #expect(names.last == "scalar" && names.count > 1, "\(family)")
      #expect(Set(names).isSubset(of: KernelTier.all.map(\.name)), "\(family)")
    }
  }

  /// The C interface numbers all of them.
  @Test func everyTierIsInTheHeader() throws {
    let header = try Self.text("Sources/QuernC/include/quern.h")
    let names = header.matches(of: /QUERN_TIER_([A-Z0-9_]+) = [0-9]/).map {
      $0.output.1.lowercased().filter { $0 != "_" }
    }
    #expect(Set(names) == Set(KernelTier.all.map(\.name) + ["auto"]))
  }

  @Test func testedTiersAreThoseOfTheMachine() {
    let all = KernelTier.tested(includesScalar: true)
    #expect(all == KernelTier.available() && all.last == .scalar)
    #expect(KernelTier.tested(includesScalar: false) == (all.count > 1 ? Array(all.dropLast()) : all))
  }
}
