import Checkpoints
import Graphs
import ModelImport
import Operators
import Tensors
import Testing

/// Nodes that look like those of usual networks and compute something else: they are read as ONNX defines them, or
/// refused.
@Suite struct OperatorMeaningTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var opset = 17
    /// The height and width of the image.
    var side = 8
    /// Whether nodes before these compute "g" and "flat", the means of "c" with four axes and with two.
    var pools = false
    /// Nodes that compute "x" from "c", the two maps that a 1x1 convolution makes of the image.
    let nodes: [Wire]
    let constants: [Wire]
    /// Words of the refusal.
    var refused = ""
    /// The logits, if the model is read.
    var logits: [Float] = []
    /// Whether the weights of the convolution and of the linear layer are in half precision.
    var isHalf = false
    var testDescription: String { name }
  }

  // MARK: Refusals

  private static let mean = Wire.node(
    "ReduceMean", ["moved"], ["x"], attributes: [Wire.ints("axes", [2, 3]), Wire.int("keepdims", 1)])

  /// Constants with more axes than a value, or longer ones, which repeat the value.
  static let elementwise: [Case] =
    ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"].map { type in
      Case(
        name: "\(type) of a vector", pools: true, nodes: [Wire.node(type, ["flat", "k"], ["x"])],
        constants: [Wire.floats("k", [1, 1, 1], [2])], refused: "repeats its input of 1x2 to 1x1x2")
    }
  static let repetitions: [Case] = [
    Case(
      name: "the number first", pools: true, nodes: [Wire.node("Mul", ["k", "flat"], ["x"])],
      constants: [Wire.floats("k", [1, 1, 1, 1], [2])], refused: "repeats its input of 1x2 to 1x1x1x2"),
    Case(
      name: "a power of a pixel", pools: true, nodes: [Wire.node("Pow", ["g", "k"], ["x"])],
      constants: [Wire.floats("k", [1, 1, 3, 3], [Float](repeating: 1, count: 9))],
      refused: "repeats its input of 1x2x1x1 to 1x2x3x3"),
    Case(
      name: "the epsilon of a norm",
      pools: true,
      nodes: [
        Wire.node("ReduceL2", ["flat"], ["n"], attributes: [Wire.ints("axes", [1])]),
        Wire.node("Add", ["n", "k"], ["d"]), Wire.node("Div", ["flat", "d"], ["x"]),
      ], constants: [Wire.floats("k", [1, 1, 1], [0.001])], refused: "repeats its input of 1x1 to 1x1x1"),
    Case(
      name: "the factor of a cube",
      pools: true, nodes: [Wire.node("Pow", ["flat", "three"], ["cube"]), Wire.node("Mul", ["cube", "k"], ["x"])],
      constants: [Wire.floats("three", [], [3]), Wire.floats("k", [1, 1, 1], [0.044715])],
      refused: "repeats its input of 1x2 to 1x1x2"),
    Case(
      name: "factors of channels for merged pixels",
      pools: true, nodes: [Wire.node("Reshape", ["c", "s"], ["r"]), Wire.node("Mul", ["r", "g"], ["x"])],
      constants: [Wire.integers("s", [1, 2, 64])], refused: "the product of 1x2x64 and 1x2x1x1"),
  ]

  /// Rows and channels that are there several times, and axes that are merged with the batch.
  static let rearrangements: [Case] = [
    Case(
      name: "the mean of one row",
      nodes: [Wire.node("Gather", ["c", "i"], ["moved"], attributes: [Wire.int("axis", 2)]), mean],
      constants: [Wire.integers("i", [Int](repeating: 0, count: 8))], refused: "rearranged to 1x2x8x8"),
    Case(
      name: "the mean of rows that overlap",
      nodes: [
        Wire.node("Gather", ["c", "i"], ["a"], attributes: [Wire.int("axis", 2)]),
        Wire.node("Gather", ["c", "j"], ["b"], attributes: [Wire.int("axis", 2)]),
        Wire.node("Concat", ["a", "b"], ["moved"], attributes: [Wire.int("axis", 2)]), mean,
      ], constants: [Wire.integers("i", [0, 1, 2, 3]), Wire.integers("j", [3, 4, 5, 6])],
      refused: "rearranged to 1x2x8x8"),
    Case(
      name: "several factors of one channel",
      pools: true,
      nodes: [
        Wire.node("Gather", ["c", "i"], ["a"], attributes: [Wire.int("axis", 1)]),
        Wire.node("Reshape", ["a", "s"], ["moved"]), Wire.node("Gemm", ["flat", "w2"], ["h"]),
        Wire.node("Reshape", ["h", "t"], ["u"]), Wire.node("Mul", ["moved", "u"], ["v"]),
        Wire.node("ReduceSum", ["v", "one"], ["x"], attributes: [Wire.int("keepdims", 0)]),
      ],
      constants: [
        Wire.integers("i", [0, 1, 0, 1]), Wire.integers("s", [1, 2, 2, 8, 8]), Wire.integers("t", [1, 2, 2, 1, 1]),
        Wire.integers("one", [1]), Wire.floats("w2", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
      ], refused: "rearranged to 1x2x2x8x8"),
    Case(
      name: "the columns of each row as channels",
      nodes: [
        Wire.node("Transpose", ["c"], ["t"], attributes: [Wire.ints("perm", [0, 2, 3, 1])]),
        Wire.node("Reshape", ["t", "s"], ["r"]),
        Wire.node("Transpose", ["r"], ["q"], attributes: [Wire.ints("perm", [0, 2, 1])]),
        Wire.node("Reshape", ["q", "u"], ["x"]),
      ], constants: [Wire.integers("s", [8, 8, 2]), Wire.integers("u", [1, 2, 8, 8])],
      refused: "rearranged to 1x2x8x8"),
    Case(
      name: "the mean of each row",
      nodes: [
        Wire.node("Transpose", ["c"], ["t"], attributes: [Wire.ints("perm", [0, 2, 3, 1])]),
        Wire.node("Reshape", ["t", "s"], ["r"]),
        Wire.node("ReduceMean", ["r"], ["x"], attributes: [Wire.ints("axes", [1]), Wire.int("keepdims", 0)]),
      ], constants: [Wire.integers("s", [8, 8, 2])], refused: "not over the height and width of a map"),
    Case(
      name: "a deviation in another order of axes",
      nodes: [
        Wire.node("Gather", ["c", "i"], ["a"], attributes: [Wire.int("axis", 1)]), Wire.node("Relu", ["a"], ["v"]),
        Wire.node("ReduceMean", ["v"], ["v1"], attributes: [Wire.ints("axes", [1])]),
        Wire.node("Sub", ["v", "v1"], ["v2"]),
        Wire.node("Transpose", ["v"], ["t"], attributes: [Wire.ints("perm", [0, 2, 3, 1])]),
        Wire.node("ReduceMean", ["t"], ["t1"], attributes: [Wire.ints("axes", [3])]),
        Wire.node("Sub", ["t", "t1"], ["t2"]), Wire.node("Mul", ["t2", "t2"], ["t3"]),
        Wire.node("ReduceMean", ["t3"], ["t4"], attributes: [Wire.ints("axes", [3])]),
        Wire.node("Add", ["t4", "e"], ["t5"]), Wire.node("Sqrt", ["t5"], ["t6"]),
        Wire.node("Div", ["v2", "t6"], ["x"]),
      ], constants: [Wire.integers("i", [0, 1, 0, 1, 0, 1, 0, 1]), Wire.floats("e", [], [1e-5])],
      refused: "the quotient of two activations"),
  ]

  /// Attributes, outputs and operator sets that change what a node computes.
  static let forms: [Case] = [
    Case(
      name: "ReduceL2 of no axis", opset: 18,
      pools: true, nodes: [Wire.node("ReduceL2", ["flat"], ["x"], attributes: [Wire.int("noop_with_empty_axes", 1)])],
      constants: [], refused: "takes the absolute value of each element"),
    Case(
      name: "ReduceSumSquare of no axis", opset: 18,
      pools: true,
      nodes: [Wire.node("ReduceSumSquare", ["flat"], ["x"], attributes: [Wire.int("noop_with_empty_axes", 1)])],
      constants: [], refused: "squares without a sum"),
    Case(
      name: "nearest pixels of a smaller map before opset 11", opset: 10,
      nodes: [Wire.node("Resize", ["c", "s"], ["x"])], constants: [Wire.floats("s", [4], [1, 1, 0.75, 0.75])],
      refused: "the nearest of 8 pixels for each of 6, which opset 10 does not define"),
    Case(
      // 1 / (2 / 14) is 7, but 6.9999995 in float32.
      name: "nearest pixels that depend on rounding", side: 14,
      nodes: [
        Wire.node(
          "Resize", ["c", "", "", "s"], ["x"],
          attributes: [
            text("coordinate_transformation_mode", "asymmetric"), text("mode", "nearest"),
            text("nearest_mode", "floor"),
          ])
      ], constants: [Wire.integers("s", [1, 2, 2, 2])], refused: "depends on how coordinates are rounded"),
    Case(
      name: "Upsample to a smaller map", opset: 9, nodes: [Wire.node("Upsample", ["c", "s"], ["x"])],
      constants: [Wire.floats("s", [4], [1, 1, 0.5, 0.5])], refused: "only enlarges"),
    Case(
      name: "unequal parts",
      nodes: [Wire.node("Split", ["c"], ["x", "y", "z"], attributes: [Wire.int("axis", 2)])], constants: [],
      refused: "splits an axis of 8 into 3 equal parts"),
    Case(
      name: "a batch norm with statistics", opset: 9,
      nodes: [Wire.node("BatchNormalization", ["c", "k", "k", "k", "k"], ["x", "mean", "variance"])],
      constants: [Wire.floats("k", [2], [1, 1])], refused: "computes statistics"),
    Case(
      name: "automatic padding of windows that lie apart",
      nodes: [
        Wire.node(
          "Conv", ["c", "k"], ["x"], attributes: [text("auto_pad", "SAME_UPPER"), Wire.ints("strides", [4, 4])])
      ], constants: [Wire.floats("k", [2, 2, 1, 1], [1, 2, 3, 4])], refused: "runtimes disagree"),
    Case(
      // The nearest half is 0.04470825, which only models in half precision have.
      name: "another cubic", nodes: cubic, constants: cubicConstants(0.0447, 0.797_884_56),
      refused: "a polynomial other"),
    Case(
      name: "a cubic in half precision", nodes: cubic, constants: cubicConstants(0.044_708_25, 0.797_851_56),
      refused: "a polynomial other"),
    Case(
      // 0.335 in half precision.
      name: "another root in half precision", nodes: means, constants: meanConstants(root: 0x355C),
      refused: "is not GeM pooling"),
  ]

  @Test(arguments: elementwise + repetitions + rearrangements + forms) func isRefused(_ model: Case) throws {
    let error = #expect(throws: ImportError.self) { try Self.network(model) }
    let message = "\(try #require(error))"
    #expect(message.contains(model.refused), "\(message)")
  }

  // MARK: Values

  static let reductionsOfNoAxis: [Case] =
    ["ReduceMean", "ReduceMax", "ReduceSum"].map { type in
      Case(
        name: "\(type) of no axis", opset: 18,
        nodes: [Wire.node(type, ["c"], ["x"], attributes: [Wire.int("noop_with_empty_axes", 1)])], constants: [],
        logits: [409.5, 567])
    }
  static let values: [Case] = [
    Case(
      // Every other pixel of every other row: the mean of 0, 2, 4, 6, 16, ..., 54 is 27.
      name: "nearest pixels of half the map before opset 11", opset: 10,
      nodes: [Wire.node("Resize", ["c", "s"], ["x"])], constants: [Wire.floats("s", [4], [1, 1, 0.5, 0.5])],
      logits: [351, 486]),
    Case(
      name: "rows in another order",
      nodes: [Wire.node("Gather", ["c", "i"], ["moved"], attributes: [Wire.int("axis", 2)]), mean],
      constants: [Wire.integers("i", [7, 6, 5, 4, 3, 2, 1, 0])], logits: [409.5, 567]),
    Case(
      // The vector of length 1 in the direction of (1, 4) is (0.2425356, 0.9701425). It is multiplied by the second
      // extent of the expanded norm, which is 2.
      name: "the extent of an expanded norm",
      pools: true,
      nodes: [
        Wire.node("ReduceL2", ["flat"], ["n"], attributes: [Wire.ints("axes", [1])]),
        Wire.node("Expand", ["n", "s"], ["e"]), Wire.node("Shape", ["e"], ["d"], attributes: [Wire.int("start", 1)]),
        Wire.node("Cast", ["d"], ["k"], attributes: [Wire.int("to", 1)]), Wire.node("Div", ["flat", "e"], ["u"]),
        Wire.node("Mul", ["u", "k"], ["v"]), Wire.node("Reshape", ["v", "t"], ["x"]),
      ], constants: [Wire.integers("s", [1, 2]), Wire.integers("t", [1, 2, 1, 1])], logits: [6.305_926, 8.731_282]),
    Case(
      name: "the direction of zeros",
      pools: true,
      nodes: [
        Wire.node("Mul", ["g", "zero"], ["z"]),
        Wire.node("LpNormalization", ["z"], ["x"], attributes: [Wire.int("axis", 1)]),
      ], constants: [Wire.floats("zero", [], [0])], logits: [0, 0]),
  ]

  /// The image has the numbers from 0 in one channel, whose mean is 31.5, and zeros in the others. The maps are 1 and 4
  /// times these, and the logits `a + 3 b` and `2 a + 4 b` of their means a and b: 13 and 18 times the mean.
  @Test(arguments: reductionsOfNoAxis + values) func isReadAsDefined(_ model: Case) throws {
    let image = (0..<3 * 64).map { Float($0 < 64 ? $0 : 0) }
    try Self.expect(model.logits, of: try Self.network(model).graph, image)
  }

  // MARK: Constants of activation functions

  static let clipped = [
    Wire.node("Add", ["c", "three"], ["a"]), Wire.node("Clip", ["a", "zero", "six"], ["b"]),
    Wire.node("Mul", ["b", "k"], ["d"]), Wire.node("Mul", ["c", "d"], ["x"]),
  ]
  static let cubic = [
    Wire.node("Pow", ["c", "three"], ["a"]), Wire.node("Mul", ["a", "k"], ["b"]), Wire.node("Add", ["c", "b"], ["d"]),
    Wire.node("Mul", ["d", "slope"], ["e"]), Wire.node("Tanh", ["e"], ["x"]),
  ]
  static func cubicConstants(_ factor: Float, _ slope: Float) -> [Wire] {
    [Wire.floats("three", [], [3]), Wire.floats("k", [], [factor]), Wire.floats("slope", [], [slope])]
  }
  static let means = [
    Wire.node("Clip", ["c", "floor"], ["a"]), Wire.node("Pow", ["a", "three"], ["b"]),
    Wire.node("GlobalAveragePool", ["b"], ["d"]), Wire.node("Pow", ["d", "root"], ["x"]),
  ]
  /// - Parameter root: the bits of a number in half precision.
  private static func meanConstants(root: Int) -> [Wire] {
    [
      Wire.floats("floor", [], [1e-6]), Wire.floats("three", [], [3]),
      Wire.tensor("root", [], type: 10, raw: [UInt8(root & 0xFF), UInt8(root >> 8)]),
    ]
  }

  /// A slope, whether it makes a hard swish, and the logits.
  static let slopes: [(Float, Bool, [Float])] = [
    (0.166_666_67, true, [3.735, 5.22]), (0.166_666_672, true, [3.735, 5.22]),
    (0.166_625_98, false, [3.734_710_7, 5.219_604_5]), (0.166_816_67, false, [3.736_066_5, 5.221_458]),
  ]
  /// A factor and the logits.
  static let factors: [(Float, [Float])] = [
    (0.166_666_67, [3.735, 5.22]), (0.166_625_98, [3.734_088, 5.218_725_6]), (0.166_816_67, [3.738_361_5, 5.224_698]),
  ]

  /// A sixth is 0.16666667 in float32 and 0.16662598 in half precision, which these models are not in. Of maps of 0.6
  /// and 1.5, hard swish is 0.36 and 1.125, and the logits are 3.735 and 5.22. With another slope s, it is
  /// `x min(max(s x + 0.5, 0), 1)`; with another factor of the clip, six times that of the usual one.
  @Test(arguments: slopes) func aSixthMakesAHardSwish(slope: Float, isFused: Bool, logits: [Float]) throws {
    let network = try Self.network(Case(name: "", nodes: Self.hardSwish(slope: slope), constants: []))
    try Self.expect(logits, of: network.graph, [Float](repeating: 0.1, count: 192))
    #expect(Self.functions(network.graph).contains(.hardSwish) == isFused)
    #expect(!network.notes.contains { $0.contains("half precision") }, "\(network.notes)")
  }

  @Test(arguments: factors) func aFactorOfAClipStays(factor: Float, logits: [Float]) throws {
    let network = try Self.network(
      Case(name: "", nodes: Self.clipped, constants: Self.clippedConstants(factor: factor)))
    try Self.expect(logits, of: network.graph, [Float](repeating: 0.1, count: 192))
    #expect(Self.functions(network.graph).contains(.hardSwish))
    #expect(!network.notes.contains { $0.contains("half precision") }, "\(network.notes)")
  }

  @Test(arguments: [0.797_884_56, 0.797_884_6] as [Float]) func theCubicMayBeRounded(slope: Float) throws {
    let constants = Self.cubicConstants(0.044715, slope)
    let network = try Self.network(Case(name: "", nodes: Self.cubic, constants: constants))
    #expect(Self.functions(network.graph).contains(.tanhGELUGate))
    #expect(!network.notes.contains { $0.contains("half precision") }, "\(network.notes)")
  }

  /// A third is 0.33325195 in half precision.
  @Test func theRootMayBeRounded() throws {
    let network = try Self.network(Case(name: "", nodes: Self.means, constants: Self.meanConstants(root: 0x3555)))
    #expect(network.graph.nodes.contains { ($0.op as? GeneralizedMeanPooling)?.exponent == 3 })
    #expect(network.notes.contains { $0.contains("exponents of GeM pooling are rounded") }, "\(network.notes)")
  }

  // MARK: Models

  static func hardSwish(slope: Float) -> [Wire] {
    [
      Wire.node("HardSigmoid", ["c"], ["h"], attributes: [float("alpha", slope), float("beta", 0.5)]),
      Wire.node("Mul", ["c", "h"], ["x"]),
    ]
  }

  static func clippedConstants(factor: Float) -> [Wire] {
    let numbers: [(String, Float)] = [("three", 3), ("zero", 0), ("six", 6), ("k", factor)]
    return numbers.map { Wire.floats($0.0, [], [$0.1]) }
  }

  private static func float(_ name: String, _ value: Float) -> Wire {
    Wire().text(1, name).raw([0x15] + withUnsafeBytes(of: value, Array.init)).int(20, 1)
  }

  private static func text(_ name: String, _ value: String) -> Wire { Wire().text(1, name).text(4, value).int(20, 3) }

  static func functions(_ graph: Graph) -> [ActivationFunction] {
    graph.nodes.compactMap { ($0.op as? Nonlinearity)?.function }
  }

  static func network(_ model: Case) throws -> ImportedNetwork {
    let means = [Wire.node("GlobalAveragePool", ["c"], ["g"]), Wire.node("Flatten", ["g"], ["flat"])]
    let input = Wire.value("input", [-1, 3, model.side, model.side])
    func weights(_ name: String, _ shape: [Int], _ values: [Float]) -> Wire {
      // The low bytes of these whole numbers are 0 in half precision.
      let high: [UInt8] = [0x3C, 0x40, 0x42, 0x44, 0x45, 0x46]
      guard model.isHalf else { return Wire.floats(name, shape, values) }
      return Wire.tensor(name, shape, type: 10, raw: values.flatMap { [0, high[Int($0) - 1]] })
    }
    let classifier = Wire.classifier(
      weight: weights("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]), matrix: weights("m", [2, 2], [1, 2, 3, 4]),
      middle: (model.pools ? means : []) + model.nodes, input: input)
    let bytes = Wire.model(model.constants.reduce(classifier) { $0.message(5, $1) }, opset: model.opset)
    let scratch = try Scratch()
    // The mapped file outlives its name.
    let read = try #require(try Checkpoint.read(path: try scratch.write(bytes)).network)
    return try ModelImporter().importNetwork(read)
  }

  static func expect(_ logits: [Float], of graph: Graph, _ image: [Float]) throws {
    let actual = try #require(try run(graph, Tensor(image, shape: [1, 3, 8, 8]))["logits"])
    let scale = logits.reduce(0) { max($0, abs($1)) }
    #expect(actual.allSatisfy(\.isFinite) && largestDifference(actual, logits) <= 2e-6 * scale, "\(actual)")
  }
}
