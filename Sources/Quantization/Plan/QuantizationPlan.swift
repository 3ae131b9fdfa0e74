import Graphs
import Tensors

/// Every decision about how a network is quantised, as a value that can be printed, stored, edited and compared before
/// anything is quantised. Nodes are identified by name, so that a plan also applies to other weights of the same
/// network.
package struct QuantizationPlan: Sendable, Hashable {
  /// How an activation is stored.
  package struct Value: Sendable, Hashable {
    /// The format, with its quantisation.
    package var format: ValueFormat
    /// The minimum and maximum seen in calibration; `nil` where the value was not observed.
    package var observed: ClosedRange<Float>?
    /// Why the format was chosen.
    package var reason: String

    package init(format: ValueFormat, observed: ClosedRange<Float>? = nil, reason: String) {
      (self.format, self.observed, self.reason) = (format, observed, reason)
    }
  }

  /// The arithmetic of a node; the raw value is its name in plans and reports.
  package enum Arithmetic: String, Sendable, Hashable, CaseIterable {
    /// Int8 activations and weights.
    case int8
    /// Int8, with the first input read together with its remainder, as 16 bits: a second pass over the weights.
    case int8WideInput = "int8, 16-bit input"
    /// Float activations, int8 weights.
    case int8Weights = "float, int8 weights"
    /// Float activations, int16 weights.
    case int16Weights = "float, int16 weights"
    /// Float32 activations and weights.
    case float
  }

  /// How a node computes.
  package struct Layer: Sendable, Hashable {
    /// The arithmetic.
    package var arithmetic: Arithmetic
    /// The minimum step of the weights of each output channel, in real units (`WeightSteps`); `nil` for the finest.
    package var minStep: Float?
    /// Why this differs from the planner's choice; `nil` where it does not.
    package var reason: String?

    package init(_ arithmetic: Arithmetic, minStep: Float? = nil, reason: String? = nil) {
      (self.arithmetic, self.minStep, self.reason) = (arithmetic, minStep, reason)
    }
  }

  /// How values are stored, by the name of the node that produces them. The graph's input has no entry: it is pixels,
  /// and their normalisation is folded into the layers that read them.
  package var values: [String: Value] = [:]
  /// How nodes compute, by node name.
  package var layers: [String: Layer] = [:]
  /// How ranges were chosen, as a record.
  package var rangeMethod: RangeMethod
  /// How weights are rounded to their levels.
  package var rounding: RoundingMethod
  /// The scale of each channel of a value, by the name of the node that produces it (`ChannelScales`); values without
  /// an entry are not scaled.
  package var equalisation: [String: [Float]] = [:]

  /// A plan without values and layers.
  package init(rangeMethod: RangeMethod, rounding: RoundingMethod = .nearest) {
    (self.rangeMethod, self.rounding) = (rangeMethod, rounding)
  }

  /// The minimum steps of weights that are coarser than the largest weights require.
  package var weightSteps: WeightSteps {
    get { WeightSteps(least: layers.compactMapValues(\.minStep)) }
    set { for name in layers.keys { layers[name]?.minStep = newValue.least[name] } }
  }

  /// The format of a quantised graph's input: pixels.
  package static let inputFormat = ValueFormat.uint8(QuantizationParameters(scale: 1, zeroPoint: 0))

  /// The format of each value of a graph, in the order of their numbers.
  package func formats(in graph: Graph) -> [ValueFormat] {
    var result = [ValueFormat](repeating: .float32, count: graph.valueCount)
    result[graph.input.index] = Self.inputFormat
    for node in graph.nodes {
      if let value = values[node.name] { result[node.output.index] = value.format }
    }
    return result
  }

  /// Whether a node computes in float although int8 arithmetic exists for its operator.
  package func keepsFloat(_ node: Node) -> Bool {
    guard node.op.quantizationRule != .float else { return false }
    return switch layers[node.name]?.arithmetic {
    case .float, .int16Weights: true
    case .int8, .int8WideInput, .int8Weights, nil: false
    }
  }

  /// The nodes whose output some convolution reads as 16 bits, in order of execution.
  package func producersOf16BitInputs(in graph: Graph) -> [Node] {
    let wide = Set(graph.nodes.filter { layers[$0.name]?.arithmetic == .int8WideInput }.map { $0.inputs[0] })
    return graph.nodes.filter { wide.contains($0.output) }
  }

  /// The nodes with weights that are not rounded to int8, in order of execution.
  package func layersKeptFloat(in graph: Graph) -> [Node] {
    graph.nodes.filter { $0.hasRoundedWeights && keepsFloat($0) }
  }

  /// Whether a node whose inputs are quantised reads them as floats, through a conversion.
  func readsConverted(_ node: Node, _ graph: Graph) -> Bool {
    if keepsFloat(node) { return true }
    switch node.op.quantizationRule {
    case .calibratedRange, .sameAsInput: return false
    // No operator reads pixels that are not normalised.
    case .float, .floatWithInt8Weights: return !node.traits.readsEitherFormat || node.inputs.contains(graph.input)
    }
  }
}

/// How weights are rounded to their levels; the raw value is the name in plans and options.
package enum RoundingMethod: String, Sendable, CaseIterable {
  /// Each weight to the nearest level.
  case nearest
  /// By error feedback: the change of each layer's output on calibration images is minimised.
  case errorFeedback = "error-feedback"
  /// Learned, layer after layer: each layer's outputs are matched to the float network's, with the inputs that it has
  /// when the layers before it are rounded.
  case learned
}
