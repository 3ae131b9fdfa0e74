import Files
import Images
import NeighbourSearch
import Pixels
import Retrieval
import Threads

/// Images that are searched but belong to no query, in the order of their names: a folder of images, or a file of
/// embeddings for each model.
enum Distractors {
  case none
  case folder(ImageFolder)
  case files([EmbeddingSource])

  /// Distractors that were searched.
  struct Added {
    var count = 0
    /// Those whose names are known, in their order.
    var images: [TaskImage] = []
    /// The names of distractors with the content of an image of the set.
    var repeated: [String] = []
    /// The images that were left out.
    var skipped = BrokenImages()

    /// Why figures are too low, as a sentence; `nil` where they are not.
    var warning: String? {
      guard let first = repeated.first else { return nil }
      return "\(repeated.count) of the distractors, such as \(first), "
        + "\(repeated.count == 1 ? "has" : "have") the content of images of the set, which count as wrong"
    }
  }

  /// How many images are embedded before their embeddings are searched and dropped.
  private static let blockCount = 256

  /// - Parameters:
  ///   - paths: one folder, or a file for each model and each file of embeddings, in their order.
  ///   - models: the number of models.
  ///   - widths: the number of elements of an embedding of each model and each file of embeddings.
  ///   - progress: is warned of images that are not decoded.
  /// - Throws: `ConversionError.option` for paths that do not fit; `EmbeddingError.inFile` for embeddings of another
  ///   network; `ImageError` and `CheckpointError` where they cannot be read.
  init(_ paths: [String], models: Int, widths: [Int], progress: any ProgressObserver) throws {
    let stored = widths.count - models
    if paths.isEmpty {
      self = .none
    } else if paths.count == 1, try FileIdentity.of(paths[0])?.kind == .folder {
      guard stored == 0 else {
        throw ConversionError.option(
          "--distractors \(paths[0]) is a folder of images, but --embeddings need embeddings of distractors: give a file "
            + "for each model and each --embeddings")
      }
      self = .folder(try ImageFolder(path: paths[0], progress: progress))
    } else {
      guard paths.count == models + stored else {
        throw ConversionError.option(
          "--distractors: give one folder of images, or a file of embeddings for each of the \(models + stored) models, "
            + "in their order, as embeddings of one network say nothing about another; there are \(paths.count)")
      }
      let sources = try paths.map { try EmbeddingSource(path: $0) }
      guard Set(sources.map(\.rows)).count == 1 else {
        throw ConversionError.option(
          "the files of --distractors have \(sources.map { "\($0.rows)" }.joined(separator: ", ")) rows, but models must "
            + "be compared with the same distractors")
      }
      for (source, width) in zip(sources, widths) where source.dimensions != width {
        throw EmbeddingError.inFile(path: source.path, .dimensions(expected: width, found: source.dimensions))
      }
      self = .files(sources)
    }
  }

  /// Searches the gallery and all distractors.
  ///
  /// - Parameters:
  ///   - searches: the search of each model and each file of embeddings.
  ///   - embedder: the models; `nil` where there is none.
  ///   - keys: of the contents of the set's images.
  /// - Returns: for each search, what each query found, and the distractors.
  /// - Throws: `EmbeddingError`, `CheckpointError`, and what embedding throws.
  func search(
    with searches: [ExactSearch], _ embedder: SetEmbedder?, keys: Set<UInt64>, team: ThreadTeam,
    progress: any ProgressObserver
  ) throws -> (results: [[QueryResult]], added: Added) {
    var added = Added()
    switch self {
    case .none:
      progress.begin("search", total: nil)
      defer { progress.end() }
      return (try searches.map { try $0.results() }, added)
    case .files(let sources):
      progress.begin("search", total: nil)
      defer { progress.end() }
      added.images = (sources.lazy.compactMap(\.names).first ?? []).map { TaskImage(name: $0, path: nil) }
      added.count = sources.first?.rows ?? 0
      let results = try zip(searches, sources).map { search, source in
        try search.results { batch in try source.forEachBlock(team: team) { try batch.add($0) } }
      }
      return (results, added)
    case .folder(let folder):
      progress.begin("search", total: nil)
      guard let embedder else { preconditionFailure("a folder of distractors without a model") }
      let running = try searches.map { try $0.searchOfAllQueries() }
      progress.end()
      for start in stride(from: 0, to: folder.files.count, by: Self.blockCount) {
        let files = folder.files[start..<min(start + Self.blockCount, folder.files.count)]
        let images = files.map { TaskImage(name: $0.relativePath, path: $0.path) }
        let result = try embedder.run(
          images, stage: "embed distractors from \(start + 1) of \(folder.files.count)", progress: progress)
        for (outputs, search) in zip(result.outputs, running) where outputs.dimension > 0 {
          try search.add(try EmbeddingMatrix(outputs.embeddings, dimensions: outputs.dimension))
        }
        let kept = images.indices.filter { !result.left.contains($0) }.map { images[$0] }
        added.repeated += zip(kept, result.keys).compactMap { keys.contains($1) ? $0.name : nil }
        added.images += kept
        added.count += kept.count
        added.skipped.merge(result.skipped)
      }
      return (zip(searches, running).map { $0.results(of: $1) }, added)
    }
  }
}
