import Files
import Images
import NeighbourSearch
import Retrieval
import Threads

/// Images that are searched but belong to no query, in the order of their names: a folder of images, or a file of
/// embeddings for each model.
enum Distractors {
  case none
  case folder(ImageFolder)
  case files([EmbeddingSource])

  /// How many images are embedded before their embeddings are searched and dropped.
  private static let blockCount = 256

  /// - Parameters:
  ///   - paths: one folder, or a file for each model and each file of embeddings, in their order.
  ///   - models: the number of models.
  ///   - stored: the number of files of embeddings.
  /// - Throws: `ConversionError.option` for paths that do not fit; `ImageError` and `CheckpointError` where they cannot
  ///   be read.
  init(_ paths: [String], models: Int, stored: Int) throws {
    if paths.isEmpty {
      self = .none
    } else if paths.count == 1, FileIdentity.of(paths[0])?.kind == .folder {
      guard stored == 0 else {
        throw ConversionError.option(
          "--distractors \(paths[0]) is a folder of images, but --embeddings need embeddings of distractors: give a file "
            + "for each model and each --embeddings")
      }
      self = .folder(try ImageFolder(path: paths[0]))
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
      self = .files(sources)
    }
  }

  /// Searches all distractors.
  ///
  /// - Parameters:
  ///   - searches: the search of each model and each file of embeddings.
  ///   - embedder: the models; `nil` where there is none.
  /// - Returns: the number of distractors; their names, as far as they are known, in their order; and the images that
  ///   were left out.
  /// - Throws: `EmbeddingError`, `CheckpointError`, and what embedding throws.
  func add(
    to searches: [ExactSearch], _ embedder: SetEmbedder?, threads: Int, progress: any ProgressObserver
  ) throws -> (count: Int, images: [TaskImage], skipped: BrokenImages) {
    switch self {
    case .none: return (0, [], BrokenImages())
    case .files(let sources):
      progress.begin("search distractors", total: nil)
      defer { progress.end() }
      let team = ThreadTeam(count: threads)
      for (source, search) in zip(sources, searches) { try source.forEachBlock(team: team) { try search.add($0) } }
      let names = sources.lazy.compactMap(\.names).first ?? []
      return (sources.first?.rows ?? 0, names.map { TaskImage(name: $0, path: nil) }, BrokenImages())
    case .folder(let folder):
      guard let embedder else { return (0, [], BrokenImages()) }
      var (kept, skipped) = ([TaskImage](), BrokenImages())
      for start in stride(from: 0, to: folder.files.count, by: Self.blockCount) {
        let files = folder.files[start..<min(start + Self.blockCount, folder.files.count)]
        let images = files.map { TaskImage(name: $0.relativePath, path: $0.path) }
        let result = try embedder.run(
          images, stage: "embed distractors from \(start + 1) of \(folder.files.count)", progress: progress)
        for (outputs, search) in zip(result.outputs, searches) where outputs.dimension > 0 {
          try search.add(try EmbeddingMatrix(outputs.embeddings, dimensions: outputs.dimension))
        }
        kept += images.indices.filter { !result.left.contains($0) }.map { images[$0] }
        skipped.merge(result.skipped)
      }
      return (kept.count, kept, skipped)
    }
  }
}
