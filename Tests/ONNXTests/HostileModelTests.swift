import Checkpoints
import Glibc
import ModelImport
import Testing

/// What no exporter writes: a typed error each, and never a trap.
@Suite struct HostileModelTests {
  /// Reads and imports; the error's words, or `nil` where the model is taken.
  private func refusal(_ bytes: [UInt8]) throws -> String? {
    let scratch = try Scratch()
    do {
      _ = try importGraph(try scratch.write(bytes))
      return nil
    } catch let error as CheckpointError {
      return error.description
    } catch let error as ImportError {
      return error.description
    }
  }

  @Test func theToyItselfIsTaken() throws { #expect(try refusal(Wire.model(Wire.classifier())) == nil) }

  @Test func everyTruncationIsRefused() throws {
    for bytes in [Wire.model(Wire.classifier()), try Fixtures.bytes("tiny-whitened.onnx")] {
      let scratch = try Scratch()
      let path = try scratch.write(bytes)
      var accepted: [Int] = []
      for length in (1..<bytes.count).reversed() {
        #expect(truncate(path, length) == 0)
        do throws(CheckpointError) {
          _ = try Checkpoint.read(path: path)
          accepted.append(length)
        } catch {}
      }
      #expect(accepted == [])
    }
  }

  @Test(arguments: ["tiny-opset17.onnx", "tiny-dynamo.onnx", "tiny-whitened.onnx", "tiny-typed.onnx"], [1, 2])
  func damagedBytesNeverTrap(_ file: String, seed: UInt64) throws {
    var copies = DamagedCopies(try Fixtures.bytes(file), seed: seed)
    var refused = 0
    for _ in 0..<200 {
      if try refusal(copies.next()) != nil { refused += 1 }
    }
    #expect(refused > 15, "seed \(seed)")
  }

  // MARK: Framing

  @Test func nestingIsBounded() throws {
    // A graph in an attribute of a node in a graph, 10,000 deep.
    var inner = Wire().text(2, "g").bytes
    for _ in 0..<3334 {
      inner = Wire().bytes(1, Wire().text(4, "If").message(5, Wire().text(1, "then").bytes(6, inner)).bytes).bytes
    }
    #expect(try refusal(Wire.model(Wire().raw(inner)))?.contains("nesting of messages") == true)
    // And types of sequences of sequences.
    var type: [UInt8] = []
    for _ in 0..<5000 { type = Wire().bytes(4, Wire().bytes(1, type).bytes).bytes }
    let graph = Wire.classifier().message(13, Wire().text(1, "v").bytes(2, type))
    #expect(try refusal(Wire.model(graph))?.contains("nesting of messages") == true)
  }

  @Test(arguments: [
    [0x08, 0x08, 0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],  // a length of 2^64 - 1
    [0x08, 0x08, 0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // of more than 64 bits
    [0x08, 0x08, 0x3A, 0x05, 0x0A, 0x7F],  // a node that ends outside of its graph
    [0x08, 0x08, 0x3A, 0x02, 0x0B, 0x0C],  // a group, which protobuf has given up
    [0x08, 0x08, 0x3A, 0x02, 0x02, 0x00],  // field 0
  ])
  func brokenFramesAreRefused(_ bytes: [Int]) throws {
    #expect(try refusal(bytes.map { UInt8($0) }) != nil)
  }

  // MARK: Tensors

  @Test(arguments: [
    ([2, 3, 1, 2], "has 24 bytes, and its shape 2x3x1x2"), ([1 << 40, 1 << 40], "impossible shape"),
    ([-1, 3, 1, 1], "impossible shape"), ([Int.max, 2, 2], "impossible shape"),
    ([0, 3, 1, 1], "has 24 bytes"), ([Int](repeating: 1, count: 17), "17 axes"), ([6], "4 axes are expected"),
  ])
  func dimensionsThatLie(_ dimensions: [Int], _ words: String) throws {
    let weight = Wire.tensor("w", dimensions, type: 1, raw: [UInt8](repeating: 0, count: 24))
    let message = try refusal(Wire.model(Wire.classifier(weight: weight)))
    #expect(message?.contains(words) == true, "\(message ?? "accepted")")
  }

  @Test func elementsThatLie() throws {
    let typed = Wire().int(1, 2).int(1, 3).int(1, 1).int(1, 1).int(2, 1).text(8, "w")
    let cases: [(Wire, String)] = [
      (typed.bytes(4, [UInt8](repeating: 0, count: 20)), "has 20 bytes"),
      (typed.bytes(10, [UInt8](repeating: 0, count: 48)), "elements are of another type"),
      (typed, "no elements"), (typed.bytes(4, [0, 0, 0]), "has 3 bytes"),
      (typed.bytes(9, [0]).bytes(9, [0]), "twice"),
      (Wire.tensor("w", [2, 3, 1, 1], type: 8, raw: []), "element type string"),
      (Wire.tensor("w", [2, 3, 1, 1], type: 99, raw: []), "element type number 99"),
      (Wire.tensor("w", [2, 3, 1, 1], type: 7, raw: [UInt8](repeating: 0, count: 48)), "not floating-point"),
      (Wire.tensor("w", [0, 3, 1, 1], type: 1, raw: []), "4 axes are expected"),
      (Wire.tensor("m", [2, 3, 1, 1], type: 1, raw: [UInt8](repeating: 0, count: 24)), "a second one is named 'm'"),
    ]
    for (weight, words) in cases {
      let message = try refusal(Wire.model(Wire.classifier(weight: weight)))
      #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
    }
  }

  // MARK: Graphs

  @Test func brokenGraphsAreRefused() throws {
    let cases: [([Wire], String)] = [
      ([Wire.node("Add", ["c", "y"], ["x"]), Wire.node("Relu", ["x"], ["y"])], "cycle"),
      ([Wire.node("Relu", ["x"], ["x"])], "cycle"),
      ([Wire.node("Add", ["c", "gone"], ["x"])], "reads 'gone', which is not an input, an initialiser"),
      (
        [Wire.node("Relu", ["c"], ["x"]), Wire.node("Relu", ["c"], ["x"])],
        "computes 'x', which is defined elsewhere too"
      ),
      ([Wire.node("Relu", ["c"], ["w"])], "computes 'w', which is defined elsewhere too"),
      ([Wire.node("Relu", [], ["x"])], "has no input number 1"),
      ([], "reads 'x', which is not an input, an initialiser"),
      ([Wire.node("FancyNorm", ["c"], ["x"], domain: "com.example")], "(com.example.FancyNorm, opset 0, reads 'c')"),
      (
        [Wire.node("Relu", ["c"], ["x"], attributes: [Wire.int("slope", 1)])],
        "it has an attribute 'slope', which quern does not support"
      ),
      ([Wire.node("LSTM", ["c"], ["x"])], "(LSTM, opset 17, reads 'c') is not supported"),
      ([Wire.node("Conv", ["c", "w"], ["x"])], "do not fit a map of 2 channels"),
      (
        [
          Wire.node("Clip", ["c"], ["x"], attributes: [Wire().text(1, "max").raw([0x15, 0, 0, 0xC0, 0x40]).int(20, 1)])
        ],
        "has an attribute 'max', which its operator set takes as an input"
      ),
      (
        [Wire.node("If", ["c"], ["x"], attributes: [Wire().text(1, "then_branch").message(6, Wire()).int(20, 5)])],
        "(If, opset 17, reads 'c') is not supported"
      ),
      ([Wire.node("MaxPool", ["c"], ["x"], attributes: [Wire.ints("kernel_shape", [1 << 40, 3])])], "make no window"),
      (
        [
          Wire.node(
            "MaxPool", ["c"], ["x"],
            attributes: [Wire.ints("kernel_shape", [3, 3]), Wire.ints("pads", [0, 0, 0, -1])])
        ],
        "cannot pad by"
      ),
      (
        [Wire.node("MaxPool", ["c"], ["x"], attributes: [Wire.ints("kernel_shape", [99, 99])])],
        "smaller than the 99x99"
      ),
      ([Wire.node("Transpose", ["c"], ["x"], attributes: [Wire.ints("perm", [0, 1, 3, 2])])], "rearranged to"),
      (
        [Wire.node("Relu", ["c"], ["x"], attributes: [Wire.int("a", 1), Wire.int("a", 2)])],
        "a second one is named 'a'"
      ),
    ]
    for (middle, words) in cases {
      let message = try refusal(Wire.model(Wire.classifier(middle: middle)))
      #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
    }
  }

  @Test func foldingIsBounded() throws {
    func middle(_ type: String, _ inputs: [String], _ attributes: [Wire] = []) -> [Wire] {
      [Wire.node(type, inputs, ["k"], attributes: attributes), Wire.node("Add", ["c", "k"], ["x"])]
    }
    let cases: [([Wire], [Wire], String)] = [
      (middle("ConstantOfShape", ["s"]), [Wire.integers("s", [1 << 30, 1 << 30])], "makes a constant of"),
      (middle("ConstantOfShape", ["s"]), [Wire.integers("s", [-5])], "makes a constant of"),
      (
        middle("Range", ["s", "t", "u"]),
        [Wire.integers("s", [0]), Wire.integers("t", [1 << 60]), Wire.integers("u", [1])], "makes no valid range"
      ),
      (
        middle("Expand", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [1 << 33, 1 << 33])], "cannot expand"
      ),
      (middle("Gather", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [5])], "takes element 5 of 1"),
      (middle("Reshape", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [-1, -1])], "cannot make"),
      (middle("Squeeze", ["s", "t"]), [Wire.integers("s", [1, 2]), Wire.integers("t", [Int.min])], "cannot squeeze"),
      (middle("Unsqueeze", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [Int.max])], "cannot add axes"),
      (middle("Transpose", ["s"], [Wire.ints("perm", [5])]), [Wire.integers("s", [1])], "cannot permute"),
      (
        middle("Slice", ["s", "t", "u"]),
        [Wire.integers("s", [1, 2]), Wire.integers("t", [Int.min]), Wire.integers("u", [Int.max])], ""
      ),
      (middle("Concat", ["s"], [Wire.int("axis", 7)]), [Wire.integers("s", [1])], "has an axis 7"),
      (middle("Flatten", ["s"], [Wire.int("axis", Int.min)]), [Wire.integers("s", [1])], "cannot flatten"),
      (middle("ReduceMean", ["s"], [Wire.ints("axes", [Int.min])]), [Wire.integers("s", [1])], "cannot reduce"),
      (middle("ReduceMax", ["s"]), [Wire.integers("s", [])], "cannot reduce"),
      (middle("Tile", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [1 << 40])], "cannot repeat"),
      (
        middle("Tile", ["s", "t"]), [Wire.integers("s", [1, 2, 3]), Wire.integers("t", [1 << 20])],
        "makes too many elements"
      ),
      (
        middle("ScatterND", ["s", "t", "u"]),
        [Wire.integers("s", [1]), Wire.integers("t", [7]), Wire.integers("u", [1])], "replaces element 7 of 1"
      ),
      (
        middle("ScatterND", ["s", "t", "u"]),
        [Wire.integers("s", [1]), Wire.integers("t", []), Wire.integers("u", [1])], "does not replace elements"
      ),
      (middle("Mod", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [0])], ""),
      (
        middle("InstanceNormalization", ["s", "s", "s"]), [Wire.integers("s", [1])], "normalises"
      ),
      (middle("Div", ["s", "t"]), [Wire.integers("s", [1]), Wire.integers("t", [0])], ""),
    ]
    for (middle, tensors, words) in cases {
      let graph = tensors.reduce(Wire.classifier(middle: middle)) { $0.message(5, $1) }
      let message = try refusal(Wire.model(graph))
      #expect(words.isEmpty || message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
    }
  }

  @Test func modelsOfAnotherKindAreRefused() throws {
    let cases: [(Wire, Int, String)] = [
      (Wire.classifier(), 6, "uses opset 6"),
      (Wire.classifier(input: Wire.value("input", [1, 1, 8, 8])), 17, "has 1 channels"),
      (Wire.classifier(input: Wire.value("input", [1, 3, 1 << 40, 8])), 17, "has an extent of"),
      (Wire.classifier(input: Wire.value("input", [1, 3])), 17, "must have 4 axes"),
      (Wire.classifier(input: Wire.value("input", [1, 3, 8, 8], type: 7)), 17, "is int64"),
      (Wire.classifier().message(11, Wire.value("second", [1])), 17, "2 inputs"),
      (Wire.classifier().message(12, Wire.value("gone", [1])), 17, "no node computes the output 'gone'"),
    ]
    for (graph, opset, words) in cases {
      let message = try refusal(Wire.model(graph, opset: opset))
      #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
    }
  }

  @Test func aLongChainNeedsNoStack() throws {
    let chain = (0..<4_000).map {
      Wire.node("Identity", [$0 == 0 ? "c" : "i\($0)"], [$0 == 3_999 ? "x" : "i\($0 + 1)"])
    }
    #expect(try refusal(Wire.model(Wire.classifier(middle: chain))) == nil)
  }
}
