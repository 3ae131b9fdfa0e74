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
    case let convolution as Convolution:
      for slot in node.inputs.indices where result.format(of: node.inputs[slot]) == .float32 && slot == 0 {
        throw .structure("reads a float map; a convolution's input must be quantised")
      }
      node.constants = try quantizedConstants(
        convolution, node.constants, input: result.format(of: node.inputs[0]),
        preprocessing: node.inputs[0] == graph.input ? graph.preprocessing : nil)
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

  /// Int8 weights, their scales, the bias as int32 and, for a convolution of pixels, the value of its padding.
  private func quantizedConstants(
    _ convolution: Convolution, _ constants: [String: Tensor], input: ValueFormat, preprocessing: Preprocessing?
  ) throws(GraphError) -> [String: Tensor] {
    guard var weight = constants["weight"], weight.elementType == .float32, weight.shape.rank == 4 else {
      throw .constant(role: "weight", problem: "is missing or not float32 with 4 axes")
    }
    guard let parameters = input.quantization else { throw .structure("reads a float map") }
    let channels = weight.shape[0]
    var bias = [Double](repeating: 0, count: channels)
    if let given = constants["bias"] {
      guard given.elementType == .float32, given.elementCount == channels else {
        throw .constant(role: "bias", problem: "is \(given.elementType) \(given.shape), not float32 of \(channels)")
      }
      bias = given.elements(as: Float.self).map { Double($0) }
    }
    var result: [String: Tensor] = [:]
    if let preprocessing {
      guard weight.shape[3] == 3 else { throw .constant(role: "weight", problem: "is not for three colours") }
      (weight, bias) = fold(preprocessing, weight, bias)
      // Zero after normalisation is the mean before it.
      result["padding_value"] = Tensor(preprocessing.mean.map { UInt8(max(0, min(255, ($0 * 255).rounded()))) })
    }
    let inputScale = Double(parameters.scale)
    let floor = bias.map { Float(abs($0) / inputScale / 0x1p30) }
    let quantized = WeightQuantizer.quantize(weight, minimumScale: floor)
    weight.releasePages()
    result["weight"] = quantized.weight
    result["weight_scale"] = Tensor(quantized.scale)
    var levels: [Int32] = []
    for channel in 0..<channels {
      let level = (bias[channel] / (inputScale * Double(quantized.scale[channel]))).rounded(.toNearestOrEven)
      guard let exact = Int32(exactly: level) else {
        throw .constant(role: "bias", problem: "of channel \(channel), \(bias[channel]), is out of range")
      }
      levels.append(exact)
    }
    result["bias"] = Tensor(levels)
    return result
  }

  /// `w (x / 255 - mean) / std + b` as weights and bias on x.
  private func fold(_ preprocessing: Preprocessing, _ weight: Tensor, _ bias: [Double]) -> (Tensor, [Double]) {
    let (mean, std) = (preprocessing.mean.map { Double($0) }, preprocessing.std.map { Double($0) })
    let perChannel = weight.elementCount / max(bias.count, 1)
    var bias = bias
    var folded = weight.elements(as: Float.self)
    for index in folded.indices {
      let (output, color) = (index / perChannel, index % 3)
      bias[output] -= Double(folded[index]) * mean[color] / std[color]
      folded[index] = Float(Double(folded[index]) / (255 * std[color]))
    }
    return (Tensor(folded, shape: weight.shape), bias)
  }
}
