/// The strides and dilations of a residual network's stages, which no tensor's shape depends on.
struct ResidualStages {
  private let strides: [Int]
  private let dilations: [Int]

  /// Takes them from the user's options, or assumes that each stage after the first halves the map.
  ///
  /// - Parameters:
  ///   - count: the number of stages.
  ///   - source: the library whose network is assumed where the options are not set.
  ///   - allowsDilation: whether the family supports `--output-stride`.
  init(_ count: Int, _ builder: inout GraphBuilder, of source: String, allowsDilation: Bool) {
    let options = builder.options
    var strides = (0..<count).map { $0 == 0 ? 1 : 2 }
    var dilations = [Int](repeating: 1, count: count)
    if count > 1 {
      builder.use("--last-stride")
      if let lastStride = options.lastStride { strides[count - 1] = lastStride }
      if allowsDilation {
        builder.use("--output-stride")
        // 16 dilates the last stage, 8 the last two.
        let dilated = options.outputStride.map { $0 == 8 ? 2 : $0 == 16 ? 1 : 0 } ?? 0
        var dilation = 1
        for stage in max(1, count - dilated)..<count {
          dilation *= strides[stage]
          strides[stage] = 1
          dilations[stage] = dilation
        }
      }
    }
    if options.lastStride == nil, options.outputStride == nil {
      builder.assume(
        "layers without weights are those of \(source): ReLU, padding by half the kernel"
          + (count > 1 ? ", and each stage after the first halves the map without dilation" : ""),
        option: count > 1 ? (allowsDilation ? "--output-stride or --last-stride" : "--last-stride") : nil)
    }
    self.strides = strides
    self.dilations = dilations
  }

  /// The stride of the first block of a stage.
  func stride(_ stage: Int) -> Int { strides[stage] }

  /// The dilation of the 3x3 convolutions of a stage.
  ///
  /// - Parameter stage: from 0; -1 is the stem.
  func dilation(_ stage: Int) -> Int { stage < 0 ? 1 : dilations[stage] }

  /// The number of the convolution in a bottleneck that has its stride, counted from 1: the user's choice, or else the
  /// usual one. The latter is recorded as an assumption if any bottleneck has a stride.
  func bottleneckStride(_ usual: StructureOptions.BottleneckStride, _ builder: inout GraphBuilder) -> Int {
    guard strides.contains(where: { $0 > 1 }) else { return 2 }
    let other: StructureOptions.BottleneckStride = usual == .firstConvolution ? .secondConvolution : .firstConvolution
    let choice = builder.choose(
      builder.options.bottleneckStride, or: usual, "--stride-in",
      assuming: "the stride of a bottleneck is in its \(usual == .firstConvolution ? "first" : "3x3") convolution, "
        + usual.rawValue, change: "--stride-in \(other.rawValue)")
    return choice == .firstConvolution ? 1 : 2
  }
}
