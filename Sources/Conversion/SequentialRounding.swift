import Graphs
import Images
import Pixels
import Quantization
import Rounding
import Runtime
import Tensors

/// The stage that learns the rounding of weights, layer after layer, from the float network (`SequentialRounder`).
struct SequentialRounding {
  let options: ConversionOptions
  let progress: any ProgressObserver
  let clock: StageClock
  var cache: ImageCache?

  /// The approximate number of bytes that feature maps may take at the same time, unless that leaves fewer than
  /// `minImages`.
  private static let byteLimit = 768 << 20
  private static let minImages = 16

  /// Learns the rounding of all weights.
  ///
  /// - Parameters:
  ///   - lowered: the quantised graph, with weights rounded by any method.
  ///   - levels: the levels of its weights.
  ///   - float: the float graph.
  ///   - files: the calibration images. Broken ones are left out here; calibration reports them.
  ///   - augmentations: one for each size; images alternate between them.
  func rounded(
    _ lowered: LoweredGraph, _ levels: WeightLevels, float: Graph, _ files: [ImageFolder.File],
    _ augmentations: [Augmentation]
  ) throws -> WeightLevels {
    let graph = lowered.graph
    let side = augmentations.map(\.evaluation.size).max() ?? options.evaluation.size
    let shape: Shape = [1, side, side, 3]
    let bytes = try StepwiseRun.byteCount(of: graph, input: shape) + StepwiseRun.byteCount(of: float, input: shape)
    let limit = max(Self.minImages, Self.byteLimit / max(bytes, 1))
    let imageCount = min(limit, try LayerInputs.imageCount(for: graph, imageSize: side))
    let rounder = SequentialRounder(float, lowered, levels, threads: options.threads)
    return try clock.stage("learn", total: rounder.layerCount, unit: .layers) {
      let images = try images(files, imageCount, augmentations)
      return try rounder.rounded(images: images) { progress.advance() }
    }
  }

  /// At most `count` copies of images, in an order that does not depend on threads.
  private func images(
    _ files: [ImageFolder.File], _ count: Int, _ augmentations: [Augmentation]
  ) throws -> [(shape: Shape, pixels: [UInt8])] {
    let sample = files.spread(count)
    let maxRepetitions = options.distinctCopies(sizes: augmentations.count)
    let repetitions = min(maxRepetitions, count / max(sample.count, 1))
    let images = SlotStore<RGBImage>()
    try ImageJob.augmenting(sample, repetitions: repetitions, augmentations, threads: options.threads, cache: cache) {
      pass, _, image, _ in
      images[pass] = image
    }
    return images.inOrder.map { ([1, $0.height, $0.width, 3], $0.pixels) }
  }
}
