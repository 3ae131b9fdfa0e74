import Fidelity
import Graphs
import Images
import Inference
import Operators
import PackageFormat
import Passes
import Runtime
import Tensors
import Threads
import Whitening

/// A whitened network.
struct WhitenedNetwork {
  /// The graph, not folded, with the exponent that the whitening was learned with.
  let graph: Graph
  let constants: WhitenedHead
  let figures: WhiteningFigures
}

/// Learns the whitening of a network from images.
struct Whitener {
  let options: WhiteningOptions
  /// How images become inputs, and the exponent of GeM pooling.
  let resolution: Resolution
  let keepsClassifier: Bool
  let job: ImageJob
  let clock: StageClock
  let progress: any ProgressObserver

  /// The number of images whose vectors are kept in memory and added to the moments together.
  private static let batch = 256
  /// The maximum number of images that logits are checked on.
  private static let checked = 8
  /// The largest difference of logits that rounding explains, relative to the largest logit.
  private static let tolerance = 1e-3

  /// Learns the whitening and folds it into the head.
  ///
  /// - Throws: `ConversionError.wrongKind` for a network that cannot be whitened, `.option` for too many dimensions,
  ///   `.brokenImages`, `.noUsableImages`, `.notEquivalent` where logits change their order; `ImageError` for the
  ///   folder; `LinearAlgebraError`; `GraphError`.
  func run(_ imported: ImportedCheckpoint) throws -> WhitenedNetwork {
    let path = imported.checkpoint.path
    guard imported.network.quantization == nil else {
      throw ConversionError.wrongKind("\(path) is quantised already; only a network in float can be whitened")
    }
    var graph = imported.graph
    if let exponent = resolution.poolingExponent { try graph.pool(by: exponent, side: resolution.side) }
    try graph.checkSize(resolution.side)
    let files = try ImageFolder(path: options.folder).files
    do {
      let head = try WhiteningHead(of: graph, keepsClassifier: keepsClassifier)
      let (moments, skipped) = try clock.stage("whiten", total: files.count) {
        try collect(graph.vectorsToWhiten(head), files, imported)
      }
      let dimensions = options.dimensions ?? moments.dimension
      guard dimensions <= moments.dimension else {
        throw ConversionError.option(
          "--dimensions \(dimensions) is too large: the vectors that are whitened have \(moments.dimension)")
      }
      let whitening = try Whitening(moments, relativeFloor: options.varianceFloor)
      let constants = try WhitenedHead(whitening, columns: dimensions, on: head)
      let whitened = graph.whitened(head, by: constants)
      let check = try logitsCheck(graph, whitened, files, imported)
      let figures = WhiteningFigures(
        images: ContentHashes(files, threads: job.threads).set(of: options.folder), skippedCount: skipped.count,
        vectorDimension: whitening.dimension, dimensions: dimensions,
        varianceShare: whitening.varianceShare(of: dimensions),
        floor: whitening.floor / (whitening.variances.first ?? 1),
        raisedCount: min(whitening.raisedCount, max(0, dimensions - (whitening.dimension - whitening.raisedCount))),
        size: resolution.side, poolingExponent: graph.poolingExponent ?? 1,
        dividesLogits: head.dividesLogits, logitsCheck: check)
      return WhitenedNetwork(graph: whitened, constants: constants, figures: figures)
    } catch let error as WhiteningError {
      throw ConversionError.wrongKind("\(path) cannot be whitened: \(error)")
    }
  }

  private func executable(_ graph: Graph, _ imported: ImportedCheckpoint) throws -> Executable {
    let folded = try PassPipeline.fold.run(graph, afterEachPatch: imported.checkpoint.releasePages).graph
    return try Executable(folded, threads: job.threads)
  }

  /// The moments of the vectors of all images, which are added in the order of the images.
  private func collect(
    _ graph: Graph, _ files: [ImageFolder.File], _ imported: ImportedCheckpoint
  ) throws -> (VectorMoments, BrokenImages) {
    let network = try executable(graph, imported)
    imported.checkpoint.releasePages()
    let sessions = WorkerLocal { Session(network) }
    var moments: VectorMoments?
    var skipped = BrokenImages()
    for start in stride(from: 0, to: files.count, by: Self.batch) {
      let batch = Array(files[start..<min(start + Self.batch, files.count)])
      let rows = SlotStore<[Float]>()
      skipped.merge(
        try job.run(batch, progress: progress) { index, file, worker in
          let image = try resolution.evaluation.apply(to: try job.load(file).pixels)
          rows[index] = try sessions[worker].outputs(for: image).embedding
        })
      let vectors = batch.indices.compactMap { rows[$0] }
      guard let first = vectors.first else { continue }
      var sum = try moments ?? VectorMoments(dimension: first.count)
      sum.add(vectors.flatMap(\.self))
      moments = sum
    }
    guard let moments, moments.count > 1 else {
      throw moments == nil
        ? ConversionError.noUsableImages(folder: options.folder)
        : ConversionError.wrongKind("\(options.folder): whitening is learned from at least two images")
    }
    return (moments, skipped)
  }

  /// Compares logits with those of the network before, except for a factor for each image.
  ///
  /// - Returns: `nil` without a classifier.
  /// - Throws: `ConversionError.notEquivalent` where the difference is larger than rounding explains.
  private func logitsCheck(
    _ before: Graph, _ after: Graph, _ files: [ImageFolder.File], _ imported: ImportedCheckpoint
  ) throws -> (images: Int, difference: Double)? {
    guard after.output(named: GraphOutput.logits) != nil else { return nil }
    let step = max(1, files.count / Self.checked)
    let images = stride(from: 0, to: files.count, by: step).prefix(Self.checked).compactMap { index in
      (try? ImageFile.decode(try ImageFile.read(files[index].path), path: files[index].path)).flatMap {
        try? resolution.evaluation.apply(to: $0)
      }
    }
    func logits(_ graph: Graph) throws -> [[Float]] {
      let session = Session(try executable(graph, imported), team: ThreadTeam(count: job.threads))
      return try images.map { try session.outputs(for: $0).logits }
    }
    let pairs = zip(try logits(before), try logits(after))
    let difference = pairs.map { Self.difference($0.map(Double.init), $1.map(Double.init)) }.max() ?? 0
    guard difference <= Self.tolerance else {
      throw ConversionError.notEquivalent(after: "whitening", difference: Float(difference))
    }
    return (images.count, difference)
  }

  /// The largest difference between `a` and the multiple of `b` that is closest to it, relative to the largest
  /// magnitude of `a`.
  private static func difference(_ a: [Double], _ b: [Double]) -> Double {
    let factor = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / max(b.reduce(0) { $0 + $1 * $1 }, .leastNormalMagnitude)
    guard a.count == b.count, factor > 0 else { return .infinity }
    let largest = a.reduce(Double.leastNormalMagnitude) { max($0, abs($1)) }
    return zip(a, b).reduce(0) { max($0, abs($1.0 - factor * $1.1) / largest) }
  }
}
