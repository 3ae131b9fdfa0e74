import Graphs
import Operators
import Tensors

/// MobileNetV2, MobileNetV3, MnasNet and EfficientNets with timm's key names, which all these have in common. Kernel
/// sizes, squeeze-and-excitation and the head tell them apart.
enum TimmMobileNet: Architecture {
  static let family = "MobileNet and EfficientNet (timm)"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["conv_dw", "conv_exp", "conv"].map { "blocks.0.0.\($0).weight" }

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("conv_stem.weight") && landmarks.contains(where: has)
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    TimmMobileVariant(state, prefix: prefix).name
  }

  static func conventions(
    of state: StateDictionary, prefix: String, options: StructureOptions
  ) -> TrunkConventions {
    let variant = TimmMobileVariant(state, prefix: prefix)
    let padding = options.padding ?? variant.usualPadding
    let isConverted = padding == .same
    let hasHalf = isConverted && (variant.kind.usesHalfInTensorFlow || variant.isLargeV2)
    return TrunkConventions(
      preprocessing: hasHalf ? .half : .imageNet, batchNormEpsilon: isConverted ? 1e-3 : 1e-5)
  }

  static func neck(_ has: (String) -> Bool) -> [NeckLayer] {
    guard has("conv_head.weight"), !has("bn2.weight") else { return [] }
    // Only the networks without any squeeze-and-excitation, "minimal", have ReLU.
    let isMinimal = !(0..<7).contains { has("blocks.\($0).0.se.conv_reduce.weight") }
    return [.linear("conv_head"), .activation(isMinimal ? .relu : .hardSwish, name: "act2")]
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let variant = TimmMobileVariant(builder.state, prefix: builder.prefix)
    guard let strides = variant.strides else {
      throw builder.refuseStrides(variant.name, blocks: "stages of \(variant.depths) blocks")
    }
    let usual = variant.kind.activation
    let activation: StructureOptions.Activation
    if variant.kind == .mobileNetV3 {
      activation = usual
      builder.assume("layers without weights are those of timm: ReLU in the first stages and hard swish elsewhere")
    } else {
      activation = builder.chooseActivation(usual)
    }
    builder.choosePadding(variant.usualPadding, isDoubtful: variant.mayBeConverted)
    let isV3 = variant.kind == .mobileNetV3 || variant.kind == .mobileNetV3Minimal
    let style = MobileStyle(
      excitationActivation: isV3 ? .relu : activation, gate: isV3 ? .hardSigmoid : .sigmoid)
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(LayerPair("conv_stem", "bn1"), image, stride: 2, activation: activation)
    for (stage, depth) in variant.depths.enumerated() {
      for index in 0..<depth {
        let name = "blocks.\(stage).\(index)"
        let isExcited = builder.has("\(name).se.conv_reduce.weight") || builder.has("\(name).se.conv_expand.weight")
        let block = MobileBlock(
          name: name, layers: variant.layers(name),
          excitation: isExcited ? ("\(name).se.conv_reduce", "\(name).se.conv_expand") : nil,
          stride: index == 0 ? strides[stage] : 1, activation: stage < variant.reluStages ? .relu : activation)
        layer = builder.append(block, layer, style)
      }
    }
    return isV3 ? layer : builder.convNorm(LayerPair("conv_head", "bn2"), layer, activation: activation)
  }
}

/// Which network tensors with timm's names are, and what follows from that.
struct TimmMobileVariant {
  enum Kind {
    case mobileNetV2, mobileNetV3, mobileNetV3Minimal, mnasNet, efficientNet, efficientNetLite, efficientNetV2,
      efficientNetEdge

    var activation: StructureOptions.Activation {
      switch self {
      case .mobileNetV2, .efficientNetLite: .relu6
      case .mobileNetV3: .hardSwish
      case .mobileNetV3Minimal, .mnasNet, .efficientNetEdge: .relu
      case .efficientNet, .efficientNetV2: .silu
      }
    }

    /// Whether the networks that timm converted from TensorFlow expect pixels from -1 to 1.
    var usesHalfInTensorFlow: Bool {
      switch self {
      case .mobileNetV3, .mobileNetV3Minimal, .efficientNetLite, .efficientNetEdge: true
      default: false
      }
    }
  }

  let kind: Kind
  /// The number of blocks in each stage.
  let depths: [Int]
  /// The channels of the last map.
  private let channels: Int?
  /// Whether the first stage of an EfficientNetV2 has blocks of a single convolution, as in TensorFlow.
  private let hasSingleConvolutions: Bool
  private let isKnownV3: Bool
  private let thirdWidth: Int?
  private let has: (String) -> Bool

  init(_ state: StateDictionary, prefix: String) {
    let has = { (name: String) in state.contains(prefix + name) }
    self.has = has
    depths = StageDepths.count { stage, block in
      Self.blockTensors.contains { has("blocks.\(stage).\(block).\($0)") }
    }
    channels = state.shape("\(prefix)conv_head.weight")?.dimensions.first
    hasSingleConvolutions = has("blocks.0.0.conv.weight")
    thirdWidth = state.shape("\(prefix)blocks.2.0.conv_pwl.weight")?.dimensions.first
    isKnownV3 =
      has("blocks.\(max(0, depths.count - 1)).0.conv.weight") && has("blocks.1.0.conv_pwl.weight")
      && (has("conv_head.bias") || depths == [1, 2, 3, 4, 2, 3, 1])
    kind = Self.kind(depths.count, has) { stage in
      state.shape("\(prefix)blocks.\(stage).0.conv_dw.weight").flatMap { $0.rank == 4 ? $0[2] : nil } ?? 0
    }
  }

  /// Each block has at least one of these tensors.
  private static let blockTensors = [
    "conv_dw.weight", "conv_pwl.weight", "conv_exp.weight", "conv.weight", "bn1.weight",
  ]

  private static func kind(_ stages: Int, _ has: (String) -> Bool, kernel: (Int) -> Int) -> Kind {
    let isExcited = (0..<stages).map { has("blocks.\($0).0.se.conv_reduce.weight") }
    if !has("bn2.weight") { return isExcited.contains(true) ? .mobileNetV3 : .mobileNetV3Minimal }
    if has("blocks.1.0.conv_exp.weight") { return isExcited.contains(true) ? .efficientNetV2 : .efficientNetEdge }
    if isExcited.first == true { return .efficientNet }
    if isExcited.contains(true) { return .mnasNet }
    // MobileNetV2 has 3x3 kernels only; the fourth stage of MnasNet has 5x5 kernels, that of EfficientNet-Lite 3x3.
    return kernel(2) == 3 ? .mobileNetV2 : kernel(3) == 5 ? .mnasNet : .efficientNetLite
  }

  var name: String {
    switch kind {
    case .mobileNetV2: "mobilenetv2"
    case .mobileNetV3: depths.count == 6 ? "mobilenetv3_small" : "mobilenetv3_large"
    case .mobileNetV3Minimal: depths.count == 6 ? "mobilenetv3_small_minimal" : "mobilenetv3_large_minimal"
    case .mnasNet: "mnasnet"
    case .efficientNet, .efficientNetV2: EfficientNetSize(depths, channels: channels).name
    case .efficientNetLite: EfficientNetSize.liteName(depths, channels: thirdWidth)
    case .efficientNetEdge: "efficientnet_edge\(depths)"
    }
  }

  /// The strides of the first blocks of the stages; `nil` for unknown networks.
  var strides: [Int]? {
    switch kind {
    case .mobileNetV3, .mobileNetV3Minimal:
      guard isKnownV3 else { return nil }
      return depths.count == 6 ? [2, 2, 2, 1, 2, 1] : depths.count == 7 ? MobileStyle.usualStrides : nil
    case .efficientNetV2: return (6...7).contains(depths.count) ? MobileStyle.usualStrides : nil
    case .efficientNetEdge: return depths.count == 6 ? MobileStyle.usualStrides : nil
    default: return depths.count == 7 ? MobileStyle.usualStrides : nil
    }
  }

  /// The number of stages, from the first, with ReLU instead of hard swish.
  var reluStages: Int { kind == .mobileNetV3 ? (depths.count == 6 ? 2 : 3) : 0 }

  /// Whether the network is an EfficientNetV2 of size S or larger.
  var isLargeV2: Bool { kind == .efficientNetV2 && depths.count == 7 || depths == [2, 4, 4, 6, 9, 15] }

  /// The padding of the trained network of this form: TensorFlow's where timm has no other.
  var usualPadding: StructureOptions.Padding {
    switch kind {
    case .mobileNetV3Minimal: .same
    case .efficientNetV2: hasSingleConvolutions && EfficientNetSize(depths, channels: nil).isKnown ? .same : .symmetric
    case .efficientNetLite: depths == [1, 2, 2, 3, 3, 4, 1] ? .symmetric : .same
    case .efficientNet: depths.count == 7 && depths[0] >= 3 && depths != [3, 5, 5, 7, 7, 9, 3] ? .same : .symmetric
    default: .symmetric
    }
  }

  /// Whether timm has the same network both trained by itself and converted from TensorFlow.
  var mayBeConverted: Bool {
    switch kind {
    case .mobileNetV3, .efficientNet, .efficientNetLite, .efficientNetEdge: usualPadding == .symmetric
    default: false
    }
  }

  /// The layers of a block: depthwise and pointwise, an inverted residual with or without a fused first
  /// convolution, or a single convolution.
  func layers(_ name: String) -> [LayerPair] {
    let kinds: [String] =
      if has("\(name).conv_exp.weight") {
        ["conv_exp", "conv_pwl"]
      } else if has("\(name).conv_pwl.weight") || has("\(name).bn3.weight") {
        ["conv_pw", "conv_dw", "conv_pwl"]
      } else if has("\(name).conv_dw.weight") {
        ["conv_dw", "conv_pw"]
      } else {
        ["conv"]
      }
    return kinds.enumerated().map { LayerPair("\(name).\($1)", "\(name).bn\($0 + 1)") }
  }
}
