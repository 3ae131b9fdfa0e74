import Checkpoints
import ModelImport
import Tensors
import Testing

/// Casts of constants, which become the exponent of a power, or select one of two.
@Suite struct CastTests {
  /// ONNX's numbers of element types.
  private static let codes = [
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13, "bfloat16": 16,
  ]

  private func read(_ middle: [Wire], _ constants: [Wire]) throws -> [Float] {
    let scratch = try Scratch()
    let classifier = constants.reduce(Wire.classifier(middle: middle)) { $0.message(5, $1) }
    let network = try #require(try Checkpoint.read(path: try scratch.write(Wire.model(classifier))).network)
    let graph = try ModelImporter().importGraph(network)
    // An offset of zero is no node.
    guard let affine = graph.nodes.first(where: { $0.constants["shift"] != nil }) else { return [0] }
    return affine.constants["shift"]?.elements(as: Float.self) ?? []
  }

  /// The constant after a cast to a type, and back.
  private func cast(_ value: Wire, to type: String, isLike: Bool) throws -> Float? {
    let code = try #require(Self.codes[type])
    let there =
      isLike
      ? Wire.node("CastLike", ["v", "like"], ["t"])
      : Wire.node("Cast", ["v"], ["t"], attributes: [Wire.int("to", code)])
    let size = try #require(ElementType(onnxCode: code)).byteCount
    let like = Wire.tensor("like", [1], type: code, raw: [UInt8](repeating: 0, count: size))
    let middle = [
      there, Wire.node("Cast", ["t"], ["k"], attributes: [Wire.int("to", 1)]), Wire.node("Add", ["c", "k"], ["x"]),
    ]
    return try read(middle, [value, like]).first
  }

  static let reals: [(String, Float, Float)] = [
    ("bool", 0.5, 1), ("bool", -0.25, 1), ("bool", 0, 0), ("bool", -0.0, 0), ("bool", 7, 1), ("bool", .nan, 1),
    ("bool", .leastNonzeroMagnitude, 1), ("uint8", 200.9, 200), ("int8", -1.9, -1), ("int64", 0.99, 0),
    ("int32", -70000.5, -70000),
    ("uint8", -0.5, 0), ("float16", 0.1, 0.099975586), ("float16", 65519, 65504), ("float16", 1e-8, 0),
    ("float16", 6e-8, 0x1p-24), ("bfloat16", 0.1, 0.100097656), ("bfloat16", 255.9, 256), ("float64", 0.1, 0.1),
  ]

  @Test(arguments: reals.indices, [false, true]) func realNumbers(index: Int, isLike: Bool) throws {
    let (type, value, expected) = Self.reals[index]
    #expect(try cast(Wire.floats("v", [1], [value]), to: type, isLike: isLike) == expected)
  }

  static let integers: [(String, Int, Float)] = [
    ("uint8", 300, 44), ("uint8", -1, 255), ("int8", 200, -56), ("int8", -129, 127), ("uint16", 70000, 4464),
    ("int16", 40000, -25536), ("int32", 3_000_000_000, -1_294_967_296), ("uint32", -3_000_000_000, 1_294_967_296),
    ("int32", .max, -1), ("bool", 256, 1), ("bool", 0, 0), ("int64", -5, -5), ("float16", 2049, 2048),
  ]

  @Test(arguments: integers.indices, [false, true]) func wholeNumbers(index: Int, isLike: Bool) throws {
    let (type, value, expected) = Self.integers[index]
    #expect(try cast(Wire.integers("v", [value]), to: type, isLike: isLike) == expected)
  }

  /// ONNX does not say what these are.
  @Test(arguments: [("uint8", 256), ("uint8", -1), ("int8", 128), ("int32", 3e9), ("int64", 1e19), ("uint64", -1)])
  func numbersThatDoNotFit(type: String, value: Float) throws {
    for number in [value, .nan, .infinity] {
      #expect(throws: ImportError.self) { try cast(Wire.floats("v", [1], [number]), to: type, isLike: false) }
    }
  }

  /// A truth value that was computed is one when it is read.
  @Test func castsLikeComputedTruthValues() throws {
    let middle = [
      Wire.node("Not", ["zero"], ["truth"]), Wire.node("CastLike", ["half", "truth"], ["condition"]),
      Wire.node("Where", ["condition", "one", "two"], ["k"]), Wire.node("Add", ["c", "k"], ["x"]),
    ]
    let zero = Wire.tensor("zero", [1], type: 9, raw: [0])
    let floats: [(String, Float)] = [("half", 0.5), ("one", 1), ("two", 2)]
    #expect(try read(middle, [zero] + floats.map { Wire.floats($0, [1], [$1]) }).first == 1)
  }
}
