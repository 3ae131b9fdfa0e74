import Checkpoints
import Files
import Graphs
import Images
import Inference
import Runtime
import Synchronization
import Tensors
import Threads

/// Embeds and classifies images with one model.
package struct Embedder: Sendable {
  private let executable: Executable
  private let evaluation: EvaluationProtocol
  private let job: ImageJob

  /// - Throws: `GraphError` where the model cannot run; `ConversionError.option` where the size is too small for it.
  package init(model: ModelFile, evaluation: EvaluationProtocol, job: ImageJob) throws {
    try model.checkSize(evaluation.size)
    executable = try model.executable(threads: job.threads)
    self.evaluation = evaluation
    self.job = job
  }

  /// - Returns: a row for each image that was not left out, in the order of `files`.
  package func run(_ files: [ImageFolder.File], progress: any ProgressObserver) throws -> Embeddings {
    let sessions = WorkerLocal { Session(executable) }
    let rows = Mutex([ImageOutputs?](repeating: nil, count: files.count))
    progress.begin("embed", total: files.count)
    defer { progress.end() }
    let skipped = try job.run(files, progress: progress) { index, file, worker in
      let image = try LoadedImage(file)
      let outputs = try sessions[worker].outputs(for: try evaluation.apply(to: image.pixels))
      rows.withLock { $0[index] = outputs }
    }
    return Embeddings(files: files, rows: rows.withLock { $0 }, skipped: skipped)
  }
}

/// The outputs for a list of images.
package struct Embeddings: Sendable {
  /// Paths below the folders given, in the order of the rows.
  package let files: [String]
  package let skipped: BrokenImages
  private let rows: [ImageOutputs]

  init(files: [ImageFolder.File], rows: [ImageOutputs?], skipped: BrokenImages) {
    let kept = zip(files, rows).compactMap { file, row in row.map { (file.relativePath, $0) } }
    self.files = kept.map(\.0)
    self.rows = kept.map(\.1)
    self.skipped = skipped
  }

  package var dimension: Int { rows.first?.embedding.count ?? 0 }
  package var classes: Int { rows.first?.logits.count ?? 0 }
  package func logits(row: Int) -> ArraySlice<Float> { rows[row].logits[...] }

  /// Writes a safetensors file, which the caller commits: `normalized_embedding` [n, D], `logits` [n, classes] where there are any, and the files in
  /// the metadata.
  package func write(to file: AtomicFile) throws {
    var tensors = NamedTensors()
    _ = tensors.append(
      Tensor(rows.flatMap(\.embedding), shape: [rows.count, dimension]), named: GraphOutput.normalizedEmbedding)
    if classes > 0 {
      _ = tensors.append(Tensor(rows.flatMap(\.logits), shape: [rows.count, classes]), named: GraphOutput.logits)
    }
    try SafetensorsWriter.write(tensors, metadata: ["files": try JSONArray.encode(files)], to: file)
  }
}
