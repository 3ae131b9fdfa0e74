import Graphs
import Operators
import Tensors

/// RegNetX and RegNetY (Radosavovic et al., arXiv 2003.13678) with torchvision's key names: a stem of stride 2, and
/// stages of bottlenecks with grouped convolutions. Each stage halves the map. RegNetY has squeeze-and-excitation after
/// the grouped convolution. Depths, widths and groups come from the tensors.
enum RegNet: Architecture {
  static let family = "RegNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["trunk_output.block1.block1-0.f.a.0.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool { has("stem.0.weight") && landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    RegNetStages.name(
      StageDepths.count { state.contains("\(prefix)\(block($0, $1)).f.a.0.weight") },
      isExcited: state.contains("\(prefix)\(block(0, 0)).f.se.fc1.weight"))
  }

  private static func block(_ stage: Int, _ index: Int) -> String {
    "trunk_output.block\(stage + 1).block\(stage + 1)-\(index)"
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = StageDepths.count { builder.has("\(block($0, $1)).f.a.0.weight") }
    return RegNetStages.build(depths, stem: LayerPair("stem.0", "stem.1"), &builder) { stage, index in
      let name = block(stage, index)
      return RegNetStages.Block(
        name: name, layers: ["a", "b", "c"].map { LayerPair("\(name).f.\($0).0", "\(name).f.\($0).1") },
        excitation: "\(name).f.se", shortcut: LayerPair("\(name).proj.0", "\(name).proj.1"))
    }
  }
}

/// RegNetX and RegNetY with timm's key names.
enum TimmRegNet: Architecture {
  static let family = "RegNet (timm)"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["s1.b1.conv1.conv.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool { has("stem.conv.weight") && landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    RegNetStages.name(
      StageDepths.count { state.contains("\(prefix)\(block($0, $1)).conv1.conv.weight") },
      isExcited: state.contains("\(prefix)\(block(0, 0)).se.fc1.weight"))
  }

  private static func block(_ stage: Int, _ index: Int) -> String { "s\(stage + 1).b\(index + 1)" }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = StageDepths.count { builder.has("\(block($0, $1)).conv1.conv.weight") }
    return RegNetStages.build(depths, stem: LayerPair("stem.conv", "stem.bn"), &builder) { stage, index in
      let name = block(stage, index)
      return RegNetStages.Block(
        name: name, layers: (1...3).map { LayerPair("\(name).conv\($0).conv", "\(name).conv\($0).bn") },
        excitation: "\(name).se", shortcut: LayerPair("\(name).downsample.conv", "\(name).downsample.bn"))
    }
  }
}

/// What RegNets with the names of different libraries have in common.
enum RegNetStages {
  /// The names of a block's layers.
  struct Block {
    let name: String
    /// The three convolutions and their norms.
    let layers: [LayerPair]
    /// The module of squeeze-and-excitation, which some networks have.
    let excitation: String
    /// The convolution and the norm of the shortcut, which some blocks have.
    let shortcut: LayerPair
  }

  static func name(_ depths: [Int], isExcited: Bool) -> String { "regnet\(isExcited ? "y" : "x")\(depths)" }

  /// Builds the network from the names of its layers.
  static func build(
    _ depths: [Int], stem: LayerPair, _ builder: inout GraphBuilder, _ block: (Int, Int) -> Block
  ) -> Layer {
    builder.assume("layers without weights are those of torchvision: ReLU, and each stage halves the map")
    var layer = builder.convNorm(
      stem, Layer(value: builder.graph.input, channels: 3), stride: 2, activation: .relu)
    for (stage, depth) in depths.enumerated() {
      for index in 0..<depth {
        let stride = index == 0 ? 2 : 1
        let names = block(stage, index)
        var shortcut = layer
        if index == 0 || builder.has("\(names.shortcut.convolution).weight")
          || builder.has("\(names.shortcut.norm).weight")
        {
          shortcut = builder.convNorm(names.shortcut, layer, stride: stride)
        }
        layer = builder.convNorm(names.layers[0], layer, activation: .relu)
        layer = builder.convNorm(names.layers[1], layer, stride: stride, activation: .relu)
        let gate = names.excitation
        if builder.has("\(gate).fc1.weight") || builder.has("\(gate).fc2.weight") {
          layer = builder.excite(gate, layer, reduce: "\(gate).fc1", expand: "\(gate).fc2")
        }
        layer = builder.convNorm(names.layers[2], layer)
        layer = builder.relu("\(names.name).relu", builder.add("\(names.name).add", layer, shortcut))
      }
    }
    return layer
  }
}
