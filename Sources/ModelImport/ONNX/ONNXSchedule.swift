import Checkpoints

/// An order of execution of the nodes that the outputs need: depth first from the outputs, the shorter branch before the
/// longer. So the order depends on the network alone and not on how its exporter listed the nodes, and a residual's
/// shortcut comes before the branch it is added to, as when the network is built from a state dict.
struct ONNXSchedule {
  private let model: ONNXModel
  private let producers: [String: Int]
  private let given: Set<String>

  /// - Throws: `ImportError.badNetwork` where two nodes make one value.
  init(_ model: ONNXModel) throws(ImportError) {
    var producers: [String: Int] = [:]
    let given = Set(model.inputs.map(\.name)).union(model.initializers.names)
    for node in model.nodes {
      for output in node.outputs where !output.isEmpty {
        guard !given.contains(output), producers.updateValue(node.index, forKey: output) == nil else {
          throw .badNode(ONNXPlace(node, in: model), problem: "makes '\(output)', which is made elsewhere too")
        }
      }
    }
    self.model = model
    self.producers = producers
    self.given = given
  }

  /// The nodes that the values need, each after those it reads.
  ///
  /// - Throws: `ImportError.badNode` for a cycle, or an input that nothing makes; `.badNetwork` for such an output.
  func order(for outputs: [String]) throws(ImportError) -> [ONNXModel.Node] {
    var roots: [Int] = []
    for output in outputs {
      if let producer = producers[output] {
        roots.append(producer)
      } else if !given.contains(output) {
        throw .badNetwork("nothing makes the output '\(output)'")
      }
    }
    let depths = try depths(of: roots)
    return try visit(roots) { sources in sources.sorted { (depths[$0], $0) < (depths[$1], $1) } }
  }

  /// For each node the number of nodes on the longest path that leads to it; -1 for nodes that are not needed.
  private func depths(of roots: [Int]) throws(ImportError) -> [Int] {
    var depths = [Int](repeating: -1, count: model.nodes.count)
    for node in try visit(roots, sorted: { $0 }) {
      var deepest = 0
      for input in node.inputs {
        if let producer = producers[input] { deepest = max(deepest, depths[producer] + 1) }
      }
      depths[node.index] = deepest
    }
    return depths
  }

  /// Depth-first, without recursion, as a hostile graph may be a long chain.
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
            ONNXPlace(model.nodes[source], in: model), problem: "is part of a cycle: it needs its own output")
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
    for input in node.inputs where !input.isEmpty {
      if let producer = producers[input] {
        if !result.contains(producer) { result.append(producer) }
      } else if !given.contains(input) {
        throw .badNode(
          ONNXPlace(node, in: model), problem: "reads '\(input)', which is no initialiser and which nothing makes")
      }
    }
    return result
  }
}
