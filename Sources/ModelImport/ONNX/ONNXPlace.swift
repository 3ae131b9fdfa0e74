import Checkpoints

/// A node of an ONNX model, for messages: its name, operator and where it sits.
public struct ONNXPlace: Sendable, Hashable {
  public let name: String
  public let operatorType: String
  public let domain: String
  /// The version of the operator's domain that the model asks for.
  public let operatorSet: Int
  /// Its place in the model's list of nodes, from 0.
  public let index: Int
  public let inputs: [String]

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
  public var description: String {
    let kind = domain.isEmpty ? operatorType : "\(domain).\(operatorType)"
    let label = name.isEmpty ? "" : " '\(name)'"
    let sources = inputs.prefix(4).map { $0.isEmpty ? "(none)" : "'\($0)'" }.joined(separator: ", ")
    let reads = inputs.isEmpty ? "" : ", reads \(sources)\(inputs.count > 4 ? " and others" : "")"
    return "node \(index)\(label) (\(kind), opset \(operatorSet)\(reads))"
  }
}
