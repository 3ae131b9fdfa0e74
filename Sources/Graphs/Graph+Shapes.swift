import Tensors

extension Graph {
  /// The shape of every value for one shape of the input, indexed like the values; unused values get `nil`.
  ///
  /// - Throws: `GraphError.at` with the node whose operator refuses its inputs.
  package func inferShapes(input shape: Shape) throws(GraphError) -> [Shape?] {
    var shapes = [Shape?](repeating: nil, count: valueCount)
    shapes[input.index] = shape
    for node in nodes {
      do throws(GraphError) {
        var inputs: [Shape] = []
        for value in node.inputs {
          guard let known = shapes[value.index] else {
            throw .structure("reads value \(value.index) before anything has made it")
          }
          inputs.append(known)
        }
        shapes[node.output.index] = try node.op.outputShape(inputs: inputs, constants: node.constants)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    return shapes
  }

  /// Multiply-accumulates of one evaluation at an input shape.
  package func multiplyAccumulates(input shape: Shape) throws(GraphError) -> Int {
    let shapes = try inferShapes(input: shape)
    return nodes.reduce(0) { sum, node in
      sum + node.op.multiplyAccumulates(inputs: node.inputs.compactMap { shapes[$0.index] }, constants: node.constants)
    }
  }
}
