import Graphs
import Operators
import Tensors

/// EfficientNet and EfficientNet-Lite with the key names of the packages efficientnet-pytorch and
/// efficientnet-lite-pytorch, whose weights come from TensorFlow. The latter have no squeeze-and-excitation.
enum EfficientNetPyTorch: Architecture {
  static let family = "EfficientNet (efficientnet-pytorch)"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["_blocks.0._depthwise_conv.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool { has("_conv_stem.weight") && landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stages(state, prefix).map(\.count)
    let size = EfficientNetSize(
      depths, channels: state.shape("\(prefix)_conv_head.weight")?.dimensions.first)
    guard isLite(state, prefix) else { return size.name }
    let third = stages(state, prefix).dropFirst(2).first?.first ?? 0
    return EfficientNetSize.liteName(
      depths, channels: state.shape("\(prefix)_blocks.\(third)._project_conv.weight")?.dimensions.first)
  }

  private static func isLite(_ state: StateDictionary, _ prefix: String) -> Bool {
    !state.contains("\(prefix)_blocks.0._se_reduce.weight")
  }

  static func conventions(
    of state: StateDictionary, prefix: String, options: StructureOptions
  ) -> TrunkConventions {
    TrunkConventions(
      preprocessing: isLite(state, prefix) ? .efficientNetLite : .imageNet, batchNormEpsilon: 1e-3)
  }

  /// The numbers of the blocks of each stage. Only the first block of a stage has another number of channels at its
  /// input than at its output.
  private static func stages(_ state: StateDictionary, _ prefix: String) -> [[Int]] {
    var stages: [[Int]] = []
    var channels = state.shape("\(prefix)_conv_stem.weight")?.dimensions.first
    var index = 0
    while state.contains("\(prefix)_blocks.\(index)._depthwise_conv.weight") {
      let output = state.shape("\(prefix)_blocks.\(index)._project_conv.weight")?.dimensions.first
      if stages.isEmpty || output != channels { stages.append([]) }
      stages[stages.count - 1].append(index)
      (channels, index) = (output, index + 1)
    }
    return stages
  }

  /// The side of the images for whose size the packages pad all images, by the name of the network.
  private static let paddedSides = [
    "efficientnet_b0": 224, "efficientnet_b1": 240, "efficientnet_b2": 260, "efficientnet_b3": 300,
    "efficientnet_b4": 380, "efficientnet_b5": 456, "efficientnet_b6": 528, "efficientnet_b7": 600,
    "efficientnet_b8": 672, "efficientnet_l2": 800, "efficientnet_lite0": 224, "efficientnet_lite1": 240,
    "efficientnet_lite2": 260, "efficientnet_lite3": 280, "efficientnet_lite4": 300,
  ]

  private static func paddedSide(_ state: StateDictionary, _ prefix: String) -> Int? {
    paddedSides[name(of: state, prefix: prefix)]
  }

  /// Sets how strided convolutions pad: as the user states, or else for images of the size that the packages build the
  /// network for, whatever size they have.
  private static func choosePadding(_ builder: inout GraphBuilder) {
    guard builder.options.padding == nil, let side = paddedSide(builder.state, builder.prefix) else {
      return builder.choosePadding(.same)
    }
    builder.use("--padding")
    builder.assume(
      "strided convolutions pad images of all sizes as TensorFlow's SAME does those of \(side) pixels, as "
        + "efficientnet-pytorch does unless image_size is changed; TensorFlow pads for the size of each map",
      option: "--padding same")
    builder.padsLikeTensorFlow = true
    builder.paddedSide = side
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let stages = stages(builder.state, builder.prefix)
    guard stages.count == 7 else {
      throw builder.refuseStrides("efficientnet", blocks: "blocks of \(stages.count) widths")
    }
    let activation = builder.chooseActivation(isLite(builder.state, builder.prefix) ? .relu6 : .silu)
    choosePadding(&builder)
    if paddedSide(builder.state, builder.prefix) == nil { builder.assumeUsualStages(stages.map(\.count)) }
    let style = MobileStyle(excitationActivation: activation, gate: .sigmoid)
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(LayerPair("_conv_stem", "_bn0"), image, stride: 2, activation: activation)
    for (stage, blocks) in stages.enumerated() {
      for index in blocks {
        let name = "_blocks.\(index)"
        var layers = [
          LayerPair("\(name)._depthwise_conv", "\(name)._bn1"), LayerPair("\(name)._project_conv", "\(name)._bn2"),
        ]
        if builder.has("\(name)._expand_conv.weight") || builder.has("\(name)._bn0.weight") {
          layers.insert(LayerPair("\(name)._expand_conv", "\(name)._bn0"), at: 0)
        }
        let isExcited = builder.has("\(name)._se_reduce.weight") || builder.has("\(name)._se_expand.weight")
        let block = MobileBlock(
          name: name, layers: layers,
          excitation: isExcited ? ("\(name)._se_reduce", "\(name)._se_expand") : nil,
          stride: index == blocks.first ? MobileStyle.usualStrides[stage] : 1, activation: activation)
        layer = builder.append(block, layer, style)
      }
    }
    return builder.convNorm(LayerPair("_conv_head", "_bn1"), layer, activation: activation)
  }
}
