import Graphs
import Kernels
import Operators
import Tensors

/// Carries out a plan: quantises the weights, sets the formats, folds preprocessing into the first convolutions, and puts
/// a conversion wherever an operator reads a format it cannot compute with.
public struct QuantizationApplier: Sendable {
  private let threads: Int

  /// - Parameter threads: that quantise weights at the same time.
  public init(threads: Int = 1) { self.threads = threads }

  /// - Returns: the quantised graph, whose input is uint8 pixels.
  /// - Throws: `GraphError.at` with the node whose constants cannot be quantised.
  public func apply(_ plan: QuantizationPlan, to graph: Graph) throws(GraphError) -> Graph {
    var result = graph
    result.nodes = []
    for index in 0..<graph.valueCount {
      let value = ValueID(index)
      if let activation = plan.activations[value] { result.setFormat(activation.format, of: value) }
    }
    let formats = result
    let constants = ThreadTeam(count: min(threads, graph.nodes.count)).map(graph.nodes.count) { index in
      Result { () throws(GraphError) in
        try Self.quantizedConstants(of: graph.nodes[index], in: graph, formats, plan.weightSteps)
      }
    }
    for (node, constants) in zip(graph.nodes, constants) {
      do throws(GraphError) {
        append(node, constants: try constants.get(), to: &result)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    try result.validate()
    return result
  }

  /// A node's constants as its arithmetic takes them.
  ///
  /// - Parameter formats: a graph with the plan's formats.
  private static func quantizedConstants(
    of node: Node, in graph: Graph, _ formats: Graph, _ steps: WeightSteps
  ) throws(GraphError) -> [String: Tensor] {
    switch node.op {
    case is Convolution:
      guard let input = formats.format(of: node.inputs[0]).quantization else {
        throw .structure("reads a float map; a convolution's input must be quantised")
      }
      let preprocessing = node.inputs[0] == graph.input ? graph.preprocessing : nil
      return try ConvolutionWeights(constants: node.constants, preprocessing: preprocessing)
        .quantizedConstants(input: input, leastStep: steps.least[node.name])
    case is Linear:
      guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank == 2 else {
        throw .constant(role: "weight", problem: "is missing or not float32 with 2 axes")
      }
      let quantized = WeightQuantizer.quantize(weight, leastStep: steps.least[node.name])
      let replaced = ["weight": quantized.weight, "weight_scale": Tensor(quantized.scale)]
      return node.constants.merging(replaced) { $1 }
    default: return node.constants
    }
  }

  private func append(_ node: Node, constants: [String: Tensor], to result: inout Graph) {
    var node = node
    node.constants = constants
    let takesFloat = node.op.quantizationRule == .float || node.op.quantizationRule == .floatWithInt8Weights
    // GeM reads either format.
    if takesFloat, !(node.op is GeneralizedMeanPooling) {
      for slot in node.inputs.indices { node.inputs[slot] = floatInput(node, slot, in: &result) }
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
