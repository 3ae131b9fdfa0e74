import NeighbourSearch
import Retrieval
import Threads

/// How well images and their augmented copies find one another.
enum CopyPrecision {
  /// For each image, the mean average precision by trapezoids, in percent, over the image and its copies: each is a
  /// query, left out itself, whose positives are the others.
  ///
  /// - Parameters:
  ///   - elements: the embedding of each image, followed by those of its copies, [images * (copies + 1), dimension].
  ///   - copies: the number of copies of each image.
  /// - Throws: `EmbeddingError` where an embedding has no direction.
  static func ofImages(_ elements: [Float], dimension: Int, copies: Int, threads: Int) throws -> [Double] {
    let embeddings = try EmbeddingMatrix(elements, dimensions: dimension)
    let size = copies + 1
    let requests = (0..<embeddings.rows).map { row in
      let group = row / size * size..<(row / size + 1) * size
      return RankedSearch.Request(targets: group.filter { $0 != row }, ignored: [row])
    }
    let answers = try RankedSearch(
      queries: embeddings, requests: requests, gallery: embeddings, first: 0, team: ThreadTeam(count: threads)
    ).answers()
    return (0..<embeddings.rows / size).map { image in
      let precisions = answers[image * size..<(image + 1) * size].map {
        PositiveRanks($0.ranks)?.averagePrecision ?? 0
      }
      return 100 * precisions.reduce(0, +) / Double(size)
    }
  }
}
