import Tensors

/// Which network tensors with timm's names are, and what follows from that.
struct TimmMobileVariant {
  enum Kind {
    case mobileNetV2, mobileNetV3, mobileNetV3RW, mobileNetV3Minimal, mnasNet, efficientNet, efficientNetLite,
      efficientNetV2, efficientNetEdge

    /// Whether the network is a MobileNetV3 of any form.
    var isV3: Bool { self == .mobileNetV3Minimal || mixesActivations }

    /// Whether the first stages have another activation function than the others.
    var mixesActivations: Bool { self == .mobileNetV3 || self == .mobileNetV3RW }

    var activation: StructureOptions.Activation {
      switch self {
      case .mobileNetV2, .efficientNetLite: .relu6
      case .mobileNetV3, .mobileNetV3RW: .hardSwish
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
  private let stemWidth: Int?
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
    stemWidth = state.shape("\(prefix)conv_stem.weight")?.dimensions.first
    thirdWidth = state.shape("\(prefix)blocks.2.0.conv_pwl.weight")?.dimensions.first
    isKnownV3 =
      has("blocks.\(max(0, depths.count - 1)).0.conv.weight") && has("blocks.1.0.conv_pwl.weight")
      && (has("conv_head.bias") || depths == Self.largeV3)
    kind = Self.kind(depths, has) { stage in
      state.shape("\(prefix)blocks.\(stage).0.conv_dw.weight").flatMap { $0.rank == 4 ? $0[2] : nil } ?? 0
    }
  }

  /// Each block has at least one of these tensors.
  private static let blockTensors = [
    "conv_dw.weight", "conv_pwl.weight", "conv_exp.weight", "conv.weight", "bn1.weight",
  ]

  private static func kind(_ depths: [Int], _ has: (String) -> Bool, kernel: (Int) -> Int) -> Kind {
    let isExcited = depths.indices.map { has("blocks.\($0).0.se.conv_reduce.weight") }
    if !has("bn2.weight") {
      guard isExcited.contains(true) else { return .mobileNetV3Minimal }
      // The first MobileNetV3 of timm, before TensorFlow's was published, is the only one without this bias.
      return depths == largeV3 && !has("conv_head.bias") ? .mobileNetV3RW : .mobileNetV3
    }
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
    case .mobileNetV3RW: "mobilenetv3_rw"
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
    case .mobileNetV3, .mobileNetV3RW, .mobileNetV3Minimal:
      guard isKnownV3 else { return nil }
      return depths.count == 6 ? [2, 2, 2, 1, 2, 1] : depths.count == 7 ? MobileStyle.usualStrides : nil
    case .efficientNetV2: return (6...7).contains(depths.count) ? MobileStyle.usualStrides : nil
    case .efficientNetEdge: return depths.count == 6 ? MobileStyle.usualStrides : nil
    default: return depths.count == 7 ? MobileStyle.usualStrides : nil
    }
  }

  /// The number of stages, from the first, with ReLU instead of hard swish.
  var reluStages: Int { kind.mixesActivations ? (depths.count == 6 ? 2 : 3) : 0 }

  /// Whether the network is an EfficientNetV2 of size S or larger.
  var isLargeV2: Bool { kind == .efficientNetV2 && depths.count == 7 || depths == [2, 4, 4, 6, 9, 15] }

  /// The padding of the trained network of this form: TensorFlow's where timm has no other.
  var usualPadding: StructureOptions.Padding {
    switch kind {
    case .mobileNetV3Minimal: .same
    case .efficientNetV2: hasSingleConvolutions && EfficientNetSize(depths, channels: nil).isKnown ? .same : .symmetric
    case .efficientNetLite: depths == [1, 2, 2, 3, 3, 4, 1] ? .symmetric : .same
    case .efficientNet:
      isPruned || depths.count == 7 && depths[0] >= 3 && depths != [3, 5, 5, 7, 7, 9, 3] ? .same : .symmetric
    default: .symmetric
    }
  }

  /// Whether the channels are those of timm's efficientnet_b1_pruned, b2_pruned or b3_pruned.
  private var isPruned: Bool {
    kind == .efficientNet && [[1280, 35], [1408, 42], [1536, 40]].contains([channels ?? 0, thirdWidth ?? 0])
      && [[2, 3, 3, 4, 4, 5, 2], [2, 3, 3, 5, 5, 6, 2]].contains(depths)
  }

  /// Networks with the same tensors and the other padding.
  var paddingSiblings: PaddingSiblings {
    switch (kind, usualPadding) {
    case (.mobileNetV3, .symmetric), (.efficientNet, .symmetric), (.efficientNetLite, .symmetric),
      (.efficientNetEdge, .symmetric):
      .converted
    case (_, .same): isPruned ? .none : .trained
    default: .none
    }
  }

  /// Whether the tensors are also those of timm's efficientnet_blur_b0.
  var isUnfiltered: Bool {
    kind == .efficientNet && depths == [1, 2, 2, 3, 3, 4, 1] && [stemWidth, thirdWidth, channels] == [32, 40, 1280]
  }

  /// Whether the blocks of a stage add their input where it has the shape of their output, which tensors do not show.
  func hasShortcuts(stage: Int) -> Bool {
    switch kind {
    case .efficientNetEdge: stage > 0
    case .mobileNetV3RW: (1..<depths.count - 1).contains(stage)
    // The last stage has convolutions instead of inverted residuals.
    case .mobileNetV3, .mobileNetV3Minimal: stage < depths.count - 1
    case .mnasNet: stage > 0 || depths == Self.smallMnasNet || has("blocks.0.0.conv_pwl.weight")
    case .mobileNetV2, .efficientNet, .efficientNetLite, .efficientNetV2: true
    }
  }

  /// Whether timm has a network of this kind and these depths.
  var isPublished: Bool {
    switch kind {
    case .mobileNetV3RW: true
    case .efficientNetLite: !EfficientNetSize.liteName(depths, channels: thirdWidth).hasSuffix("]")
    case .efficientNet, .efficientNetV2:
      EfficientNetSize(depths, channels: nil).isKnown || Self.published[kind, default: []].contains(depths)
    default: Self.published[kind, default: []].contains(depths)
    }
  }

  private static let largeV3 = [1, 2, 3, 4, 2, 3, 1]
  private static let smallV3 = [1, 2, 3, 2, 3, 1]
  private static let smallMnasNet = [1, 1, 2, 4, 3, 3, 1]

  /// The depths of timm's networks, except for those of the papers about EfficientNets.
  private static let published: [Kind: Set<[Int]>] = [
    .mobileNetV2: [[1, 2, 3, 4, 3, 3, 1], [1, 3, 4, 5, 4, 4, 1], [1, 3, 5, 6, 5, 5, 1]],
    // mobilenetv3_large_150d and Hardcore-NAS A to F have depths of their own.
    .mobileNetV3: [
      largeV3, smallV3, [2, 3, 4, 5, 3, 4, 2], [1, 2, 2, 2, 2, 2, 1], [1, 3, 3, 4, 4, 3, 1], [1, 2, 4, 4, 4, 3, 1],
      [1, 2, 3, 4, 4, 4, 1], [1, 2, 4, 2, 4, 4, 1], [1, 2, 2, 4, 4, 4, 1],
    ],
    .mobileNetV3Minimal: [largeV3, smallV3],
    // MnasNet-B1, MnasNet-A1, MnasNet-Small, and both FBNet-C and Single-Path NAS.
    .mnasNet: [[1, 3, 3, 3, 2, 4, 1], [1, 2, 3, 4, 2, 3, 1], smallMnasNet, [1, 3, 4, 4, 4, 4, 1]],
    // TinyNet A, C, D and E.
    .efficientNet: [
      [1, 2, 2, 4, 4, 5, 1], [1, 2, 2, 3, 3, 3, 1], [1, 1, 1, 2, 2, 3, 1], [1, 1, 1, 2, 2, 2, 1],
    ],
    .efficientNetV2: [[2, 4, 4, 6, 9, 14], [3, 5, 5, 8, 15, 24]],
    .efficientNetEdge: [[1, 2, 4, 5, 4, 2], [2, 3, 5, 6, 5, 3], [2, 3, 6, 7, 6, 3]],
  ]

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
