import Calibration
import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import PackageFormat
import Pixels
import Quantization

extension NetworkQuantizer {
  /// Quantises a network whose file states its quantisation: nothing is equalised, calibrated or rounded. The reference
  /// for verification is the network as the file defines it, in float arithmetic on rounded values.
  ///
  /// - Parameters:
  ///   - source: the checkpoint that `options` names.
  ///   - folder: the images to verify on, unless `options` names others.
  /// - Throws: `ConversionError.option` for options that would change the quantisation; the errors of the stages.
  func storedNetwork(
    _ source: ConversionSource, _ stored: StoredQuantization, _ folder: ImageFolder
  ) throws -> QuantizedNetwork {
    try checkOptions()
    var imported = source.imported
    progress.state(imported.network.assumptions)
    let resolutions = try resolutions(servedBy: &imported.graph)
    let info = try PackageInfo(imported.graph, for: resolutions)
    let verified = try options.verificationFolder.map { try ImageFolder(path: $0, progress: progress) } ?? folder
    let images = ImageSelection(verifyingIn: verified, try classNames(imported, count: info.classCount))
    try options.decisionRule?.checkClasses(images.verification.map(\.label), of: images.verificationFolder)
    let record = try ImageRecord(
      images, calibrationFolder: "", threads: options.threads)
    let folded = try clock.stage("fold") {
      try Folding(imported, probe: try probe(imported.graph, images.verification), threads: options.threads)
    }
    let (check, checkWarnings) = try referenceCheck(
      of: folded.network, imported, source.digest, resolutions, folder, images)
    imported.checkpoint.releasePages()
    let graph = folded.network.graph
    let planned = try clock.stage("quantize") { try StoredQuantizationPlanner.plan(graph, stored) }
    return QuantizedNetwork(
      info: info,
      sizes: resolutions.map { ServedSize($0, of: resolutions.count, exponent: imported.graph.poolingExponent) },
      reference: reference(imported, source.digest), referenceCheck: check, images: images, record: record,
      assumptions: imported.network.assumptions.map(\.description) + [images.labels.assumption].compactMap(\.self),
      notes: imported.network.notes + planned.notes(for: graph) + [images.labels.note].compactMap(\.self),
      warnings: source.warnings + images.labels.warnings + checkWarnings,
      foldingDifference: folded.difference, foldingNotes: folded.notes, equalization: nil, float: folded.network,
      planned: planned.graph, statistics: [ActivationStatistics()], calibration: ActivationStatistics(),
      calibrationRecord: ["quantization": .string("stored in the model")], skippedCount: 0, plan: planned.plan,
      givenPlan: planned.plan, isCutShort: false, levels: planned.levels, store: nil,
      quantization: stored)
  }

  /// Refuses options whose effect would be another quantisation than that of the file.
  private func checkOptions() throws(ConversionError) {
    let given: [(String, Bool)] = [
      ("--plan", options.plan != nil), ("--keep-float", !options.keptFloat.isEmpty),
      ("--max-bytes", options.maxBytes != nil), ("--resume", options.resumeFolder != nil),
    ]
    guard let option = given.first(where: \.1)?.0 else { return }
    throw .option(
      "\(option) has no place here: \(options.checkpoint) is quantised, and its levels are taken as they are")
  }
}

extension StoredPlan {
  /// What was taken from the file, for the report.
  fileprivate func notes(for graph: Graph) -> [String] {
    let weighted = self.graph.nodes.filter(\.hasRoundedWeights)
    let kept = plan.layersKeptFloat(in: self.graph)
    var notes = [
      "the model is quantised: the levels of \(weighted.count { levels[$0] != nil }) of \(weighted.count) layers with "
        + "weights, and the formats of activations, are those of the file; the reference is the network that it defines"
    ]
    let reasons = Dictionary(grouping: kept) { plan.layers[$0.name]?.reason ?? "" }
    for (reason, nodes) in reasons.sorted(by: { $0.key < $1.key }) {
      let names = nodes.prefix(3).map(\.name).joined(separator: ", ")
      notes.append(
        "\(nodes.count) layers compute in float, as \(reason): \(names)\(nodes.count > 3 ? " and others" : "")")
    }
    return notes
  }
}

extension ImageSelection {
  /// Images to verify a network on that needs no calibration.
  ///
  /// - Parameters:
  ///   - folder: the folder of the images.
  ///   - names: the names of the classes.
  init(verifyingIn folder: ImageFolder, _ names: ClassNames) {
    self.init(
      calibration: [], verification: folder.files, verificationFolder: folder.path, source: .only,
      labels: ClassLabels(folder, names))
  }
}
