import Checkpoints
import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import Runtime

/// What a float network is held to before anything else.
package struct ReferenceOptions: Sendable {
  /// A file that a program of 'quern golden' wrote.
  package var goldenFile: String?
  /// A folder with its images, in addition to the folders that are given anyway.
  package var goldenImages: String?
  package var tolerances = ReferenceCheck.Tolerances()
  /// Use test data that lies next to an ONNX model.
  package var usesTestData = true

  package init() {}
}

/// A float network that does not match its framework: work stopped before anything else was measured.
package struct ReferenceMismatch: Error, Sendable {
  package let report: FidelityReport
}

/// The stage that holds a float network to its framework.
struct ReferenceStage {
  let options: ReferenceOptions
  /// The checkpoint's path, and its network where it is an ONNX model.
  let path: String
  let model: ONNXModel?
  /// What the checkpoint's own network takes, before norms were folded into it.
  let normalization: Preprocessing
  let channelOrder: ChannelOrder
  let threads: Int

  /// - Parameters:
  ///   - network: float and folded.
  ///   - resolutions: that images are looked at, at least one.
  ///   - files: of all folders that were given.
  /// - Returns: `nil` where there is nothing to hold the network to. The first check that failed, if one did.
  func run(
    _ network: FloatNetwork, _ resolutions: [Resolution], files: [ImageFolder.File], progress: any ProgressObserver
  ) throws -> ReferenceCheck? {
    guard options.goldenFile != nil || options.usesTestData && model != nil else { return nil }
    progress.begin("reference", total: nil)
    defer { progress.end() }
    var checks: [ReferenceCheck] = []
    var notes: [String] = []
    if let goldenFile = options.goldenFile {
      let golden = try GoldenFile(path: goldenFile)
      checks.append(try check(golden, network, try resolution(of: golden, resolutions), files))
    }
    if options.usesTestData, let model {
      var data = ONNXTestData(path: path, model: model)
      if !data.isEmpty,
        let check = data.check(
          try network.executable(),
          source: SourceInput(
            normalization: normalization, channelOrder: channelOrder, network: network.graph.preprocessing),
          tolerances: options.tolerances, threads: threads)
      {
        checks.append(check)
      }
      notes = data.notes
    }
    for note in notes { progress.warn(note) }
    guard var result = checks.first(where: { !$0.passed }) ?? checks.first else { return nil }
    if result.passed { result.findings += checks.dropFirst().map { "also \($0.summary)" } }
    result.findings += notes
    return result
  }

  /// - Throws: `ConversionError.option` where the golden file was made at a size that is not among those to be used.
  private func resolution(of golden: GoldenFile, _ resolutions: [Resolution]) throws -> Resolution {
    guard let size = golden.stated.size else { return resolutions[0] }
    if let resolution = resolutions.first(where: { $0.evaluation.size == size }) { return resolution }
    let sizes = resolutions.map { "\($0.evaluation.size)" }.joined(separator: " and ")
    throw ConversionError.option(
      "\(golden.path) was made at \(size) pixels, and this command looks at images at \(sizes): give --size \(size), or make "
        + "it anew with 'quern golden --size \(resolutions[0].evaluation.size)'")
  }

  private func check(
    _ golden: GoldenFile, _ network: FloatNetwork, _ resolution: Resolution, _ files: [ImageFolder.File]
  ) throws -> ReferenceCheck {
    let more = try options.goldenImages.map { try ImageFolder(path: $0).files } ?? []
    let found = ContentIndex.files(of: Set(golden.hashes), in: more + files, threads: threads)
    let checker = ReferenceChecker(
      network: network, poolingExponent: resolution.poolingExponent,
      view: InputView(
        evaluation: resolution.evaluation, normalization: normalization, channelOrder: channelOrder),
      tolerances: options.tolerances, threads: threads)
    return try checker.check(golden, files: found)
  }
}
