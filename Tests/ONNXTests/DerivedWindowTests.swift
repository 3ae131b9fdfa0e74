import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// Windows that are derived from others keep their padding, also where that follows from the size of the map.
@Suite struct DerivedWindowTests {
  private static func text(_ name: String, _ value: String) -> Wire { Wire().text(1, name).text(4, value).int(20, 3) }

  private static func conv(_ stride: Int) -> Wire {
    Wire.node(
      "Conv", ["b", "k"], ["x"], attributes: [text("auto_pad", "SAME_UPPER"), Wire.ints("strides", [stride, stride])])
  }

  /// A map of twice the height and width, whose blocks are those of the image's pixels.
  private static let enlarged = Wire.node(
    "Resize", ["c", "", "scales"], ["e"],
    attributes: [
      text("coordinate_transformation_mode", "asymmetric"), text("mode", "nearest"), text("nearest_mode", "floor"),
    ])

  private static let blocks = [Wire.node("SpaceToDepth", ["e"], ["b"], attributes: [Wire.int("blocksize", 2)])]

  /// The same by slices side by side.
  private static let slices: [Wire] = {
    var nodes: [Wire] = []
    let offsets = [("zero", "zero"), ("one", "zero"), ("zero", "one"), ("one", "one")]
    for (index, (row, column)) in offsets.enumerated() {
      nodes.append(Wire.node("Slice", ["e", row, "end", "rows", "step"], ["r\(index)"]))
      nodes.append(Wire.node("Slice", ["r\(index)", column, "end", "columns", "step"], ["s\(index)"]))
    }
    return nodes + [Wire.node("Concat", ["s0", "s1", "s2", "s3"], ["b"], attributes: [Wire.int("axis", 1)])]
  }()

  private static func network(
    _ nodes: [Wire], side: Int, isOpen: Bool
  ) throws -> ImportedNetwork {
    let constants = [
      Wire.floats("k", [2, 8, 3, 3], (0..<144).map { Float($0 % 7) - 3 }), Wire.floats("scales", [4], [1, 1, 2, 2]),
      Wire.integers("zero", [0]), Wire.integers("one", [1]), Wire.integers("end", [1 << 20]),
      Wire.integers("rows", [2]), Wire.integers("columns", [3]), Wire.integers("step", [2]),
    ]
    let input = Wire.value("input", isOpen ? [-1, 3, -1, -1] : [-1, 3, side, side])
    let graph = constants.reduce(Wire.classifier(middle: nodes, input: input)) { $0.message(5, $1) }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Wire.model(graph)))
    var importer = ModelImporter()
    importer.imageSides = [side]
    return try importer.importNetwork(try #require(checkpoint.network))
  }

  /// The side of the image, the stride, and the padding of the window of blocks: that of 3x3 windows on a map of the
  /// image's size, twice.
  static let paddings: [(side: Int, stride: Int, before: Int, after: Int)] = [
    (31, 2, 2, 2), (32, 2, 0, 2), (31, 3, 2, 2), (32, 3, 0, 2), (32, 1, 2, 2),
  ]

  @Test(arguments: paddings.indices, [false, true])
  func windowsOfBlocksKeepTheirPadding(index: Int, isFocus: Bool) throws {
    let (side, stride, before, after) = Self.paddings[index]
    let nodes = [Self.enlarged] + (isFocus ? Self.slices : Self.blocks) + [Self.conv(stride)]
    for isOpen in [false, true] {
      let network = try Self.network(nodes, side: side, isOpen: isOpen)
      let windows = network.graph.nodes.compactMap { ($0.op as? Convolution)?.window }
      let window = try #require(windows.first { $0.height == 6 })
      #expect(window.top == before && window.left == before && window.bottom == after && window.right == after)
      #expect(window.strideHeight == 2 * stride && window.strideWidth == 2 * stride)
      // Only without a stride is the padding the same for all sizes.
      #expect(network.fixedImageSize == (isOpen && stride == 1 ? nil : FixedImageSize(height: side, width: side)))
    }
  }

  /// Margins of negative infinity before a pooling whose padding follows from the size of the margined map.
  @Test func marginsMoveNoPaddingThatFollowsTheSize() throws {
    let nodes = [
      Wire.node("Pad", ["c", "pads", "lowest"], ["b"]),
      Wire.node(
        "MaxPool", ["b"], ["x"],
        attributes: [
          Wire.ints("kernel_shape", [3, 3]), Wire.ints("strides", [2, 2]), Self.text("auto_pad", "SAME_UPPER"),
        ]),
    ]
    let constants = [
      Wire.integers("pads", [0, 0, 1, 1, 0, 0, 1, 1]), Wire.floats("lowest", [], [-.infinity]),
    ]
    let graph = constants.reduce(Wire.classifier(middle: nodes, input: Wire.value("input", [-1, 3, -1, -1]))) {
      $0.message(5, $1)
    }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Wire.model(graph)))
    var importer = ModelImporter()
    importer.imageSides = [32]
    let network = try importer.importNetwork(try #require(checkpoint.network))
    let windows = network.graph.nodes.compactMap { ($0.op as? MaxPooling)?.window }
    let window = try #require(windows.first)
    #expect(!window.padsToSize && window.top == 1 && window.bottom == 2)
    #expect(network.fixedImageSize == FixedImageSize(height: 32, width: 32))
  }
}
