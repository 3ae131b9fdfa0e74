import Graphs
import Images
import Inference
import Retrieval
import Runtime
import Synchronization
import Threads

/// Computes the outputs of several models for the images of a task, reading and decoding each image once.
struct SetEmbedder {
  let entries: [EvaluationModels.Entry]
  let job: ImageJob
  /// For each model, the label of each image.
  let labels: [TaskLabels]
  /// Whether embeddings are needed; otherwise only answers are.
  let needsEmbeddings: Bool

  private struct Row {
    var embedding: [Float] = []
    var hit: ClassHit?
  }

  /// - Returns: the outputs of each model, and the images that were left out, by their indices.
  /// - Throws: `ConversionError.brokenImages` where an image is broken and may not be left out, `.notFinite`
  ///   for outputs that are NaN or infinite, `.wrongKind` for a model without embedding; `GraphError` where a network cannot run.
  func run(
    _ images: [TaskImage], progress: any ProgressObserver
  ) throws -> (outputs: [SetOutputs], left: Set<Int>, skipped: BrokenImages) {
    let executables = try entries.map { try $0.model.executable(threads: job.threads) }
    let sessions = executables.map { executable in WorkerLocal { Session(executable) } }
    let files = try images.map { try $0.file() }
    let rows = Mutex([[Row]?](repeating: nil, count: images.count))
    progress.begin("embed", total: images.count)
    defer { progress.end() }
    let skipped = try job.run(files, progress: progress) { index, file, worker in
      let pixels = try images[index].pixels(file)
      var last: (evaluation: EvaluationProtocol, pixels: RGBImage)?
      var found: [Row] = []
      for (model, entry) in entries.enumerated() {
        let evaluation = entry.resolution.evaluation
        let input = if let last, last.evaluation == evaluation { last.pixels } else { try evaluation.apply(to: pixels) }
        last = (evaluation, input)
        let outputs = try sessions[model][worker].outputs(for: input)
        found.append(try row(outputs, image: index, of: images[index].name, model: model))
      }
      let finished = found
      rows.withLock { $0[index] = finished }
    }
    let complete = rows.withLock { $0 }
    let kept = complete.compactMap(\.self)
    let outputs = entries.indices.map { model in
      SetOutputs(rows: kept.map { $0[model].embedding }, hits: kept.map { $0[model].hit })
    }
    return (outputs, Set(complete.indices.filter { complete[$0] == nil }), skipped)
  }

  private func row(_ outputs: ImageOutputs, image: Int, of name: String, model: Int) throws(ConversionError) -> Row {
    let path = entries[model].model.path
    var row = Row()
    if needsEmbeddings {
      guard !outputs.embedding.isEmpty else { throw .wrongKind("\(path): the network has no embedding to search by") }
      guard outputs.embedding.allSatisfy(\.isFinite) else {
        throw .notFinite("\(path): the embedding of \(name) is NaN or infinite, so that it cannot be ranked")
      }
      row.embedding = outputs.embedding
    }
    if let label = labels[model].labels[image] { row.hit = ClassHit(label: label, logits: outputs.logits[...]) }
    return row
  }
}
