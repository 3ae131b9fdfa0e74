import Checkpoints
import Foundation
import Graphs
import ModelExport
import ModelImport
import Runtime
import Tensors
import Testing

/// Exports a graph and reads the model back.
func exported(
  _ graph: Graph, side: Int = 16, weightType: ONNXExporter.WeightType = .int8
) throws -> ONNXModel {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("quern-export-\(UUID().uuidString).onnx")
    .path
  defer { try? FileManager.default.removeItem(atPath: path) }
  try ONNXExporter.write(graph, side: side, producerVersion: "0", weightType: weightType, to: path)
  return try #require(try Checkpoint.read(path: path).network)
}

/// The outputs of a float graph for a batch of normalised images, NHWC.
func outputs(_ graph: Graph, _ input: Tensor) throws -> [String: [Float]] {
  try Session(try Executable(graph)).run(normalized: input)
    .mapValues { $0.elements(as: Float.self) }
}

/// Holds a float graph's export, read back, to the graph.
func expectSameOutputs(_ graph: Graph, _ input: Tensor, side: Int = 16) throws {
  let importer = ModelImporter(
    embeddingOutput: graph.outputs.contains { $0.name == GraphOutput.embedding } ? GraphOutput.embedding : nil)
  let expected = try outputs(graph, input)
  let actual = try outputs(try importer.importGraph(try exported(graph, side: side)), input)
  for (name, values) in expected {
    let others = try #require(actual[name], "\(name)")
    try #require(others.count == values.count, "\(name)")
    let largest = zip(values, others).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(largest <= 1e-5, "\(name)")
  }
}

/// Every name of a model that must have one meaning: inputs, initialisers, and what nodes make.
func names(of model: ONNXModel) -> [String] {
  model.inputs.map(\.name) + model.initializers.names + model.nodes.flatMap(\.outputs)
}
