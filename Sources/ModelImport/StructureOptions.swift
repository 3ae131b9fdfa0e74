/// What a state dictionary does not say of its network, because no tensor depends on it, and a user may.
package struct StructureOptions: Sendable, Hashable {
  /// The convolution of a bottleneck that halves the map.
  package enum BottleneckStride: String, Sendable, CaseIterable {
    /// The first, 1x1: Caffe's ResNets and those of the paper's first version.
    case firstConvolution = "conv1"
    /// The second, 3x3: torchvision's.
    case secondConvolution = "conv2"
  }

  /// How much a ResNet's stem reduces the map.
  package struct Stem: Sendable, Hashable {
    /// Of its convolution: 1 or 2.
    package let stride: Int
    /// Whether a 3x3 max pooling of stride 2 follows.
    package let pools: Bool

    package init(stride: Int, pools: Bool) {
      self.stride = stride
      self.pools = pools
    }

    package static let imageNet = Stem(stride: 2, pools: true)
    package static let smallImages = Stem(stride: 1, pools: false)
  }

  package var bottleneckStride: BottleneckStride?
  package var stem: Stem?
  /// How many pixels of the image a pixel of the last map stands for: 8, 16 or 32. Below 32 the last stages do not halve the
  /// map, and their 3x3 convolutions are dilated instead (torchvision's `replace_stride_with_dilation`).
  package var outputStride: Int?
  /// The stride of the last stage: 1, without dilation, or 2.
  package var lastStride: Int?
  /// What batch norms add to the variance.
  package var batchNormEpsilon: Double?

  package init() {}

  /// The options that are set, as they are spelled on the command line.
  package var names: [String] {
    [
      bottleneckStride == nil ? nil : "--stride-in", stem == nil ? nil : "--stem",
      outputStride == nil ? nil : "--output-stride", lastStride == nil ? nil : "--last-stride",
      batchNormEpsilon == nil ? nil : "--bn-epsilon",
    ].compactMap { $0 }
  }
}

extension StructureOptions.Stem: CustomStringConvertible {
  /// "1", "2", "1+pool" or "2+pool".
  package var description: String { "\(stride)\(pools ? "+pool" : "")" }

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
