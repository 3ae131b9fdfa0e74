import ArgumentParser
import Conversion
import Fidelity
import Files
import PrintableText
import Signing

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert a checkpoint to an int8 package and verify it.",
    discussion: """
      Reads a checkpoint without running any code in it, folds batch norms, calibrates on the images as they are \
      evaluated and on augmented copies, quantises, and writes a package. Then it measures how far the package's \
      embeddings drift from those of the float network. If a gate fails, the package and the reports are still \
      written, and the exit status is 1.

      The package is verified on --verify-images. By default it is verified on held-out images of the calibration \
      folder: those that --calibration-count leaves over, or at least a fifth of the folder without this option. \
      Verification then stops once every gate is decided (--stop-when-decided). A gate passes or fails by the \
      measured value. If the 95 % confidence interval of the value contains the limit, the report calls the gate \
      inconclusive and states how many images would decide. The verdict is also inconclusive if more than a twentieth \
      of the images were calibrated on or repeat others, if it is not known which were calibrated on, or if the float \
      network is near chance; --strict makes an inconclusive verdict exit with 1.

      A package can serve several sizes. Calibration then alternates between them, so that ranges and weights suit \
      all of them; the package is verified at each size, and passes only if it passes at every size.

      With --golden, or with test data next to an ONNX model, the float network is first compared with the outputs of \
      its framework (see 'quern golden'). If they differ, nothing is calibrated and no package is written; the \
      reports name the cause, and the exit status is 1.

      A report can also be the provenance of the package (.intoto.json, SLSA 1) or its bill of materials (.cdx.json, \
      CycloneDX 1.6); they state a time only where the environment variable SOURCE_DATE_EPOCH is set.

      An input file is never written to. An existing file is replaced only if it is empty or its content is of the same \
      kind: a package, a signature of a model, a report of quern. Remove another one first. An output that is a symbolic \
      link is followed, and the file that it leads to is replaced.

      Examples:
        quern convert model.pth --calibration photos/ -o model.quern

        quern convert model.pth --calibration photos/ --size 224 --size 500:4 \\
          -o model.quern --report fidelity.md
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), ONNX, or safetensors.", completion: .checkpoint
  )
  var checkpoint: String

  @Option(
    name: [.short, .long], help: ArgumentHelp("The package to write.", valueName: "file.quern"), completion: .package)
  var output: String

  @Option(
    help: ArgumentHelp(
      "Take the decisions of a plan that 'quern plan' wrote, as it is or edited (formats/plan.md). Nothing is searched "
        + "for, and decisions that the plan leaves out are computed. With a complete plan, the images of --calibration "
        + "serve only to round weights and to verify. (default: no plan)",
      valueName: "plan.json"), completion: .plan)
  var plan: String?

  @Option(
    help: ArgumentHelp(
      "Store finished conversion stages (calibration statistics, weight levels, the plan) in a folder, and continue "
        + "from those that are there. The package is the same as without this option. Stages of another checkpoint, "
        + "other images, other options or another version are refused. (default: stages are not stored)",
      valueName: "folder"), completion: .directory)
  var resume: String?

  @Option(
    name: .customLong("license"),
    help: ArgumentHelp(
      "Store the licence of the weights in the package: an SPDX licence expression such as Apache-2.0 or "
        + "'MIT OR CC-BY-4.0', or a text file. Can be given twice, for both. (default: none is stated)",
      valueName: "SPDX|file"), completion: .file())
  var licenses: [String] = []

  @Option(
    help: ArgumentHelp(
      "Sign the package with a private key in PEM, once every gate has passed (see 'quern sign'). The signature is "
        + "written next to the package, with .sig after its name. (default: not signed)",
      valueName: "key.pem"), completion: .key)
  var signKey: String?

  @Option(
    help: ArgumentHelp(
      "A file whose first line is the passphrase of --sign-key. (default: the environment variable "
        + "QUERN_KEY_PASSPHRASE)", valueName: "file"), completion: .file())
  var signPassphraseFile: String?

  @OptionGroup(title: "Whitening options") var whitening: WhiteningStageOptions
  @OptionGroup(title: "Conversion options") var effort: EffortOptions
  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var images: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "Golden file options") var golden: GoldenCheckOptions
  @OptionGroup(title: "Gates and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if signPassphraseFile != nil, signKey == nil { throw ValidationError("--sign-passphrase-file needs --sign-key") }
    guard plan != nil else { return }
    if !conversion.keptFloat.isEmpty {
      throw ValidationError("--keep-float cannot be combined with --plan; edit the plan instead")
    }
    if conversion.timeBudget != nil {
      throw ValidationError("--time-budget cannot be combined with --plan, because nothing is searched for")
    }
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .package)
    outputs.add("--report", reports: gates.reports)
    if signKey != nil { outputs.add("--sign-key", output + ".sig", .signature, isNamed: false) }
    if let resume { try outputs.add("--resume", stages: resume) }
    try outputs.check(
      models: [checkpoint], images: conversion.folders + golden.folders + whitening.folders,
      others: [golden.golden, plan, signKey, signPassphraseFile] + [classNames.path] + licenses + gates.inputs)
    let signature = try signKey.map {
      try SignatureFile(output + ".sig", key: try SigningKey.open($0, passphraseFile: signPassphraseFile))
    }
    let reports = try gates.openReports()
    var options = try conversion.options(
      checkpoint, output: output, images, model, golden, effort: effort.effort, gates: gates.limits, common)
    options.classNames = try classNames.list()
    options.resumeFolder = resume
    options.license = try LicenseOption.license(licenses)
    options.whitening = whitening.options
    if let plan { try options.take(try PlanFile(path: plan)) }
    let isDocumented = try !gates.buildReports.isEmpty
    let inputs =
      isDocumented
      ? try PackageBuild.Input.files([
        ("plan", plan), ("golden file", golden.golden), ("class names", classNames.path),
      ]) : []
    let time = isDocumented ? try Environment.sourceDate() : nil
    do {
      let outcome = try Converter(options, progress: common.progress).run()
      var report = outcome.report
      report.build?.inputs = inputs
      report.build?.time = time
      // Ends the command where a gate failed, so that such a package is not signed.
      try gates.finish(report, reports, making: ConversionSummary(outcome).rows, common)
      if let signature, let package = outcome.package {
        let signed = SignedFile(path: output, digest: package.sha256)
        try signature.write(signed)
        if !common.quiet {
          let report = signature.report(of: output, signed)
          Terminal.note("signed by key SHA-256 \(report.keySha256): \(printable(report.signature))")
        }
      }
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }
}

extension PackageBuild.Input {
  /// The files that a conversion is to read.
  ///
  /// - Parameter files: the kind of each, and its path; `nil` for none.
  /// - Throws: `FileError` where one cannot be read.
  fileprivate static func files(_ files: [(role: String, path: String?)]) throws -> [Self] {
    try files.compactMap { role, path in
      try path.map { Self(role: role, path: $0, sha256: try MappedFile(path: $0).sha256().hex) }
    }
  }
}
