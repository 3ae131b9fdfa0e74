import Files
import Graphs
import PackageFormat
import Pixels
import Tensors

/// An operator that keeps whatever attributes it gets, for tests of how they are stored.
struct ToyOperator: Operator {
  static let wireName = "toy"
  static let arity = 1...64
  var attributes: Attributes

  init(attributes: Attributes) { self.attributes = attributes }

  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
  var quantizationRule: QuantizationRule { .float }

  static func decode(_ name: String, _ attributes: Attributes) throws(GraphError) -> any Operator {
    guard name == wireName else { throw .unknownOperator(name) }
    return ToyOperator(attributes: attributes)
  }
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

extension Tensor {
  /// A tensor of any element type with the given bytes.
  init(bytes: [UInt8], elementType: ElementType, shape: Shape) throws {
    let storage = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    guard let tensor = Tensor(elementType: elementType, shape: shape, storage: storage, byteOffset: 0) else {
      throw PackageError.cannotStore("\(bytes.count) bytes for \(elementType) \(shape)")
    }
    self = tensor
  }

  var rawBytes: [UInt8] { withBytes { Array($0) } }
}

enum ToyPackages {
  /// Square images.
  static func resolution(
    _ side: Int, _ poolingExponent: Double?, filter: ResizeFilter = .bilinear, cropRatio: Double = 0.875
  ) throws -> Resolution {
    Resolution(
      try EvaluationProtocol(crop: .square, size: side, filter: filter, cropRatio: cropRatio),
      poolingExponent: poolingExponent)
  }

  /// Two nodes, a compressed tensor, a stored one, labels and metadata: what the tests of damage change bit by bit.
  static func small() throws -> Package {
    var graph = Graph(
      architecture: "toy", preprocessing: .imageNet,
      inputFormat: .uint8(QuantizationParameters(scale: 0.5, zeroPoint: 3)))
    let weight = try Tensor(bytes: (0..<600).map { UInt8($0 % 3) }, elementType: .int8, shape: [6, 100])
    let a = graph.append(
      ToyOperator(attributes: ["stride": .ints([2, 2])]), name: "conv1", inputs: [graph.input],
      constants: ["weight": weight, "bias": Tensor([1, -2] as [Int32])])
    let b = graph.append(ToyOperator(attributes: [:]), name: "fc", inputs: [a])
    graph.outputs = [GraphOutput(name: GraphOutput.logits, value: b)]
    return Package(
      graph: graph,
      info: PackageInfo(
        resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 224), poolingExponent: 3)],
        classCount: 2, embeddingDimension: 2),
      labels: ["cat", "dog"], metadata: #"{"schema": "toy"}"#)
  }

  /// Any package that may be written: all element and attribute types, empty and 0-d tensors, strided views, equal
  /// tensors, values that nothing uses, and names in any script.
  static func random(seed: UInt64) throws -> Package {
    var random = SplitMix64(state: seed)
    let names = ["layer1.0.conv", "特徴", "é", "Ωμέγα ", "", "🌾/quern", "a\u{0}b", "שלום"]
    var graph = Graph(
      architecture: names.randomElement(using: &random) ?? "", preprocessing: .half, inputFormat: format(&random))
    var pool: [Tensor] = []
    var values = [graph.input]
    for index in 0..<Int.random(in: 0...12, using: &random) {
      var constants: [String: Tensor] = [:]
      for role in ["weight", "bias", "scale", "table"] where Bool.random(using: &random) {
        let shared = pool.randomElement(using: &random)
        let tensor = if let shared, Bool.random(using: &random) { shared } else { try self.tensor(&random) }
        pool.append(tensor)
        constants[role] = tensor
      }
      if Bool.random(using: &random) { _ = graph.makeValue() }
      let inputs = (0..<Int.random(in: 1...4, using: &random)).compactMap { _ in values.randomElement(using: &random) }
      values.append(
        graph.append(
          ToyOperator(attributes: attributes(&random)),
          name: (names.randomElement(using: &random) ?? "") + "\(index)", inputs: inputs, constants: constants,
          format: format(&random)))
    }
    for (name, value) in zip(["logits", "embedding", "~"], values.shuffled(using: &random)) {
      graph.outputs.append(GraphOutput(name: name, value: value))
    }
    let classCount = Int.random(in: 0...5, using: &random)
    let crop: CropProtocol = Bool.random(using: &random) ? .square : .rect
    let isStandard = Bool.random(using: &random)
    func resolution(_ side: Int, _ exponent: Double) throws -> Resolution {
      let evaluation = try EvaluationProtocol(
        crop: crop, size: side, filter: isStandard ? .bilinear : .lanczos, cropRatio: isStandard ? 0.875 : 0.95)
      return Resolution(evaluation, poolingExponent: Bool.random(using: &random) ? .infinity : exponent)
    }
    let resolutions =
      try [resolution(Int.random(in: 1...700, using: &random), 1.7)]
      + (0..<Int.random(in: 0...3, using: &random)).map { try resolution(701 + 100 * $0, 0.1 + Double($0)) }
    var selfTest: SelfTestRecord?
    if !graph.nodes.isEmpty, Bool.random(using: &random) {
      let sketch = SelfTestSketch(tolerance: 0.01, norm: 3, projections: [0, -1.5, 2])
      let expectations: [SelfTestRecord.Expectation] = [.specified(.max), .implementation(7), .sketch(sketch)]
      selfTest = SelfTestRecord(
        implementation: "toy-1", seed: .random(in: 0...(.max), using: &random), imageCount: 2, height: 1,
        width: resolutions[0].side + 7,
        checks: (1...graph.nodes.count).flatMap { value in
          expectations.map { SelfTestRecord.Check(value: value, expectation: $0) }
        })
    }
    let licenses = [
      nil, PackageLicense(expression: "CC0-1.0 OR MIT"), PackageLicense(text: "é, 名"),
      PackageLicense(expression: "LicenseRef-x", text: "x"),
    ]
    return Package(
      graph: graph,
      info: PackageInfo(resolutions: resolutions, classCount: classCount, embeddingDimension: 7),
      labels: Bool.random(using: &random) ? (0..<classCount).map { "\($0) \(names[$0])" } : [],
      selfTest: selfTest, license: licenses.randomElement(using: &random) ?? nil,
      metadata: Bool.random(using: &random) ? "" : String(repeating: #"{"gate": 0.01, "名": "é"}"#, count: 40))
  }

  static func format(_ random: inout SplitMix64) -> ValueFormat {
    let parameters = QuantizationParameters(
      scale: Float.random(in: 1e-6...10, using: &random), zeroPoint: UInt8.random(in: 0...255, using: &random))
    let formats: [ValueFormat] = [.float32, .uint8(parameters), .uint8WithRemainder(parameters)]
    return formats.randomElement(using: &random) ?? .float32
  }

  static func attributes(_ random: inout SplitMix64) -> Attributes {
    var result: Attributes = [:]
    let values: [AttributeValue] = [
      .int(.min), .int(-1), .float(-0.0), .float(1e-300), .float(.infinity), .string(""), .string("relu\n✓"), .ints([]),
      .ints([.max, 0, -7]), .floats([]), .floats([0.1, -2.5]),
    ]
    for name in ["stride", "Padding", "a", "~", "zz.z-z_z"] where Bool.random(using: &random) {
      result[name] = values.randomElement(using: &random)
    }
    return result
  }

  static func tensor(_ random: inout SplitMix64) throws -> Tensor {
    let type = ElementType.allCases.randomElement(using: &random) ?? .int8
    let shapes: [Shape] = [[], [0], [3, 0, 2], [1], [5], [2, 3, 4], [64, 3, 3, 16], [1, 1, 1, 1, 1, 1, 1, 2]]
    let shape = shapes.randomElement(using: &random) ?? []
    let span = [1, 2, 20, 256].randomElement(using: &random) ?? 1
    let bytes = (0..<shape.elementCount * type.byteCount).map { _ in UInt8(Int.random(in: 0..<span, using: &random)) }
    let tensor = try Tensor(bytes: bytes, elementType: type, shape: shape)
    return Bool.random(using: &random) ? tensor.permuted(Array((0..<shape.rank).reversed())) : tensor
  }
}

extension PackageReader {
  /// Everything there is to read and to check, as a package.
  func readAll(threads: Int = 1) throws(PackageError) -> Package {
    try checkAll(threads: threads)
    return Package(
      graph: try readGraph(threads: threads, decodeOperator: ToyOperator.decode), info: info, labels: labels,
      selfTest: try selfTest(), license: try license(), metadata: try metadata())
  }
}
