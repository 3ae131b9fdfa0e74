import ArgumentParser
import Conversion

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a checkpoint or a package contains.",
    discussion: """
      For a checkpoint, prints the format, the architecture, the number of parameters, element types, the GeM \
      exponent, whitening, the assumptions made about it with the options that change them, and the tensors that are \
      ignored. For a package, prints the sizes and the crop that it was converted for, its source checkpoint, the \
      measured fidelity, and its quantisation plan, with one line for each node.

      Example:
        quern inspect model.quern --check
      """)

  @Argument(help: "A checkpoint or a package.")
  var model: String

  @Flag(help: "Verify every hash of a package, or read every weight of a checkpoint.")
  var check = false

  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    if try ModelFile.isPackage(model) {
      // Refuses options that do not apply to packages.
      _ = try ModelFile.openPackage(model, options: network.options)
      let inspection = try PackageInspection(path: model, checks: check, threads: common.threadCount)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    } else {
      let inspection = try CheckpointInspection(path: model, options: network.options, checks: check)
      Terminal.print(common.json ? try JSONText.encode(inspection) : inspection.text)
    }
  }
}
