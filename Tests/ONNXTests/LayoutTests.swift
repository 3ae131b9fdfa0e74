import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// Maps that are read in NCHW order and in NHWC order: equal operators share a node of the graph, and each keeps the
/// order of its axes.
@Suite struct LayoutTests {
  /// A model of a square image, whose map "x" is pooled to the embedding.
  private static func graph(side: Int, _ nodes: [[UInt8]], _ tensors: [[UInt8]]) throws -> Graph {
    let pooling = [Message.node("GlobalAveragePool", ["x"], "p"), Message.node("Flatten", ["p"], "embedding")]
    var graph: [UInt8] = (nodes + pooling).flatMap { Message.bytes(1, $0) } + Message.text(2, "toy")
    graph += tensors.flatMap { Message.bytes(5, $0) }
    graph += Message.bytes(11, Wire.value("input", [1, 3, side, side]).bytes)
    graph += Message.bytes(12, Wire.value("embedding", []).bytes)
    let scratch = try Scratch()
    return try importGraph(try scratch.write(Message.model(graph: graph)))
  }

  private static func weight(_ name: String, _ shape: [Int]) -> [UInt8] {
    Message.tensor(name, shape, type: 1, [Float](repeating: 0.5, count: shape.reduce(1, *)))
  }

  private static func integers(_ name: String, _ values: [Int64]) -> [UInt8] {
    Message.tensor(name, [values.count], type: 7, values)
  }

  private static func permuted(_ input: String, _ output: String, _ axes: [Int]) -> [UInt8] {
    let list = axes.flatMap { Message.integer(8, $0) }
    return Message.node("Transpose", [input], output)
      + Message.bytes(5, Message.text(1, "perm") + list + Message.integer(20, 7))
  }

  /// A map of 8x8 pixels.
  private static func patches(_ weight: String) -> [UInt8] {
    let strides = (0..<2).flatMap { _ in Message.integer(8, 8) }
    return Message.node("Conv", ["input", weight], "c")
      + Message.bytes(5, Message.text(1, "strides") + strides + Message.integer(20, 7))
  }

  // MARK: Croppings

  /// A map of 7 channels without its first row and column, which has 7 rows and columns, too: in NHWC order, a
  /// convolution would take the rows for channels.
  @Test(arguments: [false, true]) func croppingsKeepTheirOrder(isRestored: Bool) throws {
    let nodes = [
      Self.patches("w"), Message.node("Slice", ["c", "one", "eight", "rows"], "a"),
      Self.permuted("c", "t", [0, 2, 3, 1]),
      Message.node("Slice", ["t", "one", "eight", "first"], "b"), Self.permuted("b", "restored", [0, 3, 1, 2]),
      Message.node("Conv", ["a", "v"], "d"), Message.node("Conv", [isRestored ? "restored" : "b", "v"], "e"),
      Message.node("Add", ["d", "e"], "x"),
    ]
    let tensors = [
      Self.weight("w", [7, 3, 8, 8]), Self.weight("v", [2, 7, 1, 1]), Self.integers("one", [1, 1]),
      Self.integers("eight", [8, 8]), Self.integers("rows", [2, 3]), Self.integers("first", [1, 2]),
    ]
    guard isRestored else {
      #expect { try Self.graph(side: 64, nodes, tensors) } throws: { "\($0)".contains("not a map in NCHW order") }
      return
    }
    #expect(try Self.graph(side: 64, nodes, tensors).nodes.count { $0.op is Cropping } == 1)
  }

  // MARK: Levels

  /// A map of 8 channels and 8x8 pixels, rounded with a scale for each channel before and after a transposition. The
  /// axis is that of the second pair of nodes: 3 is the channels, and 1 the rows.
  @Test(arguments: [3, -1, 1]) func scalesAreThoseOfChannels(axis: Int) throws {
    func pair(_ input: String, _ output: String, _ axis: Int) -> [[UInt8]] {
      [
        Message.node("QuantizeLinear", [input, "scales", "zeros"], "\(output)-levels", ["axis": axis]),
        Message.node("DequantizeLinear", ["\(output)-levels", "scales", "zeros"], output, ["axis": axis]),
      ]
    }
    let nodes =
      [Self.patches("w"), Self.permuted("c", "t", [0, 2, 3, 1])] + pair("c", "a", 1) + pair("t", "b", axis)
      + [Self.permuted("b", "restored", [0, 3, 1, 2]), Message.node("Add", ["a", "restored"], "x")]
    let tensors = [
      Self.weight("w", [8, 3, 8, 8]), Message.tensor("scales", [8], type: 1, (1...8).map { Float($0) / 64 }),
      Message.tensor("zeros", [8], type: 2, [UInt8](repeating: 0, count: 8)),
    ]
    guard axis != 1 else {
      #expect { try Self.graph(side: 64, nodes, tensors) } throws: { "\($0)".contains("are not those of channels") }
      return
    }
    // Both are the same rounding.
    #expect(try Self.graph(side: 64, nodes, tensors).nodes.count { $0.op is FakeQuantization } == 1)
  }
}
