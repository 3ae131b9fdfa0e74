import Fidelity
import Graphs
import Images
import Operators
import Passes
import Pixels
import Retrieval

/// Chooses the exponent of GeM pooling for one size by what images and their augmented copies say (Berman et al.,
/// "MultiGrain", arXiv 1902.05509, "Expanding resolution with pooling exponent"): copies of an image must find one
/// another.
struct ExponentTuner {
  let options: TuningOptions
  /// The size and the crop of images.
  let evaluation: EvaluationProtocol
  let job: ImageJob
  let clock: StageClock
  let progress: any ProgressObserver

  /// Measures all exponents on images and chooses one.
  ///
  /// - Parameters:
  ///   - imported: the network, whose exponent is its own.
  ///   - files: the images.
  ///   - labels: the classes of the images; `nil` where accuracy is not measured.
  /// - Throws: `ConversionError.wrongKind` for a network without a choice of the exponent, for fewer than two images,
  ///   and where classes cannot be measured that the exponent is to be chosen by; `.notFinite` where embeddings by the
  ///   network's own exponent cannot be ranked; `.option` for a size that does not fit; `.brokenImages`; `GraphError`.
  func run(
    _ imported: ImportedCheckpoint, _ files: [ImageFolder.File], labels: ClassLabels?
  ) throws -> TuningReport {
    let path = imported.checkpoint.path
    let own = try Self.exponent(of: imported)
    try imported.graph.checkSize(evaluation.size)
    guard !imported.graph.averagesOnePixel(side: evaluation.size) else {
      throw ConversionError.wrongKind(
        "\(path): the GeM exponent cannot be chosen: at \(evaluation.size) px the embedding is the mean of a single pixel"
      )
    }
    let grid = try grid(imported, own: own, withLogits: labels?.areMeasured == true)
    imported.checkpoint.releasePages()
    let augmentation = Augmentation(recipe: options.recipe, evaluation: evaluation, seed: options.seed)
    let outputs = try clock.stage("tune", total: files.count) {
      try GridOutputs(
        grid, files, augmentation: augmentation, copies: options.copies, job: job, progress: progress
      ) { labels?.label(of: $0) }
    }
    guard outputs.files.count > 1 else {
      throw ConversionError.wrongKind("\(options.folder): an exponent is chosen on at least two different images")
    }
    var (measured, left) = ([(number: Int, exponent: Double)](), [Double]())
    var precisions: [[Double]] = []
    try clock.stage("tune", total: nil) {
      for (number, exponent) in grid.exponents.enumerated() {
        if let precision = try precision(outputs, number) {
          measured.append((number, exponent))
          precisions.append(precision)
        } else if exponent == own {
          throw ConversionError.notFinite(
            "\(path): by p = \(shortest(own)), an output is NaN or infinite, or an embedding is zero, so that it "
              + "cannot be ranked")
        } else {
          left.append(exponent)
        }
      }
    }
    var report = try report(
      path, files, outputs, measured, precisions, own: own, problem: labels?.problem)
    report.warnings += labels?.warnings ?? []
    report.notes += notes(outputs, left) + [labels?.note].compactMap(\.self)
    report.assumptions += imported.network.assumptions.map(\.description) + [labels?.assumption].compactMap(\.self)
    return report
  }

  /// The exponent of a network that can be given another one.
  ///
  /// - Throws: `ConversionError.wrongKind` for other networks.
  private static func exponent(of imported: ImportedCheckpoint) throws(ConversionError) -> Double {
    let path = imported.checkpoint.path
    guard imported.network.quantization == nil else {
      throw .wrongKind("\(path) is quantised already, so that its GeM exponent is fixed")
    }
    do throws(GraphError) { _ = try imported.graph.embeddingPooling() } catch { throw notPooled(path, error) }
    return imported.graph.poolingExponent ?? 1
  }

  private static func notPooled(_ path: String, _ error: GraphError) -> ConversionError {
    .wrongKind("\(path): the GeM exponent cannot be chosen: \(error)")
  }

  /// The folded network with a head for each exponent.
  private func grid(_ imported: ImportedCheckpoint, own: Double, withLogits: Bool) throws -> PoolingGrid {
    let (graph, _) = try PassPipeline.fold(keeping: imported.network.fixedNodes).run(
      imported.graph, afterEachPatch: imported.checkpoint.releasePages)
    // A checkpoint in half precision has an exponent next to one of the grid.
    let others = options.exponents.filter { abs($0 / own - 1) > 1e-3 }
    let exponents = (others + [own]).sorted()
    let outputs = [GraphOutput.normalizedEmbedding] + (withLogits ? [GraphOutput.logits] : [])
    do throws(GraphError) {
      return try PoolingGrid(graph, exponents: exponents, outputs: outputs)
    } catch {
      throw Self.notPooled(imported.checkpoint.path, error)
    }
  }

  /// For each image, the mean average precision by which it and its copies find one another, in percent; `nil` where
  /// embeddings cannot be ranked.
  private func precision(_ outputs: GridOutputs, _ number: Int) throws -> [Double]? {
    guard let elements = outputs.embeddings(number) else { return nil }
    return try CopyPrecision.ofImages(
      elements, dimension: outputs.embeddingDimension, copies: options.copies, threads: job.threads)
  }

  private func report(
    _ path: String, _ files: [ImageFolder.File], _ outputs: GridOutputs, _ measured: [(number: Int, exponent: Double)],
    _ precisions: [[Double]], own: Double, problem: String?
  ) throws -> TuningReport {
    let exponents = measured.map(\.exponent)
    let answers = measured.map { outputs.answers($0.number) }
    let labelled = answers.first?.count ?? 0
    let ownIndex = exponents.firstIndex(of: own) ?? 0
    guard let maps = Bootstrap.means(precisions),
      let byCopies = ExponentChoice(exponents, scores: precisions, own: ownIndex)
    else { throw ConversionError.noUsableImages(folder: options.folder) }
    let entropies = answers.map { $0.map(\.crossEntropy) }
    let losses = Bootstrap.means(entropies)
    let hits = Bootstrap.means(answers.map { $0.map { $0.isTop1 ? 100 : 0 } })
    let byClasses = ExponentChoice(exponents, scores: entropies.map { $0.map { -$0 } }, own: ownIndex)
    if options.criterion == .classes, byClasses == nil {
      throw ConversionError.wrongKind(
        "\(options.folder): an exponent cannot be chosen by classes: "
          + (problem ?? "the images have no class folders, or the network has no classifier"))
    }
    var report = TuningReport(
      checkpoint: path, images: try ContentHashes(files, threads: job.threads).set(of: options.folder),
      size: evaluation.size, input: "\(evaluation.size) px, \(evaluation.crop.rawValue)\(evaluation.resizingRemark)",
      measured: outputs.files.count, copies: options.copies, recipe: options.recipe.rawValue, labelled: labelled,
      networkExponent: own,
      points: exponents.indices.map {
        .init(exponent: exponents[$0], map: maps[$0], crossEntropy: losses?[$0], top1: hits?[$0])
      }, byCopies: byCopies, byClasses: byClasses, criterion: options.criterion)
    report.toolVersion = ToolVersion.current
    return report
  }

  private func notes(_ outputs: GridOutputs, _ left: [Double]) -> [String] {
    var notes: [String] = []
    if let first = outputs.repeated.first {
      let count = outputs.repeated.count
      notes.append(
        "\(count) image\(count == 1 ? "" : "s"), such as \(first), repeat\(count == 1 ? "s" : "") another and "
          + "\(count == 1 ? "is" : "are") left out")
    }
    if !outputs.skipped.isEmpty { notes.append("\(outputs.skipped.count) broken images are left out") }
    if !left.isEmpty {
      notes.append(
        "p = \(left.map(shortest).joined(separator: ", ")) cannot be used: an output is NaN or infinite, or an "
          + "embedding is zero")
    }
    return notes
  }
}
