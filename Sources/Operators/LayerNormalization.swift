import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// `y = (x - mean) / sqrt(variance + epsilon) * weight + bias`, with the mean and the variance over the channels of
/// each pixel or row (Ba et al., "Layer Normalization", arXiv 1607.06450, section 3; for maps, as in ConvNeXt, Liu et
/// al., arXiv 2201.03545, section 2.5).
///
/// On levels, sums are exact integers, and every value is rounded once (formats/package.md, "Layer normalisation").
///
/// Constants: `weight` and `bias`, float32 [C].
package struct LayerNormalization: Operator {
  package static let wireName = "layer_normalization"
  package static let arity = 1...1

  /// Added to the variance; at least 0.
  package let epsilon: Double
  /// Whether a uint8 input is read with its remainders, as 16 bits.
  package var readsInputRemainder = false

  /// The maximum number of channels, for which all sums of levels fit 64 bits.
  static let maxChannels = 32768

  package init(epsilon: Double) { self.epsilon = epsilon }
  package init(attributes: Attributes) throws(GraphError) {
    epsilon = try attributes.float("epsilon")
    guard epsilon >= 0, epsilon.isFinite else { throw .attribute(name: "epsilon", expected: "at least 0") }
    readsInputRemainder = try attributes.flag("input_remainder")
  }
  package var attributes: Attributes {
    var result: Attributes = ["epsilon": .float(epsilon)]
    if readsInputRemainder { result["input_remainder"] = .int(1) }
    return result
  }

  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func readsRemainder(ofInput slot: Int) -> Bool { readsInputRemainder }
  package static let remainderRule = RemainderRule.made
  package var hasOutputChannelWeights: Bool { true }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    (traits.canStoreFloat, traits.followsFloat, traits.canReadRemainder) = (true, true, true)
    return traits
  }
  package func readingRemainder() -> any Operator {
    var result = self
    result.readsInputRemainder = true
    return result
  }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    inputs.first == .float32 ? .implementation : .specified
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 2 || input.rank == 4 else {
      throw .shape("layer normalisation takes maps or rows, not \(input)")
    }
    guard input.channels <= Self.maxChannels else {
      throw .shape("layer normalisation of \(input.channels) channels; the maximum is \(Self.maxChannels)")
    }
    for role in ["weight", "bias"] {
      guard let constant = constants[role] else { throw .constant(role: role, problem: "is missing") }
      guard constant.shape == [input.channels] else {
        throw .constant(role: role, problem: "has the shape \(constant.shape) for \(input.channels) channels")
      }
    }
    return input
  }
}

extension LayerNormalization: AffineFoldingOperator {
  package func canFoldAffine(inputs: Int) -> Bool { true }
}

extension LayerNormalization: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: ["weight", "bias"])
    let (input, output) = (context.inputFormats[0], context.outputFormat)
    guard input != .float32 || output == .float32 else {
      throw .structure("the output of a layer normalisation of a float map must be float")
    }
    if readsInputRemainder, input == input.withoutRemainder {
      throw .structure("reads remainders of an input that has none")
    }
    let count = context.constants["weight"]?.elementCount ?? 0
    let unit = output.quantization?.scale ?? 1
    let weight = try context.floats("weight", count: count).map { $0 / unit }
    let bias = try context.floats("bias", count: count).map { $0 / unit }
    guard (weight + bias).allSatisfy(\.isFinite) else {
      throw .constant(role: "weight", problem: "or bias is not finite in steps of the output")
    }
    let scale = Double(input.quantization?.scale ?? 1)
    let (kernel, epsilon, readsRemainder) = (context.kernels.layerNorm, epsilon, readsInputRemainder)
    return ElementwiseOperator { shape, buffers, range in
      weight.withUnsafeBufferPointer { weight in
        bias.withUnsafeBufferPointer { bias in
          let first = range.lowerBound * shape.channels
          var arguments = quern_layernorm_args()
          (arguments.rows, arguments.channels) = (range.count, shape.channels)
          (arguments.step, arguments.epsilon) = (readsRemainder ? scale / 256 : scale, epsilon)
          (arguments.weight, arguments.bias) = (weight.baseAddress, bias.baseAddress)
          arguments.setInput(buffers.inputs[0], input, readsRemainder: readsRemainder, shape, first)
          arguments.setOutput(buffers.output, output, shape, first)
          kernel.run(&arguments)
        }
      }
    }
  }
}

extension quern_layernorm_args {
  fileprivate mutating func setInput(
    _ map: UnsafeRawPointer, _ format: ValueFormat, readsRemainder: Bool, _ shape: Shape, _ first: Int
  ) {
    guard format != .float32 else {
      reals = map.assumingMemoryBound(to: Float.self) + first
      return
    }
    input = map.assumingMemoryBound(to: UInt8.self) + first
    if readsRemainder { input_remainder = map.assumingMemoryBound(to: UInt8.self) + shape.elementCount + first }
  }

  fileprivate mutating func setOutput(
    _ map: UnsafeMutableRawPointer, _ format: ValueFormat, _ shape: Shape, _ first: Int
  ) {
    guard let parameters = format.quantization else {
      output_f32 = map.assumingMemoryBound(to: Float.self) + first
      return
    }
    output_zero_point = Int32(parameters.zeroPoint)
    output = map.assumingMemoryBound(to: UInt8.self) + first
    if !format.isPlainUInt8 { output_remainder = map.assumingMemoryBound(to: UInt8.self) + shape.elementCount + first }
  }
}
