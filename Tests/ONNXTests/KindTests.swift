import Checkpoints
import Foundation
import Graphs
import ModelImport
import Tensors
import Testing

/// Small models, one for each way in which a network can be misread (scripts/fixtures/make_onnx_kind_fixtures.py): each is
/// read as ONNX Runtime runs it, or refused.
@Suite struct KindTests {
  struct Kind: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    /// Words of the refusal; `nil` for a model that is read.
    let refused: String?
    /// Words that notes and assumptions must have.
    let notes: [String]
    let assumptions: [String]
    let mean: [Float]?
    let std: [Float]?
    var testDescription: String { name }
  }

  static let kinds: [Kind] = {
    guard let data = FileManager.default.contents(atPath: Fixtures.path("kinds/kinds.json")),
      let kinds = try? JSONDecoder().decode([Kind].self, from: data)
    else { return [] }
    return kinds
  }()

  @Test func thereAreKinds() { #expect(Self.kinds.count > 30) }

  private static func network(_ kind: Kind) throws -> ImportedNetwork {
    let checkpoint = try Checkpoint.read(path: Fixtures.path("kinds/\(kind.name).onnx"))
    return try ModelImporter().importNetwork(try #require(checkpoint.network))
  }

  @Test(arguments: kinds.filter { $0.refused == nil }) func isReadAsONNXRuntimeRunsIt(_ kind: Kind) throws {
    let network = try Self.network(kind)
    let golden = try Checkpoint.read(path: Fixtures.path("kinds/\(kind.name).golden.safetensors"))
    // The input is NHWC, as the graph takes it.
    let input = try #require(golden["input"]).permuted([0, 3, 1, 2])
    let outputs = try run(network.graph, input)
    for name in ["normalized_embedding", "logits"] {
      guard let expected = golden[name]?.elements(as: Float.self) else {
        #expect(outputs[name] == nil, "\(name)")
        continue
      }
      let actual = try #require(outputs[name], "\(name)")
      let largest = name == "logits" ? expected.reduce(0) { max($0, abs($1)) } : 1
      #expect(largestDifference(actual, expected) <= 1e-5 * largest, "\(name)")
    }
    for words in kind.notes { #expect(network.notes.contains { $0.contains(words) }, "\(network.notes)") }
    for words in kind.assumptions {
      #expect(network.assumptions.contains { $0.description.contains(words) }, "\(network.assumptions)")
    }
    if let mean = kind.mean, let std = kind.std {
      #expect(network.graph.preprocessing == Preprocessing(mean: mean, std: std))
    }
  }

  @Test(arguments: kinds.filter { $0.refused != nil }) func isRefused(_ kind: Kind) throws {
    let error = #expect(throws: ImportError.self) { try Self.network(kind) }
    let message = "\(try #require(error))"
    #expect(message.contains(try #require(kind.refused)), "\(message)")
  }
}
