import CKernels
import Graphs
import Kernels
import Tensors

/// Converts values from one format to another, both without remainders. Each value is rounded at most once.
struct ValueConversion: @unchecked Sendable {
  let from: ValueFormat
  let to: ValueFormat
  private let kernel: quern_elementwise_kernel

  init(from: ValueFormat, to: ValueFormat, kernels: KernelSet) {
    self.from = from
    self.to = to
    kernel = kernels.elementwise
  }

  /// Converts `count` elements.
  func convert(_ input: UnsafeRawPointer, _ count: Int, to output: UnsafeMutableRawPointer) {
    if from == to {
      output.copyMemory(from: input, byteCount: count * to.elementType.byteCount)
      return
    }
    switch (from.quantization, to.quantization) {
    case (nil, nil): break
    case (nil, let parameters?):
      kernel.quantize(
        input.assumingMemoryBound(to: Float.self), count, parameters.scale, Int32(parameters.zeroPoint),
        output.assumingMemoryBound(to: UInt8.self))
    case (let parameters?, nil):
      kernel.dequantize(
        input.assumingMemoryBound(to: UInt8.self), count, parameters.scale, Int32(parameters.zeroPoint),
        output.assumingMemoryBound(to: Float.self))
    case (let a?, let b?):
      kernel.requantize(
        input.assumingMemoryBound(to: UInt8.self), Int32(a.zeroPoint), a.scale / b.scale, count,
        Int32(b.zeroPoint), 0, output.assumingMemoryBound(to: UInt8.self))
    }
  }
}
