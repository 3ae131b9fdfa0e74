import Fidelity
import Graphs
import Images
import Runtime
import Tensors
import Threads

/// Runs a reference and a quantised network over the same images and compares what they say.
public struct Verifier: Sendable {
  public var job: ImageJob
  /// At which both look at the images.
  public var resolution: Resolution

  public init(job: ImageJob, resolution: Resolution) {
    self.job = job
    self.resolution = resolution
  }

  /// A pair of sessions and the comparisons of one thread.
  private final class Worker {
    private let network: FloatNetwork
    private let poolingExponent: Double?
    private var session: Session?
    let quantized: Session
    var accumulator = FidelityAccumulator()

    init(_ network: FloatNetwork, _ quantized: Executable, poolingExponent: Double?) {
      self.network = network
      self.poolingExponent = poolingExponent
      self.quantized = Session(quantized)
    }

    /// Of the reference, which is only made ready for images of which it is not known what it says.
    func reference() throws -> Session {
      if let session { return session }
      let made = Session(try network.executable().pooling(by: poolingExponent))
      session = made
      return made
    }
  }

  /// - Parameters:
  ///   - known: what the reference is known to say; what it says of other images is added.
  ///   - labels: which classes of the classifier the files' folders stand for; `nil`: accuracy is not measured.
  /// - Returns: the figures, and the images that were left out.
  func compare(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], known: ReferenceOutputs,
    labels: ClassLabels?, progress: any ProgressObserver
  ) throws -> (figures: FidelityFigures, skipped: BrokenImages) {
    let (comparisons, skipped) = try comparisons(
      reference, quantized, on: files, known: known, labels: labels, progress: progress)
    return (comparisons.figures(), skipped)
  }

  /// The same with every image's comparison.
  func comparisons(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], known: ReferenceOutputs,
    labels: ClassLabels?, progress: any ProgressObserver
  ) throws -> (comparisons: FidelityAccumulator, skipped: BrokenImages) {
    let exponent = resolution.poolingExponent
    let pooled = try quantized.pooling(by: exponent)
    let workers = WorkerLocal { Worker(reference, pooled, poolingExponent: exponent) }
    let skipped = try job.run(files, progress: progress) { _, file, workerIndex in
      let worker = workers[workerIndex]
      let entry = try known[file.path] ?? referenceEntry(file, worker.reference())
      known.keep(entry, path: file.path)
      let expected = entry.outputs
      let actual = try worker.quantized.outputs(for: entry.pixels)
      worker.accumulator.add(
        try ImageComparison(
          name: file.relativePath,
          referenceEmbedding: expected.embedding, quantizedEmbedding: actual.embedding,
          referenceLogits: expected.logits, quantizedLogits: actual.logits,
          label: labels?.label(of: file)))
    }
    return (workers.all.reduce(into: FidelityAccumulator()) { $0.merge($1.accumulator) }, skipped)
  }

  private func referenceEntry(_ file: ImageFolder.File, _ session: Session) throws -> ReferenceOutputs.Entry {
    let pixels = try resolution.evaluation.apply(to: try LoadedImage(file).pixels)
    return ReferenceOutputs.Entry(pixels: pixels, outputs: try session.outputs(for: pixels))
  }
}

/// A network's outputs for one image.
public struct ImageOutputs: Sendable {
  /// L2-normalised, [D].
  public let embedding: [Float]
  /// [classes]; empty without a classifier.
  public let logits: [Float]

  init(embedding: [Float], logits: [Float]) {
    self.embedding = embedding
    self.logits = logits
  }

  init(_ outputs: [String: Tensor]) {
    embedding = outputs[GraphOutput.normalizedEmbedding]?.elements(as: Float.self) ?? []
    logits = outputs[GraphOutput.logits]?.elements(as: Float.self) ?? []
  }
}

extension Executable {
  /// The same network, pooling by another exponent if one is given and it pools by GeM.
  func pooling(by exponent: Double?) throws(GraphError) -> Executable {
    guard let exponent, graph.poolingExponent != nil else { return self }
    return try pooling(by: exponent)
  }
}

extension Session {
  /// Runs one image.
  public func outputs(for image: RGBImage) throws(GraphError) -> ImageOutputs {
    ImageOutputs(try run(pixels: image.pixels, height: image.height, width: image.width))
  }
}
