import Graphs
import Tensors

/// Every decision of a quantisation as a value that can be printed, stored, edited and compared, before anything is done.
/// Nodes go by their names, so that a plan holds for other weights of the same network, too.
package struct QuantizationPlan: Sendable, Hashable {
  /// How an activation is held.
  package struct Value: Sendable, Hashable {
    package var format: ValueFormat
    /// Smallest and largest value seen in calibration, where it was observed.
    package var observed: ClosedRange<Float>?
    /// Why it is held this way.
    package var reason: String

    package init(format: ValueFormat, observed: ClosedRange<Float>? = nil, reason: String) {
      (self.format, self.observed, self.reason) = (format, observed, reason)
    }
  }

  /// How a node computes.
  package enum Arithmetic: String, Sendable, Hashable, CaseIterable {
    case int8
    /// Int8, with the first input read with its remainders, as 16 bits: a second pass over the weights.
    case int8WideInput = "int8, 16-bit input"
    /// Float activations, int8 weights.
    case int8Weights = "float, int8 weights"
    /// Float activations, int16 weights.
    case int16Weights = "float, int16 weights"
    case float
  }

  /// What a node does.
  package struct Layer: Sendable, Hashable {
    package var arithmetic: Arithmetic
    /// The least step of the weights of each output channel, in real units (`WeightSteps`); `nil` for the finest.
    package var leastStep: Float?
    /// Why it is not what the planner would choose; `nil` where it is.
    package var reason: String?

    package init(_ arithmetic: Arithmetic, leastStep: Float? = nil, reason: String? = nil) {
      (self.arithmetic, self.leastStep, self.reason) = (arithmetic, leastStep, reason)
    }
  }

  /// By the name of the node that makes the value. The input has no entry: it is pixels, whose normalisation is folded into
  /// what reads them.
  package var values: [String: Value] = [:]
  /// By node name.
  package var layers: [String: Layer] = [:]
  /// How ranges were chosen, for the record.
  package var rangeMethod: RangeMethod
  /// How weights are rounded to their levels.
  package var rounding: RoundingMethod
  /// The factor that each channel of a value is held at, by the name of the node that makes it (`ChannelScales`); values
  /// that are not there have the factor 1.
  package var equalisation: [String: [Float]] = [:]

  package init(rangeMethod: RangeMethod, rounding: RoundingMethod = .nearest) {
    (self.rangeMethod, self.rounding) = (rangeMethod, rounding)
  }

  /// The steps of weights, where they are coarser than the largest weights ask for.
  package var weightSteps: WeightSteps {
    get { WeightSteps(least: layers.compactMapValues(\.leastStep)) }
    set { for name in layers.keys { layers[name]?.leastStep = newValue.least[name] } }
  }

  /// The pixels that a quantised graph takes.
  package static let inputFormat = ValueFormat.uint8(QuantizationParameters(scale: 1, zeroPoint: 0))

  /// The format of each value of a graph, in their order.
  package func formats(in graph: Graph) -> [ValueFormat] {
    var result = [ValueFormat](repeating: .float32, count: graph.valueCount)
    result[graph.input.index] = Self.inputFormat
    for node in graph.nodes {
      if let value = values[node.name] { result[node.output.index] = value.format }
    }
    return result
  }

  /// Whether a node computes in float that would not have to.
  package func keepsFloat(_ node: Node) -> Bool {
    guard node.op.quantizationRule != .float else { return false }
    return switch layers[node.name]?.arithmetic {
    case .float, .int16Weights: true
    case .int8, .int8WideInput, .int8Weights, nil: false
    }
  }

  /// The nodes whose output some convolution reads as 16 bits, in order of execution.
  package func makersOfWideValues(in graph: Graph) -> [Node] {
    let wide = Set(graph.nodes.filter { layers[$0.name]?.arithmetic == .int8WideInput }.map { $0.inputs[0] })
    return graph.nodes.filter { wide.contains($0.output) }
  }

  /// The nodes with weights that are not rounded to int8, in order of execution.
  package func layersKeptFloat(in graph: Graph) -> [Node] {
    graph.nodes.filter { $0.hasRoundedWeights && keepsFloat($0) }
  }

  /// Whether a node, whose inputs are levels, reads them as floats: by a conversion, unless its operator reads either.
  func readsConverted(_ node: Node, _ graph: Graph) -> Bool {
    if keepsFloat(node) { return true }
    switch node.op.quantizationRule {
    case .ownRange, .sameAsInput: return false
    // No operator reads pixels that are not normalised.
    case .float, .floatWithInt8Weights: return !node.traits.readsEitherFormat || node.inputs.contains(graph.input)
    }
  }
}

/// How weights are rounded to their levels.
package enum RoundingMethod: String, Sendable, CaseIterable {
  /// Each to the nearest.
  case nearest
  /// So that each layer's outputs change least on calibration images.
  case errorFeedback = "error-feedback"
  /// Layer after layer, so that each layer's outputs are nearest to the float network's on what the layers before it,
  /// rounded, let it read.
  case learned
}
