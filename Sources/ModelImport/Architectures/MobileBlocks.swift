import Graphs
import Operators
import Tensors

/// A block of a MobileNet or EfficientNet: convolutions with batch norms, and squeeze-and-excitation before the last of
/// them. One may have a stride. The last convolution has no activation function, unless it is the only one. Blocks that
/// keep the map's size and its channels add their input to the result (Sandler et al., arXiv 1801.04381, section 3.3).
struct MobileBlock {
  /// The name of the block's module.
  let name: String
  /// The names of the convolutions and norms, in order.
  let layers: [LayerPair]
  /// The names of the layers of squeeze-and-excitation, where the block has it.
  var excitation: (reduce: String, expand: String)?
  /// The stride of the first convolution that is larger than 1x1.
  var stride = 1
  let activation: StructureOptions.Activation
  /// Whether the input may be added.
  var hasShortcut = true
}

/// What the blocks of a MobileNet or EfficientNet have in common.
struct MobileStyle {
  /// The activation function between the layers of squeeze-and-excitation.
  let excitationActivation: StructureOptions.Activation
  /// The function that makes factors of its results.
  let gate: ActivationFunction

  /// The strides of the first blocks of the seven stages that MobileNetV2, MobileNetV3-Large, MnasNet and all
  /// EfficientNets have. Smaller networks lack the last.
  static let usualStrides = [1, 2, 2, 2, 1, 2, 1]
}

/// Networks with the tensors of another that pad in another way.
enum PaddingSiblings {
  /// There are none in wide use.
  case none
  /// Networks that timm converted from TensorFlow, in wide use.
  case converted
  /// Networks of timm's own training code; it publishes only converted ones.
  case trained
}

extension GraphBuilder {
  /// The activation function that the user states, or else the usual one, which is then an assumption.
  mutating func chooseActivation(_ usual: StructureOptions.Activation) -> StructureOptions.Activation {
    choose(
      options.activation, or: usual, "--activation", assuming: "activation functions are \(usual.title)",
      change: "--activation")
  }

  /// Sets how strided convolutions pad: as the user states, or else as usual, which is then an assumption.
  ///
  /// - Parameter siblings: networks with the same tensors and the other padding.
  mutating func choosePadding(_ usual: StructureOptions.Padding, unlike siblings: PaddingSiblings = .none) {
    use("--padding")
    padsLikeTensorFlow = (options.padding ?? usual) == .same
    guard options.padding == nil else { return }
    let statement =
      switch usual {
      case .same: "strided convolutions pad as TensorFlow's SAME does for the size of each map"
      case .symmetric: "strided convolutions pad by half the kernel on all sides"
      }
    let other = usual == .same ? "--padding symmetric" : "--padding same"
    switch siblings {
    case .none: assume(statement, option: other)
    case .converted:
      assume(
        "\(statement); networks that timm converted from TensorFlow (tf_...) or whose channels were pruned (..._pruned) "
          + "have such tensors, TensorFlow's padding and an epsilon of 0.001",
        option: "\(other) and --bn-epsilon 0.001", isDoubtful: true)
    case .trained:
      assume(
        "\(statement), as in the networks that timm converted from TensorFlow (tf_...); those that are trained with timm "
          + "have the same tensors, padding by half the kernel and an epsilon of 1e-5",
        option: "\(other) and --bn-epsilon 1e-5")
    }
  }

  /// Records that strides and shortcuts are those of a family's published networks, and that these stages are not.
  mutating func assumeUsualStages(_ depths: [Int]) {
    assume(
      "strides and shortcuts are those of the published networks of this family, but none has stages of \(depths) blocks",
      isDoubtful: true)
  }

  /// Records that maps are halved by strides alone, where networks with the same tensors filter them first (Zhang,
  /// arXiv 1904.11486).
  ///
  /// - Parameter siblings: the names of those in timm.
  mutating func assumeUnfiltered(unlike siblings: [String]) {
    assume(
      "maps are halved by strides alone; timm has networks with the same tensors that filter maps first "
        + "(\(siblings.joined(separator: ", "))), which only an ONNX model states, and --golden notices")
  }

  /// Appends a block.
  mutating func append(_ block: MobileBlock, _ input: Layer, _ style: MobileStyle) -> Layer {
    var layer = input
    var stride = block.stride
    for (index, names) in block.layers.enumerated() {
      let isLast = index == block.layers.count - 1
      if isLast, let excitation = block.excitation {
        layer = excite(
          "\(block.name).se", layer, reduce: excitation.reduce, expand: excitation.expand,
          activation: style.excitationActivation, gate: style.gate)
      }
      let isSpatial = state.shape("\(prefix)\(names.convolution).weight").map { $0.rank == 4 && $0[2] > 1 } ?? false
      layer = convNorm(
        names, layer, stride: isSpatial ? stride : 1,
        activation: isLast && block.layers.count > 1 ? nil : block.activation)
      if isSpatial { stride = 1 }
    }
    guard block.hasShortcut, block.stride == 1, layer.channels == input.channels else { return layer }
    return add("\(block.name).add", layer, input)
  }

  /// The number of modules that are numbered from `first` on, which have a tensor with one of these names.
  ///
  /// - Parameter name: the module's name by its number.
  func countModules(from first: Int = 0, _ name: (Int) -> String, with tensors: [String]) -> Int {
    var count = 0
    while tensors.contains(where: { has("\(name(first + count)).\($0)") }) { count += 1 }
    return count
  }

  /// The layers that torchvision's `Conv2dNormActivation` makes of consecutive modules `NAME.0`, `NAME.1`…, each a
  /// convolution with its norm, and the layers of squeeze-and-excitation among them.
  func torchvisionLayers(_ name: String) -> (layers: [LayerPair], excitation: (reduce: String, expand: String)?) {
    var layers: [LayerPair] = []
    var excitation: (reduce: String, expand: String)?
    var index = 0
    while true {
      let module = "\(name).\(index)"
      if has("\(module).0.weight") || has("\(module).1.weight") {
        layers.append(LayerPair("\(module).0", "\(module).1"))
      } else if has("\(module).fc1.weight") || has("\(module).fc2.weight") {
        excitation = ("\(module).fc1", "\(module).fc2")
      } else {
        return (layers, excitation)
      }
      index += 1
    }
  }

  /// Refuses a network whose strides no table has.
  func refuseStrides(_ name: String, blocks: String) -> ImportError {
    .variant(architecture: name, problem: "it has \(blocks), and the strides of such networks are not known")
  }
}
