import Graphs
import Kernels
import Operators
import Quantization
import Tensors
import Threads

/// Rounds the weights of a quantised graph's convolutions again, so as to minimise the change of each layer's output on
/// its sampled inputs (`ErrorFeedback`), and corrects the biases by the remaining mean change (Nagel et al., arXiv
/// 1906.04721, section 4.2).
package struct WeightRounder: Sendable {
  private let float: Graph
  private let lowered: LoweredGraph
  private let levels: WeightLevels
  private let inputs: LayerInputs
  private let threads: Int
  private let kernels = KernelSet()

  /// - Parameters:
  ///   - float: the graph with the float weights.
  ///   - lowered: the quantised graph lowered from it.
  ///   - levels: the weight levels so far.
  ///   - inputs: the sampled inputs of some layers.
  ///   - threads: the number of threads to use.
  package init(_ float: Graph, _ lowered: LoweredGraph, _ levels: WeightLevels, inputs: LayerInputs, threads: Int) {
    (self.float, self.lowered, self.levels) = (float, lowered, levels)
    (self.inputs, self.threads) = (inputs, threads)
  }

  /// The number of layers that `rounded(advance:)` works on.
  package var layerCount: Int { layers.count }

  /// New levels and biases of the layers whose inputs were sampled; scales stay the same.
  ///
  /// - Parameter advance: called after each layer, from any thread.
  /// - Throws: `GraphError.at` with the node whose constants do not match.
  package func rounded(advance: @Sendable () -> Void = {}) throws -> WeightLevels {
    let layers = layers
    let results = Mutex([Int: Result<WeightLevels.Layer, GraphError>]())
    // The most expensive first, so that no thread is left with one at the end.
    let order = layers.indices.sorted { (layers[$0].cost, $1) > (layers[$1].cost, $0) }
    ThreadTeam(count: threads).forEach(order.count) { index, _ in
      let layer = layers[order[index]]
      let result = Result { () throws(GraphError) in try round(layer) }
      results.withLock { $0[order[index]] = result }
      advance()
    }
    var rounded = WeightLevels()
    for (index, result) in results.withLock({ $0 }) {
      do throws(GraphError) {
        rounded[layers[index].node] = try result.get()
      } catch {
        throw GraphError.at(node: layers[index].node.name, error)
      }
    }
    return rounded
  }

  private struct Layer {
    /// The node of the float graph.
    let node: Node
    let levels: WeightLevels.Layer
    let geometry: LayerGeometry
    let input: QuantizationParameters
    let preprocessing: Preprocessing?

    var cost: Int {
      let inputs = geometry.taps * geometry.chunk
      return inputs * inputs * (inputs + geometry.outputs) * geometry.groups
    }
  }

  private var layers: [Layer] {
    float.nodes.compactMap { node in
      guard inputs.nodes.contains(lowered.index(of: node)), let geometry = LayerGeometry(node),
        let levels = levels[node],
        let input = lowered.levelsRead(by: node)
      else { return nil }
      return Layer(
        node: node, levels: levels, geometry: geometry, input: input,
        preprocessing: node.inputs[0] == float.input ? float.preprocessing : nil)
    }
  }

  // MARK: - One layer

  private func round(_ layer: Layer) throws(GraphError) -> WeightLevels.Layer {
    let geometry = layer.geometry
    let weights = try LayerWeights(
      layer.node, layer.levels, geometry, preprocessing: layer.preprocessing, input: layer.input)
    var (levels, bias) = (weights.levels, weights.original.bias)
    if let sampler = PatchSampler(
      inputs.maps(of: layer.node.inputs[0]), geometry, outside: weights.outside, rows: geometry.neededRows,
      kernels: kernels)
    {
      weights.original.weight.withElements(as: Float.self) { values in
        for groups in (0..<geometry.groups).split(into: sampler.groupsAtOnce) {
          for channels in (0..<geometry.depth).split(into: geometry.chunk) {
            for (group, moments) in zip(groups, sampler.moments(ofGroups: groups, channels: channels)) {
              let part = LayerPart(geometry, group: group, channels: channels)
              round(part, values, weights.scales, moments, layer.input, &levels, &bias)
            }
          }
        }
      }
    }
    weights.original.weight.releasePages()
    return weights.layer(levels: levels, bias: bias)
  }

  /// - Parameter input: the quantisation of the layer's input.
  private func round(
    _ part: LayerPart, _ weights: UnsafeBufferPointer<Float>, _ scales: [Float], _ moments: PatchMoments,
    _ input: QuantizationParameters, _ levels: inout [Int8], _ bias: inout [Double]
  ) {
    guard let factor = MomentFactor(moments) else { return }
    let result = ErrorFeedback(weights: part.gather(weights), scales: Array(scales[part.outputs]), factor: factor)
    part.scatter(result.levels, to: &levels)
    for row in 0..<moments.inputs {
      let mean = (moments.mean(of: row) - Double(input.zeroPoint)) * Double(input.scale)
      let first = row * part.outputs.count
      for column in 0..<part.outputs.count {
        bias[part.outputs.lowerBound + column] += Double(result.errors[first + column]) * mean
      }
    }
  }
}
