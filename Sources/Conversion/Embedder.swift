import Checkpoints
import Files
import Graphs
import Images
import Inference
import Pixels
import Runtime
import Tensors
import Threads

/// Embeds and classifies images with one model, at one size or several.
package struct Embedder: Sendable {
  /// One for each size. They share the weights.
  private let networks: [(executable: Executable, evaluation: EvaluationProtocol)]
  private let job: ImageJob
  /// What the metadata of stored outputs say of the model.
  private let origin: [String: String]

  /// - Parameters:
  ///   - model: a package or a checkpoint.
  ///   - evaluation: how images are resized and cropped.
  ///   - job: the number of threads, and whether broken images are left out.
  /// - Throws: `GraphError` where the model cannot run; `ConversionError.option` where it does not take images of the
  ///   size, `.wrongKind` where its shapes fit no size, `.package` where its constants are damaged.
  package init(model: ModelFile, evaluation: EvaluationProtocol, job: ImageJob) throws {
    try self.init(model: model, resolutions: [Resolution(evaluation)], job: job)
  }

  /// - Parameters:
  ///   - model: a package or a checkpoint.
  ///   - resolutions: how images are resized and cropped, and by which exponents GeM pools; at least one. Without an
  ///     exponent, it pools by that of the model.
  ///   - job: the number of threads, and whether broken images are left out.
  /// - Throws: `GraphError` where the model cannot run; `ConversionError.option` where it does not take images of a
  ///   size, `.wrongKind` where its shapes fit no size, `.package` where its constants are damaged.
  package init(model: ModelFile, resolutions: [Resolution], job: ImageJob) throws {
    for resolution in resolutions { try model.checkSize(resolution.side) }
    let executable = try model.executable(threads: job.threads)
    let exponent = executable.graph.poolingExponent
    networks = try resolutions.map {
      (try executable.pooling(by: $0.poolingExponent ?? exponent), $0.evaluation)
    }
    self.job = job
    origin = model.metadata
  }

  /// Computes the outputs for images at the first size.
  ///
  /// - Returns: a row for each image that was not left out, in the order of `files`.
  /// - Throws: `ConversionError.brokenImages` where an image is broken and may not be left out; `GraphError` where the
  ///   network cannot run.
  package func run(_ files: [ImageFolder.File], progress: any ProgressObserver) throws -> Embeddings {
    try run(files, networks: networks.prefix(1), progress: progress)[0]
  }

  /// Computes the outputs for images at all sizes. Each image is read and decoded once. An image that is broken, or
  /// that the network cannot take at one of the sizes, is left out at all of them.
  ///
  /// - Returns: for each size, a row for each image that was not left out, in the order of `files`.
  /// - Throws: as `run`.
  package func runAllSizes(
    _ files: [ImageFolder.File], progress: any ProgressObserver
  ) throws -> [Embeddings] { try run(files, networks: networks[...], progress: progress) }

  private func run(
    _ files: [ImageFolder.File], networks: ArraySlice<(executable: Executable, evaluation: EvaluationProtocol)>,
    progress: any ProgressObserver
  ) throws -> [Embeddings] {
    let sessions = networks.map { network in WorkerLocal { Session(network.executable) } }
    let rows = Mutex([[ImageOutputs]?](repeating: nil, count: files.count))
    progress.begin("embed", total: files.count)
    defer { progress.end() }
    let skipped = try job.run(files, progress: progress) { index, file, worker in
      let image = try LoadedImage(file)
      let outputs = try zip(networks, sessions).map { network, sessions in
        try sessions[worker].outputs(for: try network.evaluation.apply(to: image.pixels))
      }
      rows.withLock { $0[index] = outputs }
    }
    let found = rows.withLock { $0 }
    return networks.enumerated().map { size, network in
      Embeddings(
        files: files, rows: found.map { $0?[size] }, skipped: skipped, evaluation: network.evaluation, origin: origin)
    }
  }
}

/// The outputs for a list of images.
package struct Embeddings: Sendable {
  /// The paths of the images relative to the folders that were given, in the order of the rows.
  package let files: [String]
  /// The images that were left out.
  package let skipped: BrokenImages
  private let rows: [ImageOutputs]
  /// For each row, the number of its image in the list that was given.
  private let sources: [Int]
  private let evaluation: EvaluationProtocol
  private let origin: [String: String]

  init(
    files: [ImageFolder.File], rows: [ImageOutputs?], skipped: BrokenImages, evaluation: EvaluationProtocol,
    origin: [String: String]
  ) {
    (self.evaluation, self.origin) = (evaluation, origin)
    sources = rows.indices.filter { rows[$0] != nil }
    self.files = sources.map { files[$0].relativePath }
    self.rows = rows.compactMap(\.self)
    self.skipped = skipped
  }

  /// The names of images whose embeddings cannot be searched: those that hold NaN or infinity, or are zero.
  package var unusable: [String] {
    zip(files, rows).compactMap { file, row in
      let embedding = row.embedding
      return embedding.allSatisfy(\.isFinite) && (embedding.isEmpty || embedding.contains { $0 != 0 }) ? nil : file
    }
  }

  /// How images became inputs, and the model.
  private var metadata: [String: String] { evaluation.metadata.merging(origin) { stated, _ in stated } }

  /// The size of the images in pixels.
  package var size: Int { evaluation.size }
  /// The number of elements of an embedding.
  package var dimension: Int { rows.first?.embedding.count ?? 0 }
  /// The number of logits per image; 0 without a classifier.
  package var classes: Int { rows.first?.logits.count ?? 0 }
  /// The embeddings of all images, one after the other.
  var values: [Float] { rows.flatMap(\.embedding) }
  /// The images that have rows.
  ///
  /// - Parameter list: the list that was given.
  func kept(of list: [ImageFolder.File]) -> [ImageFolder.File] { sources.map { list[$0] } }
  /// The logits of an image, in the classifier's order.
  package func logits(row: Int) -> ArraySlice<Float> { rows[row].logits[...] }

  /// Writes a file of another format than safetensors, which the caller commits: the embeddings alone.
  ///
  /// - Returns: the SHA-256 of the file.
  /// - Throws: `FileError` where the file cannot be written.
  package func write(as format: EmbeddingFormat, to file: AtomicFile) throws(FileError) -> SHA256.Digest {
    try EmbeddingWriter.write(rows.lazy.map(\.embedding), dimensions: dimension, as: format, to: file)
  }

  /// Writes the JSON file next to a file of numbers, which the caller commits: the paths of the images, how they were
  /// resized and cropped, and the model.
  ///
  /// - Parameter numbers: the SHA-256 of the file of numbers.
  /// - Throws: `FileError` where the file cannot be written.
  package func writeCompanion(of numbers: SHA256.Digest, to file: AtomicFile) throws(FileError) {
    try EmbeddingWriter.writeCompanion(of: numbers, files: files, metadata: metadata, to: file)
  }

  /// Writes a safetensors file, which the caller commits, with the tensors `normalized_embedding` [n, D] and, with a
  /// classifier, `logits` [n, classes]. The metadata has the paths of the images, how they were resized and cropped,
  /// with the keys of golden files, and the model.
  ///
  /// - Throws: `FileError` where the file cannot be written.
  package func write(to file: AtomicFile) throws {
    var tensors = NamedTensors()
    _ = tensors.append(
      Tensor(values, shape: [rows.count, dimension]), named: GraphOutput.normalizedEmbedding)
    if classes > 0 {
      _ = tensors.append(Tensor(rows.flatMap(\.logits), shape: [rows.count, classes]), named: GraphOutput.logits)
    }
    var metadata = metadata
    metadata["files"] = try JSONArray.encode(files)
    try SafetensorsWriter.write(tensors, metadata: metadata, to: file)
  }
}

extension ModelFile {
  /// The model, for the metadata of stored outputs: the name of its file and, of a package, the content hash.
  fileprivate var metadata: [String: String] {
    var result = ["model": path.split(separator: "/").last.map(String.init) ?? path]
    if let package { result["content_hash"] = package.contentHash.hex }
    return result
  }
}

extension EvaluationProtocol {
  /// How images become inputs, for the metadata of stored outputs (formats/golden.md).
  var metadata: [String: String] {
    var result = ["size": "\(size)", "crop": crop.rawValue, "resize": filter.rawValue]
    if crop == .square { result["crop_ratio"] = "\(cropRatio)" }
    if EXIFOrientation.isApplied { result["exif_orientation"] = "true" }
    return result
  }
}
