import Checkpoints
import Operators

/// The order in which to translate the nodes that a value depends on: depth first from the value, shorter branches
/// before longer ones. It depends only on the network, not on the order in which an exporter listed the nodes, and a
/// shortcut comes before the branch that it is added to, as in a graph that is built from a state dictionary.
///
/// All translations of a model share it, so that the inputs of each node are looked up once.
final class ONNXSchedule {
  let model: ONNXModel
  /// The indices of the nodes that compute each value.
  private let producers: [String: Int]
  /// The names of inputs and initialisers.
  private let given: Set<String>
  /// The number of times that nodes, those in branches included, and outputs of the model read each value.
  let readCounts: [String: Int]
  /// The cost of each node in a translation: its inputs and outputs take some time, too. The smallest nodes have about
  /// as many bytes.
  let costs: [Int]
  /// The cost of all nodes.
  let cost: Int
  /// What one translation may cost, and all further ones together.
  let budget: ModelBudget
  private var states: [State]
  /// For each node whose depth is known, the nodes that compute its inputs, in order of depth.
  private var sources: [[Int]]
  private var failures: [ImportError] = []

  private enum State {
    case new
    /// On the path that is being followed.
    case open
    /// With the number of nodes before it on the longest path that leads to it.
    case depth(Int)
    /// With the index of the failure.
    case failed(Int)
  }

  /// The cost for a model of no size, and for each of its bytes.
  private static let (freeCost, costPerByte) = (1 << 19, 1)

  /// The maximum number of inputs of a node, which a Concat has. A file of a megabyte can have hundreds of thousands.
  static let maximumInputs = Concatenation.arity.upperBound

  /// Finds the producer of each value.
  ///
  /// - Throws: `ImportError.badNode` where a node's output is also that of another node, an input or an initialiser.
  init(_ model: ONNXModel) throws(ImportError) {
    var producers: [String: Int] = [:]
    let given = Set(model.inputs.map(\.name)).union(model.initializers.names)
    for node in model.nodes {
      for output in node.outputs where !output.isEmpty {
        guard !given.contains(output), producers.updateValue(node.index, forKey: output) == nil else {
          throw .badNode(ONNXLocation(node, in: model), problem: "computes '\(output)', which is defined elsewhere too")
        }
      }
    }
    self.model = model
    self.producers = producers
    self.given = given
    readCounts = ONNXSchedule.readCounts(of: model)
    let costs = model.nodes.map { ONNXSchedule.cost(of: $0) }
    self.costs = costs
    cost = costs.reduce(0, +)
    budget = ModelBudget(
      free: ONNXSchedule.freeCost, perByte: ONNXSchedule.costPerByte, modelBytes: model.byteCount)
    states = [State](repeating: .new, count: model.nodes.count)
    sources = [[Int]](repeating: [], count: model.nodes.count)
  }

  /// Whether a node computes the value.
  func computes(_ name: String) -> Bool { producers[name] != nil }

  /// Whether the value is an input or an initialiser.
  func isGiven(_ name: String) -> Bool { given.contains(name) }

  /// The nodes that a value depends on, each after the producers of its inputs, without those that were translated
  /// before.
  ///
  /// - Parameter translated: for each node, whether it was translated; the nodes before it then were, too.
  /// - Throws: `ImportError.badNode` for a cycle, an input that is not defined, or too many inputs; `.badNetwork` for a
  ///   value that is not defined.
  func order(for value: String, without translated: [Bool]) throws(ImportError) -> [Int] {
    guard let root = producers[value] else {
      guard given.contains(value) else { throw .badNetwork("no node computes the output '\(value)'") }
      return []
    }
    try explore(root)
    guard !translated[root] else { return [] }
    var isFound = translated
    isFound[root] = true
    var order: [Int] = []
    var stack = [(node: root, next: 0)]
    while let top = stack.last {
      guard top.next < sources[top.node].count else {
        order.append(top.node)
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].next += 1
      let source = sources[top.node][top.next]
      guard !isFound[source] else { continue }
      isFound[source] = true
      stack.append((source, 0))
    }
    return order
  }

  /// Finds the depth of a node and of the nodes before it. This does not recurse, as a malicious model may be a very
  /// long chain.
  private func explore(_ root: Int) throws(ImportError) {
    guard try isUnexplored(root) else { return }
    var path: [(node: Int, sources: [Int], next: Int)] = []
    func enter(_ node: Int) throws(ImportError) {
      path.append((node, try producers(of: node), 0))
      states[node] = .open
    }
    do throws(ImportError) {
      try enter(root)
      while let top = path.last {
        guard top.next < top.sources.count else {
          close(top.node, top.sources)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let source = top.sources[top.next]
        if try isUnexplored(source) { try enter(source) }
      }
    } catch {
      // All nodes of the path depend on what failed.
      for entry in path { states[entry.node] = .failed(failures.count) }
      failures.append(error)
      throw error
    }
  }

  private func isUnexplored(_ node: Int) throws(ImportError) -> Bool {
    switch states[node] {
    case .new: return true
    case .depth: return false
    case .failed(let index): throw failures[index]
    case .open:
      throw .badNode(ONNXLocation(model.nodes[node], in: model), problem: "is part of a cycle: it needs its own output")
    }
  }

  private func close(_ node: Int, _ found: [Int]) {
    func depth(_ node: Int) -> Int { if case .depth(let depth) = states[node] { depth } else { 0 } }
    states[node] = .depth(found.reduce(0) { max($0, depth($1) + 1) })
    sources[node] = found.count < 2 ? found : found.sorted { (depth($0), $0) < (depth($1), $1) }
  }

  /// The nodes that compute the inputs of a node.
  private func producers(of index: Int) throws(ImportError) -> [Int] {
    let node = model.nodes[index]
    func bad(_ problem: String) -> ImportError { .badNode(ONNXLocation(node, in: model), problem: problem) }
    guard node.inputs.count <= Self.maximumInputs else {
      throw bad("has \(node.inputs.count) inputs, and quern reads at most \(Self.maximumInputs)")
    }
    var result: [Int] = []
    var found: Set<Int> = []
    for input in node.inputs + node.captured where !input.isEmpty {
      if let producer = producers[input] {
        if found.insert(producer).inserted { result.append(producer) }
      } else if !given.contains(input) {
        throw bad("reads '\(input)', which is not an input, an initialiser or the output of a node")
      }
    }
    return result
  }

  private static func readCounts(of model: ONNXModel) -> [String: Int] {
    var counts: [String: Int] = [:]
    func count(_ nodes: [ONNXModel.Node]) {
      for node in nodes {
        for name in node.inputs { counts[name, default: 0] += 1 }
        for case .graph(let graph) in node.attributes.values {
          count(graph.nodes)
          for name in graph.outputs { counts[name, default: 0] += 1 }
        }
      }
    }
    count(model.nodes)
    for output in model.outputs { counts[output.name, default: 0] += 1 }
    return counts
  }

  private static func cost(of node: ONNXModel.Node) -> Int {
    var cost = 8 + 6 * (node.inputs.count + node.outputs.count)
    for case .graph(let graph) in node.attributes.values {
      for inner in graph.nodes { cost += ONNXSchedule.cost(of: inner) }
    }
    return cost
  }
}
