import Checkpoints

/// A node of an ONNX model, as messages describe it.
package struct ONNXLocation: Sendable, Hashable {
  /// The node's name, which may be empty.
  package let name: String
  /// The operator, such as "Conv".
  package let operatorType: String
  /// The domain of the operator; empty for ONNX's standard operators.
  package let domain: String
  /// The version of the domain that the model imports; 0 if it imports none.
  package let operatorSet: Int
  /// Its index in the model's list of nodes, from 0.
  package let index: Int
  /// The names of its inputs; empty for optional inputs that are omitted.
  package let inputs: [String]

  init(_ node: ONNXModel.Node, in model: ONNXModel) {
    name = node.name
    operatorType = node.operatorType
    domain = node.domain
    operatorSet = model.operatorSets[node.domain] ?? 0
    index = node.index
    inputs = node.inputs
  }
}

extension ONNXLocation: CustomStringConvertible {
  package var description: String {
    let kind = domain.isEmpty ? operatorType : "\(domain).\(operatorType)"
    let label = name.isEmpty ? "" : " '\(name)'"
    let sources = inputs.prefix(4).map { $0.isEmpty ? "(none)" : "'\($0)'" }.joined(separator: ", ")
    let reads = inputs.isEmpty ? "" : ", reads \(sources)\(inputs.count > 4 ? " and others" : "")"
    return "node \(index)\(label) (\(kind), opset \(operatorSet)\(reads))"
  }
}
