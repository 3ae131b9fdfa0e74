import Graphs
import Operators
import Suggestions
import Tensors

/// Layers with weights that compute in float inside a quantised graph. Where activations have 16 bits, the remaining
/// loss of a layer is the rounding of its weights. The weights of such layers are stored in 16 bits, with an error 48
/// dB below that rounding for twice the bytes, or in float32, for four times the bytes.
package enum FloatLayers {
  /// The reason in plans of a value that is stored in float.
  static let reasonForFloatValue = "only read in float, so it is stored without rounding"

  /// The names of the nodes that only float can compute: those that read the image, except dense convolutions without
  /// dilation, which the normalisation of pixels is folded into; those that read a value that exists only in float; and
  /// a clip of a value whose range cannot be chosen to suit it.
  package static func necessary(in graph: Graph) -> Set<String> {
    let rows = graph.rows
    var (result, inFloat) = (Set<String>(), Set<ValueID>())
    let consumers = graph.consumers
    // Values with a range of their own and one reader.
    let chosen = Set(
      graph.nodes.filter { node in
        node.op.quantizationRule == .calibratedRange && consumers[node.output]?.count == 1
          && !graph.outputs.contains { $0.value == node.output }
      }.map(\.output))
    for node in graph.nodes {
      let traits = node.traits
      let levels = node.inputs.enumerated().filter { !traits.floatSlots.contains($0.offset) }.map(\.element)
      let readsImage = node.inputs.contains(graph.input) && !takesPixels(of: graph.input, node)
      switch node.op.quantizationRule {
      case .float, .floatWithInt8Weights: inFloat.insert(node.output)
      case .sameAsInput:
        let clipsOthers = traits.saturates && !chosen.contains(node.inputs[0])
        if readsImage || clipsOthers && !levels.contains(where: inFloat.contains) {
          result.insert(node.name)
        } else if levels.contains(where: inFloat.contains) {
          inFloat.insert(node.output)
        }
      case .calibratedRange:
        if readsImage || levels.contains(where: inFloat.contains) { result.insert(node.name) }
        if rows.contains(node.output) { inFloat.insert(node.output) }
      }
    }
    return result
  }

  private static func takesPixels(of image: ValueID, _ node: Node) -> Bool {
    node.traits.takesPixels && !node.inputs.dropFirst().contains(image)
  }

  /// The names of the layers that match a pattern, in order of execution. A pattern is a node's name, the beginning of
  /// names up to a full stop (`layer1` for `layer1.0.conv1`), or either with `*` for any characters and `?` for one.
  package static func names(matching pattern: String, in graph: Graph) -> [String] {
    let pattern = Array(pattern)
    return graph.nodes.filter(\.hasRoundedWeights).map(\.name).filter { name in
      let name = Array(name)
      let ends = [name.count] + name.indices.filter { name[$0] == "." }
      return ends.contains { matches(pattern[...], name[..<$0]) }
    }
  }

  /// The names of layers that resemble a name that does not exist, the most similar first.
  package static func names(near pattern: String, in graph: Graph, limit: Int = 3) -> [String] {
    // A plan file may name a layer by a text of any length.
    let requested = Array(pattern.prefix(256).filter { $0 != "*" && $0 != "?" })
    let names = graph.nodes.filter(\.hasRoundedWeights).map(\.name)
    let distances = names.enumerated().map { (editDistance(requested, $1), $0, $1) }
    return distances.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.prefix(limit).map(\.2)
  }

  /// The values that nothing needs as uint8 and whose producers can store floats: outputs of the graph, values that
  /// only float operators read, and values that are only concatenated into such a map.
  ///
  /// - Parameter kept: the names of nodes that compute in float.
  static func valuesReadInFloat(
    _ graph: Graph, _ consumers: [ValueID: [Int]], kept: Set<String>
  ) -> Set<ValueID> {
    var result: Set<ValueID> = []
    // Readers follow producers, so going backwards decides readers first.
    let rows = graph.rows
    for node in graph.nodes.reversed()
    where node.op.quantizationRule == .calibratedRange || kept.contains(node.name) {
      if rows.contains(node.output) {
        result.insert(node.output)
        continue
      }
      let canStoreFloat = kept.contains(node.name) || node.traits.canStoreFloat
      let isReadInFloat = (consumers[node.output] ?? []).allSatisfy { reader in
        let reader = graph.nodes[reader]
        let traits = reader.traits
        // Squeeze-and-excitation computes the mean of its map and scales the map, both in float.
        let isScaled = !traits.floatSlots.isEmpty && !reader.inputs.dropFirst().contains(node.output)
        return reader.op.quantizationRule == .float || isScaled || kept.contains(reader.name)
          || traits.combination == .concatenation && result.contains(reader.output)
      }
      if canStoreFloat && isReadInFloat { result.insert(node.output) }
    }
    return result
  }

  /// Matches with one position to backtrack to, after the last `*`: linear except for repeated retries there.
  private static func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
    var (index, position) = (pattern.startIndex, name.startIndex)
    var retry: (pattern: Int, name: Int)?
    while position < name.endIndex {
      if index < pattern.endIndex, pattern[index] == "*" {
        retry = (index + 1, position)
        index += 1
      } else if index < pattern.endIndex, pattern[index] == "?" || pattern[index] == name[position] {
        (index, position) = (index + 1, position + 1)
      } else if let last = retry {
        (index, position) = (last.pattern, last.name + 1)
        retry = (last.pattern, last.name + 1)
      } else {
        return false
      }
    }
    return pattern[index...].allSatisfy { $0 == "*" }
  }
}

extension QuantizationPlan {
  /// Keeps some layers in float. Operators between them compute in float, too, so that nothing is rounded in a run of
  /// such layers. A value that is read both ways is computed in float and rounded for the other readers. Ranges stay
  /// the same, and with them the levels of other weights.
  ///
  /// - Parameters:
  ///   - layers: by node name, the arithmetic (`float` or `int16Weights`) and the reason. Nodes for which
  ///     `hasRoundedWeights` is false are ignored.
  ///   - graph: the float graph that was planned.
  package mutating func keepFloat(_ layers: [String: Layer], in graph: Graph) {
    let nodes = graph.nodes.filter { layers[$0.name] != nil && $0.hasRoundedWeights }
    guard !nodes.isEmpty else { return }
    let before = graph.nodes.filter { $0.hasRoundedWeights && keepsFloat($0) }.map(\.name)
    let kept = Set(layers.keys).union(before).union(FloatLayers.necessary(in: graph))
    for node in nodes {
      self.layers[node.name]?.arithmetic = layers[node.name]?.arithmetic ?? .float
      self.layers[node.name]?.reason = layers[node.name]?.reason
    }
    let consumers = graph.consumers
    let readInFloat = FloatLayers.valuesReadInFloat(graph, consumers, kept: kept)
    for node in graph.nodes where readInFloat.contains(node.output) { storeInFloat(node) }
    computeBetweenInFloat(graph, consumers)
    for node in graph.nodes where keepsFloat(node) && !graph.outputs.contains(where: { $0.value == node.output }) {
      let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
      if readers.allSatisfy({ keepsFloat($0) || $0.op.quantizationRule == .float }) { storeInFloat(node) }
    }
  }

  private mutating func storeInFloat(_ maker: Node) {
    guard let old = values[maker.name], old.format != .float32 else { return }
    values[maker.name] = Value(format: .float32, observed: old.observed, reason: FloatLayers.reasonForFloatValue)
  }

  /// Makes operators without weights compute in float where all inputs are available in float and the output is needed
  /// in float.
  private mutating func computeBetweenInFloat(_ graph: Graph, _ consumers: [ValueID: [Int]]) {
    var available: Set<ValueID> = []
    var candidates: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      let isStoredInFloat = values[node.name]?.format == .float32
      if isStoredInFloat || keepsFloat(node) { available.insert(node.output) }
      guard node.traits.followsFloat, node.inputs.allSatisfy(available.contains), !node.inputs.contains(graph.input)
      else { continue }
      available.insert(node.output)
      candidates.insert(index)
    }
    var needed: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated().reversed() {
      if keepsFloat(node) {
        needed.formUnion(node.inputs)
      } else if candidates.contains(index) {
        let isStoredInFloat = values[node.name]?.format == .float32
        guard isStoredInFloat || needed.contains(node.output) else { continue }
        // A value without a range from calibration cannot be rounded for other readers.
        if node.op.quantizationRule == .sameAsInput {
          let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
          guard readers.allSatisfy({ keepsFloat($0) || $0.op.quantizationRule == .float }) else { continue }
        }
        layers[node.name] = Layer(.float, reason: "between layers that compute in float")
        needed.formUnion(node.inputs)
      }
    }
  }
}
