import Retrieval
import Threads

/// Exact search by inner product, one query after the other.
enum ExactSearch {
  /// - Parameters:
  ///   - count: how many neighbours each query keeps.
  /// - Returns: what each query found, in the order of the task's queries.
  static func run(_ task: RetrievalTask, _ outputs: SetOutputs, first count: Int, threads: Int) -> [QueryResult] {
    let dimension = outputs.dimension
    var next = task.images.count
    let rows = task.queries.map { query in
      if case .gallery(let index) = query.source { return index }
      next += 1
      return next - 1
    }
    return ThreadTeam(count: min(threads, max(1, rows.count))).map(rows.count) { index in
      let query = task.queries[index]
      let similarities = outputs.embeddings.withUnsafeBufferPointer { values in
        task.images.indices.map { image in
          let (a, b) = (rows[index] * dimension, image * dimension)
          return (0..<dimension).reduce(Float(0)) { $0 + values[a + $1] * values[b + $1] }
        }
      }
      let ignored = Set(query.ignored)
      let order = task.images.indices.filter { !ignored.contains($0) }.sorted {
        similarities[$0] != similarities[$1] ? similarities[$0] > similarities[$1] : $0 < $1
      }
      let ranks = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
      return QueryResult(
        ranks: query.targets.compactMap { ranks[$0] },
        first: order.prefix(count).map { .init(index: $0, similarity: similarities[$0]) })
    }
  }
}
