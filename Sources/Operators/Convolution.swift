import Graphs
import Kernels
import Tensors

/// 2-D cross-correlation of an NHWC map with OHWI weights, with an optional bias, an optional second input that is
/// added before the activation (the residual of He et al., arXiv 1512.03385, equation 1), and an optional activation.
/// The result and a residual of unequal size are cropped to their common top-left corner.
///
/// Constants of the float form: `weight` float32 [O, kh, kw, I / groups], or int16 with `weight_scale` float32 [O];
/// `bias` float32 [O] (optional).
///
/// Constants of the int8 form: `weight` int8, `weight_scale` float32 [O], `bias` int32 [O] at the scale input scale x
/// weight scale (optional), and, where the level of the padding is not the input's zero point, `padding_value` uint8
/// [I].
package struct Convolution: Operator, EpilogueOperator, AffineFoldingOperator, OffsetFoldingOperator, WindowOperator {
  package static let wireName = "convolution"
  package static let arity = 1...2

  /// The kernel's size, stride, padding and dilation.
  package var window: Window
  /// The number of groups that the channels are split into; at least 1.
  package var groups: Int
  /// Applied last; a function for which `fitsEpilogues` holds.
  package var activation: ActivationFunction
  /// Whether a uint8 input is read with its remainders, as 16 bits, which costs a second product with the weights.
  package var readsInputRemainder = false

  package init(window: Window, groups: Int = 1, activation: ActivationFunction = .none) {
    self.window = window
    self.groups = groups
    self.activation = activation
  }

  package init(attributes: Attributes) throws(GraphError) {
    window = try Window(attributes: attributes)
    groups = try attributes.int("groups")
    activation = try ActivationFunction(attributes: attributes)
    guard groups >= 1 else { throw .attribute(name: "groups", expected: "at least 1") }
    readsInputRemainder = try attributes.flag("input_remainder")
  }

  package var attributes: Attributes {
    var result = activation.attributes("activation")
    for (name, value) in window.attributes.values { result[name] = value }
    result["groups"] = .int(groups)
    if readsInputRemainder { result["input_remainder"] = .int(1) }
    return result
  }

  package var quantizationRule: QuantizationRule { .calibratedRange }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    constants["weight"]?.elementType == .int8 ? .specified : .implementation
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("a convolution takes a map with 4 axes, not \(input)") }
    let weight = try checkedWeight(constants)
    guard weight[3] * groups == input.channels else {
      throw .shape(
        "weights for \(weight[3]) channels in each of \(groups) groups do not fit a map of \(input.channels) channels")
    }
    let extent = try window.outputExtent(height: input.height, width: input.width)
    let output = try Shape([input.batch, extent.height, extent.width, weight[0]]).checkedActivation()
    guard inputs.count == 2, inputs[1] != output else { return output }
    guard inputs[1].rank == 4, inputs[1].batch == output.batch, inputs[1].channels == output.channels else {
      throw .shape("cannot add a residual of \(inputs[1]) to \(output)")
    }
    let corner = Shape.commonCorner([output, inputs[1]])
    return try Shape([output.batch, corner.height, corner.width, output.channels]).checkedActivation()
  }

  /// The weight's shape, after checking that it fits the kernel, the groups and the bias. Products of its extents then
  /// cannot overflow.
  private func checkedWeight(_ constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard let weight = constants["weight"]?.shape else { throw .constant(role: "weight", problem: "is missing") }
    guard weight.rank == 4, weight[1] == window.height, weight[2] == window.width, weight[0] > 0, weight[3] > 0 else {
      throw .constant(
        role: "weight", problem: "of shape \(weight) does not fit a \(window.height)x\(window.width) kernel")
    }
    guard weight[0] % groups == 0 else {
      throw .constant(role: "weight", problem: "of shape \(weight) cannot be split into \(groups) groups")
    }
    if let bias = constants["bias"], bias.elementCount != weight[0] {
      throw .constant(role: "bias", problem: "has \(bias.elementCount) elements for \(weight[0]) channels")
    }
    return weight
  }

  package func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int {
    guard let weight = constants["weight"], let output = try? outputShape(inputs: inputs, constants: constants) else {
      return 0
    }
    return output.batch * output.height * output.width * weight.elementCount
  }

  /// The same convolution with fewer groups, for weights whose groups are merged.
  func merging(_ merging: GroupMerging) -> Convolution {
    var result = self
    result.groups = merging.groups
    return result
  }

  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    let isDepthwise = constants["weight"].map { self.isDepthwise(weight: $0.shape) } ?? false
    var traits = OperatorTraits()
    traits.weights = .convolution
    traits.combination = .residual(slot: 1)
    // The depthwise kernels store uint8 without remainders.
    (traits.canStoreFloat, traits.keepsRemainderForSums) = (!isDepthwise, !isDepthwise)
    traits.takesPixels = groups == 1 && window.dilationHeight == 1 && window.dilationWidth == 1
    traits.canReadRemainder = true
    return traits
  }

  package func readingRemainder() -> any Operator {
    var result = self
    result.readsInputRemainder = true
    return result
  }

  /// The residual is added before the result is rounded.
  package func readsRemainder(ofInput slot: Int) -> Bool { slot == 1 || readsInputRemainder }
  package static let remainderRule = RemainderRule.made

  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    activation.lowerBound(-.infinity)
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule {
    slot == 0 ? .weighted : activation.isHomogeneous ? .carried : .fixed
  }
  package var hasOutputChannelWeights: Bool { activation.isHomogeneous }
  package static let readsZerosOutside = true
  /// With a residual, the depthwise kernels cannot be used, and groups are multiplied as if they were dense.
  package var prefersResidual: Bool { groups == 1 }
  package func canFoldAffine(inputs: Int) -> Bool { activation == .none && inputs == 1 }
  package var canFoldInputOffset: Bool { window.isPointwise && groups == 1 }

  /// Whether every channel has its own filter.
  ///
  /// - Parameter weight: The shape of the weights, [O, kh, kw, I / groups].
  package func isDepthwise(weight: Shape) -> Bool {
    groups > 1 && weight.rank == 4 && weight[3] == 1 && weight[0] == groups
  }
}

extension Convolution: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    _ = try checkedWeight(context.constants)
    switch context.inputFormats[0] {
    case .float32:
      try context.refuseConstants(except: context.floatLayerRoles)
      // The depthwise kernels take no residual; with one it runs as a grouped convolution.
      if let weight = context.constants["weight"]?.shape, isDepthwise(weight: weight), context.inputFormats.count == 1 {
        return try FloatDepthwiseConvolution(self, context)
      }
      if let weight = context.constants["weight"]?.shape, allowsWinograd(weight: weight) {
        return try DenseFloatConvolution(self, context)
      }
      return try FloatConvolution(self, context)
    case .uint8(let input), .uint8WithRemainder(let input):
      try context.refuseConstants(except: ["weight", "weight_scale", "bias", "padding_value"])
      return try prepareInt8(context, input: input)
    }
  }

  private func prepareInt8(
    _ context: PreparationContext, input: QuantizationParameters
  ) throws(GraphError) -> any PreparedOperator {
    let weight = try context.constant("weight", .int8, rank: 4)
    let length = weight.elementCount / weight.shape[0]
    guard length <= 65536 else {
      throw .constant(role: "weight", problem: "has \(length) elements per output channel, more than 65536")
    }
    let context = context.suiting(weight)
    // The depthwise kernels take no residual and store no float32; other cases run as grouped convolutions.
    if isDepthwise(weight: weight.shape), context.inputFormats.count == 1, context.outputFormat != .float32,
      context.constants["padding_value"] == nil
    {
      return try Int8DepthwiseConvolution(self, context, input: input)
    }
    return try Int8Convolution(self, context, input: input)
  }
}
