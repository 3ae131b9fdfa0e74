import Graphs
import Operators
import Tensors

/// EfficientNet (Tan and Le, arXiv 1905.11946) and EfficientNetV2 (arXiv 2104.00298) with torchvision's key names.
/// Depths, widths and the blocks with fused convolutions come from the tensors.
enum EfficientNet: Architecture {
  static let family = "EfficientNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["features.1.0.block.0.0.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("features.0.0.weight") && landmarks.allSatisfy(has)
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let channels = state.shape("\(prefix)features.\(depths(state, prefix).count + 1).0.weight")?.dimensions.first
    return EfficientNetSize(depths(state, prefix), channels: channels).name
  }

  static func conventions(
    of state: StateDictionary, prefix: String, options: StructureOptions
  ) -> TrunkConventions {
    let size = EfficientNetSize(depths(state, prefix), channels: nil)
    return TrunkConventions(
      preprocessing: size.name == "efficientnet_v2_l" ? .half : .imageNet,
      batchNormEpsilon: size.isV2 || size.isAtLeastB5 ? 1e-3 : 1e-5)
  }

  private static func depths(_ state: StateDictionary, _ prefix: String) -> [Int] {
    StageDepths.count { stage, block in
      let name = "\(prefix)features.\(stage + 1).\(block).block"
      return state.contains("\(name).0.0.weight") || state.contains("\(name).1.0.weight")
    }
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = depths(builder.state, builder.prefix)
    guard (6...7).contains(depths.count) else {
      throw builder.refuseStrides("efficientnet", blocks: "\(depths.count) stages")
    }
    if !EfficientNetSize(depths, channels: nil).isKnown { builder.assumeUsualStages(depths) }
    let activation = builder.chooseActivation(.silu)
    builder.choosePadding(.symmetric)
    let style = MobileStyle(excitationActivation: activation, gate: .sigmoid)
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(
      LayerPair("features.0.0", "features.0.1"), image, stride: 2, activation: activation)
    for (stage, depth) in depths.enumerated() {
      for index in 0..<depth {
        let name = "features.\(stage + 1).\(index)"
        let (layers, excitation) = builder.torchvisionLayers("\(name).block")
        let block = MobileBlock(
          name: name, layers: layers, excitation: excitation,
          stride: index == 0 ? MobileStyle.usualStrides[stage] : 1, activation: activation)
        layer = builder.append(block, layer, style)
      }
    }
    let last = "features.\(depths.count + 1)"
    return builder.convNorm(LayerPair("\(last).0", "\(last).1"), layer, activation: activation)
  }
}

/// The member of the EfficientNet family that has these depths.
struct EfficientNetSize {
  /// Such as "efficientnet_b0".
  let name: String
  /// Whether the papers have a network of these depths.
  let isKnown: Bool
  /// Whether it is an EfficientNetV2.
  let isV2: Bool
  /// Whether it is an EfficientNet-B5 or larger.
  let isAtLeastB5: Bool

  private static let depths: [(name: String, depths: [Int])] = [
    ("b0", [1, 2, 2, 3, 3, 4, 1]), ("b1", [2, 3, 3, 4, 4, 5, 2]), ("b3", [2, 3, 3, 5, 5, 6, 2]),
    ("b4", [2, 4, 4, 6, 6, 8, 2]), ("b5", [3, 5, 5, 7, 7, 9, 3]), ("b6", [3, 6, 6, 8, 8, 11, 3]),
    ("b7", [4, 7, 7, 10, 10, 13, 4]), ("b8", [4, 8, 8, 11, 11, 15, 4]), ("l2", [6, 11, 11, 16, 16, 22, 6]),
    ("v2_s", [2, 4, 4, 6, 9, 15]),
    ("v2_m", [3, 5, 5, 7, 14, 18, 5]), ("v2_l", [4, 7, 7, 10, 19, 25, 7]), ("v2_xl", [4, 8, 8, 16, 24, 32, 8]),
    ("v2_b0", [1, 2, 2, 3, 5, 8]), ("v2_b1", [2, 3, 3, 4, 6, 9]), ("v2_b2", [2, 3, 3, 4, 6, 10]),
    ("v2_b3", [2, 3, 3, 5, 7, 12]),
  ]

  /// The name of an EfficientNet-Lite.
  ///
  /// - Parameters:
  ///   - depths: the number of blocks in each stage.
  ///   - channels: those of the third stage, which tell Lite2 from Lite1.
  static func liteName(_ depths: [Int], channels: Int?) -> String {
    switch depths {
    case [1, 2, 2, 3, 3, 4, 1]: "efficientnet_lite0"
    case [1, 3, 3, 4, 4, 5, 1]: channels == 48 ? "efficientnet_lite2" : "efficientnet_lite1"
    case [1, 3, 3, 5, 5, 6, 1]: "efficientnet_lite3"
    case [1, 4, 4, 6, 6, 8, 1]: "efficientnet_lite4"
    default: "efficientnet_lite\(depths)"
    }
  }

  /// - Parameters:
  ///   - depths: the number of blocks in each stage.
  ///   - channels: those of the last map, which tell B2 from B1.
  init(_ depths: [Int], channels: Int?) {
    let known = Self.depths.first { $0.depths == depths }?.name
    isKnown = known != nil
    name = known.map { "efficientnet_\($0 == "b1" && channels == 1408 ? "b2" : $0)" } ?? "efficientnet\(depths)"
    isV2 = known?.hasPrefix("v2") ?? (depths.count == 6)
    isAtLeastB5 = !isV2 && depths.count == 7 && depths[0] >= 3
  }
}
