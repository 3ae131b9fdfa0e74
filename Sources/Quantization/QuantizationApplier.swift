import Graphs
import Operators
import Tensors
import Threads

/// Carries out a plan: quantises the weights, sets the formats, folds preprocessing into the first convolutions, and puts
/// a conversion wherever an operator reads a format it cannot compute with.
public struct QuantizationApplier: Sendable {
  private let threads: Int

  /// - Parameter threads: that quantise weights at the same time.
  public init(threads: Int = 1) { self.threads = threads }

  /// - Parameters:
  ///   - known: constants of layers whose weights were quantised before, by node name; they are taken as they are.
  ///   - halved: names of layers kept in float whose weights are held in 16 bits.
  /// - Returns: the quantised graph, whose input is uint8 pixels.
  /// - Throws: `GraphError.at` with the node whose constants cannot be quantised.
  public func apply(
    _ plan: QuantizationPlan, to graph: Graph, known: [String: [String: Tensor]] = [:], halved: Set<String> = []
  ) throws(GraphError) -> Graph {
    var formats = graph
    formats.nodes = []
    for index in 0..<graph.valueCount {
      let value = ValueID(index)
      if let activation = plan.activations[value] { formats.setFormat(activation.format, of: value) }
    }
    let givenFormats = formats
    let constants = ThreadTeam(count: min(threads, graph.nodes.count)).map(graph.nodes.count) { index in
      Result { () throws(GraphError) in
        let node = graph.nodes[index]
        if plan.keepsFloat(node), FloatLayers.canKeep(node) {
          return halved.contains(node.name)
            ? WeightQuantizer.halved(node.constants) : node.constants.mapValues { $0.contiguous() }
        }
        if let known = known[node.name] { return known }
        return try Self.quantizedConstants(of: node, in: graph, givenFormats, plan.weightSteps)
      }
    }
    var assembly = QuantizedAssembly(formats, plan: plan)
    for (node, constants) in zip(graph.nodes, constants) {
      do throws(GraphError) {
        var node = node
        node.constants = try constants.get()
        assembly.append(node)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    try assembly.graph.validate()
    return assembly.graph
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
}
