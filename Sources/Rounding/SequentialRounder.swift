import Graphs
import Operators
import Quantization
import Runtime
import Tensors
import Threads

/// Rounds the weights of a quantised graph's convolutions one after another, with the inputs that each has once all
/// layers before it are rounded, so that its outputs match those of the float network. For each layer it compensates
/// for the error of the inputs as far as possible, rounds by error feedback, learns the rounding of small layers by
/// gradient descent, and corrects the bias by the mean error.
///
/// Both networks are evaluated side by side, node by node on all images, so that each runs once.
package struct SequentialRounder: Sendable {
  private let float: Graph
  private let lowered: LoweredGraph
  private let levels: WeightLevels
  private let threads: Int

  /// - Parameters:
  ///   - float: the graph whose outputs to match.
  ///   - lowered: the quantised graph lowered from it.
  ///   - levels: the weight levels so far.
  ///   - threads: the number of threads to use.
  package init(_ float: Graph, _ lowered: LoweredGraph, _ levels: WeightLevels, threads: Int) {
    (self.float, self.lowered, self.levels, self.threads) = (float, lowered, levels, threads)
  }

  /// The number of layers that `rounded(images:advance:)` works on.
  package var layerCount: Int { float.nodes.count(where: isRounded) }

  /// Layers kept in float do not read a quantised input, and are not rounded.
  private func isRounded(_ node: Node) -> Bool { levels[node] != nil && lowered.levelsRead(by: node) != nil }

  /// The weight levels with new levels and biases; scales stay the same.
  ///
  /// - Parameters:
  ///   - images: for each image, the shape [1, height, width, 3] and the pixels.
  ///   - advance: called after each layer.
  /// - Throws: `GraphError`, inside `.at` where it belongs to a node.
  package func rounded(images: [(shape: Shape, pixels: [UInt8])], advance: () -> Void = {}) throws -> WeightLevels {
    guard let last = float.nodes.last(where: isRounded) else { return levels }
    let (int8, real) = (
      try StepwiseRun(lowered.graph, images: images, threads: threads),
      try StepwiseRun(float, images: images, threads: threads)
    )
    let positions = Dictionary(
      float.nodes.enumerated().map { (lowered.index(of: $1), $0) }, uniquingKeysWith: { first, _ in first })
    let team = ThreadTeam(count: threads)
    var result = levels
    var next = 0
    for index in 0...lowered.index(of: last) {
      var constants = lowered.graph.nodes[index].constants
      if let position = positions[index] {
        while next < position {
          try real.step(next, constants: float.nodes[next].constants)
          real.release(after: next)
          next += 1
        }
        let node = float.nodes[position]
        try step(real, position) { () throws(GraphError) in
          guard let layer = Layer(node, levels, lowered, float) else { return }
          let rounded = try layer.rounded(int8, real, team)
          result[node] = rounded
          constants = try rounded.constants(node, input: layer.input)
          advance()
        }
        next = position + 1
      }
      try int8.step(index, constants: constants)
      int8.release(after: index)
    }
    return result
  }

  /// Evaluates a node of the float network. For a convolution, calls `body` before the activation function is applied.
  private func step(_ real: StepwiseRun, _ index: Int, _ body: () throws(GraphError) -> Void) throws(GraphError) {
    let node = float.nodes[index]
    guard let convolution = node.op as? Convolution else {
      try real.step(index, constants: node.constants)
      real.release(after: index)
      return
    }
    var linear = convolution
    linear.activation = .none
    try real.step(index, op: linear, constants: node.constants)
    do throws(GraphError) {
      try body()
    } catch {
      throw .at(node: node.name, error)
    }
    if convolution.activation != .none {
      real.update(node.output) { values in
        guard let first = values.baseAddress else { return }
        convolution.activation.apply(first, values.count, to: first)
      }
    }
    real.release(after: index)
  }

  // MARK: - One layer

  private struct Layer {
    /// The node of the float graph.
    let float: Node
    /// The node of the quantised graph.
    let node: Node
    let levels: WeightLevels.Layer
    let geometry: LayerGeometry
    let input: QuantizationParameters
    let activation: ActivationFunction
    let preprocessing: Preprocessing?

    init?(_ float: Node, _ levels: WeightLevels, _ lowered: LoweredGraph, _ graph: Graph) {
      guard let convolution = float.op as? Convolution, let geometry = LayerGeometry(float), let levels = levels[float],
        let input = lowered.levelsRead(by: float)
      else { return nil }
      (self.float, node, self.levels, self.geometry) = (float, lowered[float], levels, geometry)
      (self.input, activation) = (input, convolution.activation)
      preprocessing = float.inputs[0] == graph.input ? graph.preprocessing : nil
    }

    /// The number of samples. It is more than moments alone take, as least squares overfits sooner: as many as fit into
    /// 32 MiB of patches; for the many groups of a depthwise layer, which have few inputs, at most eight times
    /// `neededRows`.
    private var rows: Int {
      let inputs = geometry.taps * geometry.chunk
      let limit = geometry.groups == 1 ? 16384 : 32 * inputs
      return max(geometry.neededRows, min(limit, (8 << 20) / max(inputs, 1)))
    }

    private var chunks: [Range<Int>] { (0..<geometry.depth).split(into: geometry.chunk) }

    func rounded(
      _ int8: StepwiseRun, _ real: StepwiseRun, _ team: ThreadTeam
    ) throws(GraphError) -> WeightLevels.Layer {
      let weights = try LayerWeights(float, levels, geometry, preprocessing: preprocessing, input: input)
      let sample = LayerSample(node, geometry, rows: rows, quantized: int8, float: real)
      guard sample.count > 1 else { return levels }
      let fits = weights.original.weight.withElements(as: Float.self) { values in
        // Where there are many groups, each is small, so that threads work on groups rather than inside them.
        func fit(_ group: Int, _ team: ThreadTeam) -> Fitted {
          self.fit(group, sample, values, weights, team)
        }
        let alone = ThreadTeam(count: 1)
        return geometry.groups == 1 ? [fit(0, team)] : team.map(geometry.groups) { fit($0, alone) }
      }
      weights.original.weight.releasePages()
      var levels = weights.levels
      for (group, fit) in fits.enumerated() {
        for (channels, part) in zip(chunks, fit.levels) {
          LayerPart(geometry, group: group, channels: channels).scatter(part, to: &levels)
        }
      }
      return weights.layer(levels: levels, bias: fits.flatMap(\.bias))
    }

    private struct Fitted {
      let levels: [[Int8]]
      let bias: [Double]
    }

    private func fit(
      _ group: Int, _ sample: LayerSample, _ values: UnsafeBufferPointer<Float>, _ weights: LayerWeights,
      _ team: ThreadTeam
    ) -> Fitted {
      let parts = chunks.map { LayerPart(geometry, group: group, channels: $0) }
      let outputs = group * geometry.outputs..<(group + 1) * geometry.outputs
      let patches = team.map(parts.count) { sample.patches(parts[$0].mapChannels, outside: weights.outsideSteps) }
      let fit = LayerFit(
        target: sample.outputs(outputs, withoutResidual: true),
        parts: zip(parts, patches).map { part, patches in
          LayerFit.Part(
            patches: patches, weights: part.gather(values).map { $0 * input.scale },
            levels: weights.levels.withUnsafeBufferPointer { part.gather($0) })
        },
        scales: weights.scales[outputs].map { $0 * input.scale }, team: team)
      let remaining = fit.round()
      // With many groups, each is too small for fast steps; with few samples, learning overfits them.
      if geometry.groups == 1, sample.count >= 2 * geometry.taps * geometry.chunk,
        let schedule = LearnedRounding.Schedule(weights: weights.levels.count / max(parts.count, 1), rows: sample.count)
      {
        fit.learn(
          remaining, sums: activation == .relu ? sample.outputs(outputs, withoutResidual: false) : nil, schedule)
      }
      return Fitted(levels: fit.parts.map(\.levels), bias: fit.bias)
    }
  }
}
