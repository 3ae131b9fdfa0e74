import Calibration
import Graphs
import Operators
import Tensors

/// Activations of a quantised graph that convolutions can read as 16 bits, with the remainders of their rounding, instead of
/// 8. Weights, and so the package's bytes, stay what they are; each convolution that does so goes over its weights twice.
/// Conversions to float read them at no cost.
public struct WideReading: Sendable {
  /// An activation and the convolutions, or conversions, that read it.
  public struct Candidate: Sendable, Hashable {
    public let value: ValueID
    /// Of the node that makes it.
    public let name: String
    /// Indices of these among the nodes.
    let readers: [Int]
    /// Multiply-accumulates that are added for an image.
    public let multiplyAccumulates: Int
    /// The power of the rounding that 16 bits take off, by the power of the activation: step² / 12 over E[x²].
    public let noise: Double
  }

  private let statistics: ActivationStatistics

  /// By how much a range that is only read as 16 bits exceeds what calibration saw: two bits of the 16 for images that
  /// are unlike those.
  private static let headroom: Float = 4

  /// - Parameter statistics: what calibration saw, of the float graph that was quantised; it has the same values.
  public init(_ statistics: ActivationStatistics) { self.statistics = statistics }

  /// The activations that could be read so and are not, those first that take the most noise off for a
  /// multiply-accumulate; of equals the earlier.
  ///
  /// - Parameter imageSize: an image's side that the graph takes.
  public func candidates(in graph: Graph, imageSize: Int) throws(GraphError) -> [Candidate] {
    let shapes = try graph.inferShapes(input: [1, imageSize, imageSize, 3])
    let (consumers, origins) = (graph.consumers, Origins(graph))
    let found = graph.nodes.compactMap { node -> Candidate? in
      guard let origin = origins.origin(of: node.output), let parameters = graph.format(of: origin).quantization,
        let power = statistics.histograms[origin]?.meanSquare, power > 0
      else { return nil }
      let readers = (consumers[node.output] ?? []).filter { index in
        guard graph.nodes[index].inputs[0] == node.output else { return false }
        switch graph.nodes[index].op {
        case let convolution as Convolution: return !convolution.readsInputRemainder
        case let conversion as Requantize: return !conversion.readsInputRemainder
        default: return false
        }
      }
      guard !readers.isEmpty else { return nil }
      let products = readers.reduce(0) { sum, index in
        let reader = graph.nodes[index]
        return sum
          + reader.op.multiplyAccumulates(
            inputs: reader.inputs.compactMap { shapes[$0.index] }, constants: reader.constants)
      }
      let step = Double(parameters.scale)
      return Candidate(
        value: node.output, name: node.name, readers: readers, multiplyAccumulates: products,
        noise: step * step / 12 / power)
    }
    return found.sorted { a, b in
      let (x, y) = (a.noise * Double(b.multiplyAccumulates), b.noise * Double(a.multiplyAccumulates))
      return x != y ? x > y : a.value < b.value
    }
  }

  /// The graph with some candidates read as 16 bits, and all that they come from held so. An activation that nobody reads
  /// as 8 bits any more need not be narrow, and takes the whole range that calibration saw.
  ///
  /// - Throws: `GraphError.at` with the convolution whose bias does not fit the other scale.
  public func widening(_ candidates: some Sequence<Candidate>, in graph: Graph) throws(GraphError) -> Graph {
    var result = graph
    let origins = Origins(graph)
    var wide: Set<ValueID> = []
    for candidate in candidates {
      origins.collect(candidate.value, into: &wide)
      for index in candidate.readers {
        switch result.nodes[index].op {
        case var convolution as Convolution:
          convolution.readsInputRemainder = true
          result.nodes[index].op = convolution
        case var conversion as Requantize:
          conversion.readsInputRemainder = true
          result.nodes[index].op = conversion
        default: break
        }
      }
    }
    for value in wide {
      if let parameters = graph.format(of: value).quantization {
        result.setFormat(.uint8WithRemainder(parameters), of: value)
      }
    }
    guard !wide.isEmpty else { return result }
    for value in result.nodes.map(\.output) where origins.origin(of: value) == value {
      if case .uint8WithRemainder = result.format(of: value) { try growRange(of: value, in: &result) }
    }
    return result
  }

  /// Gives a value, and what is selected from it, the whole range, if all that read it do so with remainders.
  private func growRange(of origin: ValueID, in graph: inout Graph) throws(GraphError) {
    guard let old = graph.format(of: origin).quantization,
      let seen = statistics.histograms[origin], seen.minimum <= seen.maximum
    else { return }
    let new = QuantizationParameters(covering: Self.headroom * seen.minimum, Self.headroom * seen.maximum)
    guard new != old else { return }
    let consumers = graph.consumers
    var group = [origin]
    var next = 0
    while next < group.count {
      let value = group[next]
      next += 1
      if graph.outputs.contains(where: { $0.value == value }) { return }
      for index in consumers[value] ?? [] {
        let node = graph.nodes[index]
        // A concatenation gives what it copies a range of its own.
        if node.op is Concatenation { return }
        for slot in node.inputs.indices where node.inputs[slot] == value {
          if !graph.readsRemainder(node, ofInput: slot) { return }
        }
        if type(of: node.op).remainderRule == .passedOn { group.append(node.output) }
      }
    }
    if let producer = graph.nodes.first(where: { $0.output == origin }), producer.op is Concatenation {
      group += producer.inputs.filter { graph.format(of: $0).quantization == old && consumers[$0]?.count == 1 }
    }
    for value in group {
      let isWide = !graph.format(of: value).isPlainUInt8
      graph.setFormat(isWide ? .uint8WithRemainder(new) : .uint8(new), of: value)
      for index in consumers[value] ?? [] where graph.nodes[index].inputs[0] == value {
        try Self.rescaleBias(of: &graph.nodes[index], by: Double(old.scale) / Double(new.scale))
      }
    }
  }

  /// Where the values of a graph are rounded.
  private struct Origins {
    private let graph: Graph
    private let producers: [ValueID: Int]

    init(_ graph: Graph) {
      self.graph = graph
      producers = graph.producers
    }

    /// The value whose rounding a uint8 value has: itself, or what it is selected from; `nil` where what is left over
    /// cannot be kept.
    func origin(of value: ValueID) -> ValueID? {
      guard let index = producers[value], graph.format(of: value).quantization != nil else { return nil }
      let node = graph.nodes[index]
      switch type(of: node.op).remainderRule {
      case .never: return nil
      case .made: return value
      case .passedOn:
        if node.op is Concatenation {
          return node.inputs.allSatisfy { graph.format(of: $0).quantization != nil } ? value : nil
        }
        return origin(of: node.inputs[0])
      }
    }

    /// Adds a value and those that it comes from, as far as what is left over can be kept.
    func collect(_ value: ValueID, into wide: inout Set<ValueID>) {
      guard origin(of: value) != nil, wide.insert(value).inserted, let index = producers[value] else { return }
      guard type(of: graph.nodes[index].op).remainderRule == .passedOn else { return }
      for input in graph.nodes[index].inputs { collect(input, into: &wide) }
    }
  }

  /// A graph with the weights and biases that were found for it with other activations read as 16 bits, or with more.
  ///
  /// - Throws: `GraphError.at` with the convolution whose bias does not fit the scale of its input.
  public static func takingWeights(of other: Graph, into graph: Graph) throws(GraphError) -> Graph {
    var result = graph
    for index in graph.nodes.indices {
      guard other.nodes.indices.contains(index), other.nodes[index].name == graph.nodes[index].name,
        graph.nodes[index].op is Convolution
      else { continue }
      result.nodes[index].constants = other.nodes[index].constants
      if let old = other.format(of: other.nodes[index].inputs[0]).quantization,
        let new = graph.format(of: graph.nodes[index].inputs[0]).quantization, old != new
      {
        try rescaleBias(of: &result.nodes[index], by: Double(old.scale) / Double(new.scale))
      }
    }
    return result
  }

  /// Biases count in steps of the input's scale.
  private static func rescaleBias(of node: inout Node, by factor: Double) throws(GraphError) {
    guard let bias = node.constants["bias"], bias.elementType == .int32 else { return }
    var levels: [Int32] = []
    for level in bias.elements(as: Int32.self) {
      guard let exact = Int32(exactly: (Double(level) * factor).rounded(.toNearestOrEven)) else {
        throw .at(node: node.name, .constant(role: "bias", problem: "is out of range for the input's whole range"))
      }
      levels.append(exact)
    }
    node.constants["bias"] = Tensor(levels)
  }
}

extension ActivationHistogram {
  /// The mean of the squares, values being taken as uniform inside a bin.
  var meanSquare: Double {
    let (sum, count) = occupied.reduce(into: (0.0, 0.0)) { total, bin in
      let (a, b) = (bin.lower, bin.upper)
      total.0 += bin.count * (a * a + a * b + b * b) / 3
      total.1 += bin.count
    }
    return count > 0 ? sum / count : 0
  }
}
