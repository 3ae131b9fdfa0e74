import Calibration
import Graphs
import Images
import Quantization
import Runtime
import Synchronization
import Tensors

/// The channels of a folded graph's activations, equalised by a look at a few calibration images, and the proof that the
/// graph computes what it did.
package struct Equalization: Sendable {
  package let scales: ChannelScales
  /// The greatest difference between an output of the equalised graph and the imported one's, relative to the output's
  /// largest magnitude.
  package let difference: Float
  /// Of the images that were looked at, what the equalised graph makes of them.
  private let ranges: [ValueID: ChannelRange]
  /// The paths of these images.
  private let paths: Set<String>

  /// Images that were looked at, of one copy each.
  let passes: Int

  /// Images that channels are measured on, one augmented copy each: a quarter of all, as they only decide how much channels
  /// are magnified; ranges come from the calibration proper, on the equalised graph.
  private static func imageCount(of count: Int) -> Int { min(max(count / 4, 12), 32) }

  /// Equalises the network by scales that were found before.
  ///
  /// - Throws: `ConversionError.notEquivalent`.
  init(applying scales: ChannelScales, passes: Int = 0, to folded: inout Folding, threads: Int) throws {
    (self.scales, self.passes, ranges, paths) = (scales, passes, [:], [])
    var graph = folded.network.graph
    folded.network.unload()
    try scales.apply(to: &graph)
    folded.network = FloatNetwork(graph, threads: threads)
    difference = try folded.proof.difference(of: try folded.network.executable(), after: "equalisation")
  }

  /// Equalises the network; of its weights, as of those that are made ready to run, there is never more than one copy.
  ///
  /// - Parameters:
  ///   - files: the calibration images. Broken ones are left out here; calibration names them.
  ///   - augmentations: for each size that is to be served; images take turns.
  ///   - keep: called with each copy and what the network says of it, from any thread.
  /// - Throws: `ConversionError.notEquivalent`.
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

  /// The ranges of the network's channels, and the paths of the images that they are of.
  private static func observe(
    _ network: Executable, _ files: [ImageFolder.File], _ augmentations: [Augmentation], threads: Int,
    _ cache: ImageCache?, _ keep: (ImageFolder.File, RGBImage, [String: Tensor]) -> Void
  ) throws -> ([ValueID: ChannelRange], Set<String>) {
    let observer = ChannelRangeObserver(
      network, observing: ChannelEqualizer.observedValues(in: network.graph))
    let paths = Mutex(Set<String>())
    try ImageJob.augmenting(files, augmentations, threads: threads, cache: cache) { _, file, image, worker in
      keep(file, image, try observer.observe(image, worker: worker))
      paths.withLock { _ = $0.insert(file.path) }
    }
    return (observer.ranges(), paths.withLock { $0 })
  }

  /// The paths of images whose first copy calibration need not run again, if it adds their extremes. With and without
  /// their other values counted mean drift was the same to 1 %, and to 2 % where they were 12 of 32. None where they are more
  /// than three in eight of the passes.
  ///
  /// - Parameter passes: that calibration is to make.
  func spared(ofPasses passes: Int) -> Set<String> { 8 * paths.count <= 3 * passes ? paths : [] }

  /// Adds the extremes of what the equalised graph makes of the images.
  func addExtremes(to statistics: inout ActivationStatistics) {
    for (value, range) in ranges {
      let (least, largest) = range.extremes(dividing: scales[value])
      statistics.histograms[value]?.count([least, largest])
    }
  }
}
