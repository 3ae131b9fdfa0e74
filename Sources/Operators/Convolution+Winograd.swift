import CKernels
import Graphs
import Kernels
import Tensors

/// Dense float32 3x3 convolution of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, "Fast
/// Algorithms for Convolutional Neural Networks", arXiv 1509.09308, section 4.1): 16 products per channel for four
/// outputs instead of 36, about as exact in float32.
///
/// Weights are transformed once, when they are packed, and then take 16 / 9 of their bytes. The order of all sums is
/// fixed (quern_winograd.h).
struct WinogradConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  /// One packed matrix [outputs, inputs] for each frequency, one after another.
  let packedWeights: PackedWeights<Float>
  /// The number of elements of one of these matrices.
  let matrixCount: Int
  /// Padded so that 16 elements can be read from any channel.
  let bias: [Float]
  /// As long as the longer of the bias and a pixel of the input: the pixels outside the map, and the bias of all
  /// frequencies except one.
  let zeros: [Float]

  init(_ op: Convolution, _ context: PreparationContext) throws(GraphError) {
    self.op = op
    kernels = context.kernels
    let weight = try context.floatWeight(rank: 4)
    let (outputs, inputs) = (weight.shape[0], weight.shape[3])
    bias = try context.paddedBias(count: outputs)
    zeros = [Float](repeating: 0, count: max(bias.count, inputs))
    matrixCount = quern_fgemm_packed_count(outputs, 1, inputs)
    packedWeights = PackedWeights(count: quern_winograd_packed_count(outputs, inputs)) { target in
      weight.withElements(as: Float.self) { quern_winograd_pack($0.baseAddress, outputs, inputs, target) }
    }
  }

  var byteCount: Int { packedWeights.byteCount + (bias.count + zeros.count) * MemoryLayout<Float>.stride }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    WinogradConvolutionPlan(
      prepared: self, input: inputs[0], residual: inputs.count > 1 ? inputs[1] : nil, output: output,
      workers: context.workers)
  }
}
