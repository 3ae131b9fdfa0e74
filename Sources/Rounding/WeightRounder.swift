import Graphs
import Kernels
import Operators
import Quantization
import Synchronization
import Tensors

/// Rounds the weights of a quantised graph's convolutions anew, so that each layer's output changes least on the inputs it
/// was seen to have (`ErrorFeedback`), and corrects the biases by the mean change that is left
/// (Nagel et al., arXiv 1906.04721, section 4.2).
public struct WeightRounder: Sendable {
  private let float: Graph
  private let inputs: LayerInputs
  private let threads: Int

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
    let original = try ConvolutionWeights(constants: layer.float.constants, preprocessing: layer.preprocessing)
    guard let scales = layer.node.constants["weight_scale"]?.elements(as: Float.self),
      var levels = layer.node.constants["weight"]?.elements(as: Int8.self),
      original.weight.elementCount == levels.count, original.bias.count == scales.count
    else { throw .constant(role: "weight", problem: "is not that of the float graph") }
    let maps = inputs.maps(of: layer.node.inputs[0])
    let zeroPoint = Float(layer.input.zeroPoint)
    let channelCount = layer.geometry.depth * layer.geometry.groups
    let outside =
      original.paddingValue.map { $0.map { Float($0) - zeroPoint } } ?? [Float](repeating: 0, count: channelCount)
    var bias = original.bias
    original.weight.withElements(as: Float.self) { weights in
      for group in 0..<layer.geometry.groups {
        for first in stride(from: 0, to: layer.geometry.depth, by: layer.geometry.chunk) {
          let part = Part(
            layer.geometry, group: group, channels: first..<min(first + layer.geometry.chunk, layer.geometry.depth))
          guard
            var moments = PatchMoments(
              maps, layer.geometry, channels: part.mapChannels, zeroPoint: zeroPoint, outside: outside,
              rows: layer.geometry.wantedRows),
            let result = ErrorFeedback(
              weights: part.gather(weights), scales: Array(scales[part.outputs]), moments: &moments.covariance,
              samples: moments.samples)
          else { continue }
          part.scatter(result.levels, to: &levels)
          for (row, mean) in moments.mean.enumerated() {
            for (column, output) in part.outputs.enumerated() {
              bias[output] +=
                Double(result.errors[row * part.outputs.count + column]) * Double(mean) * Double(layer.input.scale)
            }
          }
        }
      }
    }
    original.weight.releasePages()
    return [
      "weight": Tensor(levels, shape: original.weight.shape),
      "bias": try ConvolutionWeights.biasLevels(bias, input: layer.input, weightScale: scales),
    ]
  }

  /// The weights between some input channels of a group and its outputs, as a matrix [taps x channels][outputs].
  private struct Part {
    let layer: LayerGeometry
    /// Within the group.
    let channels: Range<Int>
    /// Of the whole layer.
    let outputs: Range<Int>
    /// Of the map.
    let mapChannels: Range<Int>

    init(_ layer: LayerGeometry, group: Int, channels: Range<Int>) {
      self.layer = layer
      self.channels = channels
      outputs = group * layer.outputs..<(group + 1) * layer.outputs
      mapChannels = group * layer.depth + channels.lowerBound..<group * layer.depth + channels.upperBound
    }

    private func forEach(_ body: (_ row: Int, _ column: Int, _ index: Int) -> Void) {
      for tap in 0..<layer.taps {
        for (place, channel) in channels.enumerated() {
          for (column, output) in outputs.enumerated() {
            body(tap * channels.count + place, column, (output * layer.taps + tap) * layer.depth + channel)
          }
        }
      }
    }

    func gather(_ weights: UnsafeBufferPointer<Float>) -> [Float] {
      var result = [Float](repeating: 0, count: layer.taps * channels.count * outputs.count)
      forEach { row, column, index in result[row * outputs.count + column] = weights[index] }
      return result
    }

    func scatter(_ levels: [Int8], to weights: inout [Int8]) {
      forEach { row, column, index in weights[index] = levels[row * outputs.count + column] }
    }
  }
}
