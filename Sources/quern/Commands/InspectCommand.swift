import ArgumentParser
import Conversion

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a checkpoint or a package holds.",
    discussion: """
      Of a checkpoint: format, architecture, parameters, element types, GeM exponent, whitening, what reading it assumes and \
      which option changes that, and what would be ignored. \
      Of a package: what it was converted for and from, the fidelity measured, and its quantisation plan, a line a node.

      Example:
        quern inspect model.quern --check
      """)

  @Argument(help: "A checkpoint or a package.")
  var model: String

  @Flag(help: "Verify every hash of a package, and read every weight of a checkpoint.")
  var check = false

  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    if try ModelFile.isPackage(model) {
      // Refuses options that are no package's.
      _ = try ModelFile.openPackage(model, options: network.options)
      let inspection = try PackageInspection(path: model, checks: check, threads: common.threadCount)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    } else {
      let inspection = try CheckpointInspection(path: model, options: network.options, checks: check)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    }
  }
}
