import Checkpoints
import Graphs
import ModelImport
import Passes
import Runtime
import Tensors
import Testing

/// Checkpoints in every form that scripts/fixtures/make_checkpoint_forms.py makes: read as PyTorch runs them, refused by
/// name, or read with an assumption that is stated.
@Suite struct CheckpointFormTests {
  private static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/fixtures/forms"

  private static func network(of form: CheckpointForm) throws -> ImportedNetwork {
    try form.importer.importNetwork(of: try CheckpointOutline.open(path: "\(folder)/\(form.file)")).network
  }

  /// Compares the outputs with PyTorch's of that network.
  private static func expectOutputs(of graph: Graph, _ name: String) throws {
    let expected = try Checkpoint.read(path: "\(folder)/expected.safetensors")
    let input = try #require(expected["input"])
    let folded = try PassPipeline.fold.run(graph).graph
    let outputs = try Session(try Executable(folded)).run(normalized: input.permuted([0, 2, 3, 1]).contiguous())
    for (key, tolerance) in [(GraphOutput.normalizedEmbedding, Float(1e-5)), (GraphOutput.logits, 1e-4)] {
      guard let output = outputs[key] else { continue }
      let right = try #require(expected["\(name).\(key)"]).elements(as: Float.self)
      let actual = output.elements(as: Float.self)
      try #require(actual.count == right.count)
      let scale = key == GraphOutput.logits ? right.reduce(0) { max($0, abs($1)) } : 1
      let difference = zip(actual, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(difference <= tolerance * scale, "\(key) is off by \(difference)")
    }
  }

  @Test(arguments: CheckpointForm.all) func isReadOrRefused(form: CheckpointForm) throws {
    switch form.outcome {
    case .read(let name): try Self.expectOutputs(of: try Self.network(of: form).graph, name)
    case .assumed(let name, let words):
      let network = try Self.network(of: form)
      try Self.expectOutputs(of: network.graph, name)
      #expect(network.assumptions.contains { $0.description.contains(words) }, "\(network.assumptions)")
    case .refused(let words), .asked(let words):
      let error = #expect(throws: (any Error).self) { try Self.network(of: form) }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains(words), "\(text)")
      let isOption = if case .option? = error as? ImportError { true } else { false }
      let asks = if case .asked = form.outcome { true } else { false }
      #expect(isOption == asks, "\(text)")
    }
  }

  /// The networks differ, so that reading one for another cannot pass.
  @Test func networksDiffer() throws {
    let expected = try Checkpoint.read(path: "\(Self.folder)/expected.safetensors")
    let logits = expected.tensors.filter { $0.name.hasSuffix(".logits") }.map { $0.tensor.elements(as: Float.self) }
    for (index, a) in logits.enumerated() {
      for b in logits[..<index] {
        let difference = zip(a, b).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(difference > 2e-4)
      }
    }
  }

  /// Prints the table of forms as it is, not as it should be.
  @Test func tableOfForms() {
    var rows = ["| checkpoint form | options | result | what is said |", "|---|---|---|---|"]
    for form in CheckpointForm.all {
      let result: (String, String)
      do {
        let network = try Self.network(of: form)
        let general = ["batch norms add", "layers without weights", "the trunk's map is pooled by its average"]
        let particular = network.assumptions.filter { assumption in
          assumption != .preprocessing(.imageNet)
            && !general.contains { assumption.statement.hasPrefix($0) }
        }
        result =
          particular.isEmpty
          ? ("read", network.notes.joined(separator: "; "))
          : ("assumption stated", particular.map(\.description).joined(separator: "; "))
      } catch { result = ("refused", "\(error)".replacingOccurrences(of: Self.folder + "/", with: "")) }
      rows.append("| \(form.file) | \(form.options) | \(result.0) | \(result.1) |")
    }
    print(rows.joined(separator: "\n"))
    #expect(rows.count == CheckpointForm.all.count + 2)
  }
}

extension String {
  fileprivate func replacingOccurrences(of text: String, with other: String) -> String {
    split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
  }
}
