import Checkpoints
import Foundation
import NeighbourSearch
import Testing
import Threads

@Suite struct EmbeddingSourceTests {
  /// Writes an fbin file of rows that have one number that is not 0, and calls `body` with its path.
  private func withFile(_ numbers: [Float], dimensions: Int, _ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString).fbin")
    defer { try? FileManager.default.removeItem(at: url) }
    var data = Data()
    for value in [UInt32(numbers.count), UInt32(dimensions)] { withUnsafeBytes(of: value) { data += Data($0) } }
    for (row, number) in numbers.enumerated() {
      var elements = [Float](repeating: 0, count: dimensions)
      elements[row] = number
      elements.withUnsafeBytes { data += Data($0) }
    }
    try data.write(to: url)
    try body(url.path)
  }

  /// Of 8 MB a row, so that a block has two of them.
  private static let large = 1 << 21

  @Test func blocksAreAllRowsInOrder() throws {
    try withFile([1, -2, 1, 0.5, 1], dimensions: Self.large) { path in
      let source = try EmbeddingSource(path: path)
      #expect(source.rows == 5 && source.dimensions == Self.large && source.names == nil)
      var blocks: [[Float]] = []
      let normalized = try source.forEachBlock(team: ThreadTeam(count: 2)) { block in
        blocks.append((0..<block.rows).map { block[$0].first { $0 != 0 } ?? 0 })
      }
      #expect(blocks == [[1, -1], [1, 1], [1]])
      #expect(normalized == 2)
    }
  }

  @Test func errorsNameTheFileAndTheRow() throws {
    let team = ThreadTeam(count: 2)
    try withFile([1, 1, 1, .nan], dimensions: Self.large) { path in
      let source = try EmbeddingSource(path: path)
      #expect(throws: EmbeddingError.inFile(path: path, .notFinite(row: 3))) {
        try source.forEachBlock(team: team) { _ in }
      }
    }
    try withFile([1, 0], dimensions: 2) { path in
      #expect(throws: EmbeddingError.inFile(path: path, .zero(row: 1))) {
        _ = try EmbeddingSource(path: path).matrix(team: team)
      }
    }
    #expect(throws: CheckpointError.self) { _ = try EmbeddingSource(path: "nowhere.fbin") }
  }
}
