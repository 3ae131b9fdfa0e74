import ArgumentParser
import Conversion
import Inference
import Kernels

struct SelftestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "selftest",
    abstract: "Check that this machine computes what a package's network computes.",
    discussion: """
      A package states the results of its network for a few synthetic images: the hashes of the integer maps of its \
      layers, and floats within a tolerance. This command runs the network on these images with every tier of SIMD \
      kernels that this machine has, on all threads at the same time, and says which layer and which tier compute \
      something else. If any does, the exit status is 1: a kernel was compiled wrongly, a core or the memory is \
      faulty, or an emulator is wrong.

      Examples:
        quern selftest model.quern
        quern selftest model.quern --all-tiers --json
        quern selftest model.quern --tier scalar --tier avx2
      """)

  @Argument(help: "A package.", completion: .package)
  var package: String

  @Option(
    name: .customLong("tier"),
    help: ArgumentHelp(
      "Test a tier: \(KernelTier.all.map(\.name).joined(separator: ", ")). Can be repeated. (default: all of this "
        + "machine but scalar)", valueName: "tier"))
  var tierNames: [String] = []

  @Flag(help: "Also test the scalar kernels, which are slow.")
  var allTiers = false

  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if allTiers, !tierNames.isEmpty { throw ValidationError("--all-tiers cannot be combined with --tier") }
    let available = KernelTier.available().map(\.name)
    for name in tierNames where !available.contains(name) {
      let problem = KernelTier.all.contains { $0.name == name } ? "this machine cannot run" : "there is no"
      throw ValidationError(
        "\(problem) tier '\(name)'; the tiers of this machine are \(available.joined(separator: ", "))")
    }
  }

  private var tiers: [KernelTier] {
    tierNames.isEmpty
      ? KernelTier.tested(includesScalar: allTiers)
      : KernelTier.available().filter { tierNames.contains($0.name) }
  }

  func run() throws {
    let report = try DeviceTest(path: package, tiers: tiers, threads: common.threadCount, progress: common.progress)
    Terminal.print(common.json ? try JSONText.encode(report) : report.text)
    if !report.passed { throw ExitCode(1) }
  }
}
