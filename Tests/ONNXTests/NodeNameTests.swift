import Checkpoints
import Graphs
import ModelImport
import Testing

/// Names that layers have after nodes.
@Suite struct NodeNameTests {
  private static func names(_ outputs: [String]) throws -> [String] {
    var nodes: [Wire] = []
    for (input, output) in zip(["c"] + outputs, outputs + ["x"]) {
      nodes.append(Wire.node("Sigmoid", [input], [output]))
    }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Wire.model(Wire.classifier(middle: nodes))))
    let network = try ModelImporter().importNetwork(try #require(checkpoint.network))
    return network.graph.nodes.map(\.name).filter { $0.hasSuffix("a") }
  }

  /// TensorFlow Lite joins the names of the layers that it fuses. Packages take 4,096 bytes.
  @Test func longNamesKeepTheirEnds() throws {
    let long = String(repeating: "é/", count: 2000) + "conv-a"
    let names = try Self.names([long])
    #expect(names.count == 1)
    let name = try #require(names.first)
    #expect(name.hasPrefix("…") && name.hasSuffix("é/conv-a") && name.utf8.count <= 195)
    #expect(name.unicodeScalars.allSatisfy { $0 != "\u{FFFD}" })
  }

  @Test func namesWithOneEndDiffer() throws {
    let end = String(repeating: "b", count: 300)
    let scratch = try Scratch()
    let nodes = [Wire.node("Sigmoid", ["c"], ["1\(end)"]), Wire.node("Sigmoid", ["1\(end)"], ["2\(end)"])]
    let last = Wire.node("Sigmoid", ["2\(end)"], ["x"])
    let model = Wire.model(Wire.classifier(middle: nodes + [last]))
    let checkpoint = try Checkpoint.read(path: try scratch.write(model))
    let network = try ModelImporter().importNetwork(try #require(checkpoint.network))
    let names = network.graph.nodes.map(\.name)
    #expect(Set(names).count == names.count && names.count { $0.contains(end.suffix(150)) } == 2)
  }
}
