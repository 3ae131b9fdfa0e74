import CKernels
import Graphs
import Kernels
import Tensors

/// The product of two maps [N, H, W, C], element by element; or of a map and one factor for each pixel, [N, H, W, 1],
/// as in spatial attention (Woo et al., "CBAM", arXiv 1807.06521, section 3). Maps of unequal height or width are
/// cropped to their common top-left corner. Rows [N, C], which are float32, are multiplied likewise.
///
/// On uint8, each input has its own scale, and the product is rounded once. For a map and factors of each channel there
/// is `ChannelScaling`.
package struct Multiplication: Operator {
  package static let wireName = "multiplication"
  package static let arity = 2...2

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.followsFloat = true
    return traits
  }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    guard bounds.allSatisfy({ $0 >= 0 }) else { return -.infinity }
    let product = bounds[0] * bounds[1]
    // Results are float32, so rounding can lower them.
    return min(product, Double(Float(product)))
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let (a, b) = (inputs[0], inputs[1])
    if a == b { return a }
    guard a.rank == 4, b.rank == 4, a.batch == b.batch, a.channels == b.channels || b.channels == 1 else {
      throw .shape("cannot multiply maps of \(a) and \(b)")
    }
    let corner = Shape.commonCorner(inputs)
    return [a.batch, corner.height, corner.width, a.channels]
  }
}

extension Multiplication: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let formats = context.inputFormats.map(\.withoutRemainder)
    switch (formats[0], formats[1], context.outputFormat) {
    case (.float32, .float32, .float32):
      return TopLeftAlignedOperator { run, buffers in
        let channels = run.output.channels
        let a = buffers.inputs[0].assumingMemoryBound(to: Float.self) + run.start(ofInput: 0) * channels
        let factors = run.factors
        let b = buffers.inputs[1].assumingMemoryBound(to: Float.self) + factors.start
        let output = buffers.output.assumingMemoryBound(to: Float.self) + run.first * channels
        if factors.repetitions == 1 {
          for index in 0..<run.count * channels { output[index] = a[index] * b[index] }
        } else {
          for pixel in 0..<run.count {
            for index in pixel * channels..<(pixel + 1) * channels { output[index] = a[index] * b[pixel] }
          }
        }
      }
    case (.uint8(let a), .uint8(let b), .uint8(let product)):
      let kernel = context.kernels.elementwise.multiply
      let factor = a.scale * b.scale / product.scale
      guard factor.isFinite else { throw .structure("the scales of a product are too far apart") }
      return TopLeftAlignedOperator { run, buffers in
        let channels = run.output.channels
        let left = buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + run.start(ofInput: 0) * channels
        let factors = run.factors
        let right = buffers.inputs[1].assumingMemoryBound(to: UInt8.self) + factors.start
        let output = buffers.output.assumingMemoryBound(to: UInt8.self) + run.first * channels
        let (za, zb, zero) = (Int32(a.zeroPoint), Int32(b.zeroPoint), Int32(product.zeroPoint))
        if factors.repetitions == 1 {
          kernel?(left, za, factor, right, zb, run.count * channels, zero, output)
        } else {
          // The factor of a pixel is repeated for up to so many channels at a time.
          let step = min(channels, 256)
          withUnsafeTemporaryAllocation(of: UInt8.self, capacity: step) { repeated in
            for pixel in 0..<run.count {
              repeated.initialize(repeating: right[pixel])
              for channel in stride(from: 0, to: channels, by: step) {
                let first = pixel * channels + channel
                kernel?(
                  left + first, za, factor, repeated.baseAddress, zb, min(step, channels - channel), zero,
                  output + first)
              }
            }
          }
        }
      }
    default: throw .structure("the inputs and the output of a product are all float32 or all uint8")
    }
  }
}

extension PixelRun {
  /// The index of the first element of input 1 that belongs to the run, and how often each of its elements is used.
  fileprivate var factors: (start: Int, repetitions: Int) {
    let channels = inputs[1].channels
    return (start(ofInput: 1) * channels, channels == output.channels ? 1 : output.channels)
  }
}
