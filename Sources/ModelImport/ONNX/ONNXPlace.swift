import Checkpoints

/// A node of an ONNX model, for messages: its name, operator and where it sits.
package struct ONNXPlace: Sendable, Hashable {
  package let name: String
  package let operatorType: String
  package let domain: String
  /// The version of the operator's domain that the model asks for.
  package let operatorSet: Int
  /// Its place in the model's list of nodes, from 0.
  package let index: Int
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

extension ONNXPlace: CustomStringConvertible {
  package var description: String {
    let kind = domain.isEmpty ? operatorType : "\(domain).\(operatorType)"
    let label = name.isEmpty ? "" : " '\(name)'"
    let sources = inputs.prefix(4).map { $0.isEmpty ? "(none)" : "'\($0)'" }.joined(separator: ", ")
    let reads = inputs.isEmpty ? "" : ", reads \(sources)\(inputs.count > 4 ? " and others" : "")"
    return "node \(index)\(label) (\(kind), opset \(operatorSet)\(reads))"
  }
}
