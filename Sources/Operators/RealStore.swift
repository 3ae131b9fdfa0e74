import CKernels
import Graphs
import Kernels
import Tensors

/// The end of a layer whose sums were put together in float, because its input was read in two planes: a residual is added,
/// and the real values are stored in the output's format (formats/package.md, "Requantisation").
struct RealStore: @unchecked Sendable {
  private let kernel: quern_elementwise_kernel
  private let output: ValueFormat
  private let epilogue: Epilogue
  /// The kernel multiplies by factors.
  private let ones: [Float]

  /// - Parameter channels: of the output.
  init(_ requantization: Requantization, kernels: KernelSet, channels: Int) {
    kernel = kernels.elementwise
    output = requantization.output
    epilogue = requantization.epilogue
    ones = [Float](repeating: 1, count: channels)
  }

  /// Floats of scratch memory for a worker: what stays in the second-level cache beside the weights.
  static let scratchCount = 32 * 1024

  /// Rows of `channels` values that fit into the scratch memory.
  static func rows(channels: Int) -> Int { max(1, scratchCount / max(channels, 1)) }

  /// Floats of scratch memory that rows of `channels` values need.
  static func scratchCount(channels: Int) -> Int { max(scratchCount, channels) }

  /// Stores `rows` rows of `channels` values, which lie one after another.
  ///
  /// - Parameter place: where they go and the residual comes from, as for a product of matrices; its strides are of whole
  ///   maps, of which the rows may be slices.
  func store(_ reals: UnsafePointer<Float>, rows: Int, channels: Int, as place: quern_igemm_args) {
    ones.withUnsafeBufferPointer { ones in
      var part = quern_scale_args()
      part.factors = ones.baseAddress
      part.channels = channels
      part.relu = epilogue.activation.kernelFlag
      (part.output_zero_point, part.output_min) = (epilogue.zeroPoint, epilogue.levelMinimum)
      (part.residual_zero_point, part.residual_multiplier) = (place.residual_zero_point, place.residual_multiplier)
      let isWhole = place.output_stride == channels && (place.residual == nil || place.residual_stride == channels)
      part.rows = isWhole ? rows : 1
      for row in stride(from: 0, to: rows, by: part.rows) {
        part.reals = reals + row * channels
        if place.residual != nil { part.residual = place.residual + row * place.residual_stride }
        if place.residual_remainder != nil {
          part.residual_remainder = place.residual_remainder + row * place.residual_stride
        }
        let first = row * place.output_stride
        if output == .float32 {
          part.output_f32 = place.output.assumingMemoryBound(to: Float.self) + first
        } else {
          part.output = place.output.assumingMemoryBound(to: UInt8.self) + first
          if place.output_remainder != nil { part.output_remainder = place.output_remainder + first }
        }
        kernel.scale(&part)
      }
    }
  }
}
