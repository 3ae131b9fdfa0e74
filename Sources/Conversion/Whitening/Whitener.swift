import Fidelity
import Graphs
import Images
import Inference
import LinearAlgebra
import Operators
import PackageFormat
import Passes
import Pixels
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
  /// The graph before, not folded, with the same exponent.
  let original: Graph
  /// The head of `original`.
  let head: WhiteningHead
  let whitening: Whitening
  /// The images that it was learned from.
  let files: [ImageFolder.File]
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
  /// - Throws: `ConversionError.wrongKind` for a network or images that cannot be whitened, `.option` for too many
  ///   dimensions, `.notFinite` where the network computes NaN or infinity, `.brokenImages`, `.noUsableImages`,
  ///   `.notEquivalent` where logits change their order; `ImageError` for the folder;
  ///   `GraphError`.
  func run(_ imported: ImportedCheckpoint) throws -> WhitenedNetwork {
    let path = imported.checkpoint.path
    guard imported.network.quantization == nil else {
      throw ConversionError.wrongKind("\(path) is quantised already; only a network in float can be whitened")
    }
    var graph = imported.graph
    if let exponent = resolution.poolingExponent { try graph.pool(by: exponent, side: resolution.side) }
    try graph.checkSize(resolution.side)
    let files = try ImageFolder(path: options.folder, progress: progress).files
    do {
      let head = try WhiteningHead(of: graph, keepsClassifier: keepsClassifier)
      let collected = try clock.stage("whiten", total: files.count) {
        try collect(graph.vectorsToWhiten(head), files, imported)
      }
      let moments = collected.moments
      let dimensions = options.dimensions ?? moments.dimension
      guard dimensions <= moments.dimension else {
        throw ConversionError.option(
          "--dimensions \(dimensions) is too large: the vectors that are whitened have \(moments.dimension)")
      }
      let whitening = try learned(moments, path)
      let constants = try WhitenedHead(whitening, columns: dimensions, on: head)
      let whitened = graph.whitened(head, by: constants)
      let check = try logitsCheck(graph, whitened, files, imported)
      let figures = WhiteningFigures(
        images: try ContentHashes(files, threads: job.threads).set(of: options.folder),
        skippedCount: collected.skipped.count, repeated: collected.repeated, learnedCount: whitening.count,
        vectorDimension: whitening.dimension, dimensions: dimensions,
        varianceShare: whitening.varianceShare(of: dimensions),
        floor: whitening.floor / (whitening.variances.first ?? 1),
        raisedCount: min(whitening.raisedCount, max(0, dimensions - (whitening.dimension - whitening.raisedCount))),
        size: resolution.side, poolingExponent: graph.poolingExponent ?? 1,
        dividesLogits: head.dividesLogits, logitsCheck: check)
      return WhitenedNetwork(
        graph: whitened, constants: constants, figures: figures, original: graph, head: head, whitening: whitening,
        files: files)
    } catch let error as WhiteningError {
      throw ConversionError.wrongKind("\(path) cannot be whitened: \(error)")
    }
  }

  private func learned(_ moments: VectorMoments, _ path: String) throws -> Whitening {
    do { return try Whitening(moments, relativeFloor: options.varianceFloor) } catch let error as LinearAlgebraError {
      throw ConversionError.wrongKind("\(path) cannot be whitened: \(error)")
    }
  }

  private func executable(_ graph: Graph, _ imported: ImportedCheckpoint) throws -> Executable {
    let folded = try PassPipeline.fold.run(graph, afterEachPatch: imported.checkpoint.releasePages).graph
    return try Executable(folded, threads: job.threads)
  }

  /// What was learned from, added in the order of the images.
  private struct Collected {
    let moments: VectorMoments
    let skipped: BrokenImages
    /// The names of images whose content equals that of an earlier one, which count once: repeated images span no
    /// directions of their own.
    let repeated: [String]
  }

  private struct Vector: Sendable {
    let key: UInt64
    let elements: [Float]
  }

  private func collect(
    _ graph: Graph, _ files: [ImageFolder.File], _ imported: ImportedCheckpoint
  ) throws -> Collected {
    let network = try executable(graph, imported)
    imported.checkpoint.releasePages()
    let sessions = WorkerLocal { Session(network) }
    var moments: VectorMoments?
    var (skipped, repeated, seen) = (BrokenImages(), [String](), Set<UInt64>())
    for start in stride(from: 0, to: files.count, by: Self.batch) {
      let batch = Array(files[start..<min(start + Self.batch, files.count)])
      let rows = SlotStore<Vector>()
      skipped.merge(
        try job.run(batch, progress: progress) { index, file, worker in
          let image = try job.load(file)
          let vector = try sessions[worker].outputs(for: try resolution.evaluation.apply(to: image.pixels)).embedding
          guard vector.allSatisfy(\.isFinite) else {
            throw ConversionError.notFinite(
              "\(imported.checkpoint.path): the pooled vector of \(file.relativePath) is NaN or infinite, so that no "
                + "whitening can be learned from it")
          }
          rows[index] = Vector(key: image.key, elements: vector)
        })
      var added: [Float] = []
      var dimension: Int?
      for index in batch.indices {
        guard let vector = rows[index] else { continue }
        if seen.insert(vector.key).inserted {
          added += vector.elements
          dimension = vector.elements.count
        } else {
          repeated.append(batch[index].relativePath)
        }
      }
      guard let dimension else { continue }
      var sum = moments ?? VectorMoments(dimension: dimension)
      sum.add(added)
      moments = sum
    }
    guard let moments, moments.count > 1 else {
      throw moments == nil
        ? ConversionError.noUsableImages(folder: options.folder)
        : ConversionError.wrongKind("\(options.folder): whitening is learned from at least two different images")
    }
    return Collected(moments: moments, skipped: skipped, repeated: repeated)
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
    let images = try stride(from: 0, to: files.count, by: step).prefix(Self.checked).compactMap {
      try resolution.evaluation.input(files[$0])
    }
    func logits(_ graph: Graph) throws -> [[Float]] {
      let session = Session(try executable(graph, imported), team: ThreadTeam(count: job.threads))
      let rows = try images.map { try session.outputs(for: $0).logits }
      guard rows.joined().allSatisfy(\.isFinite) else {
        throw ConversionError.notFinite(
          "\(imported.checkpoint.path): logits of images to learn from are NaN or infinite")
      }
      return rows
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
    // A classifier whose weights are zero, such as one that is yet to be trained.
    if a.count == b.count, a.allSatisfy({ $0 == 0 }), b.allSatisfy({ $0 == 0 }) { return 0 }
    let factor = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / max(b.reduce(0) { $0 + $1 * $1 }, .leastNormalMagnitude)
    guard a.count == b.count, factor > 0 else { return .infinity }
    let largest = a.reduce(Double.leastNormalMagnitude) { max($0, abs($1)) }
    return zip(a, b).reduce(0) { max($0, abs($1.0 - factor * $1.1) / largest) }
  }
}
