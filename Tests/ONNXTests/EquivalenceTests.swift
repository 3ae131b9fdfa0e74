import Checkpoints
import Graphs
import ModelImport
import Operators
import Passes
import Tensors
import Testing

/// The graph is one, whatever file it was read from.
@Suite struct EquivalenceTests {
  struct Export: CustomTestStringConvertible, Sendable {
    let file: String
    let weights: String
    /// Of the embedding and, relative to the largest, of the logits.
    var tolerance: Float = 1e-5
    var testDescription: String { file }
  }

  static let exports: [Export] =
    [
      "opset7", "opset9", "opset11", "opset13", "opset17", "opset20", "keep-bn", "dynamic", "names", "dynamo",
      "dynamo-dynamic", "avgpool2d", "keepdim", "functional", "sqrtsum", "typed", "external",
    ].map { Export(file: "tiny-\($0).onnx", weights: "tiny") } + [
      Export(file: "tiny-float16.onnx", weights: "tiny", tolerance: 2e-3),
      Export(file: "tiny-bfloat16.onnx", weights: "tiny", tolerance: 2e-2),
      Export(file: "tiny-p1.onnx", weights: "tiny-p1"), Export(file: "tiny-p1-dynamo.onnx", weights: "tiny-p1"),
      Export(file: "tiny-max.onnx", weights: "tiny-max"), Export(file: "tiny-max-dynamo.onnx", weights: "tiny-max"),
      Export(file: "tiny-whitened.onnx", weights: "tiny-whitened"),
      Export(file: "tiny-whitened-dynamo.onnx", weights: "tiny-whitened"),
      Export(file: "tiny-classifier.onnx", weights: "tiny-p1"),
    ]

  @Test(arguments: exports) func givesPyTorchsOutputs(_ export: Export) throws {
    let golden = try Checkpoint.read(path: Fixtures.path("\(export.weights).golden.safetensors"))
    let input = try #require(golden["input"])
    let outputs = try run(try importGraph(Fixtures.path(export.file)), input)
    for name in ["normalized_embedding", "logits"] {
      let expected = try #require(golden[name]).elements(as: Float.self)
      let actual = try #require(outputs[name], "\(name)")
      let largest = expected.reduce(1) { max($0, abs($1)) }
      #expect(largestDifference(actual, expected) <= export.tolerance * largest, "\(name)")
    }
  }

  /// Squeeze-and-excitation, groups, padding and cropping around poolings, maps of unequal size side by side.
  @Test(arguments: ["", "-keep-bn", "-dynamo"]) func translatesTheOperatorsOfLargerTrunks(_ kind: String) throws {
    let golden = try Checkpoint.read(path: Fixtures.path("tiny-operators.golden.safetensors"))
    let graph = try importGraph(Fixtures.path("tiny-operators\(kind).onnx"))
    let outputs = try run(graph, try #require(golden["input"]))
    for name in ["normalized_embedding", "logits"] {
      let expected = try #require(golden[name]).elements(as: Float.self)
      #expect(largestDifference(try #require(outputs[name]), expected) <= 1e-5, "\(name)")
    }
    #expect(structure(graph).contains { $0.hasPrefix("channel_scaling") })
    // Concatenation crops to the common corner by itself: nothing of the size it was exported at is left.
    _ = try graph.inferShapes(input: [1, 75, 94, 3])
  }

  @Test(arguments: exports) func hasTheStructureOfTheStateDictsGraph(_ export: Export) throws {
    // These spell another epsilon, 1e-12 and none; the rest must agree to the letter.
    let ownEpsilon = ["tiny-functional.onnx", "tiny-sqrtsum.onnx"].contains(export.file)
    func folded(_ name: String) throws -> [String] {
      structure(try PassPipeline.fold.run(try importGraph(Fixtures.path(name))).graph)
        .filter { !ownEpsilon || !$0.hasPrefix("l2_normalization") }
    }
    for (actual, expected) in zip(try folded(export.file), try folded("\(export.weights).safetensors")) {
      #expect(actual == expected)
    }
  }

  /// Operators that the shapes decide, such as a mean of a map of one pixel, must not bind the model to the size it was
  /// exported with.
  @Test(arguments: ["tiny-opset17.onnx", "tiny-dynamic.onnx", "tiny-dynamo.onnx", "tiny-avgpool2d.onnx"])
  func takesImagesOfOtherSizes(_ file: String) throws {
    let input = Tensor(
      (0..<3 * 80 * 64).map { (index: Int) -> Float in Float(index % 29) / 10 - 1 }, shape: [1, 3, 80, 64])
    let expected = try run(try importGraph(Fixtures.path("tiny.safetensors")), input)
    let actual = try run(try importGraph(Fixtures.path(file)), input)
    for (name, values) in expected { #expect(largestDifference(values, try #require(actual[name])) < 1e-5, "\(name)") }
  }

  @Test func keepsInitialisersInTheFile() throws {
    let checkpoint = try Checkpoint.read(path: Fixtures.path("tiny-opset17.onnx"))
    let storages = Set(checkpoint.tensors.map { ObjectIdentifier($0.tensor.storage) })
    #expect(storages.count == 1)
    let external = try Checkpoint.read(path: Fixtures.path("tiny-external.onnx"))
    #expect(external.network?.externalFiles == ["tiny-external.weights"])
    #expect(external.byteCount > checkpoint.byteCount - 2000)
    for (name, tensor) in checkpoint.tensors {
      #expect(tensor.withBytes(Array.init) == external[name]?.withBytes(Array.init), "\(name)")
    }
    // Floats in one packed field are as good as raw_data.
    let typed = try Checkpoint.read(path: Fixtures.path("tiny-typed.onnx"))
    #expect(Set(typed.tensors.map { ObjectIdentifier($0.tensor.storage) }).count == 1)
  }

  @Test func tellsWhereItIsFrom() throws {
    let network = try #require(try Checkpoint.read(path: Fixtures.path("tiny-opset13.onnx")).network)
    #expect(network.producer == "pytorch")
    #expect(network.operatorSet == 13)
    #expect(network.inputs.map(\.name) == ["input"])
    #expect(network.inputs[0].dimensions == [.dynamic("batch"), .fixed(3), .fixed(32), .fixed(48)])
    #expect(network.outputs.map(\.name) == ["normalized_embedding", "logits"])
  }

  @Test func overridesThePoolingExponent() throws {
    let graph = try importGraph(Fixtures.path("tiny-opset17.onnx"), ModelImporter(poolingExponent: 4.5))
    let expected = try importGraph(Fixtures.path("tiny.safetensors"), ModelImporter(poolingExponent: 4.5))
    #expect(graph.poolingExponent == 4.5)
    #expect(structure(try PassPipeline.fold.run(graph).graph) == structure(try PassPipeline.fold.run(expected).graph))
  }

  @Test func namedOutputsGoFirst() throws {
    let embedding = try importGraph(
      Fixtures.path("tiny-names.onnx"), ModelImporter(embeddingOutput: "first", logitsOutput: "second"))
    #expect(embedding.outputs.map(\.name) == ["normalized_embedding", "embedding", "logits"])
    #expect(throws: ImportError.self) {
      try importGraph(Fixtures.path("tiny-names.onnx"), ModelImporter(embeddingOutput: "none"))
    }
  }
}
