import NeighbourSearch
import Retrieval
import Threads

/// The search of a task's gallery, and of distractors, for its queries with one model's embeddings.
struct ExactSearch {
  private let task: RetrievalTask
  private let outputs: SetOutputs
  /// For each query, the row of its embedding.
  private let rows: [Int]
  private let gallery: EmbeddingMatrix
  private let neighbourCount: Int
  private let team: ThreadTeam

  /// About how many pairs of a query and a positive are in memory at a time, of 70 bytes each. A group of images
  /// has as many as the square of its size.
  private static let pairLimit = 1 << 19

  /// - Parameters:
  ///   - outputs: the model's embeddings of the task's images. There is at least one query.
  ///   - count: how many neighbours each query keeps.
  ///   - team: the threads.
  /// - Throws: `EmbeddingError` where an embedding has no direction.
  init(_ task: RetrievalTask, _ outputs: SetOutputs, first count: Int, team: ThreadTeam) throws(EmbeddingError) {
    rows = task.queryPlaces
    gallery = try EmbeddingMatrix(outputs.rows(task.images.indices), dimensions: outputs.dimension)
    (self.task, self.outputs, neighbourCount, self.team) = (task, outputs, count, team)
  }

  /// What each query finds, in the order of the task's queries.
  ///
  /// Queries are searched in batches, so that memory grows with the images, and not with the pairs of images.
  ///
  /// - Parameter addDistractors: searches the same distractors each time. Their numbers follow those of all images.
  /// - Throws: `EmbeddingError` where a query's embedding has no direction, and what `addDistractors` throws.
  func results(addDistractors: (RankedSearch) throws -> Void = { _ in }) throws -> [QueryResult] {
    var results: [QueryResult] = []
    results.reserveCapacity(task.queries.count)
    var start = 0
    while start < task.queries.count {
      var (end, pairs) = (start + 1, task.queries[start].targetCount)
      while end < task.queries.count, pairs + task.queries[end].targetCount <= Self.pairLimit {
        pairs += task.queries[end].targetCount
        end += 1
      }
      let search = try search(start..<end)
      try addDistractors(search)
      results += self.results(of: search, queries: start..<end)
      start = end
    }
    return results
  }

  /// A search for all queries, for distractors that are there only once.
  ///
  /// - Throws: `EmbeddingError` where a query's embedding has no direction.
  func searchOfAllQueries() throws(EmbeddingError) -> RankedSearch { try search(task.queries.indices) }

  /// What a search for all queries found.
  func results(of search: RankedSearch) -> [QueryResult] { results(of: search, queries: task.queries.indices) }

  private func search(_ queries: Range<Int>) throws(EmbeddingError) -> RankedSearch {
    try RankedSearch(
      queries: EmbeddingMatrix(outputs.rows(rows[queries]), dimensions: outputs.dimension),
      requests: task.queries[queries].map { RankedSearch.Request(targets: $0.targets, ignored: $0.ignored) },
      gallery: gallery, first: neighbourCount, team: team)
  }

  private func results(of search: RankedSearch, queries: Range<Int>) -> [QueryResult] {
    let answers = search.answers()
    return team.map(answers.count) { number in
      QueryResult(
        of: task.queries[queries.lowerBound + number], in: task.protocols, ranks: answers[number].ranks,
        first: answers[number].first.map(\.index))
    }
  }
}
