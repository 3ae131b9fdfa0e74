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

      The fidelity is what the file states. Hashes show that the file is whole, and that the figures belong to it and \
      to each other (--check); only a signature shows who vouches for them.

      Examples:
        quern inspect model.quern --check
        quern inspect model.quern --signature model.quern.sig --public-key public.pem
      """)

  @Argument(help: "A checkpoint or a package.", completion: .model)
  var model: String

  @Flag(
    help: ArgumentHelp(
      "Verify every hash of a package, or read every weight of a checkpoint. With --quiet, only the exit status says "
        + "what was found."))
  var check = false

  @OptionGroup(title: "Signature options") var signature: SignatureOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    if try ModelFile.isPackage(model) {
      // Refuses options that do not apply to packages.
      _ = try ModelFile.openPackage(model, options: network.options)
      let inspection = try PackageInspection(
        path: model, checks: check, mustRun: check, threads: common.threadCount, signature: try signature.request())
      try show(inspection, inspection.text)
    } else {
      if signature.signature != nil {
        throw ValidationError(
          "--signature is for packages, and \(model) is none; 'quern verify' verifies that of any file")
      }
      let inspection = try CheckpointInspection(path: model, options: network.options, checks: check)
      try show(inspection, inspection.text)
    }
  }

  private func show(_ inspection: some Encodable, _ text: @autoclosure () -> String) throws {
    if common.json { return Terminal.print(try JSONText.encode(inspection)) }
    if !(check && common.quiet) { Terminal.print(text()) }
  }
}
