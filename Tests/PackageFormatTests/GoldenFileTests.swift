import Files
import Glibc
import Graphs
import PackageFormat
import PackageSamples
import Pixels
import Tensors
import Testing

/// An operator under a real wire name that keeps its attributes: this module knows no operators.
protocol OperatorName: Sendable { static var text: String { get } }
enum ConvolutionName: OperatorName { static let text = "convolution" }
enum PoolingName: OperatorName { static let text = "gem_pooling" }

struct NamedOperator<Name: OperatorName>: Operator {
  static var wireName: String { Name.text }
  static var arity: ClosedRange<Int> { 1...1 }
  var attributes: Attributes
  init(attributes: Attributes) { self.attributes = attributes }
  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
  var quantizationRule: QuantizationRule { .float }
}

@Suite struct GoldenFileTests {
  private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

  private func file(_ path: String) throws -> [UInt8] {
    try MappedFile(path: "\(Self.root)/\(path)").withBytes { Array($0) }
  }

  /// The example of formats/package.md, built as an applier would.
  private func workedExample() throws -> Package {
    func quantized(_ scale: Float) -> ValueFormat { .uint8(QuantizationParameters(scale: scale, zeroPoint: 0)) }
    var graph = Graph(architecture: "example", preprocessing: .imageNet, inputFormat: quantized(1))
    let map = graph.append(
      NamedOperator<ConvolutionName>(attributes: [
        "kernel": .ints([1, 1]), "stride": .ints([1, 1]), "padding": .ints([0, 0, 0, 0]), "dilation": .ints([1, 1]),
        "groups": .int(1), "activation": .string("relu"),
      ]), name: "conv1", inputs: [graph.input],
      constants: [
        "weight": Tensor([127, -3, 0, -127, 64, 1] as [Int8], shape: [2, 1, 1, 3]),
        "weight_scale": Tensor([0.25, 0.0078125] as [Float]), "bias": Tensor([100, -7] as [Int32]),
      ], format: quantized(0.5))
    let pooled = graph.append(
      NamedOperator<PoolingName>(attributes: ["exponent": .float(3), "append_one": .int(0)]), name: "pool",
      inputs: [map])
    graph.outputs = [GraphOutput(name: GraphOutput.embedding, value: pooled)]
    return Package(
      graph: graph,
      info: PackageInfo(
        resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 224), poolingExponent: 3)],
        classCount: 0, embeddingDimension: 2),
      metadata: #"{"schema":"example"}"#)
  }

  /// The file was made from the document, by a script that shares nothing with the writer.
  @Test func writerGivesTheWorkedExampleToTheByte() throws {
    let bytes = try PackageWriter.encode(try workedExample(), compressing: false)
    #expect(try bytes == file("fixtures/packages/worked-example.quern"))
  }

  @Test func readerReadsTheWorkedExample() throws {
    let reader = try PackageReader.open(path: "\(Self.root)/fixtures/packages/worked-example.quern")
    try reader.checkAll()
    let graph = try reader.readGraph { name, attributes throws(GraphError) in
      switch name {
      case "convolution": NamedOperator<ConvolutionName>(attributes: attributes)
      case "gem_pooling": NamedOperator<PoolingName>(attributes: attributes)
      default: throw .unknownOperator(name)
      }
    }
    let example = try workedExample()
    #expect(graph.description == example.graph.description)
    #expect(graph.nodes[0].constants["weight"]?.elements(as: Int8.self) == [127, -3, 0, -127, 64, 1])
    #expect(reader.info == example.info)
    #expect(try reader.metadata() == example.metadata)
  }

  @Test func documentShowsTheWorkedExample() throws {
    let text = String(decoding: try file("formats/package.md"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex(of: "<!-- worked example: start -->"))
    let end = try #require(lines.firstIndex(of: "<!-- worked example: end -->"))
    var shown: [UInt8] = []
    for line in lines[start..<end] {
      // "00a0  89 51 …  note": the offset, up to 16 bytes in 47 columns, the note.
      guard let offset = Int(line.prefix(4), radix: 16), line.dropFirst(4).hasPrefix("  ") else { continue }
      #expect(offset == shown.count, "the dump's line at \(line.prefix(4))")
      shown += line.dropFirst(6).prefix(47).split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }
    #expect(try shown == file("fixtures/packages/worked-example.quern"))
  }

  /// What version 1.0 wrote is read by every later version. Never make the file anew.
  @Test func version1_0IsRead() throws {
    let reader = try PackageReader.open(path: "\(Self.root)/fixtures/packages/version-1.0.quern")
    #expect((reader.majorVersion, reader.minorVersion) == (1, 0))
    #expect(reader.contentHash.hex == "5d065ea313353742833f397548c2e41416def85441689eeeda2ca1cb98523d31")
    #expect(reader.sections.map(\.encoding.rawValue).contains(1))
    let package = try reader.readAll()
    #expect(package.labels == ["cat", "dog"])
    #expect(try PackageReader(PackageWriter.encode(package)).contentHash == reader.contentHash)
    let small = try ToyPackages.small().graph
    #expect(package.graph.description == small.description)
    #expect(package.graph.nodes[0].constants["weight"]?.rawBytes == small.nodes[0].constants["weight"]?.rawBytes)
  }
}
