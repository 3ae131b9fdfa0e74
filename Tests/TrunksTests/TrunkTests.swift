import Calibration
import Graphs
import Kernels
import ModelImport
import Operators
import PackageFormat
import PackageSamples
import Passes
import Pixels
import Quantization
import Runtime
import Tensors
import Testing
import Threads

/// The whole path of each trunk: import, fold, run, calibrate, quantise, store, run.
@Suite struct TrunkTests {
  private static func run(_ session: Session, _ image: RGBImage) throws -> (embedding: [Float], logits: [Float]) {
    let outputs = try image.pixels.withUnsafeBufferPointer {
      try session.run(pixels: $0, height: image.height, width: image.width)
    }
    return (
      try #require(outputs[GraphOutput.normalizedEmbedding]).elements(as: Float.self),
      try #require(outputs[GraphOutput.logits]).elements(as: Float.self)
    )
  }

  /// The largest difference of two vectors, relative to the largest magnitude of the second.
  private static func difference(_ a: [Float], _ b: [Float]) -> Float {
    let largest = b.map { abs($0) }.max() ?? 0
    return (zip(a, b).map { abs($0 - $1) }.max() ?? 0) / largest
  }

  private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
  }

  @Test(arguments: TrunkFixture.all)
  func floatAgreesWithPyTorch(trunk: TrunkFixture) throws {
    let graph = try trunk.graph()
    #expect(graph.architecture == trunk.architecture)
    #expect(graph.preprocessing == trunk.preprocessing)
    let folded = try PassPipeline.fold.run(graph).graph
    for graph in [graph, folded] {
      let session = Session(try Executable(graph), team: ThreadTeam(count: 2))
      for example in try trunk.examples() {
        let outputs = try Self.run(session, example.image)
        let embedding = zip(outputs.embedding, example.embedding).map { abs($0 - $1) }.max() ?? 1
        #expect(embedding <= 1e-5, "\(example.image.height)x\(example.image.width)")
        #expect(Self.difference(outputs.logits, example.logits) <= 1e-4)
      }
    }
  }

  @Test(arguments: TrunkFixture.all)
  func nothingOddIsLeftByFolding(trunk: TrunkFixture) throws {
    let (graph, notes) = try PassPipeline.fold.run(try trunk.graph())
    let imported = try trunk.graph()
    // Norms of the factors of channels are float rows, which nothing can take.
    let (importedRows, rows) = (imported.rows, graph.rows)
    let norms = imported.nodes.filter { $0.op is BatchNormalization && !importedRows.contains($0.output) }.map(\.name)
    for norm in norms { #expect(notes.contains { $0.contains(norm) }, "no note on \(norm)") }
    for node in graph.nodes {
      switch node.op {
      case is BatchNormalization where rows.contains(node.output): break
      case is BatchNormalization, is ZeroPadding, is Cropping: Issue.record("\(node.name) is left")
      case let pooling as AveragePooling where pooling.window.taps == 1: Issue.record("\(node.name) is left")
      case is Addition where node.inputs[0] != node.inputs[1]:
        // What is left adds what no convolution makes: pooled maps, and sums that others read.
        let makers = node.inputs.compactMap { graph.producers[$0] }.map { graph.nodes[$0] }
        for maker in makers where maker.op is Convolution {
          #expect((graph.consumers[maker.output]?.count ?? 0) > 1, "\(node.name) is not fused into \(maker.name)")
        }
      default: break
      }
    }
  }

  /// A package's graph, made from the fixture's own pictures.
  static func quantized(_ graph: Graph, _ images: [RGBImage]) throws -> Graph {
    let executable = try Executable(graph)
    let calibrator = Calibrator(executable, observing: QuantizationPlanner.observedValues(in: graph))
    for image in images { try calibrator.count(image, worker: 0) }
    let plan = QuantizationPlanner().plan(graph, statistics: calibrator.statistics())
    let levels = try WeightLevels.nearest(graph, plan: plan, threads: 1)
    return try Lowering.lower(graph, plan: plan, levels: levels).graph
  }

  @Test(arguments: TrunkFixture.all)
  func int8StaysCloseToFloat(trunk: TrunkFixture) throws {
    let examples = try trunk.examples()
    let folded = try PassPipeline.fold.run(try trunk.graph()).graph
    let int8 = try Self.quantized(folded, examples.map(\.image))
    for node in int8.nodes {
      guard let convolution = node.op as? Convolution else { continue }
      #expect(node.constants["weight"]?.elementType == .int8, "\(node.name) has float weights")
      #expect(int8.format(of: node.inputs[0]) != .float32, "\(node.name) reads float")
      _ = convolution
    }
    let package = try Package(sample: int8, side: 96, classCount: 11, embeddingDimension: 8)
    let stored = try PackageReader(try PackageWriter.encode(package))
      .readGraph(decodeOperator: OperatorCatalogue.decode)
    let float = Session(try Executable(folded))
    let one = Session(try Executable(stored))
    let reference = Session(try Executable(stored, kernels: KernelSet(features: [])), team: ThreadTeam(count: 3))
    for example in examples {
      let outputs = try Self.run(one, example.image)
      let expected = try Self.run(float, example.image)
      #expect(Self.cosine(outputs.embedding, expected.embedding) > trunk.minCosine, "\(example.image.height)")
      // Neither processor nor threads change a bit.
      let again = try Self.run(reference, example.image)
      #expect(outputs.embedding == again.embedding && outputs.logits == again.logits)
    }
  }

  @Test(arguments: TrunkFixture.all)
  func imagesThatAreTooSmallAreRefused(trunk: TrunkFixture) throws {
    let graph = try PassPipeline.fold.run(try trunk.graph()).graph
    let least = try #require(graph.minSquareInput)
    #expect(least == graph.stride)
    let session = Session(try Executable(graph))
    let fits = try #require(
      RGBImage(width: least, height: least, pixels: [UInt8](repeating: 99, count: 3 * least * least)))
    _ = try Self.run(session, fits)
    guard trunk.refusesPixels else { return }
    let pixel = try #require(RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 99, count: 12)))
    #expect(throws: GraphError.self) { try Self.run(session, pixel) }
  }
}
