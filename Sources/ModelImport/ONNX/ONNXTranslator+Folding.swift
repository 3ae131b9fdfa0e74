import Checkpoints
import Tensors

/// What is known when a model is translated: constants, and which branch of an `If` is taken.
extension ONNXTranslator {
  /// Translates the branch of an `If` that its condition selects, which must not depend on the image's pixels.
  mutating func inline(_ node: ONNXModel.Node) throws(ImportError) {
    guard try value(node, 0).isConstant, let condition = try scalar(node, 0) else {
      throw unsupported(node, "its condition depends on the image; export the network without it")
    }
    let name = condition != 0 ? "then_branch" : "else_branch"
    guard case .graph(let branch)? = node.attributes[name] else { throw bad(node, "has no \(name)") }
    guard branch.outputs.count == node.outputs.count else {
      throw bad(node, "has \(node.outputs.count) outputs, but its \(name) has \(branch.outputs.count)")
    }
    for (name, tensor) in branch.initializers { values[name] = .constant(tensor) }
    for inner in branch.nodes { try translate(inner) }
    for (output, inner) in zip(node.outputs, branch.outputs) where !output.isEmpty {
      // A value that is missing here is reported by the node that reads it.
      values[output] = values[inner]
    }
  }

  /// The value of a node whose inputs are all constant; `nil` for other nodes.
  mutating func fold(_ node: ONNXModel.Node) throws(ImportError) -> Tensor? {
    guard node.domain.isEmpty || Self.isQuantization(node), let folding = ONNXFolding.all[node.operatorType] else {
      return nil
    }
    if let cached = foldings[node] { return cached }
    var inputs: [Tensor?] = []
    for name in node.inputs {
      if name.isEmpty {
        inputs.append(nil)
      } else if case .constant(let tensor)? = values[name] {
        inputs.append(tensor)
      } else {
        return nil
      }
    }
    let result: Tensor?
    foldings.budget.begin()
    do {
      result = try folding(
        ONNXFolding.Operands(
          node: node, inputs: inputs, operatorSet: model.operatorSet, budget: foldings.budget))
    } catch { throw bad(node, error.problem) }
    guard let result else { return nil }
    foldings.budget.keep(result)
    foldings.store(result, of: node)
    if let output = node.outputs.first { folded.insert(output) }
    return result
  }

  /// Forgets the folded inputs of a node that has been translated, if no other node will read them.
  mutating func releaseInputs(of node: ONNXModel.Node) {
    for name in node.inputs {
      guard let count = readCounts[name] else { continue }
      let read = reads[name, default: 0] + 1
      reads[name] = read
      if count == read, folded.remove(name) != nil { values[name] = nil }
    }
  }

  /// The number of times that nodes, those in branches included, and outputs of the model read each value.
  static func readCounts(of model: ONNXModel) -> [String: Int] {
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
}
