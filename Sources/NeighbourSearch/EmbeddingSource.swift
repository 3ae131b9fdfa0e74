import Checkpoints
import Threads

/// Embeddings in a file, which are read in blocks, so that memory does not grow with the file.
package struct EmbeddingSource: Sendable {
  private let file: EmbeddingFile

  /// Opens a file of embeddings.
  ///
  /// - Throws: `CheckpointError` if the file cannot be read or is not one.
  package init(path: String) throws(CheckpointError) { file = try EmbeddingFile(path: path) }

  /// The path of the file.
  package var path: String { file.path }
  /// The number of embeddings; at least 1.
  package var rows: Int { file.count }
  /// The number of elements of an embedding; at least 1.
  package var dimensions: Int { file.dimensions }
  /// The names of the images; `nil` where the file does not state them.
  package var names: [String]? { file.names }
  /// How the images became inputs, where the file states it: the metadata of `quern embed`.
  package var metadata: [String: String] { file.metadata }

  /// Large enough for all threads to have something to do, and small next to the other memory of a search.
  private static let blockBytes = 1 << 24

  /// Reads the embeddings in order.
  ///
  /// - Parameters:
  ///   - team: the threads that check the embeddings.
  ///   - body: is called with each block of them, which it must not keep.
  /// - Returns: how many embeddings were not of unit length, and were divided by their length.
  /// - Throws: `CheckpointError` if the file is damaged, `EmbeddingError.inFile` for an embedding that cannot be used,
  ///   and what `body` throws.
  @discardableResult
  package func forEachBlock(team: ThreadTeam, _ body: (EmbeddingMatrix) throws -> Void) throws -> Int {
    let blockRows = max(1, Self.blockBytes / 4 / dimensions)
    var normalized = 0
    for start in stride(from: 0, to: rows, by: blockRows) {
      let range = start..<min(start + blockRows, rows)
      let block = try matrix(range, team: team)
      normalized += block.normalizedRows
      try body(block)
      file.releasePages(range)
    }
    return normalized
  }

  /// All embeddings, which stay in memory.
  ///
  /// - Throws: `CheckpointError` if the file is damaged, `EmbeddingError.inFile` for an embedding that cannot be used.
  package func matrix(team: ThreadTeam) throws -> EmbeddingMatrix { try matrix(0..<rows, team: team) }

  private func matrix(_ range: Range<Int>, team: ThreadTeam) throws -> EmbeddingMatrix {
    do {
      return try EmbeddingMatrix(try file.rows(range), firstRow: range.lowerBound, team: team)
    } catch let error as EmbeddingError { throw EmbeddingError.inFile(path: path, error) }
  }
}
