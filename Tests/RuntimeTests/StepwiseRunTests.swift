import Graphs
import Kernels
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct StepwiseRunTests {
  /// Node by node over images of two sizes, every value is what a session computes for each image, and what nobody reads
  /// any more is gone.
  @Test(arguments: 0..<12, [1, 3])
  func everyValueIsThatOfASession(seed: Int, threads: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = RandomGraph.make(seed: UInt64(seed))
    let images = (0..<3).map { index -> (shape: Shape, pixels: [UInt8]) in
      let shape: Shape = [1, 16 + index % 2 * 3, 18, 3]
      return (shape, (0..<shape.elementCount).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    var expected: [[ValueID: [UInt8]]] = []
    let executable = try Executable(graph)
    for image in images {
      var values: [ValueID: [UInt8]] = [:]
      _ = try Session(executable).run(
        pixels: image.pixels, height: image.shape.height, width: image.shape.width,
        observer: { value, _, bytes in values[value] = Array(bytes) })
      expected.append(values)
    }
    let run = try StepwiseRun(graph, images: images, threads: threads)
    var (live, most) = (0, 0)
    for (index, node) in graph.nodes.enumerated() {
      try run.step(index, constants: node.constants)
      for image in images.indices {
        let map = try #require(run.map(of: node.output, image: image))
        #expect(Array(map.bytes) == expected[image][node.output], "node \(node.name), image \(image)")
      }
      live = graph.nodes.map(\.output).reduce(run.map(of: graph.input, image: 0)?.bytes.count ?? 0) {
        $0 + (run.map(of: $1, image: 0)?.bytes.count ?? 0)
      }
      most = max(most, live)
      run.release(after: index)
    }
    #expect(graph.nodes.allSatisfy { run.map(of: $0.output, image: 0) == nil })
    #expect(try StepwiseRun.byteCount(of: graph, input: images[0].shape) == most)
  }

  @Test func anotherOperatorCanTakeANodesPlace() throws {
    var graph = Graph(architecture: "stepped", preprocessing: .half)
    let constants = ["weight": Tensor([Float](repeating: -1, count: 6), shape: [2, 1, 1, 3])]
    let value = graph.append(
      Convolution(window: Window(1), activation: .relu), name: "conv", inputs: [graph.input], constants: constants)
    graph.outputs = [GraphOutput(name: "out", value: value)]
    let run = try StepwiseRun(graph, images: [([1, 1, 1, 3], [255, 255, 255])], threads: 1)
    try run.step(0, op: Convolution(window: Window(1)), constants: constants)
    func floats() -> [Float]? { run.map(of: value, image: 0).map { Array($0.bytes.bindMemory(to: Float.self)) } }
    #expect(floats() == [-3, -3])
    run.update(value) { for place in $0.indices { $0[place] = max($0[place], 0) } }
    #expect(floats() == [0, 0])
    #expect(throws: GraphError.self) { try run.step(0, constants: [:]) }
  }
}
