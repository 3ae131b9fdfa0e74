import Calibration
import Files
import Graphs
import Images
import Pixels
import Quantization
import Runtime
import Tensors
import Threads

/// The equalisation of a folded graph's channels, measured on a few calibration images, and how much it changed the
/// outputs.
package struct Equalization: Sendable {
  /// The scales of the channels.
  package let scales: ChannelScales
  /// The largest difference between an output of the equalised and of the imported graph, relative to the output's
  /// largest magnitude.
  package let difference: Float
  /// The ranges of the channels over the images that were measured on, before equalisation.
  private let ranges: [ValueID: ChannelRange]
  /// The paths of these images.
  private let paths: Set<ExactName>

  /// The number of images that were measured on, with one copy each.
  let passes: Int

  /// The number of images that channels are measured on, as in evaluation. A quarter of them is enough,
  /// because they only decide how much channels are magnified; ranges come from the calibration of the equalised graph.
  private static func imageCount(of count: Int) -> Int { min(max(count / 4, 12), 32) }

  /// Equalises the network with given scales.
  ///
  /// - Throws: `ConversionError.unsuitableFactors` where the outputs change by more than rounding explains.
  init(applying scales: ChannelScales, passes: Int = 0, to folded: inout Folding, threads: Int) throws {
    (self.scales, self.passes, ranges, paths) = (scales, passes, [:], [])
    var graph = folded.network.graph
    folded.network.unload()
    try scales.apply(to: &graph)
    folded.network = FloatNetwork(graph, threads: threads)
    let executable = try folded.network.executable()
    do { difference = try folded.proof.difference(of: executable, after: "equalisation") } catch {
      guard case .notEquivalent(_, let difference)? = error as? ConversionError else { throw error }
      throw ConversionError.unsuitableFactors(difference: difference)
    }
  }

  /// Measures channels on calibration images and equalises the network. There is never more than one copy of its
  /// weights and of its packed weights in memory.
  ///
  /// - Parameters:
  ///   - folded: the network, which is replaced by the equalised one.
  ///   - files: the calibration images. Broken ones are left out here; calibration reports them.
  ///   - augmentations: one for each size that is to be served; images alternate between them.
  ///   - cache: decoded images, shared with other stages.
  ///   - keep: called with each image as the network sees it and the network's outputs for it, from any thread.
  /// - Throws: `ConversionError.notEquivalent` where the outputs change by more than rounding explains.
  init(
    _ folded: inout Folding, _ files: [ImageFolder.File], _ augmentations: [Augmentation], threads: Int,
    cache: ImageCache? = nil, keep: (ImageFolder.File, RGBImage, [String: Tensor]) -> Void
  ) throws {
    var graph = folded.network.graph
    (ranges, paths) = try Self.observe(
      try folded.network.executable(), files.spread(Self.imageCount(of: files.count)), augmentations, threads: threads,
      cache, keep)
    passes = paths.count
    folded.network.unload()
    scales = try ChannelEqualizer(threads: threads).scales(
      of: graph, imageSize: augmentations.first?.evaluation.size ?? 224, ranges: ranges)
    try scales.apply(to: &graph)
    folded.network = FloatNetwork(graph, threads: threads)
    difference = try folded.proof.difference(of: try folded.network.executable(), after: "equalisation")
  }

  /// Measures the ranges of the network's channels.
  ///
  /// - Returns: the ranges, and the paths of the images that they were measured on.
  private static func observe(
    _ network: Executable, _ files: [ImageFolder.File], _ augmentations: [Augmentation], threads: Int,
    _ cache: ImageCache?, _ keep: (ImageFolder.File, RGBImage, [String: Tensor]) -> Void
  ) throws -> ([ValueID: ChannelRange], Set<ExactName>) {
    let observer = ChannelRangeObserver(
      network, observing: ChannelEqualizer.observedValues(in: network.graph))
    let paths = Mutex(Set<ExactName>())
    try ImageJob.augmenting(files, augmentations, threads: threads, cache: cache) { _, file, image, worker in
      keep(file, image, try observer.observe(image, worker: worker))
      paths.withLock { _ = $0.insert(ExactName(file.path)) }
    }
    return (observer.ranges(), paths.withLock { $0 })
  }

  /// The paths of images whose first copy calibration need not run again, if it adds their extremes. Leaving out their
  /// other values changed mean drift by 1 % or less, and by 2 % where they were 12 of 32. Empty where they are
  /// more than three in eight of the passes.
  ///
  /// - Parameter passes: the number of passes that calibration is to make.
  func reusablePaths(passes: Int) -> Set<ExactName> { 8 * paths.count <= 3 * passes ? paths : [] }

  /// Adds the extremes of the equalised graph's activations on the images that were measured on.
  func addExtremes(to statistics: inout ActivationStatistics) {
    for (value, range) in ranges {
      let (smallest, largest) = range.extremes(dividing: scales[value])
      statistics.histograms[value]?.count([smallest, largest])
    }
  }
}
