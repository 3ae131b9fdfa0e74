import Files
import Graphs
import Images
import Inference
import Pixels
import Retrieval
import Runtime
import Threads

/// Computes the outputs of several models for images, reading and decoding each image once.
struct SetEmbedder {
  private let entries: [EvaluationModels.Entry]
  private let job: ImageJob
  private let sessions: [WorkerLocal<Session>]

  private struct Row {
    let key: UInt64
    /// Of the pixels; `nil` where they are not hashed.
    let digest: SHA256.Digest?
    var embedding: [Float] = []
    var hit: ClassHit?
    /// Of the logits, where there is a hit.
    var answer: SHA256.Digest?
  }

  /// The outputs of each model, and the images that were left out.
  struct Result {
    let outputs: [SetOutputs]
    /// By the indices of the images.
    let left: Set<Int>
    /// With the reasons.
    let skipped: BrokenImages
    /// Of the content of the file of each image that was not left out.
    let keys: [UInt64]
    /// Of the pixels of these images; empty where they were not hashed.
    let digests: [SHA256.Digest]
  }

  /// - Throws: `GraphError` where a network cannot run; `ConversionError.package` where a package is damaged.
  init(_ entries: [EvaluationModels.Entry], job: ImageJob) throws {
    (self.entries, self.job) = (entries, job)
    sessions = try entries.map { entry in
      let executable = try entry.model.executable(threads: job.threads)
      return WorkerLocal { Session(executable) }
    }
  }

  /// Runs all models on images.
  ///
  /// - Parameters:
  ///   - labels: for each model, the labels of the images; empty where accuracy is not measured.
  ///   - needsEmbeddings: whether embeddings are needed; otherwise only answers are.
  ///   - hashesPixels: whether to hash the pixels of images, as those of calibration images are hashed.
  ///   - stage: the name of the stage, for the progress.
  /// - Throws: `ConversionError.brokenImages` where an image is broken and may not be left out, `.notFinite` for
  ///   embeddings and logits that cannot be ranked, `.wrongKind` for a model without embedding; `GraphError` where a
  ///   network cannot run.
  func run(
    _ images: [TaskImage], labels: [TaskLabels] = [], needsEmbeddings: Bool = true, hashesPixels: Bool = false,
    stage: String = "embed", progress: any ProgressObserver
  ) throws -> Result {
    let files = try images.map { try $0.file() }
    let rows = Mutex([[Row]?](repeating: nil, count: images.count))
    progress.begin(stage, total: images.count)
    defer { progress.end() }
    let skipped = try job.run(files, progress: progress) { index, file, worker in
      let loaded = try LoadedImage(file)
      let digest: SHA256.Digest? = hashesPixels ? loaded.pixels.digest : nil
      let pixels = try images[index].pixels(loaded)
      var last: (evaluation: EvaluationProtocol, pixels: RGBImage)?
      var found: [Row] = []
      for (model, entry) in entries.enumerated() {
        let evaluation = entry.resolution.evaluation
        let input = if let last, last.evaluation == evaluation { last.pixels } else { try evaluation.apply(to: pixels) }
        last = (evaluation, input)
        let outputs = try sessions[model][worker].outputs(for: input)
        var row = Row(key: loaded.key, digest: digest)
        if needsEmbeddings { row.embedding = try embedding(outputs, of: images[index], entry) }
        if labels.indices.contains(model), let label = labels[model].labels[index] {
          row.hit = try ClassHit(label: label, checked: outputs.logits, of: images[index], from: entry.model.path)
          row.answer = outputs.logits.bitDigest
        }
        found.append(row)
      }
      let finished = found
      rows.withLock { $0[index] = finished }
    }
    let complete = rows.withLock { $0 }
    let kept = complete.compactMap(\.self)
    let outputs = entries.indices.map { model in
      SetOutputs(
        rows: kept.map { $0[model].embedding }, hits: kept.map { $0[model].hit }, answers: kept.map { $0[model].answer }
      )
    }
    return Result(
      outputs: outputs, left: Set(complete.indices.filter { complete[$0] == nil }), skipped: skipped,
      keys: kept.compactMap { $0.first?.key }, digests: kept.compactMap { $0.first?.digest })
  }

  private func embedding(
    _ outputs: ImageOutputs, of image: TaskImage, _ entry: EvaluationModels.Entry
  ) throws(ConversionError) -> [Float] {
    guard !outputs.embedding.isEmpty else {
      throw .wrongKind("\(entry.model.path): the network has no embedding to search by")
    }
    return try outputs.embedding.checkedForRanking(of: image, from: entry.model.path)
  }
}

extension ClassHit {
  /// - Parameters:
  ///   - label: the index of the true class, below the number of logits.
  ///   - path: the path of the model or file that the logits come from, for errors.
  /// - Throws: `ConversionError.notFinite` for logits that have no order: NaN and infinity. A class whose logit
  ///   is minus infinity comes last.
  init(label: Int, checked logits: [Float], of image: TaskImage, from path: String) throws(ConversionError) {
    guard logits.allSatisfy({ $0 < .infinity }) else {
      throw .notFinite("\(path): a logit of \(image.name) is NaN or infinite, so that classes cannot be ranked")
    }
    self.init(label: label, logits: logits[...])
  }
}

extension [Float] {
  /// The embedding itself, if it has a direction.
  ///
  /// - Parameter path: the path of the model or file that it comes from, for errors.
  /// - Throws: `ConversionError.notFinite` where it is NaN, infinite or zero.
  func checkedForRanking(of image: TaskImage, from path: String) throws(ConversionError) -> [Float] {
    guard allSatisfy(\.isFinite), contains(where: { $0 != 0 }) else {
      throw .notFinite("\(path): the embedding of \(image.name) is NaN, infinite or zero, so that it cannot be ranked")
    }
    return self
  }
}
