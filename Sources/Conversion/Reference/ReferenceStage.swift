import Checkpoints
import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import Pixels
import Runtime

/// What a float network is compared with before anything else is done.
package struct ReferenceOptions: Sendable {
  /// The path of a golden file, as a program of 'quern golden' writes it; `nil` for none.
  package var goldenFile: String?
  /// The path of a folder with the golden file's images, which is searched in addition to the command's other folders.
  package var goldenImages: String?
  /// How far the outputs of the float network may be from the framework's.
  package var tolerances = ReferenceCheck.Tolerances()
  /// Whether ONNX test data next to an ONNX model is used.
  package var usesTestData = true

  /// No golden file, but ONNX test data where there is some.
  package init() {}
}

/// The error that a float network does not match its framework, after which nothing else is measured.
package struct ReferenceMismatch: Error, Sendable {
  /// A report whose only gate is `reference`, with findings that explain the difference.
  package let report: FidelityReport
}

/// The stage that compares a float network with its framework.
struct ReferenceStage {
  let options: ReferenceOptions
  /// The checkpoint's path.
  let path: String
  /// The checkpoint's network, if it is an ONNX model.
  let model: ONNXModel?
  /// The normalisation that the checkpoint's network expects, before folding changed it.
  let normalization: Preprocessing
  let channelOrder: ChannelOrder
  let threads: Int

  /// - Parameters:
  ///   - network: the folded float network.
  ///   - resolutions: the resolutions that the command uses, at least one.
  ///   - files: the image files of all folders that the command was given.
  /// - Returns: the first check that failed, or else the first that passed only because its tolerances are looser than
  ///   their defaults, or else the first; `nil` if there is nothing to compare with. And which test data was found but
  ///   is not used, a sentence each.
  /// - Throws: as `GoldenFile.init`, `ReferenceChecker.check` and `ONNXTestData.init` do; `ConversionError.option`
  ///   where the golden file was made at a size that the command does not use.
  func run(
    _ network: FloatNetwork, _ resolutions: [Resolution], files: [ImageFolder.File], progress: any ProgressObserver
  ) throws -> (check: ReferenceCheck?, warnings: [String]) {
    guard options.goldenFile != nil || options.usesTestData && model != nil else { return (nil, []) }
    progress.begin("reference", total: nil)
    defer { progress.end() }
    var checks: [ReferenceCheck] = []
    var (notes, warnings): ([String], [String]) = ([], [])
    if let goldenFile = options.goldenFile {
      let golden = try GoldenFile(path: goldenFile)
      checks.append(try check(golden, network, try resolution(of: golden, resolutions), files))
    }
    if options.usesTestData, let model {
      var data = try ONNXTestData(path: path, model: model)
      if !data.isEmpty,
        let check = data.check(
          try network.executable(),
          source: SourceInput(
            normalization: normalization, channelOrder: channelOrder, network: network.graph.preprocessing),
          tolerances: options.tolerances, threads: threads)
      {
        checks.append(check)
      }
      (notes, warnings) = (data.notes, data.warnings)
    }
    for note in notes { progress.warn(note) }
    guard
      let gravest = checks.firstIndex(where: { !$0.passed }) ?? checks.firstIndex(where: \.needsLooseTolerances)
        ?? checks.indices.first
    else { return (nil, warnings) }
    var result = checks.remove(at: gravest)
    if result.passed { result.findings += checks.map { "also \($0.summary)" } }
    result.findings += notes
    return (result, warnings)
  }

  /// The resolution of a golden file.
  ///
  /// - Throws: `ConversionError.option` where the golden file was made at a size that the command does not use, or of
  ///   images that were turned otherwise.
  private func resolution(of golden: GoldenFile, _ resolutions: [Resolution]) throws -> Resolution {
    if let turnsUpright = golden.stated.turnsUpright, turnsUpright != EXIFOrientation.isApplied {
      throw ConversionError.option(
        turnsUpright
          ? "\(golden.path) was made of images that were turned upright: give --exif-orientation"
          : "\(golden.path) was made of images as they are stored: leave out --exif-orientation, or make it again with "
            + "'quern golden --exif-orientation'")
    }
    guard let size = golden.stated.size else { return resolutions[0] }
    if let resolution = resolutions.first(where: { $0.evaluation.size == size }) { return resolution }
    let sizes = resolutions.map { "\($0.evaluation.size)" }.joined(separator: " and ")
    throw ConversionError.option(
      "\(golden.path) was made at \(size) pixels, but this command uses images at \(sizes): give --size \(size), or make it "
        + "again with 'quern golden --size \(resolutions[0].evaluation.size)'")
  }

  private func check(
    _ golden: GoldenFile, _ network: FloatNetwork, _ resolution: Resolution, _ files: [ImageFolder.File]
  ) throws -> ReferenceCheck {
    let goldenImages = try options.goldenImages.map { try ImageFolder(path: $0).files } ?? []
    let found = try ContentIndex.files(of: Set(golden.hashes), in: goldenImages + files, threads: threads)
    let checker = ReferenceChecker(
      network: network, poolingExponent: resolution.poolingExponent,
      view: InputView(
        evaluation: resolution.evaluation, normalization: normalization, channelOrder: channelOrder),
      tolerances: options.tolerances, threads: threads)
    return try checker.check(golden, files: found)
  }
}
