import Fidelity
import Files
import Graphs
import Images
import Inference
import Pixels
import Runtime
import Tensors
import Threads

/// Compares a float network with what its framework computed for the same images, and looks for the cause among the
/// usual suspects where the two differ.
struct ReferenceChecker {
  let network: FloatNetwork
  /// The exponent of GeM; `nil` for the network's own.
  let poolingExponent: Double?
  /// How images are preprocessed for the checkpoint's network.
  let view: InputView
  let tolerances: ReferenceCheck.Tolerances
  let threads: Int

  /// An image, with the framework's outputs for it.
  struct Row: Sendable {
    let file: ImageFolder.File
    /// L2-normalised.
    let expectedEmbedding: [Float]?
    let expectedLogits: [Float]?
    /// What the framework's network was given, [3, height, width].
    let input: Tensor?

    /// Whether the framework's outputs contain neither NaN nor infinity.
    var isFinite: Bool { ((expectedEmbedding ?? []) + (expectedLogits ?? [])).allSatisfy(\.isFinite) }
  }

  /// - Parameters:
  ///   - golden: the framework's outputs.
  ///   - files: the image files found, by the hash of their contents. Images of the golden file that are not among them
  ///     are counted as missing.
  /// - Throws: `ConversionError.wrongKind` where the golden file belongs to another network; `.missingImages` where
  ///   none of its images was found; `ImageError` where an image cannot be read; `GraphError` where the network cannot
  ///   run.
  func check(_ golden: GoldenFile, files: [String: ImageFolder.File]) throws -> ReferenceCheck {
    try checkWidths(golden)
    let rows = golden.hashes.enumerated().compactMap { index, hash in
      files[hash].map { golden.row(index, file: $0) }
    }
    guard !rows.isEmpty else {
      throw ConversionError.missingImages(
        "none of the \(golden.hashes.count) images of \(golden.path) is in the given folders; name the folder that it was "
          + "made from with --golden-images")
    }
    let executable = try network.executable().pooling(by: poolingExponent)
    let outcome = try differences(rows, executable)
    var findings: [String] = []
    let passes = outcome.images.passes(tolerances) && outcome.input?.passes(tolerances) ?? true
    if let row = rows.first(where: { !$0.isFinite }) {
      findings = ["\(golden.path) contains a value that is not finite, for \(row.file.relativePath)"]
    } else if !passes {
      findings = try DifferenceExplanation(
        executable: executable, source: source, view: view, stated: golden.stated, framework: golden.framework,
        tolerances: tolerances,
        threads: threads
      ).findings(rows, onImages: outcome.images, onInput: outcome.input)
    }
    // Several rows of one image say nothing of others.
    let images = Set(rows.map { ExactName($0.file.path) }).count
    if images < rows.count {
      findings.append("\(golden.path) has \(rows.count) rows for \(images) image\(images == 1 ? "" : "s")")
    }
    return ReferenceCheck(
      framework: golden.framework, images: images, missingImages: Set(golden.hashes).count - images,
      differences: outcome.images, onInput: outcome.input, tolerances: tolerances, findings: findings)
  }

  private var source: SourceInput {
    SourceInput(
      normalization: view.normalization, channelOrder: view.channelOrder, network: network.graph.preprocessing)
  }

  private func checkWidths(_ golden: GoldenFile) throws {
    let side = view.evaluation.size
    let shapes = try network.graph.inferShapes(input: [1, side, side, 3])
    if let rows = golden.embeddings { try checkWidth(of: rows, GraphOutput.normalizedEmbedding, golden.path, shapes) }
    if let rows = golden.logits { try checkWidth(of: rows, GraphOutput.logits, golden.path, shapes) }
  }

  private func checkWidth(
    of rows: FloatRows, _ output: String, _ path: String, _ shapes: [Shape?]
  ) throws(ConversionError) {
    let (width, architecture) = (network.graph.width(ofOutput: output, shapes), network.graph.architecture)
    guard width > 0 else {
      throw .wrongKind("\(path) contains \(output), which the network '\(architecture)' does not have")
    }
    guard rows.width == width else {
      throw .wrongKind(
        "\(path) contains \(output) of \(rows.width) values, but the network '\(architecture)' gives \(width): they "
          + "belong to different networks")
    }
  }

  private final class Worker {
    let session: Session
    var (onImages, onInput) = (OutputDifference(), OutputDifference())
    init(_ executable: Executable) { session = Session(executable) }
  }

  private func differences(
    _ rows: [Row], _ executable: Executable
  ) throws -> (images: ReferenceCheck.Differences, input: ReferenceCheck.Differences?) {
    let workers = WorkerLocal { Worker(executable) }
    _ = try ImageJob(threads: threads).run(rows.map(\.file), progress: SilentProgress()) { index, file, worker in
      let (row, worker) = (rows[index], workers[worker])
      let pixels = try view.evaluation.apply(to: try LoadedImage(file).pixels)
      worker.onImages.add(try worker.session.outputs(for: pixels), for: row)
      if let input = row.input {
        worker.onInput.add(try worker.session.outputs(normalized: source.networkInput(input.asImageBatch())), for: row)
      }
    }
    func merged(_ part: (Worker) -> OutputDifference) -> ReferenceCheck.Differences {
      workers.all.reduce(into: OutputDifference()) { $0.merge(part($1)) }.differences
    }
    return (merged(\.onImages), rows.contains { $0.input != nil } ? merged(\.onInput) : nil)
  }
}

extension OutputDifference {
  mutating func add(_ outputs: ImageOutputs, for row: ReferenceChecker.Row) {
    add(outputs, expectedEmbedding: row.expectedEmbedding, expectedLogits: row.expectedLogits)
  }
}

extension Session {
  /// Runs one image that is already normalised, [1, height, width, 3].
  ///
  /// - Throws: `GraphError` where the network cannot run on an image of this size.
  func outputs(normalized tensor: Tensor) throws(GraphError) -> ImageOutputs {
    ImageOutputs(try run(normalized: tensor))
  }
}

extension GoldenFile {
  /// The outputs in one row, with the image file that they belong to.
  func row(_ index: Int, file: ImageFolder.File) -> ReferenceChecker.Row {
    ReferenceChecker.Row(
      file: file, expectedEmbedding: embeddings.map { hasNormalizedEmbeddings ? $0[index] : $0[index].l2Normalized },
      expectedLogits: logits.map { $0[index] }, input: input?.floatRow(index))
  }
}
