import ArgumentParser
import Pipeline

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a checkpoint or a package holds.",
    discussion: """
      Of a checkpoint: format, architecture, parameters, element types, GeM exponent, whitening, and what would be ignored. \
      Of a package: what it was converted for and from, the fidelity measured, and its quantisation plan, a line a node.

      Example:
        quern inspect model.quern --check
      """)

  @Argument(help: "A checkpoint or a package.")
  var model: String

  @Flag(help: "Verify every hash of a package, and read every weight of a checkpoint.")
  var check = false

  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    if try ModelFile.isPackage(model) {
      let inspection = try PackageInspection(path: model, checks: check, threads: common.threadCount)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    } else {
      let inspection = try CheckpointInspection(path: model, checks: check)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    }
  }
}
