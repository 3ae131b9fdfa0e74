import ArgumentParser
import Conversion
import Fidelity
import Kernels
import PrintableText
import Runtime

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure inference time, loading time and memory.",
    discussion: """
      Runs the network on random images and prints milliseconds per image: the median, the minimum and the 95th \
      percentile of the runs, after a warm-up. All threads work on one batch together. Also prints the milliseconds \
      to load the network and to run the first batch, and the resident memory after the last run.

      Example:
        quern bench model.quern --threads 1 --batch 8
      """)

  @Argument(help: "A package or a checkpoint.", completion: .model)
  var model: String

  @Option(
    help: ArgumentHelp("Number of images in a batch. (default: 1)", valueName: "n"),
    transform: wholeNumber(1...256))
  var batch = 1

  @Option(
    help: ArgumentHelp("Number of runs to measure. (default: 30)", valueName: "n"),
    transform: wholeNumber(1...100_000))
  var runs = 30

  @Flag(help: "Also print the time and the multiply-accumulate rate of every layer, the slowest first.")
  var layers = false

  @Flag(help: "Use the scalar reference kernels, as on a machine without SIMD.")
  var scalar = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let kernels = KernelSet(features: scalar ? [] : .current)
    let executable = try opened.executable(kernels: kernels, threads: common.threadCount)
    let loading = clock.now - start
    let benchmark = Benchmark(
      executable: executable, side: evaluation.size, batch: batch, threads: common.threadCount)
    let times = try benchmark.run(count: runs, progress: common.progress)
    let layers = layers ? try benchmark.layers(count: runs) : nil
    let report = BenchReport(
      schema: "quern.bench/1", model: model,
      msPerImage: .init(median: times.quantile(0.5), min: times.minimum, p95: times.quantile(0.95)),
      loadMs: loading.seconds * 1e3, firstMs: times.first, residentBytes: times.residentBytes,
      peakRssBytes: ProcessStatistics.peakResidentBytes, threads: common.threadCount, batch: batch,
      size: evaluation.size, kernels: kernels.names, layers: layers)
    if common.json {
      Terminal.print(try JSONText.encode(report))
    } else {
      Terminal.print(report.text)
    }
  }
}

private struct BenchReport: Encodable {
  struct Milliseconds: Encodable {
    let median: Double
    let min: Double
    let p95: Double
  }

  let schema: String
  let model: String
  let msPerImage: Milliseconds
  /// The time from opening the file to an executable network.
  let loadMs: Double
  /// The time of the first batch, including the creation of buffers and threads.
  let firstMs: Double
  let residentBytes: Int?
  let peakRssBytes: Int?
  let threads: Int
  let batch: Int
  let size: Int
  let kernels: [String]
  /// In order of execution; `nil` without --layers.
  let layers: [Benchmark.LayerTime]?

  var text: String {
    "\(printable(model))  \(size)x\(size)  batch \(batch)  threads \(threads)\n"
      + formatted(
        "%.2f ms per image (median; min %.2f, p95 %.2f)\n", msPerImage.median, msPerImage.min, msPerImage.p95)
      + formatted("%.0f ms to load, %.0f ms for the first batch", loadMs, firstMs)
      + (residentBytes.map { formatted(", %.0f MB resident", Double($0) / 1e6) } ?? "")
      + "\nkernels  " + kernels.joined(separator: ", ") + layerText
  }

  /// A table of the layers, the slowest first.
  private var layerText: String {
    guard let layers else { return "" }
    let total = layers.reduce(0) { $0 + $1.ms }
    let rows = layers.enumerated().sorted { ($0.element.ms, $1.offset) > ($1.element.ms, $0.offset) }.map(\.element)
    return "\n\n      ms  share  GMAC/s  layer"
      + rows.map { layer in
        formatted("\n%8.3f %5.1f%% ", layer.ms, 100 * layer.ms / max(total, .leastNormalMagnitude))
          + (layer.macs > 0 ? formatted("%7.1f", layer.speed) : "       ")
          + "  \(printable(layer.name))  \(layer.kind) to \(layer.output.map(String.init).joined(separator: "x"))"
      }.joined()
  }
}
