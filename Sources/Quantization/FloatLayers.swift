import Graphs
import Operators
import Tensors

/// Layers with weights that keep computing in float inside a quantised graph: what 16-bit activations cannot take off a
/// layer's loss is the rounding of its weights. Theirs are held in 16 bits, 48 dB below that rounding for twice the bytes, or
/// in float32, for four times.
public enum FloatLayers {
  /// Whether a node has weights that quantisation rounds, and can do without.
  public static func canKeep(_ node: Node) -> Bool {
    (node.op is Convolution || node.op is Linear) && node.constants["weight"] != nil
  }

  /// The names of the nodes that only float can compute: what reads the image and is no dense convolution without
  /// dilation, into which the normalisation of pixels folds; what reads a value that only exists in float; and a clip of
  /// a value whose range is not its own to choose.
  public static func necessary(in graph: Graph) -> Set<String> {
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
      let levels = node.inputs.enumerated().filter { readsLevels(node, slot: $0.offset) }.map(\.element)
      let readsImage = node.inputs.contains(graph.input) && !isDenseConvolution(of: graph.input, node)
      switch node.op.quantizationRule {
      case .float, .floatWithInt8Weights: inFloat.insert(node.output)
      case .sameAsInput:
        let clipsOthers = type(of: node.op).saturates && !chosen.contains(node.inputs[0])
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

  /// Whether a node's int8 form takes levels as this input. The factors of a channel scaling are float.
  private static func readsLevels(_ node: Node, slot: Int) -> Bool { !(node.op is ChannelScaling) || slot != 1 }

  private static func isDenseConvolution(of image: ValueID, _ node: Node) -> Bool {
    guard let convolution = node.op as? Convolution else { return false }
    let window = convolution.window
    return convolution.groups == 1 && window.dilationHeight == 1 && window.dilationWidth == 1
      && !node.inputs.dropFirst().contains(image)
  }

  /// The names of the layers that a pattern stands for, in order of execution: a node's name, the beginning of names up to
  /// a point (`layer1` for `layer1.0.conv1`), or either with `*` for any characters and `?` for one.
  public static func names(matching pattern: String, in graph: Graph) -> [String] {
    let pattern = Array(pattern)
    return graph.nodes.filter(canKeep).map(\.name).filter { name in
      let name = Array(name)
      let ends = [name.count] + name.indices.filter { name[$0] == "." }
      return ends.contains { matches(pattern[...], name[..<$0]) }
    }
  }

  /// Names of layers that resemble one that does not exist, the most similar first.
  public static func names(near pattern: String, in graph: Graph, limit: Int = 3) -> [String] {
    let wanted = Array(pattern.filter { $0 != "*" && $0 != "?" })
    let names = graph.nodes.filter(canKeep).map(\.name)
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
      let canStoreFloat =
        switch node.op {
        case _ where kept.contains(node.name): true
        case let convolution as Convolution:
          !convolution.isDepthwise(weight: node.constants["weight"]?.shape ?? [])
        case is Concatenation, is ChannelScaling: true
        default: false
        }
      let isReadInFloat = (consumers[node.output] ?? []).allSatisfy { reader in
        let reader = graph.nodes[reader]
        // Squeeze-and-excitation averages its map and scales it, both in float.
        let isScaledBy = reader.op is ChannelScaling && !reader.inputs.dropFirst().contains(node.output)
        return reader.op.quantizationRule == .float || isScaledBy
          || kept.contains(reader.name)
          || reader.op is Concatenation && result.contains(reader.output)
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
  /// The plan with some layers kept in float. What lies between them computes in float, too, so that a run of such layers
  /// rounds nothing; a value that is read both ways is made in float and rounded for the others. Ranges, and with them what
  /// weights are rounded to elsewhere, stay what they are.
  ///
  /// - Parameters:
  ///   - names: of nodes for which `FloatLayers.canKeep` holds; others change nothing.
  ///   - graph: the float graph that was planned.
  public func keepingFloat(_ names: some Sequence<String>, in graph: Graph) -> QuantizationPlan {
    var result = self
    let requested = Set(names)
    let layers = graph.nodes.filter { requested.contains($0.name) && FloatLayers.canKeep($0) }
    guard !layers.isEmpty else { return self }
    let kept = requested.union(FloatLayers.necessary(in: graph))
    for node in layers { result.arithmetic[node.name] = .float }
    let consumers = graph.consumers
    for value in FloatLayers.valuesReadInFloat(graph, consumers, kept: kept) { result.holdInFloat(value) }
    result.computeBetweenInFloat(graph, consumers)
    for node in graph.nodes where result.keepsFloat(node) && !graph.outputs.contains(where: { $0.value == node.output })
    {
      let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
      if readers.allSatisfy({ result.keepsFloat($0) || $0.op.quantizationRule == .float }) {
        result.holdInFloat(node.output)
      }
    }
    return result
  }

  /// Whether a node computes in float that would not have to.
  func keepsFloat(_ node: Node) -> Bool { arithmetic[node.name] == .float && node.op.quantizationRule != .float }

  private mutating func holdInFloat(_ value: ValueID) {
    guard let held = activations[value], held.format != .float32 else { return }
    activations[value] = Activation(
      name: held.name, format: .float32, observed: held.observed, reason: QuantizationPlanner.readInFloat)
  }

  /// Has operators without weights compute in float whose inputs are there in float and whose output is wanted so.
  private mutating func computeBetweenInFloat(_ graph: Graph, _ consumers: [ValueID: [Int]]) {
    var available: Set<ValueID> = []
    var candidates: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      let isHeldSo = activations[node.output]?.format == .float32
      if isHeldSo || keepsFloat(node) { available.insert(node.output) }
      guard node.op is ChannelScaling || node.op is Addition || node.op.quantizationRule == .sameAsInput,
        node.inputs.allSatisfy(available.contains), !node.inputs.contains(graph.input)
      else { continue }
      available.insert(node.output)
      candidates.insert(index)
    }
    var wanted: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated().reversed() {
      if keepsFloat(node) {
        wanted.formUnion(node.inputs)
      } else if candidates.contains(index) {
        let isHeldSo = activations[node.output]?.format == .float32
        guard isHeldSo || wanted.contains(node.output) else { continue }
        // What calibration did not see of its own has no range to be rounded to for others.
        if node.op.quantizationRule == .sameAsInput {
          let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
          guard readers.allSatisfy({ keepsFloat($0) || $0.op.quantizationRule == .float }) else { continue }
        }
        arithmetic[node.name] = .float
        wanted.formUnion(node.inputs)
      }
    }
  }
}
