import CKernels
import Graphs
import Kernels
import Tensors

/// The same values in another format: float32 to uint8, uint8 to float32, or uint8 at another scale. The formats are
/// those of the input and the output. Each value is rounded at most once; the remainder is stored where the output has
/// remainders.
package struct Requantize: Operator {
  package static let wireName = "requantize"
  package static let arity = 1...1

  /// Whether a uint8 input is read with its remainders, as 16 bits.
  package var readsInputRemainder: Bool

  package init(readsInputRemainder: Bool = false) { self.readsInputRemainder = readsInputRemainder }

  package init(attributes: Attributes) throws(GraphError) {
    readsInputRemainder = try attributes.flag("input_remainder")
  }

  package var attributes: Attributes { readsInputRemainder ? ["input_remainder": .int(1)] : [:] }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    (traits.canReadRemainder, traits.convertsFormats) = (true, true)
    return traits
  }
  package func readingRemainder() -> any Operator { Requantize(readsInputRemainder: true) }
  package func readsRemainder(ofInput slot: Int) -> Bool { readsInputRemainder }
  package static let remainderRule = RemainderRule.made

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Requantize: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let (from, to) = (context.inputFormats[0], context.outputFormat)
    if readsInputRemainder, from == from.withoutRemainder {
      throw .structure("reads remainders of an input that has none")
    }
    if readsInputRemainder || to != to.withoutRemainder {
      let conversion = PlaneConversion(
        from: readsInputRemainder ? from : from.withoutRemainder, to: to, kernel: context.kernels.elementwise)
      return ElementwiseOperator { shape, buffers, range in
        conversion.convert(buffers.inputs[0], to: buffers.output, shape: shape, pixels: range)
      }
    }
    let conversion = ValueConversion(from: from.withoutRemainder, to: to, kernels: context.kernels)
    let (inputSize, outputSize) = (from.elementType.byteCount, to.elementType.byteCount)
    return ElementwiseOperator { shape, buffers, range in
      let start = range.lowerBound * shape.channels
      conversion.convert(
        buffers.inputs[0] + start * inputSize, range.count * shape.channels, to: buffers.output + start * outputSize)
    }
  }
}

/// Converts values from one format to another, with their remainders. Each value is rounded at most once.
struct PlaneConversion: @unchecked Sendable {
  let from: ValueFormat
  let to: ValueFormat
  let kernel: quern_elementwise_kernel

  /// Converts some pixels of maps of `shape`.
  func convert(_ input: UnsafeRawPointer, to output: UnsafeMutableRawPointer, shape: Shape, pixels: Range<Int>) {
    // Every element is converted alike, so that a few are taken at a time, whatever their channels.
    let step = 128
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * step) { memory in
      guard let factors = memory.baseAddress else { return }
      let reals = factors + step
      let scale = to.quantization?.scale ?? 1
      factors.initialize(repeating: from.quantization.map { $0.scale / scale } ?? 1, count: step)
      let end = pixels.upperBound * shape.channels
      for start in stride(from: pixels.lowerBound * shape.channels, to: end, by: step) {
        let count = min(step, end - start)
        var part = quern_scale_args()
        part.output_max = 255
        part.factors = UnsafePointer(factors)
        (part.rows, part.channels) = (1, count)
        if let parameters = from.quantization {
          part.map = input.assumingMemoryBound(to: UInt8.self) + start
          part.map_zero_point = Int32(parameters.zeroPoint)
          if !from.isPlainUInt8 { part.map_remainder = part.map + shape.elementCount }
        } else {
          // Dividing, rather than multiplying by the inverse, gives the same levels as for a map without remainders.
          let floats = input.assumingMemoryBound(to: Float.self) + start
          for index in 0..<count { (reals + index).initialize(to: floats[index] / scale) }
          part.reals = UnsafePointer(reals)
        }
        setOutput(output, start: start, planeSize: shape.elementCount, in: &part)
        kernel.scale(&part)
      }
    }
  }

  private func setOutput(
    _ output: UnsafeMutableRawPointer, start: Int, planeSize: Int, in part: inout quern_scale_args
  ) {
    guard let parameters = to.quantization else {
      part.output_f32 = output.assumingMemoryBound(to: Float.self) + start
      return
    }
    part.output = output.assumingMemoryBound(to: UInt8.self) + start
    part.output_zero_point = Int32(parameters.zeroPoint)
    if !to.isPlainUInt8 { part.output_remainder = part.output + planeSize }
  }
}
