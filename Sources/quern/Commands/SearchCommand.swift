import ArgumentParser
import Conversion
import Files
import Images
import Reports
import Retrieval

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Find the images of a gallery that look most like others.",
    discussion: """
      Embeds the images of the gallery and the queries, in float with a checkpoint and in int8 with a package, and prints \
      the images with the greatest cosine. The search is exact. A file of the gallery that is the query itself is left \
      out; copies of it are found, with a cosine of 1.

      Examples:
        quern search model.quern photos/ --query cat.jpg

        quern search model.quern photos/ --query cat.jpg --query dog.jpg --top 8 --html found.html
      """)

  @Argument(help: "A package or a checkpoint.", completion: .model)
  var model: String

  @Argument(help: "The gallery: images, or folders of images.", completion: .images)
  var gallery: [String]

  @Option(
    name: .customLong("query"),
    help: ArgumentHelp("An image to search for, or a folder of images. Can be repeated.", valueName: "image"),
    completion: .images)
  var queries: [String]

  @Option(
    help: ArgumentHelp("Number of images to find for each query. (default: 5)", valueName: "n"),
    transform: wholeNumber(1...1000))
  var top = 5

  @Option(
    help: ArgumentHelp(
      "Also write a page with the pictures of queries and of what was found. (default: no file)", valueName: "file.html"
    ),
    completion: .file(extensions: ["html"]))
  var html: String?

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if let html, !html.hasSuffix(".html") {
      throw ValidationError("--html \(html): the output is a page, so its name must end in .html")
    }
  }

  func run() throws {
    var outputs = OutputFiles()
    if let html { outputs.add("--html", reports: [html]) }
    try outputs.check(models: [model], images: gallery + queries)
    let page = try html.map { try AtomicFile(path: $0) }
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let search = ImageSearch(
      model: opened, evaluation: evaluation, job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    let progress = common.progress
    let report = try search.run(
      try ImageList(queries, progress: progress).files, in: try ImageList(gallery, progress: progress).files,
      count: top, withPictures: page != nil, progress: progress)
    if let page {
      try page.write(report.html())
      try page.commit()
    }
    Terminal.print(common.json ? try report.json() : report.text)
  }
}
