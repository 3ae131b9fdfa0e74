import Graphs
import Kernels
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing
import Threads

@Suite struct WinogradTests {
  /// A map's height and width, input and output channels; a few tiles are shared by channels, many by blocks.
  private static let shapes: [(Int, Int, Int, Int)] = [
    (7, 7, 64, 192), (9, 7, 40, 50), (14, 14, 48, 320), (31, 29, 33, 35), (40, 24, 64, 64),
  ]

  private static func inputs(_ batch: Int, _ shape: (Int, Int, Int, Int)) -> [Activation] {
    var random = SplitMix64(seed: UInt64(shape.0 * 1000 + shape.3))
    let maps: [Shape] = [[batch, shape.0, shape.1, shape.2], [batch, shape.0 - 1, shape.1 + 1, shape.3]]
    return maps.map { Activation.random($0, .float32, &random) }
  }

  private static func constants(_ shape: (Int, Int, Int, Int)) -> [String: Tensor] {
    var random = SplitMix64(seed: 7)
    let weight: Shape = [shape.3, 3, 3, shape.2]
    return [
      "weight": Tensor(random.floats(weight.elementCount), shape: weight), "bias": Tensor(random.floats(shape.3)),
    ]
  }

  private static func image(_ index: Int, of maps: [Activation]) -> [Activation] {
    maps.map { map in
      let count = map.shape.elementCount / map.shape.batch
      var image = map
      image.shape = Shape([1] + map.shape.dimensions.dropFirst())
      image.elements = .float(Array((map.elements.floats ?? [])[index * count..<(index + 1) * count]))
      return image
    }
  }

  /// A batch, on any number of threads, gives the bits of its images alone on one.
  @Test(arguments: shapes, [1, 2, 3])
  func batchesAndThreadsGiveTheBitsOfSingleImages(shape: (Int, Int, Int, Int), threads: Int) throws {
    let op = Convolution(window: Window(3, padding: 1), activation: .relu)
    let (batch, constants) = (8, Self.constants(shape))
    let maps = Self.inputs(batch, shape)
    func run(_ inputs: [Activation], threads: Int) throws -> [Float] {
      try #require(
        NodeRun.run(
          op, inputs, outputFormat: .float32, constants: constants, kernels: KernelSet(),
          team: ThreadTeam(count: threads)
        ).elements.floats)
    }
    var expected: [Float] = []
    for index in 0..<batch { expected += try run(Self.image(index, of: maps), threads: 1) }
    let together = try run(maps, threads: threads)
    #expect(together.map(\.bitPattern) == expected.map(\.bitPattern))
  }

  /// Which algorithm computes a map depends on an image of it, not on the batch.
  @Test func smallMapsAreSummedDirectlyInAnyBatch() throws {
    let op = Convolution(window: Window(3, padding: 1))
    let weight: Shape = [64, 3, 3, 64]
    #expect(!op.usesWinograd(weight: weight, output: [1, 6, 6, 64]))
    #expect(!op.usesWinograd(weight: weight, output: [100, 6, 6, 64]))
    #expect(op.usesWinograd(weight: weight, output: [1, 7, 7, 64]))
    #expect(!op.usesWinograd(weight: [64, 3, 3, 16], output: [1, 56, 56, 64]))
    #expect(!Convolution(window: Window(3, stride: 2)).usesWinograd(weight: weight, output: [1, 56, 56, 64]))
    #expect(!Convolution(window: Window(3), groups: 2).usesWinograd(weight: weight, output: [1, 56, 56, 64]))
  }

  /// What is prepared once serves small maps and large ones, in any order.
  @Test(arguments: [[4, 16, 4], [16, 4, 16], [7, 6, 6, 7]])
  func oneExecutableServesMapsOfAnySize(sides: [Int]) throws {
    var random = SplitMix64(seed: 3)
    var graph = Graph(architecture: "two convolutions", preprocessing: .imageNet)
    let first = graph.append(
      Convolution(window: Window(1)), name: "first", inputs: [graph.input],
      constants: ["weight": Tensor(random.floats(40 * 3), shape: [40, 1, 1, 3])])
    let second = graph.append(
      Convolution(window: Window(3, padding: 1)), name: "second", inputs: [first],
      constants: Self.constants((1, 1, 40, 50)))
    graph.outputs = [GraphOutput(name: "map", value: second)]
    let session = Session(try Executable(graph))
    for side in sides {
      let pixels = random.bytes(side * side * 3)
      func map(_ session: Session) throws -> [UInt32] {
        let outputs = try session.run(pixels: pixels, batch: 1, height: side, width: side)
        return try #require(outputs["map"]).elements(as: Float.self).map(\.bitPattern)
      }
      #expect(try map(session) == map(Session(try Executable(graph))))
    }
  }

  /// What is wrong with the constants is said when the operator is prepared.
  @Test func unfitConstantsAreRefusedAtPreparation() {
    let op = Convolution(window: Window(3, padding: 1))
    var constants = Self.constants((1, 1, 40, 40))
    constants["bias"] = Tensor([Int32](repeating: 0, count: 40))
    #expect(throws: GraphError.self) {
      try op.prepare(
        PreparationContext(
          kernels: KernelSet(), inputFormats: [.float32], outputFormat: .float32, constants: constants))
    }
  }
}
