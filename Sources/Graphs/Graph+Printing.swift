import Tensors

extension Graph: CustomStringConvertible {
  /// One line per node, with its name, operator, inputs, attributes and constants; then one line per output.
  package var description: String {
    let producers = producers
    func name(_ value: ValueID) -> String { producers[value].map { nodes[$0].name } ?? "input" }
    let lines = nodes.map { node -> String in
      let inputs = node.inputs.map(name).joined(separator: ", ")
      let constants = node.constants.sorted { $0.key < $1.key }
        .map { "\($0.key): \($0.value.elementType) \($0.value.shape)" }.joined(separator: ", ")
      return "\(node.name) = \(node.kind)(\(inputs)) \(node.op.attributeSummary) {\(constants)}"
    }
    return (lines + outputs.map { "output \($0.name) = \(name($0.value))" }).joined(separator: "\n")
  }
}
