import Fidelity
import Graphs
import Images
import Kernels
import Runtime

/// Runs a reference and a quantised network over the same images and compares what they say.
public struct Verifier: Sendable {
  public var job: ImageJob
  public var evaluation: EvaluationProtocol

  public init(job: ImageJob, evaluation: EvaluationProtocol) {
    self.job = job
    self.evaluation = evaluation
  }

  /// A pair of sessions and the comparisons of one thread.
  private final class Worker {
    let reference: Session
    let quantized: Session
    var accumulator = FidelityAccumulator()

    init(_ reference: Executable, _ quantized: Executable) {
      self.reference = Session(reference)
      self.quantized = Session(quantized)
    }
  }

  /// - Parameter usesLabels: whether the files' class indices are those of the classifier.
  /// - Returns: the figures, and the images that were left out.
  public func compare(
    _ reference: Executable, _ quantized: Executable, on files: [ImageFolder.File], usesLabels: Bool,
    progress: any ProgressObserver
  ) throws -> (figures: FidelityFigures, skipped: BrokenImages) {
    let (comparisons, skipped) = try comparisons(
      reference, quantized, on: files, usesLabels: usesLabels, progress: progress)
    return (comparisons.figures(), skipped)
  }

  /// The same with every image's comparison.
  func comparisons(
    _ reference: Executable, _ quantized: Executable, on files: [ImageFolder.File], usesLabels: Bool,
    progress: any ProgressObserver
  ) throws -> (comparisons: FidelityAccumulator, skipped: BrokenImages) {
    let workers = WorkerLocal { Worker(reference, quantized) }
    let skipped = try job.run(files, progress: progress) { _, image, workerIndex in
      let worker = workers[workerIndex]
      let input = try evaluation.apply(to: image.pixels)
      let expected = try worker.reference.outputs(for: input)
      let actual = try worker.quantized.outputs(for: input)
      worker.accumulator.add(
        try ImageComparison(
          name: image.file.relativePath,
          referenceEmbedding: expected.embedding, quantizedEmbedding: actual.embedding,
          referenceLogits: expected.logits, quantizedLogits: actual.logits,
          label: usesLabels ? image.file.label : nil))
    }
    return (workers.all.reduce(into: FidelityAccumulator()) { $0.merge($1.accumulator) }, skipped)
  }
}

/// A network's outputs for one image.
public struct ImageOutputs: Sendable {
  /// L2-normalised, [D].
  public let embedding: [Float]
  /// [classes]; empty without a classifier.
  public let logits: [Float]
}

extension Session {
  /// Runs one image.
  public func outputs(for image: RGBImage) throws(GraphError) -> ImageOutputs {
    let outputs = try run(pixels: image.pixels, height: image.height, width: image.width)
    return ImageOutputs(
      embedding: outputs[GraphOutput.normalizedEmbedding]?.elements(as: Float.self) ?? [],
      logits: outputs[GraphOutput.logits]?.elements(as: Float.self) ?? [])
  }
}
