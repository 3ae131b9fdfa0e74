import Graphs
import Kernels
import Tensors

/// `y = (x - mean) / sqrt(variance + epsilon) * scale + shift` for each channel, with the running statistics of
/// training (Ioffe and Szegedy, arXiv 1502.03167, algorithm 2). Float32 only: passes fold it into convolutions before
/// quantisation.
///
/// Constants: `scale`, `shift`, `mean`, `variance`, float32 [C].
package struct BatchNormalization: Operator, ChannelAffineOperator {
  package static let wireName = "batch_normalization"
  package static let arity = 1...1

  /// Added to the variance; at least 0.
  package var epsilon: Double

  package init(epsilon: Double) { self.epsilon = epsilon }
  package init(attributes: Attributes) throws(GraphError) {
    epsilon = try attributes.float("epsilon")
    guard epsilon >= 0, epsilon.isFinite else { throw .attribute(name: "epsilon", expected: "at least 0") }
  }
  package var attributes: Attributes { ["epsilon": .float(epsilon)] }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    guard let (factor, offset) = try? affine(constants) else { return -.infinity }
    return zip(factor, offset).reduce(.infinity) { bound, channel in
      let (factor, offset) = channel
      if factor == 0 { return min(bound, offset) }
      return factor > 0 ? min(bound, factor * bounds[0] + offset) : -.infinity
    }
  }
  package var quantizationRule: QuantizationRule { .float }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank > 0 else { throw .shape("batch normalisation takes maps or rows, not a scalar") }
    for role in ["scale", "shift", "mean", "variance"] {
      guard let count = constants[role]?.elementCount else { throw .constant(role: role, problem: "is missing") }
      guard count == inputs[0].channels else {
        throw .constant(role: role, problem: "has \(count) elements for a map of \(inputs[0].channels) channels")
      }
    }
    return inputs[0]
  }

  /// The constants with which the operator, with an epsilon of 0, computes `scale * x + shift` for each channel.
  ///
  /// - Parameters:
  ///   - scale: float32 [C].
  ///   - shift: float32 [C]; `nil` for zeros.
  package static func affineConstants(scale: Tensor, shift: Tensor? = nil) -> [String: Tensor] {
    func repeated(_ value: Float) -> Tensor { Tensor([Float](repeating: value, count: scale.elementCount)) }
    return ["scale": scale, "shift": shift ?? repeated(0), "mean": repeated(0), "variance": repeated(1)]
  }

  /// The affine form in double precision: `y = factor * x + offset` for each channel.
  ///
  /// - Throws: `GraphError.constant` where a constant is missing, not float32 or of another length than the others, or
  ///   where a variance plus epsilon is not positive.
  package func affine(_ constants: [String: Tensor]) throws(GraphError) -> (factor: [Double], offset: [Double]) {
    func values(_ role: String) throws(GraphError) -> [Float] {
      guard let tensor = constants[role], tensor.elementType == .float32 else {
        throw .constant(role: role, problem: "is missing or not float32")
      }
      return tensor.elements(as: Float.self)
    }
    let (scale, shift) = (try values("scale"), try values("shift"))
    let (mean, variance) = (try values("mean"), try values("variance"))
    guard scale.count == shift.count, scale.count == mean.count, scale.count == variance.count else {
      throw .constant(role: "variance", problem: "and 'scale', 'shift' and 'mean' have different lengths")
    }
    var factor: [Double] = []
    var offset: [Double] = []
    for channel in scale.indices {
      guard Double(variance[channel]) + epsilon > 0 else {
        throw .constant(role: "variance", problem: "of channel \(channel) is \(variance[channel]), not positive")
      }
      factor.append(Double(scale[channel]) / (Double(variance[channel]) + epsilon).squareRoot())
      offset.append(Double(shift[channel]) - Double(mean[channel]) * factor[channel])
    }
    return (factor, offset)
  }
}

extension BatchNormalization: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: ["scale", "shift", "mean", "variance"])
    let (factor, offset) = try affine(context.constants)
    let (scale, shift) = (factor.map { Float($0) }, offset.map { Float($0) })
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
      let output = buffers.output.assumingMemoryBound(to: Float.self)
      let channels = shape.channels
      scale.withUnsafeBufferPointer { scale in
        shift.withUnsafeBufferPointer { shift in
          for pixel in range {
            for channel in 0..<channels {
              output[pixel * channels + channel] =
                input[pixel * channels + channel] * scale[channel] + shift[channel]
            }
          }
        }
      }
    }
  }
}
