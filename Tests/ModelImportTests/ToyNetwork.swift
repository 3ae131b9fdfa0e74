import ModelImport
import Tensors

/// A state dictionary of a few channels, layer by layer, for tests of the structure that is read from it. All values are
/// the same.
struct ToyNetwork {
  private(set) var tensors: [(name: String, tensor: Tensor)] = []

  var state: StateDictionary { StateDictionary(tensors) }

  private mutating func add(_ name: String, _ dimensions: [Int]) {
    let shape = Shape(dimensions)
    tensors.append((name, Tensor([Float](repeating: 0.5, count: shape.elementCount), shape: shape)))
  }

  mutating func convolution(_ name: String, _ outputs: Int, _ inputs: Int, _ size: Int, bias: Bool = false) {
    add("\(name).weight", [outputs, inputs, size, size])
    if bias { add("\(name).bias", [outputs]) }
  }

  mutating func batchNorm(_ name: String, _ channels: Int) {
    for tensor in ["weight", "bias", "running_mean", "running_var"] { add("\(name).\(tensor)", [channels]) }
  }

  mutating func layerNorm(_ name: String, _ channels: Int) {
    for tensor in ["weight", "bias"] { add("\(name).\(tensor)", [channels]) }
  }

  mutating func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
    add("\(name).weight", [outputs, inputs])
    add("\(name).bias", [outputs])
  }

  mutating func factors(_ name: String, _ channels: Int) { add(name, [channels]) }

  /// A convolution and its norm.
  private mutating func pair(_ convolution: String, _ norm: String, _ outputs: Int, _ inputs: Int, _ size: Int) {
    self.convolution(convolution, outputs, inputs, size)
    batchNorm(norm, outputs)
  }

  // MARK: - Families

  /// The form of a stage of timm's MobileNets and EfficientNets.
  enum Stage {
    /// A depthwise and a pointwise convolution.
    case separable
    /// An inverted residual, with the kernel of its depthwise convolution.
    case inverted(Int)
    /// An inverted residual whose first convolutions are one.
    case fused
    /// A single 1x1 convolution.
    case single
  }

  /// A stage of separable convolutions, and others of inverted residuals with these kernels.
  static func stages(_ kernels: [Int]) -> [Stage] { [.separable] + kernels.map { Stage.inverted($0) } }

  /// What follows the last stage.
  enum Head {
    /// A convolution with a norm, of so many channels.
    case convolution(Int)
    /// A linear layer after the pooling, stored as a convolution.
    case linear(bias: Bool)
  }

  /// A network with timm's names: all maps have `width` channels, except that the blocks of stage 2 return `third`.
  static func timm(
    _ depths: [Int], _ stages: [Stage], _ head: Head, excited: Set<Int> = [], width: Int = 4, third: Int = 4
  ) -> ToyNetwork {
    var network = ToyNetwork()
    network.pair("conv_stem", "bn1", width, 3, 3)
    var inputs = width
    for (stage, depth) in depths.enumerated() {
      let outputs = stage == 2 ? third : width
      for index in 0..<depth {
        network.block("blocks.\(stage).\(index)", stages[stage], inputs, outputs, isExcited: excited.contains(stage))
        inputs = outputs
      }
    }
    switch head {
    case .convolution(let channels):
      network.pair("conv_head", "bn2", channels, inputs, 1)
      network.linear("classifier", 3, channels)
    case .linear(let bias):
      network.convolution("conv_head", 5, inputs, 1, bias: bias)
      network.linear("classifier", 3, 5)
    }
    return network
  }

  private mutating func block(_ name: String, _ form: Stage, _ inputs: Int, _ outputs: Int, isExcited: Bool) {
    switch form {
    case .separable:
      pair("\(name).conv_dw", "\(name).bn1", inputs, 1, 3)
      pair("\(name).conv_pw", "\(name).bn2", outputs, inputs, 1)
    case .inverted(let size):
      pair("\(name).conv_pw", "\(name).bn1", 6, inputs, 1)
      pair("\(name).conv_dw", "\(name).bn2", 6, 1, size)
      pair("\(name).conv_pwl", "\(name).bn3", outputs, 6, 1)
    case .fused:
      pair("\(name).conv_exp", "\(name).bn1", 6, inputs, 3)
      pair("\(name).conv_pwl", "\(name).bn2", outputs, 6, 1)
    case .single: pair("\(name).conv", "\(name).bn1", outputs, inputs, 1)
    }
    if isExcited {
      let channels = if case .separable = form { inputs } else { 6 }
      convolution("\(name).se.conv_reduce", 2, channels, 1, bias: true)
      convolution("\(name).se.conv_expand", channels, 2, 1, bias: true)
    }
  }

  /// An EfficientNet with the names of efficientnet-pytorch and kernels as in the paper.
  static func efficientNetPyTorch(_ depths: [Int], head: Int) -> ToyNetwork {
    var network = ToyNetwork()
    network.pair("_conv_stem", "_bn0", 4, 3, 3)
    var (inputs, number) = (4, 0)
    for (stage, depth) in depths.enumerated() {
      let (outputs, size) = (5 + stage, [3, 3, 5, 3, 5, 5, 3][stage])
      for _ in 0..<depth {
        let name = "_blocks.\(number)"
        network.pair("\(name)._depthwise_conv", "\(name)._bn1", inputs, 1, size)
        network.convolution("\(name)._se_reduce", 2, inputs, 1, bias: true)
        network.convolution("\(name)._se_expand", inputs, 2, 1, bias: true)
        network.pair("\(name)._project_conv", "\(name)._bn2", outputs, inputs, 1)
        (inputs, number) = (outputs, number + 1)
      }
    }
    network.pair("_conv_head", "_bn1", head, inputs, 1)
    network.linear("_fc", 3, head)
    return network
  }

  /// A ResNet with torchvision's names, whose stages have basic blocks or bottlenecks. All maps have `width` channels.
  static func resNet(_ depths: [Int], bottlenecks: Set<Int> = [], width: Int = 4) -> ToyNetwork {
    var network = ToyNetwork()
    network.pair("conv1", "bn1", width, 3, 7)
    for (stage, depth) in depths.enumerated() {
      for block in 0..<depth {
        let name = "layer\(stage + 1).\(block)"
        let sizes = bottlenecks.contains(stage) ? [1, 3, 1] : [3, 3]
        for (index, size) in sizes.enumerated() {
          network.pair("\(name).conv\(index + 1)", "\(name).bn\(index + 1)", width, width, size)
        }
        if stage > 0, block == 0 { network.pair("\(name).downsample.0", "\(name).downsample.1", width, width, 1) }
      }
    }
    network.linear("fc", 3, width)
    return network
  }

  /// A ConvNeXt with timm's names. Every stage has the same width and a kernel of its own.
  static func convNeXt(_ depths: [Int], width: Int, kernels: [Int]) -> ToyNetwork {
    var network = ToyNetwork()
    network.convolution("stem.0", width, 3, 4, bias: true)
    network.layerNorm("stem.1", width)
    for (stage, depth) in depths.enumerated() {
      if stage > 0 {
        network.layerNorm("stages.\(stage).downsample.0", width)
        network.convolution("stages.\(stage).downsample.1", width, width, 2, bias: true)
      }
      for index in 0..<depth {
        let name = "stages.\(stage).blocks.\(index)"
        network.convolution("\(name).conv_dw", width, 1, kernels[stage], bias: true)
        network.layerNorm("\(name).norm", width)
        network.linear("\(name).mlp.fc1", 6, width)
        network.linear("\(name).mlp.fc2", width, 6)
        network.factors("\(name).gamma", width)
      }
    }
    network.layerNorm("head.norm", width)
    network.linear("head.fc", 3, width)
    return network
  }
}
