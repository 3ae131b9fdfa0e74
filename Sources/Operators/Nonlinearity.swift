import Graphs
import Kernels
import Tensors

/// An activation function of each element, for functions that no epilogue applies.
///
/// In float a value is computed in double precision and rounded once. On levels the function is a table: each level's value
/// is dequantised, goes through the function in float, and is rounded to the output's format, which has a range of its own.
/// With remainders, the table has an entry for each of the 65536 values.
package struct Nonlinearity: Operator, ActivationOperator {
  package static let wireName = "nonlinearity"
  package static let arity = 1...1

  package let function: ActivationFunction
  /// Whether a uint8 input is read with its remainders, as 16 bits.
  package var readsInputRemainder = false

  /// The functions that this operator is for.
  package static let functions = ActivationFunction.allCases.filter { !$0.fitsEpilogues }

  /// - Precondition: no epilogue applies the function.
  package init(_ function: ActivationFunction) {
    precondition(!function.fitsEpilogues, "'\(function.rawValue)' is the epilogue of another operator")
    self.function = function
  }

  package init(attributes: Attributes) throws(GraphError) {
    guard let function = ActivationFunction(rawValue: try attributes.string("function")), !function.fitsEpilogues else {
      let names = Self.functions.map { "'\($0.rawValue)'" }
      throw .attribute(name: "function", expected: names.joined(separator: ", "))
    }
    self.function = function
    readsInputRemainder = try attributes.flag("input_remainder")
  }

  package var attributes: Attributes {
    var result: Attributes = ["function": .string(function.rawValue)]
    if readsInputRemainder { result["input_remainder"] = .int(1) }
    return result
  }

  package var quantizationRule: QuantizationRule { .ownRange }
  package func readsRemainder(ofInput slot: Int) -> Bool { readsInputRemainder }
  package static let remainderRule = RemainderRule.made
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

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Nonlinearity: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let (given, to) = (context.inputFormats[0], context.outputFormat)
    if readsInputRemainder, given == given.withoutRemainder {
      throw .structure("reads remainders of an input that has none")
    }
    guard given != .float32 else { return try prepareFloat(to: to) }
    let from = readsInputRemainder ? given : given.withoutRemainder
    let table = LevelTable(function, from: from, to: to, kernels: context.kernels)
    return ElementwiseOperator { shape, buffers, range in
      let elements = range.lowerBound * shape.channels..<range.upperBound * shape.channels
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      table.convert(input, planeSize: shape.elementCount, elements, to: buffers.output)
    }
  }

  private func prepareFloat(to format: ValueFormat) throws(GraphError) -> any PreparedOperator {
    guard format == .float32 else { throw .structure("a function of a float map is a float map") }
    return ElementwiseOperator(applying: function)
  }
}
