import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// Models that take images of any size and compute something else at some of them: read for one size, which is stated.
@Suite struct SizeDependenceTests {
  private static func network(
    _ middle: [Wire], _ tensors: [Wire] = [], sides: [Int] = [], input: Wire = Wire.value("input", [-1, 3, -1, -1])
  ) throws -> ImportedNetwork {
    let graph = tensors.reduce(Wire.classifier(middle: middle, input: input)) { $0.message(5, $1) }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Wire.model(graph)))
    var importer = ModelImporter()
    importer.imageSides = sides
    return try importer.importNetwork(try #require(checkpoint.network))
  }

  /// The height of the image as "h".
  private static let height = [
    Wire.node("Shape", ["input"], ["s"]),
    Wire.node("Gather", ["s", "two"], ["h"], attributes: [Wire.int("axis", 0)]),
  ]
  private static let tensors = [Wire.integers("two", [2]), Wire.integers("n", [64]), Wire.integers("minus", [-1])]

  private static func cast(_ input: String, _ output: String, to type: Int = 1) -> Wire {
    Wire.node("Cast", [input], [output], attributes: [Wire.int("to", type)])
  }

  /// Nodes that make a number "k" of the height, and words of the assumption.
  static let uses: [(nodes: [Wire], words: String)] = [
    ([Wire.node("Equal", ["h", "n"], ["b"]), cast("b", "k")], "compares numbers that depend on the size"),
    ([Wire.node("Equal", ["n", "h"], ["b"]), cast("b", "k")], "compares numbers that depend on the size"),
    ([Wire.node("Sub", ["n", "h"], ["d"]), Wire.node("Equal", ["d", "minus"], ["b"]), cast("b", "k")], "compares"),
    ([Wire.node("Less", ["h", "n"], ["b"]), cast("b", "k")], "computes with numbers that depend on the size"),
    ([Wire.node("Min", ["h", "n"], ["r"]), cast("r", "k")], "computes with numbers that depend on the size"),
    ([Wire.node("Max", ["n", "h"], ["r"]), cast("r", "k")], "computes with numbers that depend on the size"),
    ([Wire.node("Mod", ["h", "n"], ["r"]), cast("r", "k")], "computes with numbers that depend on the size"),
    ([cast("h", "b", to: 9), cast("b", "k")], "computes with numbers that depend on the size"),
    ([cast("h", "b", to: 2), cast("b", "k")], "computes with numbers that depend on the size"),
    ([Wire.node("Div", ["h", "n"], ["r"]), cast("r", "k")], "'k' depends on the size of the image"),
    ([cast("h", "k")], "'k' depends on the size of the image"),
  ]

  @Test(arguments: uses.indices) func numbersOfTheSizeAreReadForOneSize(index: Int) throws {
    let (nodes, words) = Self.uses[index]
    let middle = Self.height + nodes + [Wire.node("Add", ["c", "k"], ["x"])]
    let network = try Self.network(middle, Self.tensors)
    #expect(network.fixedImageSize == FixedImageSize(height: 224, width: 224))
    #expect(
      network.assumptions.contains { $0.statement.contains(words) && $0.statement.contains("224x224") },
      "\(network.assumptions)")
  }

  // MARK: Branches

  private static func branch(_ type: String) -> Wire {
    Wire().message(1, Wire.node(type, ["c"], ["y"])).message(12, Wire.value("y", []))
  }

  /// ReLU for images of 64 pixels, and nothing for others.
  private static let branches =
    height + [
      Wire.node("Equal", ["h", "n"], ["b"]),
      Wire.node(
        "If", ["b"], ["x"],
        attributes: [
          Wire().text(1, "then_branch").message(6, branch("Relu")).int(20, 5),
          Wire().text(1, "else_branch").message(6, branch("Identity")).int(20, 5),
        ]),
    ]

  @Test(arguments: [(64, true), (63, false), (224, false)]) func theBranchOfTheSizeIsTaken(
    side: Int, isRectified: Bool
  ) throws {
    let network = try Self.network(Self.branches, Self.tensors, sides: [side])
    #expect(network.graph.nodes.contains { $0.op is ReLU } == isRectified)
    #expect(network.fixedImageSize == FixedImageSize(height: side, width: side))
  }

  @Test func sizesThatDifferAreRefusedTogether() throws {
    #expect {
      try Self.network(Self.branches, Self.tensors, sides: [224, 64])
    } throws: { "\($0)".contains("give one --size at a time") }
    // Both take the same branch.
    #expect(try Self.network(Self.branches, Self.tensors, sides: [224, 96]).fixedImageSize?.height == 224)
  }

  // MARK: Shapes

  /// The first 400 rows of a map, which are all rows of smaller images.
  private static let rows = [Wire.node("Slice", ["c", "zero", "rows", "two"], ["x"])]
  private static let rowTensors = tensors + [Wire.integers("zero", [0]), Wire.integers("rows", [400])]

  @Test func largeImagesAreConsidered() throws {
    let network = try Self.network(Self.rows, Self.rowTensors)
    #expect(network.fixedImageSize == FixedImageSize(height: 224, width: 224))
    #expect(!network.graph.nodes.contains { $0.op is Cropping })
    let cropped = try Self.network(Self.rows, Self.rowTensors, sides: [448])
    #expect(cropped.graph.nodes.contains { ($0.op as? Cropping)?.margins.bottom == 48 })
    #expect {
      try Self.network(Self.rows, Self.rowTensors, sides: [224, 448])
    } throws: { "\($0)".contains("give one --size at a time") }
  }

  /// The height as the width, which is no reshape of square images.
  @Test func imagesThatAreNotSquareAreConsidered() throws {
    let middle = [
      Wire.node("Shape", ["c"], ["s"]), Wire.node("Gather", ["s", "order"], ["t"], attributes: [Wire.int("axis", 0)]),
      Wire.node("Reshape", ["c", "t"], ["x"]),
    ]
    let network = try Self.network(middle, [Wire.integers("order", [0, 1, 3, 2])])
    #expect(network.fixedImageSize == FixedImageSize(height: 224, width: 224))
  }

  /// A vector expanded to a map, as PyTorch's exporter writes it: an extent of -1 would be kept.
  @Test func extentsMayFollowTheImage() throws {
    let fill = Wire().text(1, "value").message(5, Wire.integers("", [1])).int(20, 4)
    let middle = [
      Wire.node("GlobalAveragePool", ["c"], ["g"]), Wire.node("Shape", ["c"], ["s"]),
      Wire.node("Shape", ["s"], ["rank"]), Wire.node("ConstantOfShape", ["rank"], ["ones"], attributes: [fill]),
      Wire.node("Mul", ["ones", "minus"], ["kept"]), Wire.node("Equal", ["s", "kept"], ["b"]),
      Wire.node("Where", ["b", "ones", "s"], ["t"]), Wire.node("Expand", ["g", "t"], ["e"]),
      Wire.node("Mul", ["c", "e"], ["x"]),
    ]
    for sides in [[], [64], [64, 100]] {
      let network = try Self.network(middle, Self.tensors, sides: sides)
      #expect(network.fixedImageSize == nil, "\(network.assumptions)")
      #expect(network.graph.nodes.contains { $0.op is ChannelScaling })
    }
  }

  /// The extents of the batch and of the channels do not follow the image.
  @Test func otherExtentsMayBeCompared() throws {
    let middle = [
      Wire.node("Shape", ["c"], ["s"]), Wire.node("Gather", ["s", "one"], ["h"], attributes: [Wire.int("axis", 0)]),
      Wire.node("Equal", ["h", "n"], ["b"]), Self.cast("b", "k"), Wire.node("Add", ["c", "k"], ["x"]),
    ]
    let network = try Self.network(middle, Self.tensors + [Wire.integers("one", [1])])
    #expect(network.fixedImageSize == nil, "\(network.assumptions)")
  }

  /// Images are square, so that one stated extent is the size.
  @Test func oneStatedExtentIsTheSize() throws {
    let network = try Self.network(
      [Wire.node("Identity", ["c"], ["x"])], input: Wire.value("input", [-1, 3, 48, -1]))
    #expect(network.fixedImageSize == FixedImageSize(height: 48, width: 48))
  }
}
