import Graphs
import Kernels
import Tensors

/// `min(max(x, minimum), maximum)`. On uint8, the bounds are rounded to the nearest levels, and the output keeps the
/// input's format.
///
/// For a minimum of 0 without a maximum there is `ReLU`. Passes fuse clips into the operators before them where they
/// can.
package struct Clip: Operator, ActivationOperator {
  package static let wireName = "clip"
  package static let arity = 1...1

  private let bounds: ClipBounds
  /// The lower bound; minus infinity where there is none.
  package var minimum: Double { bounds.minimum }
  /// The upper bound; infinity where there is none.
  package var maximum: Double { bounds.maximum }
  package var function: ActivationFunction { .clip(bounds) }

  /// - Throws: `GraphError.attribute` where a bound is NaN or the minimum is above the maximum.
  package init(minimum: Double = -.infinity, maximum: Double = .infinity) throws(GraphError) {
    bounds = try ClipBounds(minimum: minimum, maximum: maximum)
  }

  package init(attributes: Attributes) throws(GraphError) { bounds = try ClipBounds(attributes: attributes) }

  package var attributes: Attributes {
    var result = function.attributes("function")
    result["function"] = nil
    return result
  }

  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    (traits.followsFloat, traits.saturates, traits.commutesWithRounding) = (true, true, true)
    return traits
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }

  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    function.lowerBound(bounds[0])
  }
}

extension Clip: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of clip must have the same format")
    }
    guard let parameters = context.outputFormat.quantization else {
      return ElementwiseOperator(applying: function)
    }
    let levels = function.levelBounds(parameters)
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      let output = buffers.output.assumingMemoryBound(to: UInt8.self)
      for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
        output[index] = min(max(input[index], levels.lowerBound), levels.upperBound)
      }
    }
  }
}
