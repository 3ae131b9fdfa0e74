import Graphs
import Operators
import Tensors

extension ConvolutionWeights {
  /// The float constants that a quantised convolution's levels stand for, as they apply to a float input: the inverse of
  /// quantisation and of folding in preprocessing. The padding of a convolution of pixels, which is rounded to a whole
  /// pixel value, has no place among them.
  ///
  /// - Parameters:
  ///   - constants: int8 `weight` (OHWI), `weight_scale`, int32 `bias`.
  ///   - input: of the map that is read.
  ///   - preprocessing: of the network, for a convolution that reads its input.
  /// - Throws: `GraphError.constant` where the constants are not those of a quantised convolution.
  package static func dequantized(
    _ constants: [String: Tensor], input: QuantizationParameters, preprocessing: Preprocessing?
  ) throws(GraphError) -> [String: Tensor] {
    guard let levels = constants["weight"], levels.elementType == .int8, levels.shape.rank == 4,
      let scale = constants["weight_scale"], scale.elementType == .float32, scale.elementCount == levels.shape[0],
      let biasLevels = constants["bias"], biasLevels.elementType == .int32, biasLevels.elementCount == levels.shape[0],
      preprocessing == nil || levels.shape[3] == 3
    else { throw .constant(role: "weight", problem: "is not that of a quantised convolution") }
    let scales = scale.elements(as: Float.self)
    var bias = zip(biasLevels.elements(as: Int32.self), scales).map { Double($0) * Double($1) * Double(input.scale) }
    let perChannel = levels.elementCount / max(scales.count, 1)
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

extension Node {
  /// A quantised node's constants in float, for a node whose weights were quantised; `nil` for others.
  ///
  /// - Parameter graph: the quantised graph that the node is part of.
  /// - Throws: `GraphError.at` with the node whose constants are not those of a quantised one.
  package func dequantizedConstants(in graph: Graph) throws(GraphError) -> [String: Tensor]? {
    do throws(GraphError) {
      switch op {
      case is Convolution:
        guard let input = graph.format(of: inputs[0]).quantization else { return nil }
        return try ConvolutionWeights.dequantized(
          constants, input: input, preprocessing: inputs[0] == graph.input ? graph.preprocessing : nil)
      case is Linear:
        guard let levels = constants["weight"], levels.elementType == .int8, levels.shape.rank == 2,
          let scale = constants["weight_scale"]?.elements(as: Float.self), scale.count == levels.shape[0]
        else { return nil }
        let perRow = levels.elementCount / max(scale.count, 1)
        var result = constants
        result["weight_scale"] = nil
        result["weight"] = Tensor(
          levels.elements(as: Int8.self).enumerated().map { Float($1) * scale[$0 / perRow] }, shape: levels.shape)
        return result
      default: return nil
      }
    } catch {
      throw .at(node: name, error)
    }
  }
}
