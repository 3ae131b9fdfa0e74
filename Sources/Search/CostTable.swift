import Graphs
import Quantization
import Tensors

/// The table of costs: estimates the inference time of a plan, in milliseconds per image on one core, by the kinds of
/// operations and their shapes. The table ships with the tool, so that plans and packages do not depend on the speed of
/// the machine that makes them. It serves to compare plans of one network; `quern bench` measures real times.
///
/// The estimate of a layer is a time for each multiply-accumulate and a time for each element of its output. Both were
/// fitted, by least squares of relative errors, to the layers of ResNet-50, NASNet-A-Mobile and SENet154 at 224 pixels
/// in int8, with all 16-bit inputs, and in float, on one core with AVX-512-VNNI; those of dense convolutions with
/// 16-bit inputs to ResNet-50, NASNet-A-Mobile and MobileNetV2. The sums over all layers of a kind are within 4 % of
/// the measured times for dense convolutions, 5 % for grouped and 16 % for depthwise ones.
package struct CostTable: Sendable {
  /// Nanoseconds for a multiply-accumulate, and for an element of the output.
  struct Entry: Sendable, Hashable {
    let product: Double
    let output: Double
  }

  /// A layer's arithmetic, as far as it affects the time: int8, int8 with 16-bit input, or float32.
  enum Form: Hashable, Sendable { case int8, wide, float }

  /// The kind of operation.
  enum Kind: Hashable, Sendable {
    case dense, grouped, depthwise, matrix
    /// Sums and products of maps, products with channel factors, layer norms, PReLUs, and average pooling.
    case arithmetic
    /// A function of each value: a table of 256 bytes, or of 65536 entries for 16-bit values.
    case table
    /// Operations that only move or select values.
    case selection
    /// Pooling to a row, norms, and functions of rows. Their time depends on the number of elements of the input.
    case reduction
  }

  private static func entry(_ kind: Kind, _ form: Form) -> Entry {
    /// Nanoseconds for a multiply-accumulate and an element, in each form.
    typealias Row = (int8: (Double, Double), wide: (Double, Double), float: (Double, Double))
    let row: Row =
      switch kind {
      case .dense: ((0.0042, 0.22), (0.0086, 0.38), (0.0158, 0.40))
      case .grouped: ((0.0014, 0.65), (0.0028, 1.8), (0.0063, 1.25))
      case .depthwise: ((0.013, 0.14), (0.0276, 0.50), (0.0207, 0.10))
      case .matrix: ((0.105, 3), (0.105, 3), (0.132, 4))
      case .arithmetic: ((0, 0.3), (0, 0.5), (0, 0.25))
      case .table: ((0, 0.15), (0, 0.9), (0, 2.5))
      case .selection: ((0, 0.1), (0, 3.5), (0, 0.5))
      case .reduction: ((0, 0.5), (0, 0.5), (0, 0.7))
      }
    let (product, output) =
      switch form {
      case .int8: row.int8
      case .wide: row.wide
      case .float: row.float
      }
    return Entry(product: product, output: output)
  }

  private let graph: Graph
  private let shapes: [Shape?]
  /// The indices of the nodes, by name.
  private let positions: [String: Int]

  /// - Parameters:
  ///   - graph: the float graph that plans are made for.
  ///   - imageSize: the side of the square input in pixels.
  /// - Throws: `GraphError` where the graph cannot take images of this size.
  package init(_ graph: Graph, imageSize: Int) throws(GraphError) {
    self.graph = graph
    shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    positions = Dictionary(graph.nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The estimated milliseconds per image takes on one core with a plan.
  package func milliseconds(_ plan: QuantizationPlan) -> Double {
    graph.nodes.reduce(0) { $0 + milliseconds($1, form(of: $1, plan)) }
  }

  /// The estimated milliseconds per image takes where everything that can be int8 is, and no input has 16 bits.
  package var plainMilliseconds: Double {
    milliseconds(QuantizationPlanner().plan(graph, statistics: .init()))
  }

  /// The estimated milliseconds per image takes in float.
  package var floatMilliseconds: Double { graph.nodes.reduce(0) { $0 + milliseconds($1, .float) } }

  /// The milliseconds per image may take if it may be `slowdown` times as slow as in plain int8; infinite for `nil`.
  package func limit(slowdown: Double?) -> Double { slowdown.map { $0 * plainMilliseconds } ?? .infinity }

  /// The milliseconds that 16-bit inputs add to the layers of these names.
  func addedByWideReading(_ layers: [String]) -> Double {
    layers.compactMap { positions[$0].map { graph.nodes[$0] } }
      .reduce(0) { $0 + milliseconds($1, .wide) - milliseconds($1, .int8) }
  }

  private func milliseconds(_ node: Node, _ form: Form) -> Double {
    let kind = kind(of: node)
    let entry = Self.entry(kind, form)
    let inputs = node.inputs.compactMap { shapes[$0.index] }
    let products = Double(node.op.multiplyAccumulates(inputs: inputs, constants: node.constants))
    let elements = kind == .reduction ? inputs.first?.elementCount : shapes[node.output.index]?.elementCount
    return (products * entry.product + Double(elements ?? 0) * entry.output) * 1e-6
  }

  private func form(of node: Node, _ plan: QuantizationPlan) -> Form {
    switch plan.layers[node.name]?.arithmetic {
    case .float, .int16Weights: return .float
    case .int8WideInput: return .wide
    case .int8, .int8Weights, nil:
      // Operations that move or add values process both planes if there are two.
      guard node.traits.weights == .none, case .uint8WithRemainder? = plan.values[node.name]?.format else {
        return .int8
      }
      return .wide
    }
  }

  private func kind(of node: Node) -> Kind {
    let traits = node.traits
    switch traits.weights {
    case .matrix: return .matrix
    case .convolution:
      guard let weight = node.constants["weight"]?.shape, let input = shapes[node.inputs[0].index] else {
        return .dense
      }
      if weight[3] == input.channels { return .dense }
      return weight[3] == 1 ? .depthwise : .grouped
    case .none: break
    }
    switch node.op.quantizationRule {
    case .sameAsInput: return .selection
    case .calibratedRange:
      // A layer norm reads remainders, too, but has weights, and no table.
      return traits.canReadRemainder && !node.op.hasOutputChannelWeights ? .table : .arithmetic
    case .float, .floatWithInt8Weights: return .reduction
    }
  }
}
