import CKernels
import Graphs
import Kernels
import Tensors

/// Dense and grouped float32 convolution by indirection: the kernel reads the map in place, through a table of offsets.
///
/// Sums are taken in the order that quern_fgemm.h defines, so that results are the same bits on every machine and for
/// any number of threads.
struct FloatConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  /// One packed matrix for each group, one after another.
  let packedWeights: PackedWeights<Float>
  let groupWeightCount: Int
  /// Padded so that 16 elements can be read from any channel.
  let bias: [Float]
  /// Whether the map has so few channels that it is copied with its padding and read by whole kernel rows.
  let copiesPadded: Bool

  init(_ convolution: Convolution, _ context: PreparationContext) throws(GraphError) {
    let weight = try context.floatWeight(rank: 4)
    let channels = weight.shape[0]
    let merging = GroupMerging(groups: convolution.groups, outputs: channels)
    op = convolution.merging(merging)
    kernels = context.kernels
    bias = try context.paddedBias(count: channels)
    try context.requireFloat(Convolution.wireName)
    copiesPadded =
      op.groups == 1 && weight.shape[3] <= 4 && !op.window.isPointwise && op.window.dilationWidth == 1
      && op.window.dilationHeight == 1
    (packedWeights, groupWeightCount) = Self.pack(merging.weights(weight, as: Float.self), groups: op.groups)
  }

  private static func pack(_ weight: Tensor, groups: Int) -> (PackedWeights<Float>, groupCount: Int) {
    let (taps, tapElements) = (weight.shape[1] * weight.shape[2], weight.shape[3])
    let groupOutputs = weight.shape[0] / groups
    let groupCount = quern_fgemm_packed_count(groupOutputs, taps, tapElements)
    let packed = PackedWeights<Float>(count: groupCount * groups) { target in
      weight.withElements(as: Float.self) { source in
        guard let source = source.baseAddress else { return }
        for group in 0..<groups {
          quern_fgemm_pack(
            source + group * groupOutputs * taps * tapElements, groupOutputs, taps, tapElements,
            target + group * groupCount)
        }
      }
    }
    return (packed, groupCount)
  }

  var byteCount: Int { packedWeights.byteCount + bias.count * MemoryLayout<Float>.stride }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    try FloatConvolutionPlan(
      prepared: self, input: inputs[0], residual: inputs.count > 1 ? inputs[1] : nil, output: output, context: context)
  }
}

extension PreparationContext {
  /// The float32 bias, or zeros where there is none, followed by zeros so that 16 values can be read from any channel.
  func paddedBias(count: Int) throws(GraphError) -> [Float] {
    let bias = constants["bias"] == nil ? [Float](repeating: 0, count: count) : try floats("bias", count: count)
    return bias + [Float](repeating: 0, count: ActivationLayout.roundUp(count, to: 16) + 16 - count)
  }
}
