import Fidelity
import Graphs
import Images
import Inference
import Runtime
import Tensors
import Threads

/// Runs a reference and a quantised network over the same images and compares what they say.
package struct Verifier: Sendable {
  package var job: ImageJob
  /// At which both look at the images.
  package var resolution: Resolution

  package init(job: ImageJob, resolution: Resolution) {
    self.job = job
    self.resolution = resolution
  }

  /// A pair of sessions of one thread.
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
  ///   - gates: at whose decision to stop (see `SequentialComparison`); `nil`: all images are compared. Which images are
  ///     compared only depends on the files' names and what the networks say of them, not on threads or the order of files.
  /// - Returns: the figures, and the images that were left out.
  /// - Throws: `ConversionError.brokenImages`, unless the job skips them; `FidelityError` where outputs do not belong together;
  ///   the typed errors of running the networks.
  func compare(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], known: ReferenceOutputs,
    labels: ClassLabels?, stoppingBy gates: Gates? = nil, progress: any ProgressObserver
  ) throws -> (figures: FidelityFigures, skipped: BrokenImages) {
    guard let gates else {
      let (comparisons, skipped) = try comparisons(
        reference, quantized, on: files, known: known, labels: labels, progress: progress)
      return (comparisons.figures(), skipped)
    }
    var sequential = SequentialComparison(
      gates: gates, imagesAtHand: files.count, expectsLabels: files.contains { labels?.label(of: $0) != nil })
    let workers = try workers(reference, quantized)
    let files = files.shuffledByName()
    var skipped = BrokenImages()
    var start = 0
    for end in SequentialComparison.checkpoints(of: files.count) {
      let (images, broken) = try compare(
        files[start..<end], workers, known: known, labels: labels, progress: WithoutWarnings(observer: progress))
      skipped.merge(broken)
      sequential.add(images)
      if end < files.count, let figures = sequential.decidedFigures() {
        ImageJob.warn(of: skipped, progress)
        return (figures, skipped)
      }
      start = end
    }
    ImageJob.warn(of: skipped, progress)
    return (sequential.figures(), skipped)
  }

  /// The comparison of every image.
  func comparisons(
    _ reference: FloatNetwork, _ quantized: Executable, on files: [ImageFolder.File], known: ReferenceOutputs,
    labels: ClassLabels?, progress: any ProgressObserver
  ) throws -> (comparisons: FidelityAccumulator, skipped: BrokenImages) {
    let (images, skipped) = try compare(
      files[...], try workers(reference, quantized), known: known, labels: labels, progress: progress)
    return (images.reduce(into: FidelityAccumulator()) { $0.add($1) }, skipped)
  }

  private func workers(_ reference: FloatNetwork, _ quantized: Executable) throws -> WorkerLocal<Worker> {
    let exponent = resolution.poolingExponent
    let pooled = try quantized.pooling(by: exponent)
    return WorkerLocal { Worker(reference, pooled, poolingExponent: exponent) }
  }

  /// - Returns: the comparisons in the order of the files.
  private func compare(
    _ files: ArraySlice<ImageFolder.File>, _ workers: WorkerLocal<Worker>, known: ReferenceOutputs,
    labels: ClassLabels?,
    progress: any ProgressObserver
  ) throws -> (images: [ImageComparison], skipped: BrokenImages) {
    let images = SlotStore<ImageComparison>()
    let skipped = try job.run(Array(files), progress: progress) { index, file, workerIndex in
      let worker = workers[workerIndex]
      let entry = try known[file.path] ?? referenceEntry(file, worker.reference())
      known.keep(entry, path: file.path)
      let expected = entry.outputs
      let actual = try worker.quantized.outputs(for: entry.pixels)
      images[index] = try ImageComparison(
        name: file.relativePath,
        referenceEmbedding: expected.embedding, quantizedEmbedding: actual.embedding,
        referenceLogits: expected.logits, quantizedLogits: actual.logits,
        label: labels?.label(of: file))
    }
    return (images.inOrder, skipped)
  }

  private func referenceEntry(_ file: ImageFolder.File, _ session: Session) throws -> ReferenceOutputs.Entry {
    let pixels = try resolution.evaluation.apply(to: try job.load(file).pixels)
    return ReferenceOutputs.Entry(pixels: pixels, outputs: try session.outputs(for: pixels))
  }
}

/// Hands everything on but warnings, for jobs that are parts of one.
private struct WithoutWarnings: ProgressObserver {
  let observer: any ProgressObserver

  func begin(_ stage: String, total: Int?) { observer.begin(stage, total: total) }
  func advance() { observer.advance() }
  func end() { observer.end() }
  func warn(_ message: String) {}
  func note(_ message: String) { observer.note(message) }
}

extension [ImageFolder.File] {
  /// In an order that says nothing of the images and only depends on their paths below the folder: by FNV-1a of the path
  /// (Fowler, Noll and Vo, RFC 9923), mixed by the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable
  /// Pseudorandom Number Generators", 2014).
  func shuffledByName() -> [ImageFolder.File] {
    map { file in
      let path = file.relativePath
      let hash = path.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      return (key: mixed(hash), file: file)
    }.sorted { a, b in
      a.key != b.key
        ? a.key < b.key : a.file.relativePath.utf8.lexicographicallyPrecedes(b.file.relativePath.utf8)
    }.map(\.file)
  }
}

extension ConversionOptions {
  /// By which verification stops when they are decided; `nil` where it goes through all images.
  var stoppingGates: Gates? {
    stopsWhenDecided ?? (verificationFolder == nil) ? gates : nil
  }
}
