import Checkpoints
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
      Message.node("Cast", ["v"], "t", ["to": type]), Message.node("Cast", ["t"], "d", ["to": 11]),
      Message.node("Sub", ["d", "offset"], "r"), Message.node("Mul", ["r", "scale"], "s"),
      Message.node("Cast", ["s"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Message.tensor("v", [1], type: 11, [value]), Message.tensor("scale", [1], type: 11, [scale]),
      Message.tensor("offset", [1], type: 11, [offset]),
    ]
    guard expected.isFinite else {
      // Networks with infinite constants are refused, so that the sign is read of the reciprocal's.
      let sign = [
        Message.node("Cast", ["v"], "t", ["to": type]), Message.node("Sign", ["t"], "s"),
        Message.node("Reciprocal", ["t"], "zero"), Message.node("Add", ["s", "zero"], "sum"),
        Message.node("Cast", ["sum"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
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
      Message.node("Cast", ["v"], "t", ["to": type]), Message.node("Cast", ["t"], "k", ["to": 1]),
      Message.node("Add", ["c", "k"], "x"),
    ]
    #expect(throws: ImportError.self) { try Self.offset(nodes, [Message.tensor("v", [1], type: 11, [value])]) }
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
      Message.node("QuantizeLinear", ["v", "scale", "zero"], "q"),
      Message.node("DequantizeLinear", ["q", "scale", "zero"], "k"), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Message.tensor("v", [1], type: 1, [value]), Message.tensor("scale", [], type: 1, [Float(1)]),
      Message.tensor("zero", [], type: type, [zeroPoint]),
    ]
    #expect(try Self.offset(nodes, tensors) == expected)
  }

  /// The level 1 of int8, with a zero point of 0 of some type.
  @Test(arguments: [(3, 1), (2, 1), (5, 2), (6, 4), (7, 8), (1, 4)]) func zeroPointsHaveTheTypeOfTheLevels(
    type: Int, byteCount: Int
  ) throws {
    let nodes = [Message.node("DequantizeLinear", ["v", "scale", "zero"], "k"), Message.node("Add", ["c", "k"], "x")]
    let tensors = [
      Message.tensor("v", [1], type: 3, [Int8(1)]), Message.tensor("scale", [], type: 1, [Float(1)]),
      Message.tensor("zero", [], type: type, [UInt8](repeating: 0, count: byteCount)),
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
      Message.node(type, inputs, "result", attributes), Message.node("Size", ["result"], "size"),
      Message.node("Cast", ["size"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Message.tensor("e", [0, 4], type: 1, [Float]()), Message.tensor("list", [2], type: 7, [Int64(1), 2]),
      Message.tensor("none", [0], type: 7, [Int64]()), Message.tensor("none2", [0, 1], type: 7, [Int64]()),
      Message.tensor("zero", [1], type: 7, [Int64(0)]), Message.tensor("end", [1], type: 7, [Int64.max]),
      Message.tensor("one", [1], type: 7, [Int64(1)]), Message.tensor("scale", [], type: 1, [Float(1)]),
    ]
    #expect(try Self.offset(nodes, tensors) == 0)
  }

  // MARK: Models

  /// What a network adds to the first channel of a map "c", as "x"; 0 where it adds nothing.
  private static func offset(_ nodes: [[UInt8]], _ tensors: [[UInt8]]) throws -> Float? {
    try Message.offsets(nodes, tensors).first
  }
}
