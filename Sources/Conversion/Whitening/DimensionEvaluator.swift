import Fidelity
import Files
import Graphs
import Images
import Passes
import Pixels
import Retrieval
import Runtime
import Tensors
import Threads
import Whitening

/// The images that mean average precision is measured on, and what is to be found by them.
struct MeasuredImages {
  let folder: ImageFolder
  let criterion: TuningReport.Criterion
  /// The indices of the images in the folder.
  let chosen: [Int]
  /// Whether whitening is learned from the same folder.
  let isLearned: Bool

  /// The maximum number of images where copies are made of each, and where whitening was learned from them.
  private static let limit = 500

  /// - Throws: `ImageError` for the folder; `ConversionError.wrongKind` where classes are to be found that it does not
  ///   have, or where it has a single image.
  init(_ options: PrecisionOptions, learnedFrom learned: String) throws {
    let path = options.folder ?? learned
    let folder = try ImageFolder(path: path)
    let all = Array(folder.files.indices)
    let some = options.folder == nil ? all.spread(Self.limit) : all
    let isClassified = Self.haveClasses(some.map { folder.files[$0].label })
    criterion = options.criterion ?? (isClassified ? .classes : .copies)
    if criterion == .classes, !isClassified {
      throw ConversionError.wrongKind(
        "\(path): mAP of classes needs images in folders of several classes, and two images of one of them")
    }
    chosen = criterion == .copies ? all.spread(Self.limit) : some
    (self.folder, isLearned) = (folder, options.folder == nil)
  }

  /// Whether there are several classes, and an image has something to find.
  private static func haveClasses(_ labels: [Int?]) -> Bool {
    var counts: [Int: Int] = [:]
    for label in labels {
      guard let label else { return false }
      counts[label, default: 0] += 1
    }
    return counts.count > 1 && counts.values.contains { $0 > 1 }
  }
}

/// Measures mean average precision by the number of dimensions of whitened embeddings.
struct DimensionEvaluator {
  let images: MeasuredImages
  /// How images become inputs.
  let resolution: Resolution
  let job: ImageJob
  let clock: StageClock
  let progress: any ProgressObserver

  /// How copies are made: as `TuningOptions` has it by default.
  private let tuning = TuningOptions(folder: "")

  init(
    images: MeasuredImages, resolution: Resolution, job: ImageJob, clock: StageClock, progress: any ProgressObserver
  ) {
    (self.images, self.resolution, self.job) = (images, resolution, job)
    (self.clock, self.progress) = (clock, progress)
  }

  /// The numbers of dimensions to measure: powers of two from 32 on, all dimensions, and those that are written; the
  /// greatest first.
  static func dimensions(of vectors: Int, written: Int) -> [Int] {
    let powers = sequence(first: 32) { $0 * 2 }.prefix { $0 < vectors }
    return Set(powers + [vectors, written]).sorted(by: >)
  }

  /// The embeddings of an image, and of its copies one after the other, by each of the outputs.
  private struct Row: Sendable {
    let key: UInt64
    var embeddings: [[Float]]
  }

  /// Runs the images through the trunk once, and searches them by embeddings of each number of dimensions.
  ///
  /// - Throws: `ConversionError.notFinite` for an embedding that cannot be ranked, `.brokenImages`, `.noUsableImages`;
  ///   `GraphError`.
  func run(_ network: WhitenedNetwork, _ imported: ImportedCheckpoint) throws -> PrecisionByDimension {
    let dimensions = Self.dimensions(of: network.whitening.dimension, written: network.figures.dimensions)
    let graph = network.original.whitenedByDimension(network.head, network.whitening, dimensions: dimensions)
    let files = images.chosen.map { images.folder.files[$0] }
    let names = [GraphOutput.normalizedEmbedding] + dimensions.map(Graph.whitenedOutput)
    let rows = try clock.stage("evaluate", total: files.count) { try embedded(graph, files, names, imported) }
    let found = try clock.stage("search", total: nil) {
      try images.criterion == .classes ? classes(rows, names.count) : copies(rows, names.count)
    }
    return try report(network, found, files, rows, dimensions)
  }

  private func report(
    _ network: WhitenedNetwork, _ found: Found, _ files: [ImageFolder.File], _ rows: [Row?], _ dimensions: [Int]
  ) throws -> PrecisionByDimension {
    let evaluation = resolution.evaluation
    let hashes = try ContentHashes(images.folder.files, threads: job.threads)
    let before = (rows.lazy.compactMap { $0?.embeddings[0].count }.first ?? 0) / (copies + 1)
    return PrecisionByDimension(
      criterion: images.criterion,
      images: hashes.set(of: images.folder.path),
      input: "\(evaluation.size) px, \(evaluation.crop.rawValue)\(evaluation.resizingRemark), p = "
        + shortest(network.figures.poolingExponent),
      measured: found.measured, queries: found.queries, copies: copies, recipe: tuning.recipe.rawValue,
      learned: images.isLearned ? found.measured : min(try learned(files, rows, hashes, network.files), found.measured),
      points: zip([before] + dimensions, found.maps).enumerated().map { index, point in
        .init(dimensions: point.0, isWhitened: index > 0, map: point.1)
      }, written: network.figures.dimensions)
  }

  /// The number of augmented copies of each image.
  private var copies: Int { images.criterion == .copies ? tuning.copies : 0 }

  private func embedded(
    _ graph: Graph, _ files: [ImageFolder.File], _ names: [String], _ imported: ImportedCheckpoint
  ) throws -> [Row?] {
    let folded = try PassPipeline.fold.run(graph, afterEachPatch: imported.checkpoint.releasePages).graph
    let executable = try Executable(folded, threads: job.threads)
    imported.checkpoint.releasePages()
    let sessions = WorkerLocal { Session(executable) }
    let augmentation = Augmentation(recipe: tuning.recipe, evaluation: resolution.evaluation, seed: tuning.seed)
    let copies = copies
    let rows = SlotStore<Row>()
    _ = try job.run(files, progress: progress) { index, file, worker in
      let image = try job.load(file)
      var row = Row(key: image.key, embeddings: names.map { _ in [] })
      for copy in 0...copies {
        let pixels = try augmentation.copy(copy, of: image.pixels, imageKey: image.key)
        let outputs = try sessions[worker].run(pixels: pixels.pixels, height: pixels.height, width: pixels.width)
        for (number, name) in names.enumerated() {
          row.embeddings[number] += try (outputs[name]?.elements(as: Float.self) ?? []).checkedForRanking(
            of: TaskImage(name: file.relativePath, path: file.path), from: imported.checkpoint.path)
        }
      }
      rows[index] = row
    }
    return files.indices.map { rows[$0] }
  }

  private typealias Found = (measured: Int, queries: Int, maps: [Estimate])

  /// Every image is a query for the others of its class, as `quern evaluate --set folders` has it.
  private func classes(_ rows: [Row?], _ outputs: Int) throws -> Found {
    var task = try FolderSet.task(ListedImages(images.folder))
    let kept = zip(images.chosen, rows).compactMap { index, row in row.map { (index, $0) } }
    task.leaveOut(Set(task.images.indices).subtracting(kept.map(\.0)))
    let maps = try (0..<outputs).map { number in
      let outputs = SetOutputs(rows: kept.map { $0.1.embeddings[number] }, hits: [])
      let results = try ExactSearch(task, outputs, first: 0, team: ThreadTeam(count: job.threads)).results()
      guard let figures = RetrievalFigures(.all, results) else {
        throw ConversionError.noUsableImages(folder: images.folder.path)
      }
      return figures
    }
    return (kept.count, maps.first?.queries ?? 0, maps.map(\.map))
  }

  /// Every image and every copy of it is a query for the others of the same image, as `quern tune` has it. Images of
  /// equal content count once.
  private func copies(_ rows: [Row?], _ outputs: Int) throws -> Found {
    var seen: Set<UInt64> = []
    let kept = rows.compactMap(\.self).filter { seen.insert($0.key).inserted }
    guard kept.count > 1 else {
      throw ConversionError.wrongKind("\(images.folder.path): mAP of copies needs at least two different images")
    }
    let maps = try (0..<outputs).map { number in
      let elements = kept.flatMap { $0.embeddings[number] }
      let precisions = try CopyPrecision.ofImages(
        elements, dimension: elements.count / kept.count / (tuning.copies + 1), copies: tuning.copies,
        threads: job.threads)
      guard let estimate = Bootstrap.means([precisions])?[0] else {
        throw ConversionError.noUsableImages(folder: images.folder.path)
      }
      return estimate
    }
    return (kept.count, kept.count, maps)
  }

  /// How many of the measured images are among those that whitening was learned from, by pixels.
  ///
  /// - Parameter hashes: those of the folder of the measured images.
  private func learned(
    _ files: [ImageFolder.File], _ rows: [Row?], _ hashes: ContentHashes, _ others: [ImageFolder.File]
  ) throws -> Int {
    let names = Set(hashes.names(alsoIn: try ContentHashes(others, threads: job.threads)).map(ExactName.init))
    return zip(files, rows).count { file, row in row != nil && names.contains(ExactName(file.relativePath)) }
  }
}
