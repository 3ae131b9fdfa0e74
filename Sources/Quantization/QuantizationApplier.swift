import Graphs
import Operators
import Tensors

/// Carries out a plan: quantises the weights, sets the formats, folds preprocessing into the first convolutions, and puts
/// a conversion wherever an operator reads a format it cannot compute with.
public struct QuantizationApplier: Sendable {
  public init() {}

  /// - Returns: the quantised graph, whose input is uint8 pixels.
  /// - Throws: `GraphError.at` with the node whose constants cannot be quantised.
  public func apply(_ plan: QuantizationPlan, to graph: Graph) throws(GraphError) -> Graph {
    var result = graph
    result.nodes = []
    for index in 0..<graph.valueCount {
      let value = ValueID(index)
      if let activation = plan.activations[value] { result.setFormat(activation.format, of: value) }
    }
    for node in graph.nodes {
      do throws(GraphError) {
        try append(node, from: graph, to: &result)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    try result.validate()
    return result
  }

  private func append(_ node: Node, from graph: Graph, to result: inout Graph) throws(GraphError) {
    var node = node
    switch node.op {
    case is Convolution:
      guard let input = result.format(of: node.inputs[0]).quantization else {
        throw .structure("reads a float map; a convolution's input must be quantised")
      }
      let preprocessing = node.inputs[0] == graph.input ? graph.preprocessing : nil
      node.constants = try ConvolutionWeights(constants: node.constants, preprocessing: preprocessing)
        .quantizedConstants(input: input)
    case is Linear:
      node.inputs = [floatInput(node, 0, in: &result)]
      guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank == 2 else {
        throw .constant(role: "weight", problem: "is missing or not float32 with 2 axes")
      }
      let quantized = WeightQuantizer.quantize(weight)
      node.constants["weight"] = quantized.weight
      node.constants["weight_scale"] = Tensor(quantized.scale)
    case is GeneralizedMeanPooling: break  // reads either format
    default:
      if node.op.quantizationRule == .float {
        for slot in node.inputs.indices { node.inputs[slot] = floatInput(node, slot, in: &result) }
      }
    }
    result.nodes.append(node)
  }

  /// The float form of an input; a conversion is added where it is uint8.
  private func floatInput(_ node: Node, _ slot: Int, in graph: inout Graph) -> ValueID {
    let value = node.inputs[slot]
    if graph.format(of: value) == .float32 { return value }
    return graph.append(Requantize(), name: "\(node.name).dequantize\(slot)", inputs: [value])
  }
}
