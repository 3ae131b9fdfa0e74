extension ONNXModel.ValueInfo {
  /// The names of the value and of its axes.
  var texts: [String] {
    [name] + (dimensions ?? []).compactMap { if case .dynamic(let name) = $0 { name } else { nil } }
  }
}

extension ONNXModel.Node {
  /// All names and texts, those of the graphs inside included.
  var texts: [String] {
    [name, operatorType, domain] + inputs + outputs + attributes.texts
  }
}

extension ONNXModel.Subgraph {
  fileprivate var texts: [String] { nodes.flatMap(\.texts) + initializers.names + outputs }
}

extension ONNXFunction {
  /// All names and texts.
  var texts: [String] { [key.domain, key.name] + inputs + outputs + defaults.texts + nodes.flatMap(\.texts) }
}

extension [String: ONNXModel.Attribute] {
  /// The names of the attributes, in sorted order, each with the names in its value.
  fileprivate var texts: [String] { sorted { $0.key < $1.key }.flatMap { [$0.key] + $0.value.texts } }
}

extension ONNXModel.Attribute {
  fileprivate var texts: [String] {
    switch self {
    case .reference(let text): [text]
    case .graph(let graph): graph.texts
    // Texts are data, such as the labels of classes, and name nothing in the model.
    case .string, .strings, .int, .float, .ints, .floats, .tensor, .other: []
    }
  }
}
