import Tensors

extension Graph {
  /// The shape of every value for one shape of the input, indexed by `ValueID.index`. Values that no node computes get
  /// `nil`.
  ///
  /// - Parameter shape: [N, H, W, 3].
  /// - Throws: `GraphError.at`, with the node whose operator cannot take its inputs.
  package func inferShapes(input shape: Shape) throws(GraphError) -> [Shape?] {
    var shapes = [Shape?](repeating: nil, count: valueCount)
    shapes[input.index] = shape
    for node in nodes {
      do throws(GraphError) {
        var inputs: [Shape] = []
        for value in node.inputs {
          guard let input = shapes[value.index] else {
            throw .structure("reads value \(value.index) before any node has computed it")
          }
          inputs.append(input)
        }
        shapes[node.output.index] = try node.op.outputShape(inputs: inputs, constants: node.constants)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    return shapes
  }

  /// The number of multiply-accumulates of one evaluation at an input shape.
  ///
  /// - Throws: `GraphError.at`, with the node whose operator cannot take its inputs.
  package func multiplyAccumulates(input shape: Shape) throws(GraphError) -> Int {
    let shapes = try inferShapes(input: shape)
    return nodes.reduce(0) { sum, node in
      sum + node.op.multiplyAccumulates(inputs: node.inputs.compactMap { shapes[$0.index] }, constants: node.constants)
    }
  }
}
