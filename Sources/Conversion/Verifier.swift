import Fidelity
import Files
import Graphs
import Images
import Inference
import Pixels
import Runtime
import Tensors
import Threads

/// Runs a reference and a quantised network on the same images and compares their outputs.
package struct Verifier: Sendable {
  /// The number of threads, and whether broken images are left out.
  package var job: ImageJob
  /// The size, the crop and the exponent of GeM pooling for both networks.
  package var resolution: Resolution
  /// Whether to search the images for each other with the embeddings of both networks.
  package var comparesNeighbors = false
  /// How matches are decided; `nil`: decisions are not compared.
  package var decisionRule: DecisionRule?

  /// A verifier for one resolution.
  package init(job: ImageJob, resolution: Resolution) {
    self.job = job
    self.resolution = resolution
  }

  /// What comparing networks gives.
  struct Outcome {
    let figures: FidelityFigures
    /// The images that were compared.
    let compared: [ImageFolder.File]
    /// The images that were left out.
    let skipped: BrokenImages
  }

  /// The sessions of one thread.
  private final class Worker {
    private let network: FloatNetwork
    private let poolingExponent: Double?
    private var session: Session?
    let quantized: Session

    init(_ network: FloatNetwork, _ quantized: Executable, poolingExponent: Double?) {
      self.network = network
      self.poolingExponent = poolingExponent
      self.quantized = Session(quantized)
    }

    /// The session of the reference, which is only made ready for images whose outputs are not cached.
    func reference() throws -> Session {
      if let session { return session }
      let result = Session(try network.executable().pooling(by: poolingExponent))
      session = result
      return result
    }
  }

  /// Compares the networks and computes figures.
  ///
  /// - Parameters:
  ///   - cached: outputs of the reference; those for other images are added.
  ///   - labels: the classes of the images; `nil`: accuracy is not measured.
  ///   - gates: gates to stop at when they are decided (see `SequentialComparison`); `nil`: all images are compared.
  ///     Which images are compared only depends on their names and the networks' outputs, not on threads or the order
  ///     of files.
  /// - Throws: `ConversionError.brokenImages`, unless the job leaves them out, and `.option` for a false match rate
  ///   where the images are not of several classes; `FidelityError` where the outputs of the networks cannot be
  ///   compared; `GraphError` where a network cannot run.
  func compare(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], cached: ReferenceOutputs,
    labels: ClassLabels?, stoppingBy gates: Gates? = nil, progress: any ProgressObserver
  ) throws -> Outcome {
    let embeddings = comparesNeighbors ? NeighborEmbeddings(names: files.map(\.relativePath)) : nil
    func outcome(_ figures: FidelityFigures, _ files: ArraySlice<ImageFolder.File>, _ skipped: BrokenImages) throws
      -> Outcome
    {
      var figures = figures
      figures.neighbors = try embeddings?.figures(decisionRule, threads: job.threads)
      return Outcome(figures: figures, compared: skipped.removed(from: files), skipped: skipped)
    }
    guard let gates else {
      let (comparisons, skipped) = try comparisons(
        reference, quantized, on: files, cached: cached, labels: labels, keeping: embeddings, progress: progress)
      return try outcome(comparisons.figures(), files[...], skipped)
    }
    var sequential = SequentialComparison(
      gates: gates, availableImages: files.count, expectsLabels: files.contains { labels?.label(of: $0) != nil })
    let workers = try workers(reference, quantized)
    let files = files.shuffledByName()
    var skipped = BrokenImages()
    var start = 0
    for end in SequentialComparison.checkpoints(of: files.count) {
      let (images, broken) = try compare(
        files[start..<end], workers, cached: cached, labels: labels, keeping: embeddings,
        progress: WithoutWarnings(observer: progress))
      skipped.merge(broken)
      sequential.add(images)
      if end < files.count, let figures = sequential.decidedFigures() {
        ImageJob.warn(of: skipped, progress)
        return try outcome(figures, files[..<end], skipped)
      }
      start = end
    }
    ImageJob.warn(of: skipped, progress)
    return try outcome(sequential.figures(), files[...], skipped)
  }

  /// Compares the networks on every image.
  ///
  /// - Parameter embeddings: where to keep the embeddings of images; `nil`: nowhere.
  func comparisons(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], cached: ReferenceOutputs,
    labels: ClassLabels?, keeping embeddings: NeighborEmbeddings? = nil, progress: any ProgressObserver
  ) throws -> (comparisons: FidelityAccumulator, skipped: BrokenImages) {
    let (images, skipped) = try compare(
      files[...], try workers(reference, quantized), cached: cached, labels: labels, keeping: embeddings,
      progress: progress)
    return (images.reduce(into: FidelityAccumulator()) { $0.add($1) }, skipped)
  }

  private func workers(_ reference: FloatNetwork, _ quantized: Executable) throws -> WorkerLocal<Worker> {
    let exponent = resolution.poolingExponent
    let pooled = try quantized.pooling(by: exponent)
    return WorkerLocal { Worker(reference, pooled, poolingExponent: exponent) }
  }

  /// - Returns: the comparisons in the order of the files.
  private func compare(
    _ files: ArraySlice<ImageFolder.File>, _ workers: WorkerLocal<Worker>, cached: ReferenceOutputs,
    labels: ClassLabels?, keeping embeddings: NeighborEmbeddings?, progress: any ProgressObserver
  ) throws -> (images: [ImageComparison], skipped: BrokenImages) {
    let images = SlotStore<ImageComparison>()
    let skipped = try job.run(Array(files), progress: progress) { index, file, workerIndex in
      let worker = workers[workerIndex]
      let entry = try cached[file.path] ?? referenceEntry(file, worker.reference())
      cached.keep(entry, path: file.path)
      let expected = entry.outputs
      let actual = try worker.quantized.outputs(for: entry.pixels)
      images[index] = try ImageComparison(
        name: file.relativePath,
        referenceEmbedding: expected.embedding, quantizedEmbedding: actual.embedding,
        referenceLogits: expected.logits, quantizedLogits: actual.logits,
        label: labels?.label(of: file))
      embeddings?.add(
        files.startIndex + index, name: file.relativePath, label: file.label, float: expected.embedding,
        int8: actual.embedding)
    }
    return (images.inOrder, skipped)
  }

  private func referenceEntry(_ file: ImageFolder.File, _ session: Session) throws -> ReferenceOutputs.Entry {
    let pixels = try resolution.evaluation.apply(to: try job.load(file).pixels)
    return ReferenceOutputs.Entry(pixels: pixels, outputs: try session.outputs(for: pixels))
  }
}

/// Forwards everything except warnings, for jobs that are parts of one job.
private struct WithoutWarnings: ProgressObserver {
  let observer: any ProgressObserver

  func begin(_ stage: String, total: Int?, unit: ProgressUnit) { observer.begin(stage, total: total, unit: unit) }
  func advance() { observer.advance() }
  func end() { observer.end() }
  func warn(_ message: String, details: [String]) {}
  func note(_ message: String) { observer.note(message) }
}

extension BrokenImages {
  /// The paths of the images.
  var paths: Set<ExactName> { Set(entries.map { ExactName($0.path) }) }

  /// The files without these images.
  func removed(from files: some Sequence<ImageFolder.File>) -> [ImageFolder.File] {
    let broken = paths
    return files.filter { !broken.contains(ExactName($0.path)) }
  }
}

extension [ImageFolder.File] {
  /// The files in a pseudorandom order that only depends on their paths relative to the folder.
  func shuffledByName() -> [ImageFolder.File] { map(\.relativePath).indicesShuffledByName().map { self[$0] } }
}

extension ConversionOptions {
  /// The gates that verification stops at when they are decided; `nil` where it compares all images, as it does for a
  /// gate on neighbours.
  var stoppingGates: Gates? {
    stopsWhenDecided ?? (verificationFolder == nil && gates.minNeighborAgreement == nil) ? gates : nil
  }
}
