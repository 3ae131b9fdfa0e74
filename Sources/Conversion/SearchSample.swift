import Fidelity
import Graphs
import Images
import Pixels
import Quantization
import Runtime
import Search

/// The sample of calibration images that a search measures plans on.
struct SearchSample {
  private let network: QuantizedNetwork
  private let options: ConversionOptions
  private let files: [ImageFolder.File]
  private let job: ImageJob

  /// The maximum number of images that drift is measured on.
  private static let imageLimit = 24

  init(_ network: QuantizedNetwork, _ options: ConversionOptions) {
    (self.network, self.options) = (network, options)
    files = network.images.calibration.spread(Self.imageLimit)
    job = ImageJob(threads: options.threads, skipsBroken: true)
  }

  /// A search that starts from the network's plan.
  ///
  /// - Parameter deadline: when to stop measuring; `nil`: never.
  func search(deadline: ContinuousClock.Instant?) throws -> PlanSearch {
    let graph = network.float.graph
    let costs = try CostTable(graph, imageSize: options.evaluation.size)
    return PlanSearch(
      EditPath(graph, network.plan, WideReading(graph, network.calibration), costs),
      .init(drifts: drifts) {
        try FloatRanking.layers(network, pixels(), threads: options.threads, deadline: deadline)
      }, allowsFloat: options.maxBytes == nil,
      timeLimit: costs.limit(slowdown: options.maxSlowdown), deadline: deadline)
  }

  /// The mean drift of a plan at each size.
  private func drifts(of plan: QuantizationPlan) throws -> [Double] {
    let int8 = try Executable(try network.lowered(plan).graph, threads: options.threads)
    return try network.sizes.map { size in
      let figures = try Verifier(job: job, resolution: size.resolution).compare(
        network.float, int8, on: files, cached: size.referenceOutputs, labels: nil, progress: SilentProgress()
      ).figures
      return figures.drift.mean ?? worstDrift
    }
  }

  /// The images, resized and cropped for the first size, without those that cannot be read.
  private func pixels() throws -> [RGBImage] {
    try files.compactMap { try network.firstSize.referenceOutputs[$0.path]?.pixels ?? options.evaluation.input($0) }
  }
}
