import CKernels
import Graphs
import Kernels
import Tensors

/// The epilogue of a layer whose sums were combined in float32, because its input or its output has two planes: it adds
/// a residual and stores the real values in the output's format (formats/package.md, "Requantisation").
struct Int8Epilogue: @unchecked Sendable {
  private let kernel: quern_elementwise_kernel
  private let output: ValueFormat
  private let epilogue: Epilogue
  /// The factors of the kernel, which always multiplies.
  private let ones: [Float]

  /// - Parameter channels: The number of output channels.
  init(_ requantization: Requantization, kernels: KernelSet, channels: Int) {
    kernel = kernels.elementwise
    output = requantization.output
    epilogue = requantization.epilogue
    ones = [Float](repeating: 1, count: channels)
  }

  /// The number of floats of scratch memory for a worker: as many as stay in the second-level cache alongside the
  /// weights.
  static let scratchCount = 32 * 1024

  /// The number of rows of `channels` values that fit into the scratch memory.
  static func rows(channels: Int) -> Int { max(1, scratchCount / max(channels, 1)) }

  /// The number of floats of scratch memory for rows of `channels` values: at least one row.
  static func scratchCount(channels: Int) -> Int { max(scratchCount, channels) }

  /// Stores `rows` rows of `channels` real values, which are contiguous in memory.
  ///
  /// - Parameter target: The output and the residual, as for a matrix product. The rows may be slices of maps: the
  ///   strides are those of whole maps.
  func store(_ reals: UnsafePointer<Float>, rows: Int, channels: Int, to target: quern_igemm_args) {
    ones.withUnsafeBufferPointer { ones in
      var part = quern_scale_args()
      part.factors = ones.baseAddress
      part.channels = channels
      part.clamp = epilogue.activation.clamp
      part.output_zero_point = epilogue.zeroPoint
      (part.output_min, part.output_max) = epilogue.levels
      (part.residual_zero_point, part.residual_multiplier) = (target.residual_zero_point, target.residual_multiplier)
      let isWhole = target.output_stride == channels && (target.residual == nil || target.residual_stride == channels)
      part.rows = isWhole ? rows : 1
      for row in stride(from: 0, to: rows, by: part.rows) {
        part.reals = reals + row * channels
        if target.residual != nil { part.residual = target.residual + row * target.residual_stride }
        if target.residual_remainder != nil {
          part.residual_remainder = target.residual_remainder + row * target.residual_stride
        }
        let first = row * target.output_stride
        if output == .float32 {
          part.output_f32 = target.output.assumingMemoryBound(to: Float.self) + first
        } else {
          part.output = target.output.assumingMemoryBound(to: UInt8.self) + first
          if target.output_remainder != nil { part.output_remainder = target.output_remainder + first }
        }
        kernel.scale(&part)
      }
    }
  }
}
