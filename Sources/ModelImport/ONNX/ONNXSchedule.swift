import Checkpoints

/// The order in which to translate the nodes that the outputs depend on: depth first from the outputs, shorter branches
/// before longer ones. It depends only on the network, not on the order in which an exporter listed the nodes, and a
/// shortcut comes before the branch that it is added to, as in a graph that is built from a state dictionary.
struct ONNXSchedule {
  private let model: ONNXModel
  private let producers: [String: Int]
  /// The names of inputs and initialisers.
  private let given: Set<String>

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
  }

  /// The nodes that values depend on, each after the producers of its inputs.
  ///
  /// - Throws: `ImportError.badNode` for a cycle, or an input that is not defined; `.badNetwork` for an output that is
  ///   not.
  func order(for outputs: [String]) throws(ImportError) -> [ONNXModel.Node] {
    var roots: [Int] = []
    for output in outputs {
      if let producer = producers[output] {
        roots.append(producer)
      } else if !given.contains(output) {
        throw .badNetwork("no node computes the output '\(output)'")
      }
    }
    let depths = try depths(of: roots)
    return try visit(roots) { sources in sources.sorted { (depths[$0], $0) < (depths[$1], $1) } }
  }

  /// For each node, the number of nodes before it on the longest path that leads to it; -1 for nodes that are not
  /// needed.
  private func depths(of roots: [Int]) throws(ImportError) -> [Int] {
    var depths = [Int](repeating: -1, count: model.nodes.count)
    for node in try visit(roots, sorted: { $0 }) {
      var deepest = 0
      for input in node.inputs + node.captured {
        if let producer = producers[input] { deepest = max(deepest, depths[producer] + 1) }
      }
      depths[node.index] = deepest
    }
    return depths
  }

  /// The nodes in depth-first order. This does not recurse, as a malicious model may be a very long chain.
  private func visit(_ roots: [Int], sorted: ([Int]) -> [Int]) throws(ImportError) -> [ONNXModel.Node] {
    enum Mark { case new, open, done }
    var marks = [Mark](repeating: .new, count: model.nodes.count)
    var order: [ONNXModel.Node] = []
    for root in roots where marks[root] == .new {
      marks[root] = .open
      var stack = [(node: root, sources: sorted(try sources(of: root)), next: 0)]
      while let top = stack.last {
        guard top.next < top.sources.count else {
          marks[top.node] = .done
          order.append(model.nodes[top.node])
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let source = top.sources[top.next]
        switch marks[source] {
        case .done: break
        case .open:
          throw .badNode(
            ONNXLocation(model.nodes[source], in: model), problem: "is part of a cycle: it needs its own output")
        case .new:
          marks[source] = .open
          stack.append((source, sorted(try sources(of: source)), 0))
        }
      }
    }
    return order
  }

  private func sources(of index: Int) throws(ImportError) -> [Int] {
    let node = model.nodes[index]
    var result: [Int] = []
    var found: Set<Int> = []
    for input in node.inputs + node.captured where !input.isEmpty {
      if let producer = producers[input] {
        if found.insert(producer).inserted { result.append(producer) }
      } else if !given.contains(input) {
        throw .badNode(
          ONNXLocation(node, in: model),
          problem: "reads '\(input)', which is not an input, an initialiser or the output of a node")
      }
    }
    return result
  }
}
