import CKernels
import Graphs
import Kernels
import Tensors

/// How int8 layers with weights per output channel turn int32 accumulators into outputs (formats/package.md,
/// "Requantisation").
struct Requantization: Sendable {
  /// The bias minus the input's zero point times the sum of the channel's weights; padded so that 16 elements can be
  /// read from any channel.
  let bias: [Int32]
  /// Input scale x weight scale, divided by the output's scale where that is uint8; padded alike.
  let multiplier: [Float]
  let output: ValueFormat
  let epilogue: Epilogue

  /// - Parameter weightSums: The sum of the weights of each output channel.
  init(
    _ context: PreparationContext, input: QuantizationParameters, weightSums: [Int], activation: ActivationFunction
  ) throws(GraphError) {
    let channels = weightSums.count
    let padded = ActivationLayout.roundUp(channels, to: 16) + 16
    let weightScale = try context.weightScales(count: channels)
    let bias: [Int32]
    if let tensor = context.constants["bias"] {
      guard tensor.elementType == .int32, tensor.elementCount == channels else {
        throw .constant(role: "bias", problem: "is \(tensor.elementType) \(tensor.shape), not int32 of \(channels)")
      }
      bias = tensor.elements(as: Int32.self)
    } else {
      bias = [Int32](repeating: 0, count: channels)
    }
    output = context.outputFormat
    epilogue = Epilogue(activation, output)
    let outputScale = output.quantization?.scale ?? 1
    var folded = [Int32](repeating: 0, count: padded)
    var multiplier = [Float](repeating: 0, count: padded)
    for channel in 0..<channels {
      guard let value = Int32(exactly: Int(bias[channel]) - Int(input.zeroPoint) * weightSums[channel]) else {
        throw .constant(role: "bias", problem: "of channel \(channel) does not fit 32 bits")
      }
      folded[channel] = value
      // In the order and precision of ONNX Runtime, so that exported models round in the same way.
      multiplier[channel] = input.scale * weightScale[channel] / outputScale
      guard multiplier[channel].isFinite else {
        throw .constant(role: "weight_scale", problem: "of channel \(channel) is not finite")
      }
    }
    self.bias = folded
    self.multiplier = multiplier
  }

  /// The number of bytes of biases and multipliers.
  var byteCount: Int { 2 * bias.count * MemoryLayout<Int32>.stride }

  /// The same for the plane of the input's remainders, a uint8 map with the zero point 128 and 1/256 of the input's
  /// step. Its product with the weights is added, in float32, to that of the levels.
  func ofRemainders(weightSums: [Int]) -> RemainderRequantization {
    RemainderRequantization(
      bias: bias.indices.map { $0 < weightSums.count ? Int32(truncatingIfNeeded: -128 * weightSums[$0]) : 0 },
      multiplier: multiplier.map { $0 / 256 })
  }
}

/// Bias and multiplier, padded as in `Requantization`, for a convolution of remainders.
struct RemainderRequantization: Sendable {
  let bias: [Int32]
  let multiplier: [Float]
  var byteCount: Int { 2 * bias.count * MemoryLayout<Int32>.stride }
}

/// Dense and grouped int8 convolution by indirection: the kernel reads the map in place, through a table of offsets.
struct Int8Convolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  let requantization: Requantization
  /// Set where the input is read with its remainders.
  let remainders: RemainderRequantization?
  let residual: ValueFormat?
  /// One packed matrix for each group, one after another.
  let packedWeights: PackedWeights<Int8>
  let groupWeightByteCount: Int
  let outputChannels: Int
  /// The level of the padding of each channel. Set where the map has so few channels that it is copied with its padding
  /// and read by whole kernel rows.
  let paddingValue: [UInt8]?

  init(_ convolution: Convolution, _ context: PreparationContext, input: QuantizationParameters) throws(GraphError) {
    let weight = try context.constant("weight", .int8, rank: 4)
    let merging = GroupMerging(groups: convolution.groups, outputs: weight.shape[0])
    op = convolution.merging(merging)
    kernels = context.kernels
    outputChannels = weight.shape[0]
    residual = context.inputFormats.count > 1 ? context.inputFormats[1] : nil
    if residual == .float32, context.outputFormat != .float32 {
      throw .structure("a float residual cannot be added to a uint8 output")
    }
    let sums = context.weightSums(weight)
    let copies =
      convolution.groups == 1 && weight.shape[3] <= 4 && op.window.dilationWidth == 1 && op.window.dilationHeight == 1
      && context.inputFormats[0].isPlainUInt8
    if copies {
      let inputs = weight.shape[3]
      if let tensor = context.constants["padding_value"] {
        guard tensor.elementType == .uint8, tensor.elementCount == inputs else {
          throw .constant(
            role: "padding_value", problem: "is \(tensor.elementType) \(tensor.shape), not uint8 of \(inputs) elements")
        }
        paddingValue = tensor.elements(as: UInt8.self)
      } else {
        paddingValue = [UInt8](repeating: input.zeroPoint, count: inputs)
      }
    } else {
      guard context.constants["padding_value"] == nil else {
        throw .constant(role: "padding_value", problem: "is only for dense convolutions of at most 4 channels")
      }
      paddingValue = nil
    }
    requantization = try Requantization(context, input: input, weightSums: sums, activation: op.activation)
    if case .uint8WithRemainder = context.inputFormats[0] {
      guard residual != .float32 else { throw .structure("a float residual cannot be added where remainders are read") }
      remainders = requantization.ofRemainders(weightSums: sums)
    } else {
      remainders = nil
    }
    (packedWeights, groupWeightByteCount) = Self.pack(
      merging.weights(weight, as: Int8.self), groups: op.groups, rowsAsTaps: copies)
  }

  /// - Parameter rowsAsTaps: Whether a kernel row is packed as one tap.
  private static func pack(
    _ weight: Tensor, groups: Int, rowsAsTaps: Bool
  ) -> (PackedWeights<Int8>, groupByteCount: Int) {
    let shape = weight.shape
    let (taps, tapBytes) = rowsAsTaps ? (shape[1], shape[2] * shape[3]) : (shape[1] * shape[2], shape[3])
    let groupOutputs = shape[0] / groups
    let groupSize = quern_igemm_packed_size(groupOutputs, taps, tapBytes)
    let packed = PackedWeights<Int8>(count: groupSize * groups) { target in
      weight.withElements(as: Int8.self) { source in
        guard let source = source.baseAddress else { return }
        for group in 0..<groups {
          quern_igemm_pack(
            source + group * groupOutputs * taps * tapBytes, groupOutputs, taps, tapBytes, target + group * groupSize)
        }
      }
    }
    return (packed, groupSize)
  }

  var byteCount: Int { packedWeights.byteCount + requantization.byteCount + (remainders?.byteCount ?? 0) }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    try Int8ConvolutionPlan(
      prepared: self, input: inputs[0], residual: inputs.count > 1 ? inputs[1] : nil, output: output, context: context)
  }
}
