import Fidelity
import Files
import Graphs
import Images
import Pixels
import Retrieval
import Threads

/// Measures models on a set of images: what each of them finds and recognises, and what changed since the first.
package struct Evaluation {
  /// The set.
  package var set: EvaluationSet
  /// The path of the folder of images; `nil` where stored embeddings name the images.
  package var data: String?
  /// The files that belong to the set.
  package var files = EvaluationSet.Files()
  /// The paths of the models, the one that others are compared with first.
  package var models: [String]
  /// The paths of files with embeddings, which follow the models.
  package var embeddings: [String] = []
  /// The path of a folder of distractors, or those of files with their embeddings, one for each model.
  package var distractors: [String] = []
  /// The size and the crop.
  package var resolution = ResolutionRequest()
  /// How to read checkpoints.
  package var model = ModelFile.Options()
  /// The names of the classes; `nil`: those of the models, or else of the class folders.
  package var classNames: ClassNameList?
  /// The number of threads, and whether broken images are left out.
  package var job: ImageJob
  /// The limits in percentage points; `nil`: not gated.
  package var maxMapDrop, maxTop1Drop: Double?
  /// Whether to make picture sheets of the queries that changed most.
  package var makesSheets = false

  /// How many neighbours of each query are kept.
  static let neighborCount = 5

  package init(set: EvaluationSet, data: String?, models: [String], job: ImageJob) {
    (self.set, self.data, self.models, self.job) = (set, data, models, job)
  }

  /// - Throws: `RetrievalError` where the images or files do not fit the set; `ConversionError` for models and images
  ///   that cannot be used; `CheckpointError`, `ImportError`, `GraphError`, `ImageError` and `FileError` from reading
  ///   and running the models.
  package func run(progress: any ProgressObserver = SilentProgress()) throws -> EvaluationReport {
    let stored = try embeddings.map { try StoredSetOutputs(path: $0) }
    let list = try listed(stored, progress)
    var task = try set.task(list, files: files)
    let opened = try EvaluationModels(models, request: resolution, options: model)
    progress.state(opened.assumptions)
    let labels = try self.labels(task, opened, stored, list)
    let distractors = try Distractors(
      self.distractors, models: models.count, widths: try widths(opened, stored), progress: progress)
    if case .none = distractors {
    } else if task.queries.isEmpty {
      throw ConversionError.option("--distractors is for sets that are searched, but \(set.rawValue) has no queries")
    }
    var (outputs, skipped, keys) = ([SetOutputs](), BrokenImages(), Set<UInt64>())
    var digests: [SHA256.Digest] = []
    let embedder = opened.entries.isEmpty ? nil : try SetEmbedder(opened.entries, job: job)
    if let embedder {
      let result = try embedder.run(
        task.embeddedImages, labels: Array(labels.prefix(opened.entries.count)),
        needsEmbeddings: !task.queries.isEmpty, hashesPixels: opened.entries.contains { $0.calibration != nil },
        progress: progress)
      (outputs, skipped, keys, digests) = (result.outputs, result.skipped, Set(result.keys), result.digests)
      task.leaveOut(result.left)
      guard !task.images.isEmpty else { throw ConversionError.noUsableImages(folder: list.source) }
    }
    let storedLabels = skipped.isEmpty ? labels : try self.labels(task, opened, stored, list)
    for (index, file) in stored.enumerated() {
      outputs.append(try file.outputs(task, list, labels: storedLabels[opened.entries.count + index]))
    }
    guard task.queries.contains(where: { !$0.targets.isEmpty }) || outputs.contains(where: { $0.hits != nil }) else {
      let reason =
        !task.queries.isEmpty
        ? "no query has a positive"
        : task.labels == nil
          ? "the ground truth has no query"
          : labels.lazy.compactMap(\.problem).first ?? "no model has a classifier"
      throw ConversionError.wrongKind("\(list.source): nothing can be measured: \(reason)")
    }

    var (results, added) = (outputs.map { _ in [QueryResult]() }, Distractors.Added())
    if !task.queries.isEmpty {
      let team = ThreadTeam(count: job.threads)
      let searches = try outputs.map { try ExactSearch(task, $0, first: Self.neighborCount, team: team) }
      (results, added) = try distractors.search(with: searches, embedder, keys: keys, team: team, progress: progress)
      skipped.merge(added.skipped)
    }
    var report = EvaluationReport(task)
    report.distractors = added.count
    report.dataName = data.map(FolderName.of)
    report.toolVersion = ToolVersion.current
    report.models = outputs.indices.map { index in
      evaluated(index, opened, task, outputs[index], results[index], since: index == 0 ? nil : (outputs[0], results[0]))
    }
    let doubts = try EvaluationDoubts(opened, outputs, paths: models + embeddings, task: task, digests: digests)
    report.gates = gates(report.models, doubts)
    report.warnings += doubts.warnings
    report.assumptions = opened.assumptions.map(\.description)
    report.notes += stored.flatMap { $0.notes(task) }
    report.warnings += opened.warnings + preprocessingWarnings(opened, stored, distractors)
    if let warning = added.warning { report.warnings.append(warning) }
    for (path, labels) in zip(models + embeddings, labels) {
      report.notes += labels.notes.map { "\(path): \($0)" }
      report.warnings += labels.warnings.map { "\(path): \($0)" }
    }
    report.skippedImages = skipped.entries.map { ($0.path, "\($0.error)") }
    if makesSheets {
      report.sheets = try QuerySheets(task: task, distractors: added.images).make(report.models, results)
    }
    return report
  }

  /// The images of the folder, or else those that the first file of embeddings names.
  private func listed(_ stored: [StoredSetOutputs], _ progress: any ProgressObserver) throws -> ListedImages {
    if let data { return ListedImages(try ImageFolder(path: data, progress: progress)) }
    guard models.isEmpty, let first = stored.first else {
      throw ConversionError.option("give the folder of the set's images by --data")
    }
    return try first.listed()
  }

  /// The number of elements of an embedding of each model and each file of embeddings.
  private func widths(_ opened: EvaluationModels, _ stored: [StoredSetOutputs]) throws -> [Int] {
    try opened.entries.map { try $0.model.embeddingWidth(side: $0.resolution.side) }
      + stored.map { $0.file.embeddings?.width ?? 0 }
  }

  /// Which files of embeddings state that images became inputs in another way than those of the first model or file.
  private func preprocessingWarnings(
    _ opened: EvaluationModels, _ stored: [StoredSetOutputs], _ distractors: Distractors
  ) -> [String] {
    var known = opened.entries.map { (path: $0.model.path, states: $0.resolution.evaluation.metadata) }
    known += stored.map { ($0.file.path, $0.file.evaluation) }
    var others = Array(known.dropFirst(max(1, opened.entries.count)))
    if case .files(let sources) = distractors { others += sources.map { ($0.path, $0.metadata) } }
    guard let first = known.first else { return [] }
    return others.compactMap { other in
      let differences = OutputFile.differences(other.states, first.states)
      guard !differences.isEmpty else { return nil }
      return "\(other.path) and \(first.path) are of images with different preprocessing "
        + "(\(differences.joined(separator: ", ")))"
    }
  }

  /// The labels for each model and each file of embeddings.
  private func labels(
    _ task: RetrievalTask, _ opened: EvaluationModels, _ stored: [StoredSetOutputs], _ list: ListedImages
  ) throws -> [TaskLabels] {
    let counts =
      try opened.entries.map { try $0.model.classCount(side: $0.resolution.side) }
      + stored.map { $0.file.logits?.width ?? 0 }
    let names = opened.entries.map(\.model.classNames)
    return try counts.map { count in
      let listed = count > 0 ? classNames : nil
      return TaskLabels(
        task, folder: FolderName.of(list.source),
        try ClassNames(
          count, listed: listed, stored: names.first { $0.count == count } ?? [], of: "the model"))
    }
  }

  private func evaluated(
    _ index: Int, _ opened: EvaluationModels, _ task: RetrievalTask, _ outputs: SetOutputs, _ results: [QueryResult],
    since first: (outputs: SetOutputs, results: [QueryResult])?
  ) -> EvaluatedModel {
    let isModel = index < opened.entries.count
    var model = EvaluatedModel(
      path: (models + embeddings)[index], precision: isModel ? opened.entries[index].precision : "stored")
    model.dimension = outputs.dimension
    model.input = isModel ? opened.entries[index].input : nil
    model.figures = task.protocols.compactMap { RetrievalFigures($0, results) }
    if let hits = outputs.hits, let accuracies = ClassHit.accuracies(hits) {
      model.accuracy = .init(top1: accuracies.top1, top5: accuracies.top5, images: hits.count)
    }
    model.comparison = first.map {
      ModelComparison(task, $0.results, results, firstHits: $0.outputs.hits, otherHits: outputs.hits)
    }
    return model
  }

  private func gates(_ models: [EvaluatedModel], _ doubts: EvaluationDoubts) -> [EvaluationGate] {
    models.enumerated().dropFirst().flatMap { index, model in
      [
        maxMapDrop.map {
          EvaluationGate(
            .mapDrop, model: model.path, value: model.comparison?.mapDrop, limit: $0,
            doubts: doubts.reasons(.mapDrop, of: index))
        },
        maxTop1Drop.map {
          EvaluationGate(
            .top1Drop, model: model.path, value: model.comparison?.top1Drop, limit: $0,
            doubts: doubts.reasons(.top1Drop, of: index))
        },
      ].compactMap(\.self)
    }
  }
}

extension ModelFile {
  /// The number of classes of the classifier at a size; 0 without one.
  fileprivate func classCount(side: Int) throws -> Int {
    if let package { return package.info.classCount }
    return graph.width(ofOutput: GraphOutput.logits, try graph.inferShapes(input: [1, side, side, 3]))
  }

  /// The number of elements of an embedding at a size; 0 where there is none.
  fileprivate func embeddingWidth(side: Int) throws -> Int {
    if let package { return package.info.embeddingDimension }
    return graph.width(ofOutput: GraphOutput.normalizedEmbedding, try graph.inferShapes(input: [1, side, side, 3]))
  }
}
