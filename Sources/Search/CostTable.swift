import Graphs
import Quantization
import Tensors

/// What inference costs by a plan: milliseconds an image on one core, by operations of each kind and shape. The table ships
/// with the tool, so that plans and packages do not depend on the speed of the machine that makes them; it is for comparing
/// plans of one network. `quern bench` measures.
///
/// A layer takes a time for each multiply-accumulate and one for each element of its output. Fitted by least squares of
/// relative errors to the layers of ResNet-50, NASNet-A-Mobile and SENet154 at 224 pixels in int8, with all 16-bit inputs, and
/// in float, on one core with AVX-512-VNNI; the sums over all layers of a kind are within 4 % of what was measured for dense
/// convolutions, 5 % for grouped and 16 % for depthwise ones.
public struct CostTable: Sendable {
  /// Nanoseconds for a multiply-accumulate, and for an element of the output.
  struct Entry: Sendable, Hashable {
    let product: Double
    let output: Double
  }

  /// How a layer computes, as far as time is concerned.
  enum Form: Hashable, Sendable { case int8, wide, float }

  /// What a layer computes.
  enum Kind: Hashable, Sendable {
    case dense, grouped, depthwise, matrix
    /// Sums, products with channel factors, and averages of maps.
    case arithmetic
    /// A function of each value: a table of 256 bytes, or of 65536 entries for 16-bit values.
    case table
    /// What only moves or selects values.
    case selection
    /// Pooling to a row, norms, and functions of rows: by the elements of the input.
    case reduction
  }

  private let entries: [Kind: [Form: Entry]] = [
    .dense: [
      .int8: Entry(product: 0.0042, output: 0.22), .wide: Entry(product: 0.0083, output: 0.67),
      .float: Entry(product: 0.0158, output: 0.40),
    ],
    .grouped: [
      .int8: Entry(product: 0.0014, output: 0.65), .wide: Entry(product: 0.0028, output: 1.8),
      .float: Entry(product: 0.0063, output: 1.25),
    ],
    .depthwise: [
      .int8: Entry(product: 0.013, output: 0.14), .wide: Entry(product: 0.0276, output: 0.50),
      .float: Entry(product: 0.0207, output: 0.10),
    ],
    .matrix: [
      .int8: Entry(product: 0.105, output: 3), .wide: Entry(product: 0.105, output: 3),
      .float: Entry(product: 0.132, output: 4),
    ],
    .arithmetic: [
      .int8: Entry(product: 0, output: 0.3), .wide: Entry(product: 0, output: 0.5),
      .float: Entry(product: 0, output: 0.25),
    ],
    .table: [
      .int8: Entry(product: 0, output: 0.15), .wide: Entry(product: 0, output: 0.9),
      .float: Entry(product: 0, output: 2.5),
    ],
    .selection: [
      .int8: Entry(product: 0, output: 0.1), .wide: Entry(product: 0, output: 3.5),
      .float: Entry(product: 0, output: 0.5),
    ],
    .reduction: [
      .int8: Entry(product: 0, output: 0.5), .wide: Entry(product: 0, output: 0.5),
      .float: Entry(product: 0, output: 0.7),
    ],
  ]

  private let graph: Graph
  private let shapes: [Shape?]

  /// - Parameters:
  ///   - graph: the float graph that plans are of.
  ///   - imageSize: an image's side that the graph takes.
  public init(_ graph: Graph, imageSize: Int) throws(GraphError) {
    self.graph = graph
    shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
  }

  /// Milliseconds of an image on one core.
  public func milliseconds(_ plan: QuantizationPlan) -> Double {
    graph.nodes.reduce(0) { $0 + milliseconds($1, form(of: $1, plan)) }
  }

  /// Milliseconds of an image with all that can be int8 in int8, and no input read as 16 bits.
  public var plainMilliseconds: Double {
    milliseconds(QuantizationPlanner().plan(graph, statistics: .init()))
  }

  /// Milliseconds that reading their inputs as 16 bits adds to layers.
  func addedByWideReading(_ layers: [String]) -> Double {
    let names = Set(layers)
    return graph.nodes.filter { names.contains($0.name) }
      .reduce(0) { $0 + milliseconds($1, .wide) - milliseconds($1, .int8) }
  }

  private func milliseconds(_ node: Node, _ form: Form) -> Double {
    let kind = kind(of: node)
    guard let entry = entries[kind]?[form] else { preconditionFailure("no cost of \(kind) in \(form)") }
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
      // What moves or adds values handles both planes, where there are two.
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
    case .ownRange: return traits.canReadRemainder ? .table : .arithmetic
    case .float, .floatWithInt8Weights: return .reduction
    }
  }
}
