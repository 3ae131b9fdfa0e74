import Graphs
import Kernels
import Tensors

/// An activation function of each element, for functions that epilogues cannot apply.
///
/// In float32, a value is computed in double precision and rounded once. On levels, the function is a table: the value
/// of each level is dequantised, goes through the function in float32, and is rounded to the output's format. With
/// 16-bit input, the table has an entry for each of the 65536 values.
package struct Nonlinearity: Operator, ActivationOperator {
  package static let wireName = "nonlinearity"
  package static let arity = 1...1

  /// A function for which `fitsEpilogues` is false.
  package let function: ActivationFunction
  /// Whether a uint8 input is read with its remainders, as 16 bits.
  package var readsInputRemainder = false

  /// One function of each kind that this operator can apply.
  package static let functions = ActivationFunction.examples.filter { !$0.fitsEpilogues }

  /// - Precondition: `fitsEpilogues` is false for the function.
  package init(_ function: ActivationFunction) {
    precondition(!function.fitsEpilogues, "'\(function.name)' belongs in the epilogue of another operator")
    self.function = function
  }

  package init(attributes: Attributes) throws(GraphError) {
    function = try ActivationFunction(attributes, "function", inEpilogue: false)
    readsInputRemainder = try attributes.flag("input_remainder")
  }

  package var attributes: Attributes {
    var result = function.attributes("function")
    if readsInputRemainder { result["input_remainder"] = .int(1) }
    return result
  }

  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func readsRemainder(ofInput slot: Int) -> Bool { readsInputRemainder }
  package static let remainderRule = RemainderRule.made
  package func channelRule(ofInput slot: Int) -> ChannelRule { function.isHomogeneous ? .carried : .fixed }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    (traits.canStoreFloat, traits.followsFloat, traits.canReadRemainder) = (true, true, true)
    traits.responsiveRange = function.responsiveRange
    return traits
  }
  package func readingRemainder() -> any Operator {
    var result = self
    result.readsInputRemainder = true
    return result
  }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    function.lowerBound(bounds[0])
  }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    function.usesExponential ? .implementation : .specified
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Nonlinearity: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let (input, output) = (context.inputFormats[0], context.outputFormat)
    if readsInputRemainder, input == input.withoutRemainder {
      throw .structure("reads remainders of an input that has none")
    }
    guard input != .float32 else { return try prepareFloat(to: output) }
    let readFormat = readsInputRemainder ? input : input.withoutRemainder
    let table = LevelTable(function, from: readFormat, to: output, kernels: context.kernels)
    return ElementwiseOperator { shape, buffers, range in
      let elements = range.lowerBound * shape.channels..<range.upperBound * shape.channels
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      table.convert(input, planeSize: shape.elementCount, elements, to: buffers.output)
    }
  }

  private func prepareFloat(to format: ValueFormat) throws(GraphError) -> any PreparedOperator {
    guard format == .float32 else { throw .structure("the output of a nonlinearity of a float map must be float") }
    return ElementwiseOperator(applying: function)
  }
}
