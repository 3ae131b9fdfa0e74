import CKernels
import Graphs
import Kernels
import Tensors

/// Maps [N, H, W, C] side by side along the channels. Maps of unequal height or width are cropped to their common
/// top-left corner. Rows [N, C], which are float32, are joined likewise.
///
/// Each input has its own format. An input in the output's format is copied; others are requantised, quantised or
/// dequantised into their slice of the output, with one rounding.
package struct Concatenation: Operator {
  package static let wireName = "concatenation"
  package static let arity = 1...1024

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.combination = .concatenation
    traits.canStoreFloat = true
    return traits
  }
  package static let remainderRule = RemainderRule.passedOn
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    bounds.min() ?? -.infinity
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carriedSideBySide }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    if inputs.allSatisfy({ $0.rank == 2 && $0.batch == inputs[0].batch }) {
      return try Shape([inputs[0].batch, inputs.reduce(0) { $0 + $1.channels }]).checkedActivation()
    }
    guard inputs.allSatisfy({ $0.rank == 4 && $0.batch == inputs[0].batch }) else {
      throw .shape("cannot concatenate maps of \(inputs.map(\.description).joined(separator: ", "))")
    }
    let corner = Shape.commonCorner(inputs)
    return try Shape([inputs[0].batch, corner.height, corner.width, inputs.reduce(0) { $0 + $1.channels }])
      .checkedActivation()
  }
}

extension Concatenation: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let output = context.outputFormat
    if case .uint8WithRemainder(let parameters) = output { return try Self.ofTwoPlanes(context, parameters) }
    let conversions = context.inputFormats.map { RowConversion(from: $0, to: output, kernels: context.kernels) }
    let inputSizes = context.inputFormats.map(\.elementType.byteCount)
    let outputSize = output.elementType.byteCount
    return TopLeftAlignedOperator { run, buffers in
      let pixelBytes = run.output.channels * outputSize
      let step = max(1, Self.tileByteCount / pixelBytes)
      for first in stride(from: 0, to: run.count, by: step) {
        var slice = buffers.output + (run.first + first) * pixelBytes
        for slot in run.inputs.indices {
          let channels = run.inputs[slot].channels
          conversions[slot].convert(
            buffers.inputs[slot] + (run.start(ofInput: slot) + first) * channels * inputSizes[slot],
            inputStride: channels,
            rows: min(step, run.count - first), count: channels, to: slice, outputStride: run.output.channels)
          slice += channels * outputSize
        }
      }
    }
  }

  /// The number of bytes of the output that all inputs are written to before the next ones, so that they stay in the
  /// first-level cache: neighbouring slices share lines of it.
  private static let tileByteCount = 16 * 1024

  /// For an output with remainders. All inputs are rounded again, so that ties go to the even level whatever format a
  /// value comes from.
  private static func ofTwoPlanes(
    _ context: PreparationContext, _ output: QuantizationParameters
  ) throws(GraphError) -> any PreparedOperator {
    let formats = context.inputFormats
    guard formats.allSatisfy({ $0 != .float32 }) else {
      throw .structure("a float map cannot be concatenated into one with remainders")
    }
    let kernel = ScaleKernel(run: context.kernels.elementwise.scale)
    return TopLeftAlignedOperator { run, buffers in
      let planeSize = run.output.elementCount
      let target = buffers.output.assumingMemoryBound(to: UInt8.self) + run.first * run.output.channels
      var firstChannel = 0
      for (slot, format) in formats.enumerated() {
        let channels = run.inputs[slot].channels
        let map = buffers.inputs[slot].assumingMemoryBound(to: UInt8.self)
        let source = map + run.start(ofInput: slot) * channels
        let sourceRemainders = format.isPlainUInt8 ? nil : source + run.inputs[slot].elementCount
        for pixel in 0..<run.count {
          let to = target + pixel * run.output.channels + firstChannel
          kernel.requantize(
            source + pixel * channels, sourceRemainders.map { $0 + pixel * channels }, format, channels, output, to: to,
            remainders: to + planeSize)
        }
        firstChannel += channels
      }
    }
  }

  /// Requantises levels to another scale, with their remainders.
  private struct ScaleKernel: @unchecked Sendable {
    let run: (@convention(c) (UnsafePointer<quern_scale_args>?) -> Void)?

    func requantize(
      _ map: UnsafePointer<UInt8>, _ mapRemainder: UnsafePointer<UInt8>?, _ format: ValueFormat, _ channels: Int,
      _ output: QuantizationParameters, to target: UnsafeMutablePointer<UInt8>,
      remainders: UnsafeMutablePointer<UInt8>
    ) {
      guard let input = format.quantization else { return }
      let ratio = input.scale / output.scale
      let step = min(channels, 256)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: step) { factors in
        factors.initialize(repeating: ratio)
        for first in stride(from: 0, to: channels, by: step) {
          var part = quern_scale_args()
          part.output_max = 255
          (part.map, part.map_zero_point) = (map + first, Int32(input.zeroPoint))
          part.map_remainder = mapRemainder.map { $0 + first }
          part.factors = UnsafePointer(factors.baseAddress)
          (part.rows, part.channels) = (1, min(step, channels - first))
          part.output_zero_point = Int32(output.zeroPoint)
          (part.output, part.output_remainder) = (target + first, remainders + first)
          run?(&part)
        }
      }
    }
  }
}
