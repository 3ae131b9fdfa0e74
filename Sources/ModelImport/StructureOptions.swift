/// What no tensor of a state dictionary shows about its network, and a user may state. `nil` leaves an option to the
/// architecture's default, which is then reported as an assumption.
package struct StructureOptions: Sendable, Hashable {
  /// The convolution of a bottleneck that halves the map.
  package enum BottleneckStride: String, Sendable, CaseIterable {
    /// The first, 1x1, as in Caffe's ResNets and in the first version of the paper.
    case firstConvolution = "conv1"
    /// The second, 3x3, as in torchvision.
    case secondConvolution = "conv2"
  }

  /// How a convolution with a stride pads its map.
  package enum Padding: String, Sendable, CaseIterable {
    /// As TensorFlow's "SAME": by as much as the map's size needs, with the odd row or column after it.
    case same
    /// By half the kernel on all sides, as in PyTorch.
    case symmetric
  }

  /// An activation function after a batch norm.
  package enum Activation: String, Sendable, CaseIterable {
    /// `max(x, 0)`.
    case relu
    /// `min(max(x, 0), 6)`.
    case relu6
    /// `x / (1 + exp(-x))`.
    case silu
    /// `x min(max(x / 6 + 1 / 2, 0), 1)`.
    case hardSwish = "hard-swish"
  }

  /// How much a ResNet's stem reduces the map.
  package struct Stem: Sendable, Hashable {
    /// The stride of its convolution: 1 or 2.
    package let stride: Int
    /// Whether a 3x3 max pooling of stride 2 follows.
    package let pools: Bool

    /// Creates a stem from its properties.
    package init(stride: Int, pools: Bool) {
      self.stride = stride
      self.pools = pools
    }

    /// The stem of ResNets for ImageNet, which reduces the map by 4.
    package static let imageNet = Stem(stride: 2, pools: true)
    /// The stem of ResNets for small images such as CIFAR's, which keeps the map's size.
    package static let smallImages = Stem(stride: 1, pools: false)
  }

  /// The convolution of each bottleneck that has its stride.
  package var bottleneckStride: BottleneckStride?
  /// How much the stem reduces the map.
  package var stem: Stem?
  /// The ratio of the image's size to that of the last map: 8, 16 or 32. Below 32 the last stages do not halve the map,
  /// and their 3x3 convolutions are dilated instead (torchvision's `replace_stride_with_dilation`).
  package var outputStride: Int?
  /// The stride of the last stage: 1, without dilation, or 2.
  package var lastStride: Int?
  /// The number that batch norms add to the variance.
  package var batchNormEpsilon: Double?
  /// How the strided convolutions of MobileNets and EfficientNets pad, and the strided layers of NASNets and PNASNets:
  /// the latter as in timm or, if symmetric, as in pretrained-models.
  package var padding: Padding?
  /// The activation function of MobileNets and EfficientNets.
  package var activation: Activation?

  /// Creates options that are all unset.
  package init() {}

  /// The names of the options that are set, as on the command line.
  package var names: [String] {
    [
      bottleneckStride == nil ? nil : "--stride-in", stem == nil ? nil : "--stem",
      outputStride == nil ? nil : "--output-stride", lastStride == nil ? nil : "--last-stride",
      batchNormEpsilon == nil ? nil : "--bn-epsilon", padding == nil ? nil : "--padding",
      activation == nil ? nil : "--activation",
    ].compactMap { $0 }
  }
}

extension StructureOptions.Activation {
  /// The function's usual name.
  var title: String {
    switch self {
    case .relu: "ReLU"
    case .relu6: "ReLU6"
    case .silu: "SiLU"
    case .hardSwish: "hard swish"
    }
  }
}

extension StructureOptions.Stem: CustomStringConvertible {
  /// "1", "2", "1+pool" or "2+pool".
  package var description: String { "\(stride)\(pools ? "+pool" : "")" }

  /// Parses a description; `nil` if it is none of the four.
  package init?(_ text: String) {
    switch text {
    case "1": self.init(stride: 1, pools: false)
    case "2": self.init(stride: 2, pools: false)
    case "1+pool": self.init(stride: 1, pools: true)
    case "2+pool": self.init(stride: 2, pools: true)
    default: return nil
    }
  }
}
