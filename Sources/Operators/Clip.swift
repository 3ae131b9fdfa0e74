import Graphs
import Kernels
import Tensors

/// `min(max(x, minimum), maximum)`. On uint8, the bounds are rounded to the nearest levels, and the output keeps the
/// input's format.
///
/// For a minimum of 0 without a maximum there is `ReLU`, which passes can fuse.
package struct Clip: Operator {
  package static let wireName = "clip"
  package static let arity = 1...1

  /// The lower bound; minus infinity where there is none.
  package let minimum: Double
  /// The upper bound; infinity where there is none.
  package let maximum: Double

  /// - Throws: `GraphError.attribute` where a bound is NaN or the minimum is above the maximum.
  package init(minimum: Double = -.infinity, maximum: Double = .infinity) throws(GraphError) {
    guard !maximum.isNaN, maximum > -.infinity else {
      throw .attribute(name: "maximum", expected: "a number, or infinity")
    }
    guard minimum <= maximum, minimum < .infinity else {
      throw .attribute(name: "minimum", expected: "at most the maximum")
    }
    (self.minimum, self.maximum) = (minimum, maximum)
  }

  package init(attributes: Attributes) throws(GraphError) {
    try self.init(
      minimum: attributes["minimum"] == nil ? -.infinity : try attributes.float("minimum"),
      maximum: attributes["maximum"] == nil ? .infinity : try attributes.float("maximum"))
  }

  package var attributes: Attributes {
    var result = Attributes()
    if minimum > -.infinity { result["minimum"] = .float(minimum) }
    if maximum < .infinity { result["maximum"] = .float(maximum) }
    return result
  }

  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    (traits.followsFloat, traits.saturates) = (true, true)
    return traits
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }

  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    min(max(bounds[0], minimum), maximum)
  }

  /// The levels nearest to the bounds, within 0...255.
  func levels(_ parameters: QuantizationParameters) -> ClosedRange<UInt8> {
    func level(_ bound: Double) -> UInt8 {
      let level = (Float(bound) / parameters.scale).rounded(.toNearestOrEven) + Float(parameters.zeroPoint)
      return UInt8(min(max(level, 0), 255))
    }
    return level(minimum)...level(maximum)
  }
}

extension Clip: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of clip must have the same format")
    }
    guard let parameters = context.outputFormat.quantization else {
      let (minimum, maximum) = (Float(minimum), Float(maximum))
      return ElementwiseOperator { shape, buffers, range in
        let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
        let output = buffers.output.assumingMemoryBound(to: Float.self)
        for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
          output[index] = min(max(input[index], minimum), maximum)
        }
      }
    }
    let levels = levels(parameters)
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      let output = buffers.output.assumingMemoryBound(to: UInt8.self)
      for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
        output[index] = min(max(input[index], levels.lowerBound), levels.upperBound)
      }
    }
  }
}
