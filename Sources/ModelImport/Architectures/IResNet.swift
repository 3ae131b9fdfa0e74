import Graphs
import Operators
import Tensors

/// The ResNets of ArcFace (Deng et al., arXiv 1801.07698, section 3.2.2) with the key names of InsightFace's code:
/// blocks that begin with a batch norm and have a PReLU between their convolutions, and a linear layer on all pixels of
/// the last map in place of pooling. That layer fixes the size of the image: 112 pixels for a map of 7x7.
enum IResNet: Architecture {
  static let family = "IResNet (ArcFace)"
  static let preprocessing = Preprocessing.half

  static let landmarks = ["layer1.0.prelu.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("conv1.weight") && has("prelu.weight") && landmarks.allSatisfy(has)
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = depths { state.contains(prefix + $0) }
    let names = [
      [2, 2, 2, 2]: "iresnet18", [3, 4, 6, 3]: "iresnet34", [3, 4, 14, 3]: "iresnet50", [3, 13, 30, 3]: "iresnet100",
      [6, 26, 60, 6]: "iresnet200",
    ]
    return names[depths] ?? "iresnet\(depths)"
  }

  private static func depths(_ has: (String) -> Bool) -> [Int] {
    StageDepths.count { stage, block in
      ["conv1", "prelu"].contains { has("layer\(stage + 1).\(block).\($0).weight") }
    }
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    builder.assume("each stage halves the map, as in insightface")
    let depths = depths(builder.has)
    var map = builder.convNorm(LayerPair("conv1", "bn1"), Layer(value: builder.graph.input, channels: 3))
    map = builder.prelu("prelu", map)
    for (stage, depth) in depths.enumerated() {
      for index in 0..<depth {
        map = block("layer\(stage + 1).\(index)", map, stride: index == 0 ? 2 : 1, &builder)
      }
    }
    map = builder.batchNorm("bn2", map)
    guard depths.count < 16 else {
      throw .variant(architecture: "iresnet", problem: "it has \(depths.count) stages")
    }
    let embedding = try builder.flattened("fc", map, reduction: 1 << depths.count)
    return builder.batchNorm("features", embedding)
  }

  private static func block(
    _ name: String, _ input: Layer, stride: Int, _ builder: inout GraphBuilder
  ) -> Layer {
    var map = builder.batchNorm("\(name).bn1", input)
    map = builder.convNorm(LayerPair("\(name).conv1", "\(name).bn2"), map)
    map = builder.prelu("\(name).prelu", map)
    map = builder.convNorm(LayerPair("\(name).conv2", "\(name).bn3"), map, stride: stride)
    var shortcut = input
    let projection = "\(name).downsample"
    if stride > 1 || builder.has("\(projection).0.weight") || builder.has("\(projection).1.weight") {
      shortcut = builder.convNorm(LayerPair("\(projection).0", "\(projection).1"), input, stride: stride)
    }
    return builder.add("\(name).add", map, shortcut)
  }
}
