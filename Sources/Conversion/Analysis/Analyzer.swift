import Calibration
import Fidelity
import Files
import Graphs
import Images
import Kernels
import PackageFormat
import Pixels
import Quantization
import Runtime
import Tensors

/// Quantises a network in memory, as a conversion would, and measures in which layers fidelity is lost.
package struct Analyzer {
  private let options: ConversionOptions
  private let isolatedLayers: Int
  private let progress: any ProgressObserver
  private let clock: StageClock

  /// The maximum number of images that layers are measured on, and that the drift due to single layers is measured on.
  static let (layerImageLimit, isolatedImageLimit) = (32, 16)
  /// How many of the worst images are shown, and the length of their longer sides in pixels.
  private static let (pictureLimit, pictureSide) = (6, 128)
  /// The parts that calibration statistics are kept in, so that ranges of halves and of quarters can be compared.
  private static let calibrationParts = 4
  /// Choices of one, two, and three of the four parts.
  private static let choices = [
    [[0], [1], [2], [3]], [[0, 1], [2, 3], [0, 2], [1, 3]], [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]],
  ]
  /// The minimum number of calibration images for which ranges of parts are compared.
  private static let minImages = 8

  /// - Parameters:
  ///   - options: the options of the conversion. Nothing is written.
  ///   - isolatedLayers: the number of layers, worst first, whose drift is measured with nothing else quantised.
  ///   - progress: is told of the stages.
  package init(
    _ options: ConversionOptions, isolatedLayers: Int, progress: any ProgressObserver = SilentProgress()
  ) {
    self.init(options, isolatedLayers: isolatedLayers, progress, StageClock(progress: progress))
  }

  private init(
    _ options: ConversionOptions, isolatedLayers: Int, _ progress: any ProgressObserver, _ clock: StageClock
  ) {
    (self.options, self.isolatedLayers, self.progress, self.clock) = (options, isolatedLayers, progress, clock)
  }

  /// Runs the stages of a conversion up to verification, and measures each layer.
  ///
  /// - Throws: the typed errors of the stages, such as `ImageError`, `CheckpointError`, `ImportError` and `GraphError`;
  ///   `ConversionError` for a problem that belongs to no stage, and `ConversionError.noUsableImages` where no image
  ///   could be verified on.
  package func run() throws -> LossAnalysis {
    let folder = try ImageFolder(path: options.calibrationFolder, progress: progress)
    let source = try ConversionSource(options, clock)
    return try Analyzer(source.options, isolatedLayers: isolatedLayers, progress, clock).run(source, folder)
  }

  /// The stages after reading, with the options completed from the checkpoint.
  private func run(_ source: ConversionSource, _ folder: ImageFolder) throws -> LossAnalysis {
    if source.imported.network.quantization != nil {
      throw ConversionError.option("\(options.checkpoint) is quantised already; 'quern verify' compares its package")
    }
    let network = try NetworkQuantizer(
      options, progress: progress, clock: clock, calibrationParts: Self.calibrationParts
    ).run(source, folder)
    let images = network.images
    let size = network.firstSize
    var quality = clock.stage("compare ranges") { calibrationQuality(network) }

    let lowered = try network.lowered(network.plan)
    let int8 = try Executable(lowered.graph, threads: options.threads)
    let job = ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages)
    let (comparisons, skipped) = try clock.stage("verify", total: images.verification.count) {
      try Verifier(job: job, resolution: size.resolution).comparisons(
        network.float, int8, on: images.verification, cached: size.referenceOutputs, labels: images.labels,
        progress: progress)
    }
    let figures = comparisons.figures()
    guard figures.images > 0 else { throw ConversionError.noUsableImages(folder: images.verificationFolder) }
    let outcome = Verifier.Outcome(
      figures: figures, compared: skipped.removed(from: images.verification), skipped: skipped)
    let verified = network.record.verification([SizeMeasurement(size.resolution, outcome)])
    quality.figures.verifiedOn = images.description(of: verified)
    quality.figures.overlap = network.record.overlap(without: skipped)

    let sample = images.verification.spread(Self.layerImageLimit)
    let pixels = try evaluated(sample, job)
    let meter = try LayerMeter(network.float.graph, lowered, network.levels, int8)
    let sums = try clock.stage("measure layers", total: pixels.count) {
      try meter.measure(pixels, threads: options.threads, progress: progress)
    }
    var layers = layers(network, lowered, quality.differences, sums)
    let isolated = pixels.spread(Self.isolatedImageLimit)
    try measureDrift(&layers, network, lowered.graph, isolated)

    let warnings = warnings(quality.figures, network, figures)
    var settings = network.settings(options, verified: verified).merging(network.levels.coarsening.settings) { $1 }
    let kept = KeptFloat.layers(of: network.plan, in: network.float.graph)
    if !kept.isEmpty { settings[KeptFloat.setting] = .array(kept.map(\.json)) }
    var analysis = LossAnalysis(
      reference: network.reference, settings: settings, figures: figures, drifts: comparisons.drifts,
      confidence: options.gates.results(for: figures).filter { $0.interval != nil },
      calibration: quality.figures, layers: layers, layerImages: pixels.count, isolatedImages: isolated.count,
      warnings: warnings)
    analysis.assumptions = network.assumptions
    analysis.toolVersion = ToolVersion.current
    (analysis.calibrationSet, analysis.verificationSet) = (network.record.calibration, verified)
    analysis.tensors = try clock.stage("compress") { try tensors(lowered.graph) }
    analysis.pictures = try pictures(figures.worstImages, images.verification, size.referenceOutputs)
    return analysis
  }

  /// The images as the networks see them, in the order of the files. Broken ones were refused or reported before.
  private func evaluated(_ files: [ImageFolder.File], _ job: ImageJob) throws -> [RGBImage] {
    let loaded = SlotStore<RGBImage>()
    _ = try job.run(files, progress: SilentProgress()) { index, file, _ in
      loaded[index] = try options.evaluation.apply(to: try LoadedImage(file).pixels)
    }
    return loaded.inOrder
  }

  // MARK: - Layers

  private func layers(
    _ network: QuantizedNetwork, _ lowered: LoweredGraph, _ differences: [ValueID: Double], _ sums: [LayerSums]
  ) -> [LayerLoss] {
    let names = Dictionary(network.float.graph.nodes.map { ($0.output, $0.name) }, uniquingKeysWith: { $1 })
    return network.float.graph.nodes.enumerated().map { index, node in
      let value = network.plan.values[node.name]
      let constants = lowered[node].constants
      var layer = LayerLoss(
        name: node.name, kind: node.kind, arithmetic: network.plan.layers[node.name]?.arithmetic.rawValue ?? "float",
        format: value?.format.name ?? ValueFormat.float32.name, reason: value?.reason ?? "",
        bytes: constants.values.reduce(0) { $0 + $1.byteCount })
      layer.inputs = node.inputs.compactMap { names[$0] }
      if let parameters = value?.format.quantization {
        layer.scale = parameters.scale
        layer.zeroPoint = Int(parameters.zeroPoint)
        layer.range = parameters.range
      }
      layer.observed = value?.observed
      if let weight = constants["weight"], weight.elementType == .int8 {
        layer.levels = LevelHistogram(weight.elements(as: Int8.self))
      }
      layer.rangeDifference = differences[node.output]
      sums[index].fill(&layer)
      return layer
    }
  }

  /// Measures the drift due to each of the layers with the most noise.
  private func measureDrift(
    _ layers: inout [LayerLoss], _ network: QuantizedNetwork, _ quantized: Graph, _ images: [RGBImage]
  ) throws {
    let worst = layers.indices.filter { layers[$0].layerNoise ?? 0 > 0 }
      .sorted { (layers[$0].layerNoise ?? 0, $1) > (layers[$1].layerNoise ?? 0, $0) }.prefix(isolatedLayers)
    guard !worst.isEmpty, !images.isEmpty else { return }
    let probe = try IsolatedDrift(try network.float.executable(), images, threads: options.threads)
    let float = network.float.graph
    try clock.stage("isolate layers", total: worst.count, unit: .layers) {
      for index in worst {
        let format = quantized.format(of: float.nodes[index].output)
        if layers[index].roundingNoise != nil {
          layers[index].activationDrift = try probe.drift(applying: .asPlanned, toOutputOf: index, format)
          // Where nothing is clipped, all drift is due to rounding.
          let clips = layers[index].clippingNoise ?? 0 > 0
          layers[index].roundingDrift =
            clips
            ? try probe.drift(applying: .part(.rounding), toOutputOf: index, format) : layers[index].activationDrift
          layers[index].clippingDrift =
            clips ? try probe.drift(applying: .part(.clipping), toOutputOf: index, format) : 0
        }
        if layers[index].weightNoise != nil {
          layers[index].weightDrift = try network.levels[float.nodes[index]].map {
            try probe.drift(replacingConstants: [index: $0.realConstants(float.nodes[index], in: float)])
          }
        }
        progress.advance()
      }
    }
  }

  // MARK: - Tensors and pictures

  private func tensors(_ graph: Graph) throws -> [StoredTensor] {
    try PackageWriter.storedConstants(of: graph, threads: options.threads).map {
      StoredTensor(
        layer: $0.node, role: $0.role, elementType: "\($0.elementType)", shape: "\($0.shape)", bytes: $0.byteCount,
        storedBytes: $0.storedByteCount, copies: $0.copies)
    }
  }

  /// Thumbnails of the worst images as the networks see them.
  private func pictures(
    _ worst: [FidelityFigures.WorstImage], _ files: [ImageFolder.File], _ cached: ReferenceOutputs
  ) throws -> [Picture] {
    let byName = Dictionary(files.map { (ExactName($0.relativePath), $0) }, uniquingKeysWith: { first, _ in first })
    return try worst.prefix(Self.pictureLimit).compactMap { image in
      guard let file = byName[ExactName(image.name)] else { return nil }
      let pixels = try cached[file.path]?.pixels ?? options.evaluation.apply(to: try LoadedImage(file).pixels)
      return try Picture(pixels, of: image.name, side: Self.pictureSide)
    }
  }

  // MARK: - Calibration

  private func calibrationQuality(
    _ network: QuantizedNetwork
  ) -> (figures: CalibrationQuality, differences: [ValueID: Double]) {
    let images = network.images
    var quality = CalibrationQuality(
      images: images.calibration.count - network.skippedCount, verifiedOn: images.verifiedOn)
    guard images.calibration.count >= Self.minImages else { return (quality, [:]) }
    let agreement = RangeAgreement(network.float.graph, network.plan)
    let parts = network.statistics
    let halves = agreement.differences(between: [parts[0], parts[2]], and: [parts[1], parts[3]])
    quality.halves = Self.step(halves, images: (quality.images + 1) / 2)
    let worst = halves.max { ($0.value, $1.key) < ($1.value, $0.key) }
    quality.worstLayer = network.float.graph.nodes.first { $0.output == worst?.key }?.name
    for choices in Self.choices {
      // The mean over several choices of the same number of images: one choice may contain the one image that sets a
      // range, which would hide how much that range depends on the choice.
      var sums: [ValueID: Double] = [:]
      for choice in choices {
        let differences = agreement.differences(between: choice.map { parts[$0] }, and: parts)
        sums.merge(differences) { $0 + $1 }
      }
      let means = sums.mapValues { $0 / Double(choices.count) }
      quality.steps.append(Self.step(means, images: quality.images * choices[0].count / parts.count))
    }
    return (quality, halves)
  }

  private static func step(_ differences: [ValueID: Double], images: Int) -> CalibrationQuality.Step {
    let sorted = differences.values.sorted()
    return .init(images: images, median: sorted.isEmpty ? 0 : sorted[sorted.count / 2], worst: sorted.last ?? 0)
  }

  private func warnings(
    _ quality: CalibrationQuality, _ network: QuantizedNetwork, _ figures: FidelityFigures
  ) -> [String] {
    let images = network.images
    var warnings = (figures.chanceWarning.map { [$0] } ?? []) + network.warnings
    if let first = quality.overlap.first {
      warnings.append(
        "\(quality.overlap.count) of \(figures.images) verification images are also calibration images, such "
          + "as \(first); they make the figures too good")
    }
    if images.verifiesOnCalibration {
      warnings.append("the network was measured on the images it was calibrated on; give others with --verify-images")
    }
    if quality.halves == nil {
      warnings.append(
        "\(quality.images) calibration images are too few to tell how much ranges depend on the choice of images")
    }
    return warnings
  }
}
