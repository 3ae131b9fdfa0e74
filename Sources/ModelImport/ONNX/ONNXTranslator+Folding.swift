import Checkpoints
import Tensors

/// What is known when a model is translated: constants, and which branch of an `If` is taken.
extension ONNXTranslator {
  /// The number of elements to compute at most: that of the weights of the largest networks, several times.
  private static let maximumFoldedCount = 1 << 31

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
    do { result = try folding(ONNXFolding.Operands(node: node, inputs: inputs, operatorSet: model.operatorSet)) } catch
    {
      throw bad(node, error.problem)
    }
    guard let result else { return nil }
    foldedCount += result.elementCount
    guard foldedCount <= Self.maximumFoldedCount else {
      throw bad(node, "the nodes up to here compute too many constants; fold them when exporting")
    }
    foldings.store(result, of: node)
    return result
  }
}
