import Tensors

/// What can be wrong with a graph, whether it comes from an importer, a pass, or a package.
package enum GraphError: Error, Hashable, Sendable {
  /// An attribute is missing, of another type, or out of range.
  case attribute(name: String, expected: String)
  /// An operator's constant is missing, or has a shape or type that it cannot have.
  case constant(role: String, problem: String)
  /// The inputs' shapes do not fit the operator.
  case shape(String)
  /// The image is too small or too large for the network.
  case inputSize(String)
  /// Memory for activations cannot be allocated.
  case memory(String)
  /// No operator has this wire name.
  case unknownOperator(String)
  /// The structure is broken: a value without a producer or with two, a cycle, or formats that an operator cannot have.
  case structure(String)
  /// Another error, with the node that it is about.
  indirect case at(node: String, GraphError)
  /// Another error, with the pass that caused it.
  indirect case after(pass: String, GraphError)
}

extension GraphError {
  /// Whether the cause is the size of the input, rather than the graph or the memory of the machine.
  package var isInputSize: Bool {
    switch self {
    case .inputSize: true
    case .at(_, let error), .after(_, let error): error.isInputSize
    default: false
    }
  }
}

extension GraphError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .attribute(let name, let expected): "attribute '\(name)' must be \(expected)"
    case .constant(let role, let problem): "constant '\(role)' \(problem)"
    case .shape(let problem), .inputSize(let problem), .memory(let problem), .structure(let problem): problem
    case .unknownOperator(let name): "unknown operator '\(name)'; this version of quern cannot run it"
    case .at(let node, let error): "node '\(node)': \(error)"
    case .after(let pass, let error): "after the pass '\(pass)': \(error)"
    }
  }
}
