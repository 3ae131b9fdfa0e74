import Graphs
import Operators
import Tensors

/// Layers with weights that keep computing in float inside a quantised graph: what 16-bit activations cannot take off a
/// layer's loss is the rounding of its weights. Theirs are held in 16 bits, 48 dB below that rounding for twice the bytes, or
/// in float32, for four times.
package enum FloatLayers {
  static let reasonForFloatValue = "only read in float, so it is stored without rounding"

  /// The names of the nodes that only float can compute: what reads the image and is no dense convolution without
  /// dilation, into which the normalisation of pixels folds; what reads a value that only exists in float; and a clip of
  /// a value whose range is not its own to choose.
  package static func necessary(in graph: Graph) -> Set<String> {
    let rows = graph.rows
    var (result, inFloat) = (Set<String>(), Set<ValueID>())
    let consumers = graph.consumers
    // Values that have a range of their own and one reader.
    let chosen = Set(
      graph.nodes.filter { node in
        node.op.quantizationRule == .ownRange && consumers[node.output]?.count == 1
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
      case .ownRange:
        if readsImage || levels.contains(where: inFloat.contains) { result.insert(node.name) }
        if rows.contains(node.output) { inFloat.insert(node.output) }
      }
    }
    return result
  }

  private static func takesPixels(of image: ValueID, _ node: Node) -> Bool {
    node.traits.takesPixels && !node.inputs.dropFirst().contains(image)
  }

  /// The names of the layers that a pattern stands for, in order of execution: a node's name, the beginning of names up to
  /// a point (`layer1` for `layer1.0.conv1`), or either with `*` for any characters and `?` for one.
  package static func names(matching pattern: String, in graph: Graph) -> [String] {
    let pattern = Array(pattern)
    return graph.nodes.filter(\.hasRoundedWeights).map(\.name).filter { name in
      let name = Array(name)
      let ends = [name.count] + name.indices.filter { name[$0] == "." }
      return ends.contains { matches(pattern[...], name[..<$0]) }
    }
  }

  /// Names of layers that resemble one that does not exist, the most similar first.
  package static func names(near pattern: String, in graph: Graph, limit: Int = 3) -> [String] {
    let wanted = Array(pattern.filter { $0 != "*" && $0 != "?" })
    let names = graph.nodes.filter(\.hasRoundedWeights).map(\.name)
    let distances = names.enumerated().map { (distance(wanted, Array($1)), $0, $1) }
    return distances.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.prefix(limit).map(\.2)
  }

  /// The values that nothing needs as uint8 and whose makers can store floats: outputs of the graph, what only float
  /// operators read, and what is only concatenated into such a map.
  ///
  /// - Parameter kept: names of nodes that compute in float.
  static func valuesReadInFloat(
    _ graph: Graph, _ consumers: [ValueID: [Int]], kept: Set<String>
  ) -> Set<ValueID> {
    var result: Set<ValueID> = []
    // Readers come after makers, so going backwards decides them first.
    let rows = graph.rows
    for node in graph.nodes.reversed()
    where node.op.quantizationRule == .ownRange || kept.contains(node.name) {
      if rows.contains(node.output) {
        result.insert(node.output)
        continue
      }
      let canStoreFloat = kept.contains(node.name) || node.traits.canStoreFloat
      let isReadInFloat = (consumers[node.output] ?? []).allSatisfy { reader in
        let reader = graph.nodes[reader]
        let traits = reader.traits
        // Squeeze-and-excitation averages its map and scales it, both in float.
        let isScaled = !traits.floatSlots.isEmpty && !reader.inputs.dropFirst().contains(node.output)
        return reader.op.quantizationRule == .float || isScaled || kept.contains(reader.name)
          || traits.combination == .sideBySide && result.contains(reader.output)
      }
      if canStoreFloat && isReadInFloat { result.insert(node.output) }
    }
    return result
  }

  /// Matching with one place to come back to, the last `*`: linear but for repeats of it.
  private static func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
    var (at, position) = (pattern.startIndex, name.startIndex)
    var retry: (pattern: Int, name: Int)?
    while position < name.endIndex {
      if at < pattern.endIndex, pattern[at] == "*" {
        retry = (at + 1, position)
        at += 1
      } else if at < pattern.endIndex, pattern[at] == "?" || pattern[at] == name[position] {
        (at, position) = (at + 1, position + 1)
      } else if let last = retry {
        (at, position) = (last.pattern, last.name + 1)
        retry = (last.pattern, last.name + 1)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == "*" }
  }

  /// The edits between two names (Levenshtein 1966).
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        (diagonal, row[j + 1]) = (row[j + 1], min(diagonal + (x == y ? 0 : 1), row[j] + 1, row[j + 1] + 1))
      }
    }
    return row[b.count]
  }
}

extension QuantizationPlan {
  /// Keeps some layers in float. What lies between them computes in float, too, so that a run of such layers rounds nothing;
  /// a value that is read both ways is made in float and rounded for the others. Ranges, and with them what weights are
  /// rounded to elsewhere, stay what they are.
  ///
  /// - Parameters:
  ///   - layers: `float` or `int16Weights`, and why, by names of nodes for which `hasRoundedWeights` holds; others change
  ///     nothing.
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
    for node in graph.nodes where readInFloat.contains(node.output) { holdInFloat(node) }
    computeBetweenInFloat(graph, consumers)
    for node in graph.nodes where keepsFloat(node) && !graph.outputs.contains(where: { $0.value == node.output }) {
      let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
      if readers.allSatisfy({ keepsFloat($0) || $0.op.quantizationRule == .float }) { holdInFloat(node) }
    }
  }

  private mutating func holdInFloat(_ maker: Node) {
    guard let held = values[maker.name], held.format != .float32 else { return }
    values[maker.name] = Value(format: .float32, observed: held.observed, reason: FloatLayers.reasonForFloatValue)
  }

  /// Has operators without weights compute in float whose inputs are there in float and whose output is needed so.
  private mutating func computeBetweenInFloat(_ graph: Graph, _ consumers: [ValueID: [Int]]) {
    var available: Set<ValueID> = []
    var candidates: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      let isHeldSo = values[node.name]?.format == .float32
      if isHeldSo || keepsFloat(node) { available.insert(node.output) }
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
        let isHeldSo = values[node.name]?.format == .float32
        guard isHeldSo || needed.contains(node.output) else { continue }
        // What calibration did not see of its own has no range to be rounded to for others.
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
