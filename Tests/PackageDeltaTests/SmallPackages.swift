import Files
import Graphs
import PackageDelta
import PackageFormat
import Pixels
import Tensors

/// An operator that keeps whatever attributes it gets.
struct AnyOperator: Operator {
  static let wireName = "any"
  static let arity = 1...8
  var attributes: Attributes
  init(attributes: Attributes = [:]) { self.attributes = attributes }
  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
  var quantizationRule: QuantizationRule { .float }
}

/// Numbers that are the same wherever the tests run (Steele, Lea, Flood, "Fast splittable pseudorandom number generators").
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// What a small package contains, so that tests can change one thing.
struct SmallPackage {
  var levels: [Int8]
  var scales: [Float]
  var biases: [Int32]
  var labels = ["cat", "dog"]
  var metadata = #"{"schema": "toy"}"#
  var stride = 2
  /// A further attribute.
  var table: AttributeValue?
  /// The elements of further constants, by role.
  var constants: [String: Float] = [:]
  var scale: Float = 0.5
  var classCount = 2
  var extraNode: String?
  var compressing = true

  /// Weights of a few distinct levels, which compress, and scales and biases, which do not.
  init(seed: UInt64 = 1) {
    var random = SplitMix64(state: seed)
    levels = (0..<6000).map { _ in Int8(Int.random(in: -6...6, using: &random)) }
    scales = (0..<40).map { _ in Float.random(in: 0.001...0.1, using: &random) }
    biases = (0..<40).map { _ in Int32.random(in: -100_000...100_000, using: &random) }
  }

  func encoded() throws -> [UInt8] {
    var graph = Graph(
      architecture: "small", preprocessing: .imageNet,
      inputFormat: .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)))
    var attributes: Attributes = ["stride": .ints([stride, stride])]
    attributes["table"] = table
    var constants = [
      "weight": Tensor(levels, shape: [40, 150]), "weight_scale": Tensor(scales), "bias": Tensor(biases),
    ]
    for (role, element) in self.constants { constants[role] = Tensor([element]) }
    var value = graph.append(
      AnyOperator(attributes: attributes), name: "conv", inputs: [graph.input], constants: constants,
      format: .uint8(QuantizationParameters(scale: scale, zeroPoint: 3)))
    if let extraNode {
      value = graph.append(
        AnyOperator(), name: extraNode, inputs: [value], constants: ["table": Tensor([1, 2, 3] as [Float])])
    }
    value = graph.append(AnyOperator(), name: "fc", inputs: [value])
    graph.outputs = [GraphOutput(name: GraphOutput.logits, value: value)]
    return try PackageWriter.encode(
      Package(
        graph: graph,
        info: PackageInfo(
          resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 64), poolingExponent: 3)],
          classCount: classCount, embeddingDimension: 2), labels: labels, metadata: metadata),
      compressing: compressing)
  }

  func reader(_ path: String = "memory") throws -> PackageReader { try PackageReader(try encoded(), path) }
}

extension PackageReader {
  init(_ bytes: [UInt8], _ path: String) throws(PackageError) {
    try self.init(storage: TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }, path: path)
  }
}

extension PatchApplier {
  init(_ bytes: [UInt8]) throws(PatchError) {
    try self.init(storage: TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) })
  }
}
