import Graphs
import ModelImport
import Operators
import Testing

/// Networks that have the names of others, and differ from them in what tensors do not show. What they are was taken
/// from the sources of timm and efficientnet-pytorch.
@Suite struct SiblingTests {
  private static func read(
    _ network: ToyNetwork, _ change: (inout StructureOptions) -> Void = { _ in }
  ) throws -> ImportedNetwork {
    var importer = ModelImporter()
    change(&importer.structure)
    return try importer.importNetwork(network.state)
  }

  private static func node(_ name: String, in network: ImportedNetwork) -> Node? {
    network.graph.nodes.first { $0.name == name }
  }

  private static func says(_ network: ImportedNetwork, _ words: String) -> Bool {
    network.assumptions.contains { $0.description.contains(words) }
  }

  // MARK: - Shortcuts

  private static let edge: [ToyNetwork.Stage] = [.fused, .fused, .fused, .inverted(5), .inverted(5), .inverted(5)]
  private static let v3 = ToyNetwork.stages([3, 5, 3, 3, 5]) + [ToyNetwork.Stage.single]

  @Test(arguments: [[2, 3, 5, 6, 5, 3], [2, 3, 6, 7, 6, 3]])
  func theFirstStageForEdgeTPUsHasNoShortcut(depths: [Int]) throws {
    let network = try Self.read(.timm(depths, Self.edge, .convolution(5)))
    #expect(Self.node("blocks.0.1.add", in: network) == nil)
    #expect(Self.node("blocks.1.1.add", in: network) != nil)
    #expect(!Self.says(network, "published"))
  }

  @Test func theLastStageOfMobileNetV3HasNoShortcut() throws {
    let network = try Self.read(.timm([2, 3, 4, 5, 3, 4, 2], Self.v3, .linear(bias: true), excited: [2, 4, 5]))
    #expect(Self.node("blocks.6.1.add", in: network) == nil)
    #expect(Self.node("blocks.5.1.add", in: network) != nil)
    #expect(network.graph.architecture == "mobilenetv3_large")
  }

  @Test(arguments: [true, false])
  func theFirstMobileNetV3OfTimmLacksABias(hasBias: Bool) throws {
    let network = try Self.read(.timm([1, 2, 3, 4, 2, 3, 1], Self.v3, .linear(bias: hasBias), excited: [2, 4, 5]))
    #expect(network.graph.architecture == (hasBias ? "mobilenetv3_large" : "mobilenetv3_rw"))
    #expect((Self.node("blocks.0.0.add", in: network) != nil) == hasBias)
    #expect(Self.node("blocks.2.0.se.relu", in: network) != nil)
    #expect((Self.node("blocks.4.0.se.relu", in: network) != nil) == hasBias)
    #expect((Self.node("blocks.4.0.se.hard-swish", in: network) != nil) != hasBias)
    let norm = try #require(Self.node("bn1", in: network)?.op as? BatchNormalization)
    #expect(norm.epsilon == (hasBias ? 1e-5 : 1e-3))
    #expect(Self.says(network, "mobilenetv3_rw") != hasBias)
  }

  @Test func depthsOfNoPublishedNetworkAreStated() throws {
    let stages = ToyNetwork.stages([3, 3, 3, 3, 3, 3])
    let words = "published networks of this family, but none has stages of"
    let usual = try Self.read(.timm([1, 2, 3, 4, 3, 3, 1], stages, .convolution(5)))
    #expect(usual.graph.architecture == "mobilenetv2" && !Self.says(usual, words))
    let other = try Self.read(.timm([1, 2, 3, 4, 3, 3, 2], stages, .convolution(5)))
    #expect(Self.says(other, "\(words) [1, 2, 3, 4, 3, 3, 2]"))
    #expect(other.assumptions.warnings.contains { $0.contains(words) })
  }

  // MARK: - Padding

  /// Depths, channels of the last map, the size of images that efficientnet-pytorch pads for, and its padding above and
  /// below of the convolutions with a stride.
  static let padded: [(depths: [Int], head: Int, side: Int, padding: [[Int]])] = [
    ([1, 2, 2, 3, 3, 4, 1], 1280, 224, [[0, 1], [0, 1], [1, 2], [0, 1], [1, 2]]),
    ([2, 3, 3, 4, 4, 5, 2], 1280, 240, [[0, 1], [0, 1], [1, 2], [0, 1], [2, 2]]),
    ([2, 3, 3, 4, 4, 5, 2], 1408, 260, [[0, 1], [0, 1], [2, 2], [1, 1], [2, 2]]),
    ([4, 8, 8, 11, 11, 15, 4], 2816, 672, [[0, 1], [0, 1], [1, 2], [0, 1], [1, 2]]),
  ]

  @Test(arguments: padded)
  func efficientNetPyTorchPadsForOneSize(depths: [Int], head: Int, side: Int, padding: [[Int]]) throws {
    let toy = ToyNetwork.efficientNetPyTorch(depths, head: head)
    let network = try Self.read(toy)
    let windows = { (network: ImportedNetwork) in
      network.graph.nodes.compactMap { ($0.op as? Convolution)?.window }.filter { $0.strideHeight > 1 }
    }
    #expect(windows(network).map { [$0.top, $0.bottom] } == padding)
    #expect(windows(network).map { [$0.left, $0.right] } == padding)
    #expect(windows(network).allSatisfy { !$0.padsToSize })
    #expect(Self.says(network, "those of \(side) pixels") && Self.says(network, "(change with --padding same)"))
    let dynamic = try Self.read(toy) { $0.padding = .same }
    #expect(windows(dynamic).count == 5 && windows(dynamic).allSatisfy { $0.padsToSize })
    let symmetric = try Self.read(toy) { $0.padding = .symmetric }
    #expect(windows(symmetric).allSatisfy { $0.top == $0.height / 2 && $0.bottom == $0.top })
  }

  @Test(arguments: [(35, true), (40, false)])
  func prunedNetworksOfTimmPadLikeTensorFlow(third: Int, isPruned: Bool) throws {
    let stages = ToyNetwork.stages([3, 5, 3, 5, 5, 3])
    let network = try Self.read(
      .timm([2, 3, 3, 4, 4, 5, 2], stages, .convolution(1280), excited: Set(0...6), third: third))
    let stem = try #require(Self.node("conv_stem", in: network)?.op as? Convolution)
    #expect(stem.window.padsToSize == isPruned)
    #expect((Self.node("bn1", in: network)?.op as? BatchNormalization)?.epsilon == (isPruned ? 1e-3 : 1e-5))
    #expect(Self.says(network, "--padding same and --bn-epsilon 0.001") != isPruned)
  }

  @Test func networksThatOnlyTensorFlowTrainedNameTheirSiblings() throws {
    let stages = ToyNetwork.stages([3, 5, 3, 3, 5, 3])
    let network = try Self.read(.timm([1, 3, 3, 4, 4, 5, 1], stages, .convolution(5)))
    #expect(network.graph.architecture == "efficientnet_lite1")
    #expect(Self.says(network, "(change with --padding symmetric and --bn-epsilon 1e-5)"))
  }

  // MARK: - Filters

  @Test(arguments: [(64, true), (32, false)])
  func networksWithFilteredSiblingsSaySo(width: Int, hasSibling: Bool) throws {
    let network = try Self.read(.resNet([2, 2, 2, 2], width: width))
    #expect(network.graph.architecture == "resnet18")
    #expect(Self.says(network, "filter maps first (resnetblur18)") == hasSibling)
    let bottlenecks = try Self.read(.resNet([3, 4, 6, 3], bottlenecks: Set(0...3), width: width))
    #expect(Self.says(bottlenecks, "filter maps first (resnetaa50, resnetblur50)") == hasSibling)
  }

  // MARK: - Blocks of both kinds

  @Test func theStrideIsWhereEachBlockHasIt() throws {
    let network = try Self.read(.resNet([1, 1, 1, 1], bottlenecks: [2]))
    #expect(network.graph.architecture == "resnet[1, 1, 1, 1]")
    let stride = { (name: String) in (Self.node(name, in: network)?.op as? Convolution)?.window.strideHeight }
    #expect(stride("layer2.0.conv1") == 2 && stride("layer2.0.conv2") == 1)
    #expect(stride("layer3.0.conv1") == 1 && stride("layer3.0.conv2") == 2 && stride("layer3.0.conv3") == 1)
    #expect(stride("layer4.0.conv1") == 2 && stride("layer4.0.conv2") == 1)
    #expect(Self.says(network, "--stride-in conv1"))
    #expect(try Self.read(.resNet([3, 4, 6, 3], bottlenecks: [3])).graph.architecture == "resnet[3, 4, 6, 3]")
  }

  // MARK: - ConvNeXt

  /// Depths, width, the kernel of each stage, the activation function, and what layer norms add to the variance.
  static let convNeXts: [(depths: [Int], width: Int, kernels: [Int], function: ActivationFunction, epsilon: Double)] = [
    ([1, 2, 4, 2], 24, [7, 7, 7, 7], .tanhGELU, 1e-5),
    ([1, 1, 1, 1], 32, [7, 7, 7, 7], .tanhGELU, 1e-5), ([1, 1, 1, 1], 32, [7, 5, 5, 3], .silu, 1e-5),
    ([1, 1, 1, 1], 16, [7, 7, 7, 7], .gelu, 1e-6), ([3, 3, 9, 3], 96, [7, 7, 7, 7], .gelu, 1e-6),
  ]

  @Test(arguments: convNeXts)
  func convNeXtsHaveTheLayersOfTheirAuthors(
    depths: [Int], width: Int, kernels: [Int], function: ActivationFunction, epsilon: Double
  ) throws {
    let network = try Self.read(.convNeXt(depths, width: width, kernels: kernels))
    let functions = network.graph.nodes.compactMap { ($0.op as? Nonlinearity)?.function }
    #expect(functions == Array(repeating: function, count: depths.reduce(0, +)))
    let epsilons = Set(network.graph.nodes.compactMap { ($0.op as? LayerNormalization)?.epsilon })
    #expect(epsilons == [epsilon])
    #expect(Self.node("head.norm", in: network) != nil)
    #expect(Self.says(network, "layer norms add \(epsilon) to the variance"))
  }
}
