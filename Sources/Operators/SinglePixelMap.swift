import Graphs
import Kernels
import Tensors

/// Rows [N, C] as maps of one pixel, [N, 1, 1, C], for operators that slide windows over a pooled vector. Float32 only;
/// the elements are copied.
package struct SinglePixelMap: Operator {
  package static let wireName = "single_pixel_map"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .float }
  package static let outputLayout = OutputLayout.maps
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 2 else { throw .shape("only rows can become maps of one pixel, not \(inputs[0])") }
    return [inputs[0].batch, 1, 1, inputs[0].channels]
  }
}

extension SinglePixelMap: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    return ElementwiseOperator { shape, buffers, range in
      let pixel = shape.channels * MemoryLayout<Float>.stride
      (buffers.output + range.lowerBound * pixel)
        .copyMemory(from: buffers.inputs[0] + range.lowerBound * pixel, byteCount: range.count * pixel)
    }
  }
}
