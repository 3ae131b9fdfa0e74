import Graphs
import Operators
import ReferenceOperators
import Rounding
import Tensors
import Testing

@Suite struct LayerInputsTests {
  /// A 3x3 convolution of 64 channels wants 4 * 576 patches.
  @Test(arguments: [(1, 64), (2, 576), (3, 256), (4, 144), (32, 64)])
  func smallMapsTakeMoreImages(size: Int, images: Int) throws {
    var graph = Graph(architecture: "sampled", preprocessing: .half)
    let first = graph.append(
      Convolution(window: Window(1)), name: "first", inputs: [graph.input], constants: Self.weight(64, 1, 3))
    let second = graph.append(
      Convolution(window: Window(3, padding: 1)), name: "second", inputs: [first], constants: Self.weight(8, 3, 64))
    graph.outputs = [GraphOutput(name: "out", value: second)]
    // The first wants 2048 patches of each image's positions, too.
    let expected = size == 1 ? 64 : max(images, (2048 + size * size - 1) / (size * size), 64)
    #expect(try LayerInputs.imageCount(for: graph, imageSize: size) == expected)
  }

  /// Parts follow one another, cover all nodes, and are many only where the inputs are large.
  @Test(arguments: [(8, 1), (112, 6)])
  func partsCoverTheGraph(size: Int, least: Int) throws {
    var graph = Graph(architecture: "sampled", preprocessing: .half)
    var value = graph.input
    for index in 0..<20 {
      let inputs = index == 0 ? 3 : 256
      value = graph.append(
        Convolution(window: Window(3, padding: 1)), name: "conv\(index)", inputs: [value],
        constants: Self.weight(256, 3, inputs))
    }
    graph.outputs = [GraphOutput(name: "out", value: value)]
    let parts = try LayerInputs.parts(of: graph, imageSize: size, imageCount: 64)
    #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == graph.nodes.count)
    #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(parts.allSatisfy { !$0.isEmpty })
    #expect(parts.count >= least && (least > 1 || parts.count == 1), "\(parts)")
  }

  /// Of large maps a few images are enough, so that the others need not be run; at 8 pixels one layer takes 36 and the
  /// other 16, and 12 are the same.
  @Test(arguments: [(32, 16), (8, 40), (4, 64)])
  func imagesThatNoLayerSamplesAreNotNeeded(size: Int, needed: Int) throws {
    let uint8 = ValueFormat.uint8(QuantizationParameters(scale: 1, zeroPoint: 0))
    var graph = Graph(architecture: "sampled", preprocessing: .half, inputFormat: uint8)
    let first = graph.append(
      Convolution(window: Window(1)), name: "first", inputs: [graph.input], constants: Self.weight(64, 1, 3),
      format: uint8)
    let second = graph.append(
      Convolution(window: Window(3, padding: 1)), name: "second", inputs: [first], constants: Self.weight(8, 3, 64))
    graph.outputs = [GraphOutput(name: "out", value: second)]
    let shapes = try graph.inferShapes(input: [1, size, size, 3])
    let both = LayerInputs(graph, nodes: 0..<2, imageCount: 64)
    #expect((0..<64).count { both.needs(image: $0, shapes: shapes) } == needed)
    let none = LayerInputs(graph, nodes: 2..<2, imageCount: 64)
    #expect(!(0..<64).contains { none.needs(image: $0, shapes: shapes) })
  }

  private static func weight(_ outputs: Int, _ side: Int, _ inputs: Int) -> [String: Tensor] {
    let count = outputs * side * side * inputs
    return ["weight": Tensor([Float](repeating: 1, count: count), shape: [outputs, side, side, inputs])]
  }
}
