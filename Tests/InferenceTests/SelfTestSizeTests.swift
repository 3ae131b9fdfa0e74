import Graphs
import Inference
import Operators
import PackageFormat
import PackageSamples
import Testing

/// Self-tests on images of another size than the package's.
@Suite struct SelfTestSizeTests {
  /// A network whose first layer takes windows of 8 x 8 pixels.
  private static func model(height: Int, width: Int) throws -> EmbeddingModel {
    var graph = Graph(architecture: "test", preprocessing: .imageNet)
    let pooled = graph.append(MaxPooling(window: Window(8, stride: 8)), name: "first", inputs: [graph.input])
    let mean = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [pooled])
    let value = graph.append(L2Normalization(), name: "norm", inputs: [mean])
    graph.outputs = [GraphOutput(name: GraphOutput.normalizedEmbedding, value: value)]
    var package = try Package(sample: graph, side: 32, embeddingDimension: 3)
    package.selfTest = SelfTestRecord(
      implementation: "test", seed: 0, imageCount: 1, height: height, width: width,
      checks: [.init(value: 3, expectation: .implementation(1))])
    return try EmbeddingModel(try PackageReader(try PackageWriter.encode(package)), threads: 1)
  }

  @Test(arguments: [(7, 9), (9, 7), (1, 1)])
  func testsThatCannotRunAreNoticed(height: Int, width: Int) throws {
    let model = try Self.model(height: height, width: width)
    let error = #expect(throws: InferenceError.self) { try model.validate() }
    let message = String(describing: error)
    #expect(message.contains("self-test") && message.contains("first"), "\(message)")
  }

  @Test(arguments: [(8, 8), (32, 39)])
  func testsThatRunAreAccepted(height: Int, width: Int) throws {
    try Self.model(height: height, width: width).validate()
  }
}
