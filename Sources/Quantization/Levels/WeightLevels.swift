import Glibc
import Graphs
import Tensors
import Threads

/// The weights of a network as rounding produces them: integer levels with their scales, and biases in real units, so
/// that they are valid for any formats of activations. `Lowering` quantises the biases, once.
package struct WeightLevels: Sendable {
  /// The levels of one layer.
  package struct Layer: Sendable {
    /// Int8, with the shape of the float weight; int16 for a layer that computes in float with the levels that a file
    /// states.
    package var levels: Tensor
    /// For each output channel, the real value of a level.
    package let scales: [Float]
    /// The values of `scales` if steps were as fine as the largest weights allow.
    package let finestScales: [Float]
    /// The bias of each output channel, in real units of the layer's output; `nil` where the layer's bias stays float.
    package var bias: [Double]?
    /// For a convolution that reads pixels, the padding value of each channel; `nil` for others.
    package let paddingValue: [UInt8]?

    package init(
      levels: Tensor, scales: [Float], finestScales: [Float], bias: [Double]?, paddingValue: [UInt8]?
    ) {
      (self.levels, self.scales, self.finestScales) = (levels, scales, finestScales)
      (self.bias, self.paddingValue) = (bias, paddingValue)
    }
  }

  private var layers: [NodeID: Layer] = [:]

  /// Levels of no layer.
  package init() {}

  /// The levels of a node of the float graph; `nil` where it has none.
  package subscript(node: Node) -> Layer? {
    get { layers[node.id] }
    set { layers[node.id] = newValue }
  }

  /// Replaces or adds the layers of `other`.
  package mutating func merge(_ other: WeightLevels) { layers.merge(other.layers) { $1 } }

  /// Every weight rounded to its nearest level, ties to even.
  ///
  /// - Parameters:
  ///   - graph: the float graph that was planned.
  ///   - plan: says which layers are quantised, with which minimum steps.
  ///   - threads: the number of threads that round weights.
  /// - Throws: `GraphError.at` with the node whose constants cannot be quantised.
  package static func nearest(
    _ graph: Graph, plan: QuantizationPlan, threads: Int
  ) throws(GraphError) -> WeightLevels {
    let formats = plan.formats(in: graph)
    let layers = ThreadTeam(count: min(threads, graph.nodes.count)).map(graph.nodes.count) { index in
      Result { () throws(GraphError) -> Layer? in
        let node = graph.nodes[index]
        guard node.traits.weights != .none, !plan.keepsFloat(node) else { return nil }
        return try Layer(nearest: node, in: graph, formats, minStep: plan.layers[node.name]?.minStep)
      }
    }
    var result = WeightLevels()
    for (node, layer) in zip(graph.nodes, layers) {
      do throws(GraphError) { result[node] = try layer.get() } catch { throw .at(node: node.name, error) }
    }
    return result
  }

  /// The constants of a node that a plan keeps in float.
  static func floatConstants(_ node: Node, _ plan: QuantizationPlan) -> [String: Tensor] {
    guard node.hasRoundedWeights else { return node.constants }
    return plan.layers[node.name]?.arithmetic == .int16Weights
      ? WeightQuantizer.int16Constants(node.constants) : node.constants.mapValues { $0.contiguous() }
  }

  /// How much coarser steps are than the largest weights require.
  package var coarsening: Coarsening {
    var (coarser, bits, all) = (0.0, 0.0, 0.0)
    for (_, layer) in layers.sorted(by: { $0.key < $1.key }) {
      let weights = Double(layer.levels.elementCount / max(layer.scales.count, 1))
      for (scale, finest) in zip(layer.scales, layer.finestScales) {
        if scale > finest {
          coarser += weights
          bits += weights * log2(Double(scale) / Double(finest))
        }
        all += weights
      }
    }
    return Coarsening(share: coarser / max(all, 1), bitsPerWeight: bits / max(all, 1))
  }
}

/// The effect of coarser weights.
package struct Coarsening: Sendable, Hashable {
  /// The share of all weights whose step is coarser than the largest weight of their channel requires, from 0 to 1.
  package let share: Double
  /// The bits saved per weight, over all weights: the mean of the binary logarithm of the factor that steps are coarser
  /// by.
  package let bitsPerWeight: Double

  /// No coarser weights.
  package static let none = Coarsening(share: 0, bitsPerWeight: 0)
}

extension WeightLevels.Layer {
  /// The nearest levels.
  ///
  /// - Parameter formats: the formats of all values, by the plan.
  /// - Throws: `GraphError.constant` where the node's constants cannot be quantised; `.structure` where it reads a
  ///   float map.
  fileprivate init(
    nearest node: Node, in graph: Graph, _ formats: [ValueFormat], minStep: Float?
  ) throws(GraphError) {
    if node.traits.weights == .convolution {
      guard let input = formats[node.inputs[0].index].quantization else {
        throw .structure("reads a float map; a convolution's input must be quantised")
      }
      let preprocessing = node.inputs[0] == graph.input ? graph.preprocessing : nil
      self = try ConvolutionWeights(constants: node.constants, preprocessing: preprocessing).nearest(
        input: input, minStep: minStep)
    } else {
      guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank == 2 else {
        throw .constant(role: "weight", problem: "is missing or not float32 with 2 axes")
      }
      let quantized = WeightQuantizer.quantize(weight, minStep: minStep)
      self.init(
        levels: quantized.weight, scales: quantized.scale, finestScales: quantized.finestScale, bias: nil,
        paddingValue: nil)
    }
  }

  /// The constants of the quantised node.
  ///
  /// - Parameters:
  ///   - node: the node of the float graph.
  ///   - input: the quantisation of the node's input, where that is quantised.
  /// - Throws: `GraphError.constant` where a bias is out of range; `.structure` where a convolution reads a float map.
  package func constants(_ node: Node, input: QuantizationParameters?) throws(GraphError) -> [String: Tensor] {
    var result = node.constants
    result["weight"] = levels
    result["weight_scale"] = Tensor(scales)
    if let bias {
      guard let input else { throw .structure("reads a float map; a convolution's input must be quantised") }
      result["bias"] = try ConvolutionWeights.biasLevels(bias, input: input, weightScale: scales)
    }
    if let paddingValue { result["padding_value"] = Tensor(paddingValue) }
    return result
  }

  /// The float constants that the levels stand for, as they apply to the input of the float node.
  ///
  /// - Parameters:
  ///   - node: the node of the float graph.
  ///   - graph: the graph of the node.
  package func realConstants(_ node: Node, in graph: Graph) -> [String: Tensor] {
    let perChannel = levels.elementCount / max(scales.count, 1)
    guard var bias else {
      var result = node.constants
      result["weight"] = levels.scalingLevels(by: scales)
      return result
    }
    let preprocessing = node.inputs[0] == graph.input ? graph.preprocessing : nil
    let mean = preprocessing?.mean.map { Double($0) } ?? []
    let std = preprocessing?.std.map { Double($0) } ?? []
    let weights = levels.elements(as: Int8.self).enumerated().map { index, level in
      let weight = Double(level) * Double(scales[index / perChannel])
      guard preprocessing != nil else { return Float(weight) }
      let color = index % 3
      let unfolded = weight * 255 * std[color]
      bias[index / perChannel] += unfolded * mean[color] / std[color]
      return Float(unfolded)
    }
    return ["weight": Tensor(weights, shape: levels.shape), "bias": Tensor(bias.map { Float($0) })]
  }
}

extension Tensor {
  /// Int8 or int16 levels times a factor for each index of the first axis, as float32.
  fileprivate func scalingLevels(by factors: [Float]) -> Tensor {
    let length = elementCount / max(factors.count, 1)
    let levels =
      elementType == .int16 ? elements(as: Int16.self).map { Float($0) } : elements(as: Int8.self).map { Float($0) }
    return Tensor(levels.enumerated().map { $1 * factors[$0 / max(length, 1)] }, shape: shape)
  }
}
