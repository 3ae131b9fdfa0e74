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

/// Converts rows of values that are not contiguous in memory, such as the same channels of consecutive pixels.
struct RowConversion: @unchecked Sendable {
  private let conversion: ValueConversion
  private let kernel: quern_lookup_kernel
  /// The output's level for each level of the input, where both are uint8. For the short rows of a concatenation,
  /// looking them up is faster than computing them.
  private let levels: [UInt8]?
  /// Longer rows are copied where the formats are equal. A call of the C library for each shorter one would take longer
  /// than looking them up.
  private static let longestLookedUpCopy = 64

  init(from: ValueFormat, to: ValueFormat, kernels: KernelSet) {
    conversion = ValueConversion(from: from, to: to, kernels: kernels)
    kernel = kernels.lookup
    guard from.isPlainUInt8, to.isPlainUInt8 else {
      levels = nil
      return
    }
    var table = [UInt8](repeating: 0, count: 256)
    conversion.convert((0...255).map { UInt8($0) }, 256, to: &table)
    levels = table
  }

  /// Converts `rows` rows of `count` elements.
  ///
  /// - Parameters:
  ///   - inputStride: The number of elements from one row of the input to the next.
  ///   - outputStride: The number of elements from one row of the output to the next.
  func convert(
    _ input: UnsafeRawPointer, inputStride: Int, rows: Int, count: Int, to output: UnsafeMutableRawPointer,
    outputStride: Int
  ) {
    let isCopy = conversion.from == conversion.to && count > Self.longestLookedUpCopy
    guard let levels, !isCopy else {
      let inputStep = inputStride * conversion.from.elementType.byteCount
      let outputStep = outputStride * conversion.to.elementType.byteCount
      for row in 0..<rows { conversion.convert(input + row * inputStep, count, to: output + row * outputStep) }
      return
    }
    kernel.run(
      levels, input.assumingMemoryBound(to: UInt8.self), inputStride: inputStride, rows: rows, count: count,
      to: output.assumingMemoryBound(to: UInt8.self), outputStride: outputStride)
  }
}
