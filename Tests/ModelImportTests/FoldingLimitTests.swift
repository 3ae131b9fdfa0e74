import Checkpoints
import Foundation
import ModelImport
import Tensors
import Testing

/// Constants and shapes of ONNX models at the limits of arithmetic: each is computed as ONNX Runtime does, or refused.
@Suite struct FoldingLimitTests {
  // MARK: Files

  private static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/fixtures/fuzzing/found/onnx-import"

  /// Files that once trapped, or took minutes or gigabytes, with words of the errors that they end with.
  static let files: [(name: String, words: String)] = [
    ("quantize-nan", "has NaN"), ("zero-point-of-another-type", "a zero point of int64"),
    ("split-of-an-empty-constant", "it splits a constant"),
    ("split-of-an-extent-that-overflows", "it splits a constant"),
    ("flatten-of-extents-that-overflow", "impossible shape"), ("expand-to-extents-that-overflow", "impossible shape"),
    ("gather-from-nothing", ""), ("slice-of-nothing", ""), ("norms-of-nothing", ""), ("concat-of-many-empty-parts", ""),
    ("reshape-of-repeated-rows", ""), ("slice-of-a-huge-part", "impossible shape"),
  ]

  @Test(.timeLimit(.minutes(1)), arguments: files.indices) func hostileFilesAreRefused(index: Int) throws {
    let (name, words) = Self.files[index]
    let network = try #require(try Checkpoint.read(path: "\(Self.folder)/\(name).onnx").network)
    #expect {
      _ = try ModelImporter().importGraph(network)
    } throws: { error in
      error is ImportError && (words.isEmpty || "\(error)".contains(words))
    }
  }

  // MARK: Casts

  /// The type's number in ONNX, the number that is cast to it, and the result as ONNX Runtime has it: numbers are
  /// rounded to float32 before they are rounded to halves.
  static let casts: [(type: Int, value: Double, expected: Double)] = [
    (10, 1e39, .infinity), (10, -1e39, -.infinity), (10, 1e300, .infinity), (10, .infinity, .infinity),
    (10, 65504, 65504), (10, 65519, 65504), (10, 65520, .infinity), (10, -65520, -.infinity),
    (10, 65519.9999999, .infinity), (10, 0x1.00200004p0, 1), (10, 0x1.006p0, 0x1.008p0), (10, 0x1p-25, 0),
    (10, 0x1.8p-25, 0x1p-24), (10, 1e-50, 0), (16, 1e39, .infinity), (16, -1e39, -.infinity),
    (16, 0x1.FFFFFEp127, .infinity), (16, 3.3961e38, 0x1.FEp127),
    (16, 0x1.01000004p0, 1), (1, 1e39, .infinity), (1, -1e39, -.infinity), (9, .leastNonzeroMagnitude, 1), (9, .nan, 1),
    (9, 0, 0), (3, -128.9, -128), (2, 255.9, 255), (2, -0.9, 0), (6, 2_147_483_647.5, 2_147_483_647),
    (7, 16_777_217, 16_777_217), (11, 16_777_217, 16_777_217), (11, 1e39, 1e39),
  ]

  /// Large results are moved near 0 or scaled, as they are read as float32.
  @Test(arguments: casts.indices) func castsRoundOnce(index: Int) throws {
    let (type, value, expected) = Self.casts[index]
    let scale = expected.isFinite && abs(expected) > 1e6 ? 0x1p-100 : 1
    let offset = expected.isFinite && abs(expected) > 1e6 && abs(expected) < 1e12 ? expected - 1 : 0
    let nodes = [
      Self.node("Cast", ["v"], "t", ["to": type]), Self.node("Cast", ["t"], "d", ["to": 11]),
      Self.node("Sub", ["d", "offset"], "r"), Self.node("Mul", ["r", "scale"], "s"),
      Self.node("Cast", ["s"], "k", ["to": 1]), Self.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("v", [1], type: 11, [value]), Self.tensor("scale", [1], type: 11, [scale]),
      Self.tensor("offset", [1], type: 11, [offset]),
    ]
    guard expected.isFinite else {
      // Networks with infinite constants are refused, so that the sign is read of the reciprocal's.
      let sign = [
        Self.node("Cast", ["v"], "t", ["to": type]), Self.node("Sign", ["t"], "s"),
        Self.node("Reciprocal", ["t"], "zero"), Self.node("Add", ["s", "zero"], "sum"),
        Self.node("Cast", ["sum"], "k", ["to": 1]), Self.node("Add", ["c", "k"], "x"),
      ]
      #expect(try Self.offset(sign, tensors) == (expected < 0 ? -1 : 1))
      return
    }
    #expect(try Self.offset(nodes, tensors) == Float((expected - offset) * scale))
  }

  /// ONNX does not say which integers these are, and ONNX Runtime's depend on the processor.
  @Test(arguments: [2, 3, 4, 5, 6, 7, 12, 13], [Double.nan, .infinity, -.infinity, 1e20, -1e20])
  func castsOfNumbersThatDoNotFitAreRefused(type: Int, value: Double) {
    let nodes = [
      Self.node("Cast", ["v"], "t", ["to": type]), Self.node("Cast", ["t"], "k", ["to": 1]),
      Self.node("Add", ["c", "k"], "x"),
    ]
    #expect(throws: ImportError.self) { try Self.offset(nodes, [Self.tensor("v", [1], type: 11, [value])]) }
  }

  // MARK: Levels

  /// A number, the type of its levels in ONNX, their zero point and the number after rounding.
  static let levels: [(value: Float, type: Int, zeroPoint: UInt8, expected: Float)] = [
    (.infinity, 2, 5, 250), (-.infinity, 2, 5, -5), (3e38, 2, 0, 255), (-3e38, 3, 0, -128), (.infinity, 3, 0, 127),
    (2.5, 2, 1, 2), (-1000, 3, 0xFF, -127),
  ]

  @Test(arguments: levels.indices) func levelsSaturate(index: Int) throws {
    let (value, type, zeroPoint, expected) = Self.levels[index]
    let nodes = [
      Self.node("QuantizeLinear", ["v", "scale", "zero"], "q"),
      Self.node("DequantizeLinear", ["q", "scale", "zero"], "k"), Self.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("v", [1], type: 1, [value]), Self.tensor("scale", [], type: 1, [Float(1)]),
      Self.tensor("zero", [], type: type, [zeroPoint]),
    ]
    #expect(try Self.offset(nodes, tensors) == expected)
  }

  /// The level 1 of int8, with a zero point of 0 of some type.
  @Test(arguments: [(3, 1), (2, 1), (5, 2), (6, 4), (7, 8), (1, 4)]) func zeroPointsHaveTheTypeOfTheLevels(
    type: Int, byteCount: Int
  ) throws {
    let nodes = [Self.node("DequantizeLinear", ["v", "scale", "zero"], "k"), Self.node("Add", ["c", "k"], "x")]
    let tensors = [
      Self.tensor("v", [1], type: 3, [Int8(1)]), Self.tensor("scale", [], type: 1, [Float(1)]),
      Self.tensor("zero", [], type: type, [UInt8](repeating: 0, count: byteCount)),
    ]
    if type == 3 {
      #expect(try Self.offset(nodes, tensors) == 1)
    } else {
      #expect(throws: ImportError.self) { try Self.offset(nodes, tensors) }
    }
  }

  // MARK: Arrays without elements

  /// Operators on [0, 4] that have no elements either, each with other inputs.
  static let empty: [(type: String, inputs: [String], attributes: [String: Int])] = [
    ("Gather", ["e", "list"], ["axis": 1]), ("Gather", ["e", "none"], ["axis": 0]),
    ("Slice", ["e", "zero", "end", "one"], [:]), ("LpNormalization", ["e"], ["axis": 1]),
    ("Concat", ["e", "e"], ["axis": 1]), ("Tile", ["e", "list"], [:]), ("Neg", ["e"], [:]), ("Add", ["e", "e"], [:]),
    ("Cast", ["e"], ["to": 11]), ("Flatten", ["e"], ["axis": 2]), ("ScatterND", ["e", "none2", "e"], [:]),
    ("QuantizeLinear", ["e", "scale"], [:]),
  ]

  @Test(arguments: empty.indices) func nothingIsComputedOfNothing(index: Int) throws {
    let (type, inputs, attributes) = Self.empty[index]
    let nodes = [
      Self.node(type, inputs, "result", attributes), Self.node("Size", ["result"], "size"),
      Self.node("Cast", ["size"], "k", ["to": 1]), Self.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("e", [0, 4], type: 1, [Float]()), Self.tensor("list", [2], type: 7, [Int64(1), 2]),
      Self.tensor("none", [0], type: 7, [Int64]()), Self.tensor("none2", [0, 1], type: 7, [Int64]()),
      Self.tensor("zero", [1], type: 7, [Int64(0)]), Self.tensor("end", [1], type: 7, [Int64.max]),
      Self.tensor("one", [1], type: 7, [Int64(1)]), Self.tensor("scale", [], type: 1, [Float(1)]),
    ]
    #expect(try Self.offset(nodes, tensors) == 0)
  }

  // MARK: Models

  /// What a network adds to a map "c", as "x"; 0 where it adds nothing.
  private static func offset(_ nodes: [[UInt8]], _ tensors: [[UInt8]]) throws -> Float? {
    let first = node("Conv", ["input", "w"], "c")
    let last = [
      node("GlobalAveragePool", ["x"], "p"), node("Flatten", ["p"], "f"), node("Gemm", ["f", "m"], "logits"),
    ]
    var graph: [UInt8] = ([first] + nodes + last).flatMap { bytes(1, $0) }
    graph += bytes(2, Array("toy".utf8))
    let weights = [
      tensor("w", [2, 3, 1, 1], type: 1, [1, 2, 3, 4, 5, 6] as [Float]),
      tensor("m", [2, 2], type: 1, [1, 2, 3, 4] as [Float]),
    ]
    graph += (weights + tensors).flatMap { bytes(5, $0) }
    graph += bytes(11, value("input", [1, 3, 8, 8])) + bytes(12, value("logits", [1, 2]))
    let model = integer(1, 8) + bytes(7, graph) + bytes(8, bytes(1, []) + integer(2, 17))

    let path = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString).onnx")
    try Data(model).write(to: path)
    defer { try? FileManager.default.removeItem(at: path) }
    let network = try #require(try Checkpoint.read(path: path.path).network)
    let imported = try ModelImporter().importGraph(network)
    guard let affine = imported.nodes.first(where: { $0.constants["shift"] != nil }) else { return 0 }
    return affine.constants["shift"]?.elements(as: Float.self).first
  }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, bytes) = (value, [UInt8]())
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func integer(_ field: UInt64, _ value: Int) -> [UInt8] {
    varint(field << 3) + varint(UInt64(bitPattern: Int64(value)))
  }

  private static func bytes(_ field: UInt64, _ content: [UInt8]) -> [UInt8] {
    varint(field << 3 | 2) + varint(UInt64(content.count)) + content
  }

  private static func node(
    _ type: String, _ inputs: [String], _ output: String, _ attributes: [String: Int] = [:]
  ) -> [UInt8] {
    var node = inputs.flatMap { bytes(1, Array($0.utf8)) }
    node += bytes(2, Array(output.utf8)) + bytes(4, Array(type.utf8))
    for (name, value) in attributes {
      node += bytes(5, bytes(1, Array(name.utf8)) + integer(3, value) + integer(20, 2))
    }
    return node
  }

  private static func tensor<Element: BitwiseCopyable>(
    _ name: String, _ dimensions: [Int], type: Int, _ elements: [Element]
  ) -> [UInt8] {
    var tensor = dimensions.flatMap { integer(1, $0) }
    tensor += integer(2, type) + bytes(8, Array(name.utf8))
    return tensor + bytes(9, elements.withUnsafeBytes { Array($0) })
  }

  private static func value(_ name: String, _ dimensions: [Int]) -> [UInt8] {
    let shape = dimensions.flatMap { bytes(1, integer(1, $0)) }
    return bytes(1, Array(name.utf8)) + bytes(2, bytes(1, integer(1, 1) + bytes(2, shape)))
  }
}
