import Checkpoints
import ModelImport
import Tensors
import Testing

/// Constants and images are computed with in their own type, as ONNX Runtime does, or refused.
@Suite struct ElementTypeTests {
  // MARK: Constants

  /// An operator, the number of an element type in ONNX, the operands, and the result, or words of the refusal.
  static let integers: [(name: String, type: Int, operands: [Int], attribute: String?, result: Float?, words: String)] =
    [
      // 2^32 + 2^20 and others lose their high bits.
      ("Mul", 6, [0x10_0000, 0x1001], nil, 1_048_576, ""), ("Sub", 2, [3, 5], nil, 254, ""),
      ("Add", 5, [32767, 1], nil, -32768, ""), ("Abs", 3, [-128], nil, -128, ""), ("Neg", 3, [-128], nil, -128, ""),
      ("Sum", 2, [200, 100, 1], nil, 45, ""),
      // Doubles do not hold 2^53 + 1.
      ("Sub", 7, [0x20_0000_0000_0001, 0x20_0000_0000_0000], nil, 1, ""),
      ("Equal", 7, [0x20_0000_0000_0001, 0x20_0000_0000_0000], nil, 0, ""),
      ("Less", 7, [0x20_0000_0000_0000, 0x20_0000_0000_0001], nil, 1, ""),
      ("GreaterOrEqual", 7, [0x7FFF_FFFF_FFFF_FFFE, .max], nil, 0, ""),
      // Quotients are rounded towards zero. Remainders have the sign of the second operand, or of the first in C.
      ("Div", 7, [-7, 2], nil, -3, ""), ("Div", 2, [200, 3], nil, 66, ""),
      ("Div", 7, [5, 0], nil, nil, "defines no result of int64"),
      ("Div", 3, [-128, -1], nil, nil, "defines no result of int8"), ("Div", 7, [.min, -1], nil, nil, "defines no"),
      ("Mod", 7, [-7, 3], nil, 2, ""), ("Mod", 7, [7, -3], nil, -2, ""), ("Mod", 7, [-7, 3], "fmod", -1, ""),
      ("Mod", 6, [1, 0], nil, nil, "defines no result of int32"), ("Mod", 7, [.min, -1], nil, 0, ""),
      ("Pow", 7, [-3, 3], nil, -27, ""), ("Pow", 6, [10, 10], nil, nil, "int32 does not hold"),
      ("Pow", 7, [3, 39], nil, nil, "beyond 2^53"),
      ("Max", 3, [-3, 5], nil, 5, ""), ("Min", 2, [3, 250], nil, 3, ""), ("Sign", 7, [-5], nil, -1, ""),
      ("Relu", 6, [-5], nil, 0, ""), ("Exp", 7, [1], nil, nil, "is not defined for int64"),
    ]

  @Test(arguments: integers.indices) func integersAreThoseOfTheirType(index: Int) throws {
    let (name, type, operands, attribute, result, words) = Self.integers[index]
    let inputs = operands.indices.map { "v\($0)" }
    let nodes = [
      Message.node(name, inputs, "r", attribute.map { [$0: 1] } ?? [:]), Message.node("Cast", ["r"], "k", ["to": 1]),
      Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = zip(inputs, operands).map { Self.tensor($0, type, [$1]) }
    if let result {
      #expect(try Message.offsets(nodes, tensors) == [result, result], "\(name)")
    } else {
      #expect { try Message.offsets(nodes, tensors) } throws: { "\($0)".contains(words) }
    }
  }

  /// An operator of two numbers that may be NaN, and whether the result is NaN.
  static let numbers: [(name: String, operands: [Float], isNaN: Bool)] = [
    ("Max", [1, .nan], true), ("Max", [.nan, 1], true), ("Min", [1, .nan], true), ("Min", [.nan, 1], true),
    ("Sign", [.nan], true), ("Relu", [.nan], true), ("Abs", [.nan], true), ("Max", [1, 2], false),
    ("Sign", [-2], false),
  ]

  @Test(arguments: numbers.indices) func numbersThatAreNoneStayNone(index: Int) throws {
    let (name, operands, isNaN) = Self.numbers[index]
    let inputs = operands.indices.map { "v\($0)" }
    let nodes = [
      Message.node(name, inputs, "r"), Message.node("Equal", ["r", "r"], "e"),
      Message.node("Cast", ["e"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = zip(inputs, operands).map { Message.tensor($0, [1], type: 1, [$1]) }
    #expect(try Message.offsets(nodes, tensors) == (isNaN ? [0, 0] : [1, 1]), "\(name)")
  }

  // MARK: Reductions

  static let reductions: [(name: String, type: Int, list: [Int], result: Float?, words: String)] = [
    ("ReduceSum", 6, [Int](repeating: 0x4000_0000, count: 5), nil, "beyond those of int32"),
    ("ReduceSum", 7, [0x20_0000_0000_0001, 2], nil, "beyond 2^53"),
    ("ReduceProd", 7, [0x100_0000_0000, 0x4000_0000], nil, "of int64"),
    ("ReduceProd", 6, [-3, 4], -12, ""), ("ReduceMean", 7, [7, -2], 2, ""), ("ReduceMean", 7, [-7, 2], -2, ""),
    ("ReduceMax", 3, [-3, 5], 5, ""), ("ReduceMin", 2, [3, 250], 3, ""), ("ReduceL1", 6, [-3, 4], 7, ""),
    ("ReduceL2", 6, [-3, 5], 5, ""), ("ReduceSumSquare", 6, [-3, 5], 34, ""),
  ]

  @Test(arguments: reductions.indices) func integersAreReducedInTheirType(index: Int) throws {
    let (name, type, list, result, words) = Self.reductions[index]
    let nodes = [
      Message.node(name, ["v"], "r", ["keepdims": 0]), Message.node("Cast", ["r"], "k", ["to": 1]),
      Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [Self.tensor("v", type, list)]
    if let result {
      #expect(try Message.offsets(nodes, tensors) == [result, result], "\(name)")
    } else {
      #expect { try Message.offsets(nodes, tensors) } throws: { "\($0)".contains(words) }
    }
  }

  /// ONNX Runtime's result depends on the order of the elements.
  @Test(arguments: ["ReduceMax", "ReduceMin"]) func numbersThatAreNoneAreNotCompared(name: String) throws {
    let nodes = [Message.node(name, ["v"], "k", ["keepdims": 0]), Message.node("Add", ["c", "k"], "x")]
    let tensors = [Message.tensor("v", [2], type: 1, [1, Float.nan])]
    #expect { try Message.offsets(nodes, tensors) } throws: { "\($0)".contains("compares NaN") }
  }

  /// Without axes, each element of [-3, 2] is reduced alone.
  @Test(
    arguments: [
      ("ReduceSum", [-3, 2]), ("ReduceMean", [-3, 2]), ("ReduceMax", [-3, 2]), ("ReduceMin", [-3, 2]),
      ("ReduceProd", [-3, 2]), ("ReduceL1", [3, 2]), ("ReduceL2", [3, 2]), ("ReduceSumSquare", [9, 4]),
    ] as [(String, [Float])]) func reductionsOverNoAxes(name: String, expected: [Float]) throws
  {
    let nodes = [
      Message.node(name, ["v"], "k", ["noop_with_empty_axes": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    #expect(try Message.offsets(nodes, [Message.tensor("v", [2, 1, 1], type: 1, [-3, 2] as [Float])]) == expected)
  }

  // MARK: Types that are kept

  /// The second of two large numbers, less the first, after operators that move them.
  @Test func largeIntegersAreMovedExactly() throws {
    let nodes = [
      Message.node("Concat", ["a", "b"], "list", ["axis": 0]), Message.node("Gather", ["list", "one"], "second"),
      Message.node("Where", ["true", "second", "a"], "chosen"), Message.node("Expand", ["chosen", "one"], "wide"),
      Message.node("Tile", ["wide", "one"], "tiled"), Message.node("Slice", ["tiled", "zero", "one"], "r"),
      Message.node("ScatterND", ["a", "index", "r"], "s"), Message.node("Sub", ["s", "a"], "d"),
      Message.node("Cast", ["d"], "k", ["to": 1]), Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("a", 7, [0x20_0000_0000_0000]), Self.tensor("b", 7, [0x20_0000_0000_0001]),
      Self.tensor("one", 7, [1]),
      Self.tensor("zero", 7, [0]), Message.tensor("index", [1, 1], type: 7, [Int64(0)]),
      Message.tensor("true", [1], type: 9, [UInt8(1)]),
    ]
    #expect(try Message.offsets(nodes, tensors) == [1, 1])
  }

  /// 2^53 + 2^29 + 1 is nearer to 2^53 + 2^30 than to 2^53, unless it is rounded to a Double before.
  @Test func integersAreRoundedOnce() throws {
    let nodes = [
      Message.node("Cast", ["v"], "single", ["to": 1]), Message.node("Cast", ["single"], "d", ["to": 11]),
      Message.node("Sub", ["d", "offset"], "r"), Message.node("Cast", ["r"], "k", ["to": 1]),
      Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("v", 7, [0x20_0000_2000_0001]), Message.tensor("offset", [1], type: 11, [0x1p53]),
    ]
    #expect(try Message.offsets(nodes, tensors) == [0x1p30, 0x1p30])
  }

  /// The scale is 2037 / 2^18 in float16. The level 127 is 0.98685..., and the nearest float16 to that 2021 / 2^11.
  @Test func levelsInHalfPrecisionAreRounded() throws {
    let nodes = [
      Message.node("DequantizeLinear", ["v", "scale"], "r"), Message.node("Cast", ["r"], "k", ["to": 1]),
      Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [
      Self.tensor("v", 3, [127]), Message.tensor("scale", [], type: 10, [UInt16(0x1FF5)]),
    ]
    #expect(try Message.offsets(nodes, tensors) == [2021 / 2048, 2021 / 2048])
  }

  @Test func typesAreNotMixed() throws {
    let nodes = [Message.node("Add", ["a", "b"], "k"), Message.node("Add", ["c", "k"], "x")]
    let tensors = [Self.tensor("a", 7, [1]), Message.tensor("b", [1], type: 1, [Float(1)])]
    #expect { try Message.offsets(nodes, tensors) } throws: {
      "\($0)".contains("combines constants of int64 and float32")
    }
  }

  @Test func integersBecomeRealLikeAnActivation() throws {
    let nodes = [
      Message.node("CastLike", ["a", "c"], "t"), Message.node("Add", ["t", "b"], "k"),
      Message.node("Add", ["c", "k"], "x"),
    ]
    let tensors = [Self.tensor("a", 7, [1]), Message.tensor("b", [1], type: 1, [Float(0.5)])]
    #expect(try Message.offsets(nodes, tensors) == [1.5, 1.5])
  }

  // MARK: Images of bytes

  private static let hundred = Wire.tensor("h", [1], type: 2, raw: [100])
  private static let linear = Wire().text(1, "mode").text(4, "linear").int(20, 3)

  /// Nodes between the image "input", which is bytes, and the first cast, of "b".
  static let moves: [(name: String, nodes: [Wire])] = [
    ("identity", [Wire.node("Identity", ["input"], ["b"])]),
    ("reversed channels", [Wire.node("Gather", ["input", "bgr"], ["b"], attributes: [Wire.int("axis", 1)])]),
    ("largest", [Wire.node("MaxPool", ["input"], ["b"], attributes: [Wire.ints("kernel_shape", [2, 2])])]),
    ("nearest", [Wire.node("Resize", ["input", "", "twice"], ["b"])]),
    (
      "a transposition and back",
      [
        Wire.node("Transpose", ["input"], ["t"], attributes: [Wire.ints("perm", [0, 2, 3, 1])]),
        Wire.node("Transpose", ["t"], ["b"], attributes: [Wire.ints("perm", [0, 3, 1, 2])]),
      ]
    ),
  ]

  @Test(arguments: moves.indices) func bytesAreMoved(index: Int) throws {
    #expect(try Self.refusal(Self.moves[index].nodes) == nil, "\(Self.moves[index].name)")
  }

  private static func arithmetic(of name: String) -> [Wire] {
    let operands = [[name, "h"], ["h", name], [name, name]]
    let nodes = ["Add", "Sub", "Mul", "Div", "Max", "Min"].flatMap { type in
      operands.map { Wire.node(type, $0, ["b"]) }
    }
    return nodes + [
      Wire.node("Relu", [name], ["b"]), Wire.node("Resize", [name, "", "twice"], ["b"], attributes: [linear]),
    ]
  }

  /// The image itself, and a value that other nodes pass it on as.
  @Test(arguments: ["input", "moved"]) func bytesAreNotComputedWith(name: String) throws {
    for node in Self.arithmetic(of: name) {
      let moves =
        name == "input"
        ? []
        : [
          Wire.node("Identity", ["input"], ["same"]),
          Wire.node("MaxPool", ["same"], [name], attributes: [Wire.ints("kernel_shape", [2, 2])]),
        ]
      let message = try Self.refusal(moves + [node])
      #expect(message?.contains("computes in bytes") == true, "\(message ?? "accepted")")
    }
  }

  @Test func aCastLikeBytesIsRefused() throws {
    let nodes = [
      Wire.node("Cast", ["input"], ["f"], attributes: [Wire.int("to", 1)]),
      Wire.node("Sigmoid", ["f"], ["s"]), Wire.node("CastLike", ["s", "input"], ["b"]),
    ]
    #expect(try Self.refusal(nodes)?.contains("a cast to anything but floating-point numbers") == true)
    #expect(try Self.refusal([Wire.node("CastLike", ["input", "real"], ["b"])]) == nil)
  }

  /// What is said of a network of bytes; `nil` where it is taken.
  private static func refusal(_ nodes: [Wire]) throws -> String? {
    let last = [
      Wire.node("Cast", ["b"], ["first"], attributes: [Wire.int("to", 1)]), Wire.node("Conv", ["first", "w"], ["c"]),
      Wire.node("GlobalAveragePool", ["c"], ["p"]), Wire.node("Flatten", ["p"], ["flat"]),
      Wire.node("Gemm", ["flat", "m"], ["logits"]),
    ]
    let tensors = [
      Wire.floats("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]), Wire.floats("m", [2, 2], [1, 2, 3, 4]), hundred,
      Wire.integers("bgr", [2, 1, 0]), Wire.floats("twice", [4], [1, 1, 2, 2]), Wire.floats("real", [1], [1]),
    ]
    var graph = (nodes + last).reduce(Wire()) { $0.message(1, $1) }.text(2, "toy")
    graph = tensors.reduce(graph) { $0.message(5, $1) }
    graph = graph.message(11, Wire.value("input", [1, 3, 8, 8], type: 2)).message(12, Wire.value("logits", [1, 2]))
    let scratch = try Scratch()
    do {
      _ = try importGraph(try scratch.write(Wire.model(graph)))
      return nil
    } catch let error as ImportError {
      return error.description
    }
  }

  // MARK: Models

  /// A list of integers of an element type of ONNX.
  private static func tensor(_ name: String, _ type: Int, _ list: [Int]) -> [UInt8] {
    switch type {
    case 2: Message.tensor(name, [list.count], type: type, list.map { UInt8(truncatingIfNeeded: $0) })
    case 3: Message.tensor(name, [list.count], type: type, list.map { Int8(truncatingIfNeeded: $0) })
    case 5: Message.tensor(name, [list.count], type: type, list.map { Int16(truncatingIfNeeded: $0) })
    case 6: Message.tensor(name, [list.count], type: type, list.map { Int32(truncatingIfNeeded: $0) })
    default: Message.tensor(name, [list.count], type: type, list.map { Int64($0) })
    }
  }
}
