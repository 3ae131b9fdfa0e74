import ArgumentParser
import Conversion
import Fidelity
import Images

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Hold a package against the checkpoint it was made from, or any model against another.",
    discussion: """
      Runs the checkpoint in float and the package in int8 over the same images and reports how far the embeddings drift \
      and how often the top classes agree. Sizes, crop and GeM exponents are those the package was converted for, unless \
      given; where they are others, the report says that the package's own figures do not hold for them. Either side may be \
      a package, a checkpoint or an ONNX model.

      With --stop-when-decided it takes no more images than decide: comparing ends when, with 95 % confidence, every tolerance \
      is kept or one is not, however many images are left. What some of the images cannot tell is whether one of the others \
      drifts by more than --max-drift; the report bounds the share of these.

      With --golden the float network is first held to what its framework computed (see 'quern golden').

      Example:
        quern verify model.quern --reference model.pth --images photos/ --report fidelity.xml
      """)

  @Argument(help: "The package, or another model.")
  var package: String

  @Option(help: ArgumentHelp("The checkpoint, or another model, to hold it against.", valueName: "model"))
  var reference: String

  @Option(help: ArgumentHelp("Folder of images; subfolders are classes.", valueName: "folder"))
  var images: String

  @Flag(help: "Leave broken images out, with a warning, instead of failing.")
  var skipBadImages = false

  @Flag(help: "Do not warn where the reference is not the checkpoint that the package was made from.")
  var allowOtherReference = false

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Stop when the images compared so far, in a fixed order that says nothing of them, decide every tolerance with 95 % "
        + "confidence; the report says how many there were at hand, and what share of others may drift by more than "
        + "--max-drift."))
  var stopWhenDecided = false

  @OptionGroup(title: "Image options") var sizes: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Framework's outputs") var golden: GoldenCheckOptions
  @OptionGroup(title: "Tolerances and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("--report", reports: gates.reports)
    try outputs.check(models: [package, reference], images: [images] + golden.folders, others: [golden.golden])
    let reports = try gates.openReports()
    let job = ImageJob(threads: common.threadCount, skipsBroken: skipBadImages)
    var verification = Verification(package: package, reference: reference, images: images, job: job)
    verification.resolution = sizes.request
    verification.model = model.options
    verification.allowsOtherReference = allowOtherReference
    verification.stopsWhenDecided = stopWhenDecided
    verification.referenceCheck = golden.options
    do {
      let report = try verification.run(gates: try gates.gates, progress: common.progress)
      try gates.finish(report, reports, common)
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }
}
