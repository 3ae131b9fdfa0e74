import Checkpoints
import ModelImport
import Testing

/// Constants in forms that ONNX allows and exporters rarely write, or in none: read as ONNX Runtime reads them, or
/// refused.
@Suite struct ConstantFormTests {
  // MARK: Empty lists

  static let squeezes = [
    Wire.node("Squeeze", ["v"], ["r"]), Wire.node("Squeeze", ["v", "axes"], ["r"]),
    Wire.node("Squeeze", ["v"], ["r"], attributes: [Wire.ints("axes", [])]),
  ]

  /// The number of axes of a constant [1, 2, 1] after a squeeze of no listed axis: each of extent 1 is removed.
  @Test(arguments: squeezes.indices) func anEmptyListOfAxesIsNone(index: Int) throws {
    let nodes = [
      Self.squeezes[index].bytes, Message.node("Shape", ["r"], "s"), Message.node("Shape", ["s"], "n"),
      Message.node("Cast", ["n"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Message.tensor("v", [1, 2, 1], type: 1, [1, 2] as [Float]), Message.tensor("axes", [0], type: 7, [] as [Int64]),
    ]
    #expect(try Message.offsets(nodes, tensors) == [1, 1])
  }

  // MARK: Typed fields

  /// A tensor of one element in the field `int32_data`, or `uint64_data` for uint32.
  private static func typed(_ type: Int, _ value: Int) -> [UInt8] {
    let field = type == 12 ? 11 : 5
    return Message.integer(1, 1) + Message.integer(2, type) + Message.text(8, "v") + Message.integer(field, value)
  }

  private static func offset(_ type: Int, _ value: Int) throws -> [Float] {
    try Message.offsets(
      [Message.node("Cast", ["v"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x")], [typed(type, value)])
  }

  /// The number of a type in ONNX, an element, and what it is read as.
  static let elements: [(Int, Int, Float)] = [
    (9, 256, 1), (9, -1, 1), (9, 2, 1), (9, 1, 1), (9, 0, 0), (2, 256, 0), (2, -1, 255), (3, 300, 44), (4, -1, 65535),
    (5, 40000, -25536), (12, 0x1_0000_0005, 5), (10, 0x3C00, 1),
  ]

  @Test(arguments: elements) func elementsAreThoseOfTheirType(type: Int, value: Int, expected: Float) throws {
    #expect(try Self.offset(type, value) == [expected, expected])
  }

  @Test(arguments: [(10, -1), (10, 65536 + 0x3C00), (16, -1)]) func otherBitsAreNoNumber(type: Int, value: Int) throws {
    #expect { try Self.offset(type, value) } throws: { "\($0)".contains("has the element \(value)") }
  }

  // MARK: Statistics of constants

  private static func normalized(outputs: Int, training: Int?) -> [Wire] {
    [
      Wire.node(
        "BatchNormalization", ["v", "scale", "zero", "zero", "one"],
        ["y", "a", "b", "d", "e"].prefix(outputs).map { $0 },
        attributes: training.map { [Wire.int("training_mode", $0)] } ?? []),
      Wire.node("ReduceMax", ["y"], ["r"], attributes: [Wire.ints("axes", [2]), Wire.int("keepdims", 0)]),
      Wire.node("Reshape", ["r", "s"], ["k"]), Wire.node("Add", ["c", "k"], ["x"]),
    ]
  }

  private static let constants = [
    Wire.floats("v", [1, 2, 2], [1, 3, 2, 6]), Wire.floats("scale", [2], [100, 10]), Wire.floats("zero", [2], [0, 0]),
    Wire.floats("one", [2], [1, 1]), Wire.integers("s", [1, 2, 1, 1]),
  ]

  /// The operator set, the number of outputs, the attribute `training_mode`, and the logits.
  static let statistics: [(Int, Int, Int?, [Float])] = [
    (13, 5, nil, [135.099_46, 247.198_95]), (11, 5, nil, [135.099_46, 247.198_95]),
    (13, 1, nil, [485.097_6, 847.195_8]), (17, 3, 1, [135.099_46, 247.198_95]),
  ]

  /// Of 1 and 3, and of 2 and 6, the largest element is 1 after normalisation by their own statistics, and 3 and 6 by
  /// those given, except for the epsilon. It is multiplied by 100 and by 10, and added to maps of 0.6 and 1.5.
  @Test(arguments: statistics) func statisticsAreThoseOfTheOperatorSet(
    opset: Int, outputs: Int, training: Int?, logits: [Float]
  ) throws {
    let nodes = Self.normalized(outputs: outputs, training: training)
    let network = try OperatorMeaningTests.network(
      OperatorMeaningTests.Case(name: "", opset: opset, nodes: nodes, constants: Self.constants))
    try OperatorMeaningTests.expect(logits, of: network.graph, [Float](repeating: 0.1, count: 192))
  }

  static let refused: [(Int, Int, Int?, String)] = [
    (17, 5, nil, "without training mode"), (13, 1, 1, "an attribute 'training_mode'"),
  ]

  @Test(arguments: refused) func statisticsThatNoOperatorSetHasAreRefused(
    opset: Int, outputs: Int, training: Int?, words: String
  ) throws {
    let nodes = Self.normalized(outputs: outputs, training: training)
    let model = OperatorMeaningTests.Case(name: "", opset: opset, nodes: nodes, constants: Self.constants)
    #expect { try OperatorMeaningTests.network(model) } throws: { "\($0)".contains(words) }
  }
}
