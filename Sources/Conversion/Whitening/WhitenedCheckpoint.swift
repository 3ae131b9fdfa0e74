import Checkpoints
import Fidelity
import Files
import Graphs
import Inference
import ModelImport
import Pixels
import Retrieval
import Tensors

/// Whitens a checkpoint and writes the result as safetensors, with the names of MultiGrain's authors:
/// `whitening.pca.pca_P`, `whitening.pca.pca_m`, `pool.p`, and a classifier that the inverse is folded into.
package struct WhitenedCheckpoint {
  /// What was learned.
  package let figures: WhiteningFigures
  /// What reading the checkpoint and writing the other recognised or left out, one sentence each.
  package let notes: [String]
  /// Mean average precision by dimensions; `nil` where it was not to be measured.
  package let precision: PrecisionByDimension?
  private let path: String
  private let tensors: NamedTensors
  private let metadata: [String: String]

  /// The metadata key of the record of the whitening, in JSON.
  static let recordKey = "whitening"
  /// The metadata key of the SHA-256 of the checkpoint that was whitened, in hexadecimal digits.
  static let sourceKey = "checkpoint_sha256"

  /// Reads a checkpoint and learns the whitening.
  ///
  /// - Parameters:
  ///   - path: the path of the checkpoint.
  ///   - model: how to read it; `logitsOutput` "none" leaves its classifier out.
  ///   - request: one size.
  ///   - measuring: how mean average precision is measured; `nil`: it is not.
  ///   - progress: receives the assumptions of reading the checkpoint.
  /// - Throws: `ConversionError.wrongKind` for a package, for an ONNX model, and for a network that cannot be whitened;
  ///   the errors of reading a checkpoint, of `Whitener.run` and of `DimensionEvaluator.run`.
  package init(
    _ path: String, options: WhiteningOptions, model: ModelFile.Options, request: ResolutionRequest,
    measuring: PrecisionOptions?, job: ImageJob, progress: any ProgressObserver
  ) throws {
    self.path = path
    guard try !ModelFile.isPackage(path) else {
      throw ConversionError.wrongKind(
        "\(path) is a package; whitening is learned with the checkpoint that it was made of")
    }
    let imported = try ImportedCheckpoint(path: path, options: model)
    let digest = imported.checkpoint.sha256()
    guard let head = imported.network.head else {
      throw ConversionError.wrongKind(
        "\(path) is an ONNX model, whose structure safetensors cannot hold; 'quern convert --whiten' whitens it in a "
          + "conversion")
    }
    progress.state(imported.network.assumptions)
    let resolution = try request.resolutions(
      fixedSide: try imported.network.fixedImageSize?.side(of: path), poolingExponent: model.poolingExponent)[0]
    // Folders that cannot be read or measured end the command before any work is done.
    let measured = try measuring.map { try MeasuredImages($0, learnedFrom: options.folder) }
    let clock = StageClock(progress: progress)
    let whitened = try Whitener(
      options: options, resolution: resolution, keepsClassifier: true, job: job, clock: clock, progress: progress
    ).run(imported)
    figures = whitened.figures
    precision = try measured.map {
      try DimensionEvaluator(images: $0, resolution: resolution, job: job, clock: clock, progress: progress)
        .run(whitened, imported)
    }
    var notes: [String] = []
    tensors = try Self.tensors(
      of: imported, head, whitened, keepsOtherHeads: model.logitsOutput == nil, notes: &notes)
    if !imported.checkpoint.classNames.isEmpty {
      notes.append("the names of the \(imported.checkpoint.classNames.count) classes are not stored in safetensors")
    }
    let needed = model.neededAgain
    if !needed.isEmpty {
      notes.append("reading the whitened checkpoint needs the same options again: \(needed.joined(separator: ", "))")
    }
    self.notes = notes
    metadata = [
      "format": "pt", Self.recordKey: try figures.json, Self.sourceKey: digest.hex,
      "tool_version": ToolVersion.current,
    ]
  }

  /// A report on what was learned and measured.
  ///
  /// - Parameter output: the path of the file, as it was given.
  package func report(output: String) -> WhiteningReport {
    var report = WhiteningReport(
      checkpoint: path, output: output, whitening: figures.record, skipped: figures.skippedCount,
      notes: figures.notes + notes)
    report.precision = precision
    report.warnings = [precision?.warning].compactMap(\.self)
    report.toolVersion = ToolVersion.current
    return report
  }

  /// The tensors of the checkpoint, with another head.
  private static func tensors(
    of imported: ImportedCheckpoint, _ head: CheckpointHead, _ whitened: WhitenedNetwork, keepsOtherHeads: Bool,
    notes: inout [String]
  ) throws -> NamedTensors {
    let constants = whitened.constants
    let whitening = head.whitening ?? "\(head.scope)whitening.pca."
    var replaced = [("\(whitening)pca_P", constants.projection), ("\(whitening)pca_m", constants.mean)]
    if let classifier = head.classifier, let weight = constants.weight, let bias = constants.bias {
      replaced += [("\(classifier).weight", weight), ("\(classifier).bias", bias)]
    }
    if head.isPooled {
      let stored = head.exponents.count == 1 ? head.exponents[0] : "\(head.scope)pool.p"
      let shape = imported.checkpoint[stored]?.shape ?? Shape([])
      replaced.append((stored, Tensor([Float(whitened.figures.poolingExponent)], shape: shape)))
    }
    var dropped = Set(head.exponents)
    if !keepsOtherHeads { dropped.formUnion(head.leftOut) }
    var tensors = NamedTensors()
    var oversized = 0
    for (name, tensor) in imported.checkpoint.tensors {
      let name = head.name(of: name)
      guard name.hasPrefix(head.floor), !dropped.contains(name), !replaced.contains(where: { $0.0 == name }) else {
        continue
      }
      // A tensor that repeats its elements may claim any size.
      guard tensor.byteCount <= tensor.storage.bytes.count else {
        oversized += 1
        continue
      }
      _ = tensors.append(tensor, named: name)
    }
    for (name, tensor) in replaced where !tensors.append(tensor, named: name) {
      throw ConversionError.wrongKind("\(imported.checkpoint.path): a tensor is named '\(name)' already")
    }
    if oversized > 0 { notes.append("\(oversized) tensors that repeat their elements are left out") }
    return tensors
  }

  /// Whether a file is a checkpoint that was whitened, by this version or an earlier one.
  package static func isOne(_ file: MappedFile) -> Bool {
    (try? CheckpointOutline.open(file).defaultCheckpoint())?.metadata[recordKey] != nil
  }

  /// Writes the checkpoint, which the caller commits.
  ///
  /// - Throws: `FileError` where the file cannot be written.
  package func write(to file: AtomicFile) throws {
    try SafetensorsWriter.write(tensors, metadata: metadata, to: file)
  }
}

extension ModelImporter {
  /// The names of the options that are set and that a whitened checkpoint has to be read with, too.
  fileprivate var neededAgain: [String] {
    structure.names + (preprocessing == nil ? [] : [ImportAssumption.preprocessingOption])
      + (channelOrder == nil ? [] : ["--channel-order"]) + (state == nil ? [] : ["--state"])
      + (logitsOutput == nil || logitsOutput == "none" ? [] : ["--logits-output"])
  }
}
