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

extension GraphBuilder {
  /// The activation function that the user states, or else the usual one, which is then an assumption.
  mutating func chooseActivation(_ usual: StructureOptions.Activation) -> StructureOptions.Activation {
    choose(
      options.activation, or: usual, "--activation", assuming: "activation functions are \(usual.title)",
      change: "--activation")
  }

  /// Sets how strided convolutions pad: as the user states, or else as usual, which is then an assumption.
  ///
  /// - Parameter isDoubtful: whether networks with the same tensors and the other padding are in wide use.
  mutating func choosePadding(_ usual: StructureOptions.Padding, isDoubtful: Bool = false) {
    use("--padding")
    if options.padding == nil {
      switch usual {
      case .same:
        assume(
          "strided convolutions pad as TensorFlow's SAME does for the size of each map", option: "--padding symmetric",
          isDoubtful: isDoubtful)
      case .symmetric:
        assume(
          isDoubtful
            ? "strided convolutions pad by half the kernel on all sides; networks that timm converted from TensorFlow "
              + "(tf_...) have the same tensors, TensorFlow's padding and an epsilon of 0.001"
            : "strided convolutions pad by half the kernel on all sides",
          option: isDoubtful ? "--padding same and --bn-epsilon 0.001" : "--padding same", isDoubtful: isDoubtful)
      }
    }
    padsLikeTensorFlow = (options.padding ?? usual) == .same
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
