import NeighbourSearch
import Retrieval
import Threads

/// The search of one model's embeddings: the gallery at once, then any number of distractors.
struct ExactSearch {
  private let search: RankedSearch

  /// Searches the gallery.
  ///
  /// - Parameters:
  ///   - outputs: the model's embeddings of the task's images. There is at least one query.
  ///   - count: how many neighbours each query keeps.
  /// - Throws: `EmbeddingError` where an embedding has no direction.
  init(_ task: RetrievalTask, _ outputs: SetOutputs, first count: Int, threads: Int) throws(EmbeddingError) {
    var next = task.images.count
    let rows = task.queries.map { query in
      if case .gallery(let index) = query.source { return index }
      next += 1
      return next - 1
    }
    search = try RankedSearch(
      queries: EmbeddingMatrix(outputs.rows(rows), dimensions: outputs.dimension),
      requests: task.queries.map { RankedSearch.Request(targets: $0.targets, ignored: $0.ignored) },
      gallery: EmbeddingMatrix(outputs.rows(task.images.indices), dimensions: outputs.dimension), first: count,
      team: ThreadTeam(count: threads))
  }

  /// Searches distractors, whose numbers follow those of all images before.
  ///
  /// - Throws: `EmbeddingError.dimensions` where they have another number of elements than the gallery.
  func add(_ distractors: EmbeddingMatrix) throws(EmbeddingError) { try search.add(distractors) }

  /// What each query found, in the order of the task's queries.
  func results() -> [QueryResult] {
    search.answers().map { QueryResult(ranks: $0.ranks, first: $0.first.map(\.index)) }
  }
}
