import ArgumentParser
import Conversion
import Fidelity
import Files
import Pixels
import PrintableText
import Signing

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare a package with its source checkpoint, or verify its signature.",
    discussion: """
      Runs the checkpoint in float and the package in int8 on the same images, and reports how far embeddings drift \
      and how often the most probable classes agree. The exit status is 1 if a gate fails. Each of the two models may \
      be a package, a checkpoint or an ONNX model, so that any two can be compared.

      A model that is compared with itself agrees whatever it computes: if both files are the same, or have the same \
      outputs for every image, the verdict is inconclusive. So it is if the reference hardly tells the images apart: \
      if their embeddings are alike, or all have the same class.

      By default, sizes, crop and GeM exponents are those that the package was converted for. With others, the report \
      says that the figures stored in the package do not apply.

      With --stop-when-decided, comparing stops as soon as the images compared so far decide, with 95 % confidence, \
      that all gates pass or that one fails. A subset cannot prove that no other image exceeds --max-drift; the \
      report bounds the share of such images.

      With --signature, the signature of the package is verified first; if it does not verify, nothing is compared, and \
      the exit status is 1. Without --reference and --images, only the signature is verified, of any file; options \
      that would need a measurement are then refused.

      With --golden, the float network is first compared with the outputs of its framework (see 'quern golden').

      Examples:
        quern verify model.quern --reference model.pth --images photos/ \\
          --report fidelity.xml

        quern verify model.quern --signature model.quern.sig --public-key public.pem
      """)

  @Argument(help: "The package to verify (any model is accepted).", completion: .model)
  var package: String

  @Option(
    help: ArgumentHelp(
      "The checkpoint to compare with (any model is accepted). Needed unless only a signature is verified.",
      valueName: "model"), completion: .model)
  var reference: String?

  @Option(
    help: ArgumentHelp(
      "Folder of images to compare on; subfolders are classes. Needed unless only a signature is verified.",
      valueName: "folder"), completion: .directory)
  var images: String?

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @Flag(help: "Do not warn if the reference is not the checkpoint that the package was made from.")
  var allowOtherReference = false

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Stop when the images compared so far, in a fixed order that does not depend on their content, decide every gate "
        + "with 95 % confidence. The report states how many images were available, and bounds the share of images that "
        + "drift by more than --max-drift."))
  var stopWhenDecided = false

  @OptionGroup(title: "Signature options") var signature: SignatureOptions
  @OptionGroup(title: "Image options") var sizes: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "Golden file options") var golden: GoldenCheckOptions
  @OptionGroup(title: "Gates and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    try gates.refuseBuildReports()
    if reference == nil, images == nil, signature.signature != nil {
      if !gates.reports.isEmpty { throw ValidationError("--report needs --reference and --images") }
      return
    }
    if reference == nil { throw ValidationError("Missing expected argument '--reference <model>'") }
    if images == nil { throw ValidationError("Missing expected argument '--images <folder>'") }
  }

  func run() throws {
    guard let reference, let images else { return try verifySignature() }
    var outputs = OutputFiles()
    outputs.add("--report", reports: gates.reports)
    try outputs.check(
      models: [package, reference], images: [images] + golden.folders,
      others: [golden.golden, classNames.path] + gates.inputs + signature.inputs)
    let reports = try gates.openReports()
    let signed = try verifiedSignature()
    let job = ImageJob(threads: common.threadCount, skipsBroken: skipBadImages)
    var verification = Verification(package: package, reference: reference, images: images, job: job)
    verification.resolution = sizes.request
    verification.model = model.options
    verification.classNames = try classNames.list()
    verification.allowsOtherReference = allowOtherReference
    verification.stopsWhenDecided = stopWhenDecided
    verification.decisionRule = gates.limits.decisionRule
    verification.referenceCheck = golden.options
    verification.signature = signed.map { (verified: $0.signature, file: $0.file) }
    do {
      let report = try verification.run(gates: try gates.limits.gates, progress: common.progress)
      try gates.finish(report, reports, common)
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }

  /// Verifies the signature that the options name; `nil` where they name none.
  private func verifiedSignature() throws -> (signature: FidelityReport.Signature, file: SignedFile)? {
    guard let request = try signature.request() else { return nil }
    let file = try SignedFile(path: package)
    return (try request.verify(file, at: package), file)
  }

  /// The options that say something where only a signature is verified.
  private static let signatureOptions: Set<String> = [
    "signature", "public-key", "threads", "quiet", "progress", "json", "config", "no-config", "help", "version",
  ]

  private func verifySignature() throws {
    if let option = try ConfiguredCommandLine.givenOption(besides: Self.signatureOptions) {
      throw ValidationError(
        "--\(option) needs --reference and --images: without them, only the signature is verified, and nothing is "
          + "measured")
    }
    guard let (signature, file) = try verifiedSignature() else { return }
    let report = SignatureReport(
      schema: SignatureReport.schema, path: package, name: file.name, sha256: file.digest.hex,
      signature: signature.path, keySha256: signature.keySHA256, measured: false)
    Terminal.print(
      common.json
        ? try JSONText.encode(report)
        : "\(printable(package)): signed by key SHA-256 \(signature.keySHA256); nothing was measured")
  }
}
