import Graphs
import ModelImport
import Operators
import Passes
import Tensors
import Testing

/// Key names: MultiGrain's, those of bare trunks, and what is wrong with a state dictionary.
@Suite struct ImportTests {
  private static func importing(_ tensors: [(name: String, tensor: Tensor)]) throws -> Graph {
    try ModelImporter().importGraph(StateDictionary(tensors))
  }

  /// The trunk alone, with the names and the classifier of the library that it is from.
  private static func bare(_ trunk: TrunkFixture) throws -> [(name: String, tensor: Tensor)] {
    let prefix = trunk.prefix
    var result: [(name: String, tensor: Tensor)] = []
    for (name, tensor) in try trunk.tensors() {
      if name.hasPrefix("classifier."), !prefix.isEmpty, !prefix.contains("base_net") {
        result.append((trunk.classifier + "." + name.dropFirst("classifier.".count), tensor))
      } else if name.hasPrefix(prefix) {
        result.append((String(name.dropFirst(prefix.count)), tensor))
      }
    }
    return result
  }

  @Test(arguments: TrunkFixture.all)
  func bareTrunksAreRead(trunk: TrunkFixture) throws {
    let graph = try Self.importing(try Self.bare(trunk))
    let whole = try trunk.graph()
    #expect(graph.architecture == whole.architecture)
    let hasClassifier = graph.nodes.contains { $0.name == trunk.classifier }
    #expect(hasClassifier)
    #expect(graph.poolingExponent == 1)
    #expect(
      graph.nodes.filter { $0.op is Convolution }.map(\.name) == whole.nodes.filter { $0.op is Convolution }.map(\.name)
    )
    let shapes = try graph.inferShapes(input: [1, 97, 64, 3])
    let logits = try #require(graph.output(named: GraphOutput.logits))
    #expect(shapes[logits.index] == [1, 11])
  }

  @Test(arguments: TrunkFixture.all)
  func everyTensorIsNeeded(trunk: TrunkFixture) throws {
    let tensors = try trunk.tensors()
    let names = Set(tensors.map(\.name))
    let ignored = tensors.filter {
      $0.name.hasSuffix("num_batches_tracked") || $0.name.contains("base_net.last_linear") || $0.name == "pool.p"
        || $0.name.hasSuffix(".bias") && !names.contains("\($0.name.dropLast("bias".count))running_mean")
    }.map(\.name)
    // Those that decide on the structure may make a smaller network of the rest, which then has tensors left over.
    for (index, missing) in tensors.enumerated() where !ignored.contains(missing.name) && index % 7 == 0 {
      var rest = tensors
      rest.remove(at: index)
      #expect(throws: ImportError.self, "\(missing.name)") { try Self.importing(rest) }
    }
    _ = try Self.importing(tensors.filter { !$0.name.contains("base_net.last_linear") })
  }

  @Test(arguments: TrunkFixture.all)
  func unexpectedTensorsAreReported(trunk: TrunkFixture) throws {
    let stranger = (name: "features.attention.weight", tensor: Tensor([Float(1)], shape: [1]))
    do {
      _ = try Self.importing(try trunk.tensors() + [stranger])
      Issue.record("a stranger was taken in")
    } catch ImportError.unexpectedTensors(_, let names, _) {
      #expect(names == [stranger.name])
    }
  }

  /// Weights of shapes that do not fit end in errors.
  @Test(arguments: TrunkFixture.all)
  func weightsOfOtherShapesAreRefused(trunk: TrunkFixture) throws {
    let tensors = try trunk.tensors()
    for (index, victim) in tensors.enumerated()
    where victim.name.hasSuffix(".weight") && !victim.name.contains("base_net.last_linear") && index % 5 == 0 {
      var damaged = tensors
      let count = (victim.tensor.shape.dimensions.last ?? 1) + 1
      var dimensions = victim.tensor.shape.dimensions
      dimensions[0] += 1
      let shape = Shape(dimensions)
      damaged[index].tensor = Tensor([Float](repeating: 0.1, count: shape.elementCount), shape: shape)
      #expect(throws: ImportError.self, "\(victim.name)") { try Self.importing(damaged) }
      damaged[index].tensor = Tensor([Float](repeating: 0.1, count: count), shape: [count])
      #expect(throws: ImportError.self, "\(victim.name)") { try Self.importing(damaged) }
    }
  }

  /// The same network with the names of another library.
  struct Renaming: CustomTestStringConvertible, Sendable {
    let trunk: String
    /// What the names are those of.
    let source: String
    /// Parts of names and what replaces them, in order.
    let rules: [(String, String)]
    var testDescription: String { source }
  }

  static let renamings = [
    Renaming(
      trunk: "repvgg", source: "RepVGG's authors",
      rules: [
        ("stem.", "stage0."), ("stages.3.", "stage4."), ("stages.2.", "stage3."), ("stages.1.", "stage2."),
        ("stages.0.", "stage1."), ("conv_kxk", "rbr_dense"), ("conv_1x1", "rbr_1x1"), (".identity.", ".rbr_identity."),
        ("attn.fc1", "se.down"), ("attn.fc2", "se.up"),
      ]),
    Renaming(
      trunk: "mobileone", source: "MobileOne's authors",
      rules: [
        ("stem.", "stage0."), ("stages.3.", "stage4."), ("stages.2.", "stage3."), ("stages.1.", "stage2."),
        ("stages.0.", "stage1."), ("conv_kxk", "rbr_conv"), ("conv_scale", "rbr_scale"),
        (".identity.", ".rbr_skip."),
      ]),
    Renaming(
      trunk: "regnet", source: "timm's RegNet",
      rules: (1...4).flatMap { stage in
        (0...1).map { ("trunk_output.block\(stage).block\(stage)-\($0).", "s\(stage).b\($0 + 1).") }
      } + [
        ("stem.0.", "stem.conv."), ("stem.1.", "stem.bn."), ("proj.0.", "downsample.conv."),
        ("proj.1.", "downsample.bn."), ("f.se.", "se."), ("f.a.0.", "conv1.conv."), ("f.a.1.", "conv1.bn."),
        ("f.b.0.", "conv2.conv."), ("f.b.1.", "conv2.bn."), ("f.c.0.", "conv3.conv."), ("f.c.1.", "conv3.bn."),
      ]),
    Renaming(
      trunk: "mobilenet_v2", source: "earlier versions of torchvision",
      rules: [
        ("features.1.conv.1.", "features.1.conv.3."), ("features.1.conv.2.", "features.1.conv.4."),
        ("conv.3.", "conv.7."), ("conv.2.", "conv.6."), ("conv.1.0.", "conv.3."), ("conv.1.1.", "conv.4."),
        ("conv.0.0.", "conv.0."), ("conv.0.1.", "conv.1."), ("features.1.conv.7.", "features.1.conv.3."),
      ]),
  ]

  @Test(arguments: renamings)
  func namesOfOtherLibrariesAreRead(renaming: Renaming) throws {
    let trunk = try #require(TrunkFixture.all.first { $0.name == renaming.trunk })
    let whole = try trunk.graph()
    let renamed = try trunk.tensors().map { name, tensor in
      (name: renaming.rules.reduce(name) { $0.replacing($1.0, with: $1.1, maxReplacements: 1) }, tensor: tensor)
    }
    let graph = try Self.importing(renamed)
    #expect(graph.nodes.map(\.kind) == whole.nodes.map(\.kind))
    #expect(graph.nodes.map(\.inputs) == whole.nodes.map(\.inputs))
    for (a, b) in zip(graph.nodes, whole.nodes) {
      #expect(a.op.attributes == b.op.attributes, "\(b.name) became \(a.name)")
      #expect(a.constants.mapValues(\.shape) == b.constants.mapValues(\.shape), "\(b.name) became \(a.name)")
    }
  }

  /// The options for what tensors do not state, and that they are assumptions otherwise.
  @Test func paddingAndActivationsCanBeChosen() throws {
    let trunk = try #require(TrunkFixture.all.first { $0.name == "timm_efficientnet" })
    var importer = ModelImporter()
    let usual = try importer.importNetwork(StateDictionary(try trunk.tensors()))
    let options = usual.assumptions.compactMap(\.option)
    for option in ["--activation", "--padding same", "--bn-epsilon"] { #expect(options.contains(option)) }
    #expect(!usual.graph.nodes.contains { ($0.op as? Convolution)?.window.padsToSize == true })
    importer.structure.padding = .same
    importer.structure.activation = .relu6
    let other = try importer.importNetwork(StateDictionary(try trunk.tensors()))
    #expect(other.graph.nodes.contains { ($0.op as? Convolution)?.window.padsToSize == true })
    #expect(other.graph.nodes.contains { $0.op is Clip } && !other.graph.nodes.contains { $0.op is Nonlinearity })
    let resnet = try #require(TrunkFixture.all.first { $0.name == "resnet_d" })
    #expect(throws: ImportError.self) { try importer.importNetwork(StateDictionary(try resnet.tensors())) }
  }

  /// timm's NASNets and PNASNets pad as TensorFlow does, and average pools with a stride count their padding.
  @Test(arguments: ["nasnet", "pnasnet"])
  func cellsCanPadLikeTensorFlow(name: String) throws {
    let trunk = try #require(TrunkFixture.all.first { $0.name == name })
    let usual = try trunk.graph()
    var importer = ModelImporter()
    importer.structure.padding = .symmetric
    let stated = try importer.importNetwork(StateDictionary(try trunk.tensors()))
    #expect(stated.graph.nodes.map { $0.op.attributes } == usual.nodes.map { $0.op.attributes })
    #expect(!stated.assumptions.contains { $0.description.contains("aligned") })
    importer.structure.padding = .same
    let graph = try importer.importNetwork(StateDictionary(try trunk.tensors())).graph
    for node in graph.nodes where node.name != "conv0.conv" && node.name != "conv_0.conv" {
      let window = (node.op as? Convolution)?.window ?? (node.op as? MaxPooling)?.window
      guard let window, window.strideHeight > 1 else { continue }
      #expect(window.padsToSize, "\(node.name)")
    }
    // The average pools that are left keep the size of the map, or read every second pixel of it.
    #expect(
      graph.nodes.allSatisfy { node in
        (node.op as? AveragePooling).map { $0.window.strideHeight == 1 || $0.window.taps == 1 } ?? true
      })
    // Maps are only shifted where every second pixel is read.
    #expect(graph.nodes.filter { $0.op is Cropping }.allSatisfy { $0.name.contains("path_2") })
  }

  /// RepVGG and MobileOne become a convolution for each block.
  @Test(arguments: ["repvgg", "mobileone"])
  func branchesAreMerged(name: String) throws {
    let trunk = try #require(TrunkFixture.all.first { $0.name == name })
    let (graph, notes) = try PassPipeline.fold.run(try trunk.graph())
    #expect(!graph.nodes.contains { $0.op is Addition })
    let blocks = name == "repvgg" ? 7 : 13
    #expect(graph.nodes.filter { $0.op is Convolution }.count == blocks)
    #expect(notes.contains { $0.contains("merged into") })
  }
}
