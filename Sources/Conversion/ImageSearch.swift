import Fidelity
import Files
import Images
import NeighbourSearch
import Pixels
import Retrieval
import Tensors
import Threads

/// Searches images that look like others, by exact search of their embeddings.
package struct ImageSearch: Sendable {
  /// The long side of pictures, in pixels.
  private static let pictureSide = 128

  private let model: ModelFile
  private let evaluation: EvaluationProtocol
  private let job: ImageJob

  /// - Parameters:
  ///   - model: a package or a checkpoint.
  ///   - evaluation: how images are resized and cropped.
  ///   - job: the number of threads, and whether broken images are left out.
  package init(model: ModelFile, evaluation: EvaluationProtocol, job: ImageJob) {
    (self.model, self.evaluation, self.job) = (model, evaluation, job)
  }

  /// Searches a gallery for each query. A gallery file that is the query's own file is left out for it, and one that
  /// has several names is searched by the first.
  ///
  /// - Parameters:
  ///   - queries: images that are searched for.
  ///   - gallery: images that are searched.
  ///   - count: how many neighbours are requested.
  ///   - withPictures: whether the report has thumbnails.
  /// - Throws: `ConversionError.brokenImages` where an image is broken and may not be left out, `.wrongKind` for a
  ///   model without embedding, or an embedding that cannot be searched; `GraphError` where the network cannot run;
  ///   `ImageError` where an error of the system keeps a picture from being made.
  package func run(
    _ queries: [ImageFolder.File], in gallery: [ImageFolder.File], count: Int, withPictures: Bool,
    progress: any ProgressObserver
  ) throws -> SearchReport {
    // Equally close images are found in the order of rows.
    let named = gallery.sorted { precedesInUTF8($0.relativePath, $1.relativePath) }
    let (gallery, identities) = try Self.distinct(named)
    if gallery.count < named.count {
      progress.note(
        "\(named.count - gallery.count) of the \(named.count) gallery files are there twice, by the same or another "
          + "name, and are searched once")
    }
    let embedder = try Embedder(model: model, evaluation: evaluation, job: job)
    let searched = try embedder.run(gallery, progress: progress)
    let asked = try embedder.run(queries, progress: progress)
    let (searchedFiles, askedFiles) = (searched.kept(of: gallery), asked.kept(of: queries))
    guard !searchedFiles.isEmpty, !askedFiles.isEmpty else {
      throw ConversionError.missingImages("no image is left to search \(askedFiles.isEmpty ? "for" : "in")")
    }
    let searchedIdentities = searchedFiles.map { identities[ExactName($0.path)] }
    let own = try askedFiles.map { file in
      let identity = try FileIdentity.reachable(file.path)?.identity
      return identity == nil ? [] : searchedIdentities.indices.filter { searchedIdentities[$0] == identity }
    }
    progress.begin("search", total: nil)
    defer { progress.end() }
    let team = ThreadTeam(count: job.threads)
    let search = try RankedSearch(
      queries: try matrix(asked, team), requests: own.map { RankedSearch.Request(ignored: $0) },
      gallery: try matrix(searched, team), first: count, team: team)
    let found = try zip(askedFiles.indices, search.answers()).map { row, answer in
      SearchReport.Query(
        image: try image(askedFiles[row], withPictures),
        neighbours: try answer.first.map {
          .init(image: try image(searchedFiles[$0.index], withPictures), cosine: min($0.similarity, 1))
        },
        itself: own[row].map { searchedFiles[$0].relativePath })
    }
    return SearchReport(
      model: model.path, contentHash: model.package?.contentHash.hex, dimension: searched.dimension,
      galleryImages: searchedFiles.count, skippedImages: searched.skipped.count + asked.skipped.count, queries: found)
  }

  /// The files without those that occur before, by whatever name, and the identities of those that exist, by their
  /// paths.
  private static func distinct(
    _ files: [ImageFolder.File]
  ) throws -> (files: [ImageFolder.File], identities: [ExactName: FileIdentity]) {
    var (seen, identities) = (Set<FileIdentity>(), [ExactName: FileIdentity]())
    let distinct = try files.filter { file in
      guard let identity = try FileIdentity.reachable(file.path)?.identity else { return true }
      identities[ExactName(file.path)] = identity
      return seen.insert(identity).inserted
    }
    return (distinct, identities)
  }

  private func matrix(_ embeddings: Embeddings, _ team: ThreadTeam) throws -> EmbeddingMatrix {
    if embeddings.dimension == 0 {
      throw ConversionError.wrongKind("\(model.path): the network has no embedding to search by")
    }
    let unusable = embeddings.unusable
    if let first = unusable.first {
      throw ConversionError.wrongKind(
        "\(first): the embedding is NaN, infinite or zero, so that it cannot be searched (\(unusable.count) of "
          + "\(embeddings.files.count) images)")
    }
    return try EmbeddingMatrix(
      Tensor(embeddings.values, shape: [embeddings.files.count, embeddings.dimension]), team: team)
  }

  private func image(_ file: ImageFolder.File, _ withPicture: Bool) throws -> SearchReport.Image {
    .init(
      name: file.relativePath,
      picture: withPicture
        ? try Picture.ifAvailable(of: file.relativePath, side: Self.pictureSide) { try LoadedImage(file).pixels } : nil)
  }
}
