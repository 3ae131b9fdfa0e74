import Graphs
import Kernels
import Operators
import Quantization
import Synchronization
import Tensors
import Threads

/// Rounds the weights of a quantised graph's convolutions anew, so that each layer's output changes least on the inputs it
/// was seen to have (`ErrorFeedback`), and corrects the biases by the mean change that is left
/// (Nagel et al., arXiv 1906.04721, section 4.2).
public struct WeightRounder: Sendable {
  private let float: Graph
  private let inputs: LayerInputs
  private let threads: Int
  private let kernels = KernelSet()

  /// - Parameters:
  ///   - float: the graph whose weights are to be kept.
  ///   - inputs: what the layers of the quantised graph read.
  public init(_ float: Graph, inputs: LayerInputs, threads: Int) {
    self.float = float
    self.inputs = inputs
    self.threads = threads
  }

  /// The layers that `rounded` will work on.
  public var layerCount: Int { layers.count }

  /// The quantised graph with other weights and biases; scales, formats and structure stay.
  ///
  /// - Parameter advance: called after each layer, from any thread.
  /// - Throws: `RoundingError`; `GraphError.at` with the node whose constants do not fit.
  public func rounded(advance: @Sendable () -> Void = {}) throws -> Graph {
    try BLAS.load()
    let layers = layers
    let results = Mutex([Int: Result<[String: Tensor], GraphError>]())
    // The heaviest first, so that no thread is left with one at the end.
    let order = layers.indices.sorted { (layers[$0].cost, $1) > (layers[$1].cost, $0) }
    ThreadTeam(count: threads).forEach(order.count) { index, _ in
      let layer = layers[order[index]]
      let result = Result { () throws(GraphError) in try round(layer) }
      results.withLock { $0[layer.index] = result }
      advance()
    }
    var graph = inputs.graph
    for (index, result) in results.withLock({ $0 }) {
      do throws(GraphError) {
        graph.nodes[index].constants.merge(try result.get()) { _, new in new }
      } catch {
        throw GraphError.at(node: graph.nodes[index].name, error)
      }
    }
    return graph
  }

  private struct Layer {
    let index: Int
    let node: Node
    let float: Node
    let geometry: LayerGeometry
    let input: QuantizationParameters
    let preprocessing: Preprocessing?

    var cost: Int {
      let inputs = geometry.taps * geometry.chunk
      return inputs * inputs * (inputs + geometry.outputs) * geometry.groups
    }
  }

  private var layers: [Layer] {
    let originals = Dictionary(float.nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    return inputs.graph.nodes.enumerated().compactMap { index, node in
      guard inputs.nodes.contains(index), node.op is Convolution, let original = originals[node.name],
        let geometry = LayerGeometry(node),
        let input = inputs.graph.format(of: node.inputs[0]).quantization
      else { return nil }
      let readsPixels = node.inputs[0] == inputs.graph.input
      return Layer(
        index: index, node: node, float: original, geometry: geometry, input: input,
        preprocessing: readsPixels ? float.preprocessing : nil)
    }
  }

  // MARK: - One layer

  private func round(_ layer: Layer) throws(GraphError) -> [String: Tensor] {
    let geometry = layer.geometry
    let weights = try LayerWeights(
      layer.node, layer.float.constants, geometry, preprocessing: layer.preprocessing, input: layer.input)
    var (levels, bias) = (weights.levels, weights.original.bias)
    if let sampler = PatchSampler(
      inputs.maps(of: layer.node.inputs[0]), geometry, outside: weights.outside, rows: geometry.wantedRows,
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
    return try weights.constants(levels: levels, bias: bias)
  }

  /// - Parameter input: of the layer.
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
