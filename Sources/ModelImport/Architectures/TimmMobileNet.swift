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
      preprocessing: hasHalf ? .half : .imageNet,
      batchNormEpsilon: isConverted || variant.kind == .mobileNetV3RW ? 1e-3 : 1e-5)
  }

  static func neck(_ builder: GraphBuilder) -> [NeckLayer] {
    guard builder.has("conv_head.weight"), !builder.has("bn2.weight") else { return [] }
    let isMinimal = TimmMobileVariant(builder.state, prefix: builder.prefix).kind == .mobileNetV3Minimal
    return [.linear("conv_head"), .activation(isMinimal ? .relu : .hardSwish, name: "act2")]
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let variant = TimmMobileVariant(builder.state, prefix: builder.prefix)
    guard let strides = variant.strides else {
      throw builder.refuseStrides(variant.name, blocks: "stages of \(variant.depths) blocks")
    }
    if !variant.isPublished { builder.assumeUsualStages(variant.depths) }
    let usual = variant.kind.activation
    let activation = variant.kind.mixesActivations ? usual : builder.chooseActivation(usual)
    if variant.kind == .mobileNetV3RW {
      builder.assume(
        "layers without weights are those of timm's mobilenetv3_rw: ReLU in the first stages and hard swish elsewhere, also "
          + "in squeeze-and-excitation, and no shortcut in the first block")
    } else if variant.kind.mixesActivations {
      builder.assume("layers without weights are those of timm: ReLU in the first stages and hard swish elsewhere")
    }
    builder.choosePadding(variant.usualPadding, unlike: variant.paddingSiblings)
    if variant.isUnfiltered, !builder.padsLikeTensorFlow {
      builder.assumeUnfiltered(unlike: ["efficientnet_blur_b0"])
    }
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(LayerPair("conv_stem", "bn1"), image, stride: 2, activation: activation)
    for (stage, depth) in variant.depths.enumerated() {
      let function: StructureOptions.Activation = stage < variant.reluStages ? .relu : activation
      let style = MobileStyle(
        excitationActivation: variant.kind.isV3 && variant.kind != .mobileNetV3RW ? .relu : function,
        gate: variant.kind.isV3 ? .hardSigmoid : .sigmoid)
      for index in 0..<depth {
        let name = "blocks.\(stage).\(index)"
        let isExcited = builder.has("\(name).se.conv_reduce.weight") || builder.has("\(name).se.conv_expand.weight")
        let block = MobileBlock(
          name: name, layers: variant.layers(name),
          excitation: isExcited ? ("\(name).se.conv_reduce", "\(name).se.conv_expand") : nil,
          stride: index == 0 ? strides[stage] : 1, activation: function,
          hasShortcut: variant.hasShortcuts(stage: stage))
        layer = builder.append(block, layer, style)
      }
    }
    return variant.kind.isV3 ? layer : builder.convNorm(LayerPair("conv_head", "bn2"), layer, activation: activation)
  }
}
