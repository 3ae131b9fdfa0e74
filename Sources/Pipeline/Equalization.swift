import Calibration
import Graphs
import Images
import Quantization
import Runtime

/// The channels of a folded graph's activations, equalised by a look at a few calibration images, and the proof that the
/// graph computes what it did.
public struct Equalization: Sendable {
  public let scales: ChannelScales
  /// The greatest difference between an output of the equalised graph and the imported one's, relative to the output's
  /// largest magnitude.
  public let difference: Float

  /// Images that channels are measured on, one augmented copy each: a quarter of all, as they only decide how much channels
  /// are magnified; ranges come from the calibration proper, on the equalised graph.
  static func imageCount(of count: Int) -> Int { min(max(count / 4, 12), 32) }

  /// Equalises the network; of its weights, as of those that are made ready to run, there is never more than one copy.
  ///
  /// - Parameters:
  ///   - files: the calibration images. Broken ones are left out here; calibration names them.
  ///   - augmentations: for each size that is to be served; images take turns.
  /// - Throws: `PipelineError.notEquivalent`.
  init(_ folded: inout Folding, _ files: [ImageFolder.File], _ augmentations: [Augmentation], threads: Int) throws {
    var graph = folded.network.graph
    let ranges = try Self.ranges(try folded.network.executable(), files, augmentations, threads: threads)
    folded.network.putAway()
    scales = try ChannelEqualizer(threads: threads).scales(
      of: graph, imageSize: augmentations.first?.evaluation.size ?? 224, ranges: ranges)
    try scales.apply(to: &graph)
    folded.network = FloatNetwork(graph, threads: threads)
    difference = try folded.proof.difference(of: try folded.network.executable(), after: "equalisation")
  }

  private static func ranges(
    _ network: Executable, _ files: [ImageFolder.File], _ augmentations: [Augmentation], threads: Int
  ) throws -> [ValueID: ChannelRange] {
    let observer = ChannelRangeObserver(
      network, observing: try ChannelEqualizer.observedValues(in: network.graph))
    let sample = files.spread(imageCount(of: files.count))
    try ImageJob.augmenting(sample, augmentations, threads: threads) { try observer.observe($1, worker: $2) }
    return observer.ranges()
  }
}
