import Tensors

/// A network as an ONNX file describes it: nodes that read and write values by name. What a value is called, and the order
/// of the nodes, are the file's; nothing has been checked but that the file can be read.
package struct ONNXModel: Sendable {
  package let irVersion: Int
  /// What wrote the file, "pytorch" "2.15.0"; empty where it does not say.
  package let producer: String
  package let producerVersion: String
  /// Versions of operator sets by domain; the standard operators' domain is "".
  package let operatorSets: [String: Int]
  /// The graph's name.
  package let name: String
  /// Without those that initialisers give a value to.
  package let inputs: [ValueInfo]
  package let outputs: [ValueInfo]
  package let nodes: [Node]
  /// Views of the file or of the model's external data, in the order of the file.
  package let initializers: NamedTensors
  /// The files beside the model that initialisers lie in, relative to its folder.
  package let externalFiles: [String]

  /// The version of the standard operators.
  package var operatorSet: Int { operatorSets[""] ?? 0 }

  /// An input or output of the graph.
  package struct ValueInfo: Sendable, Hashable {
    package let name: String
    /// `nil` where the file does not say or where quern has no such type.
    package let elementType: ElementType?
    /// `nil` where the file does not say.
    package let dimensions: [Dimension]?
  }

  package enum Dimension: Sendable, Hashable {
    case fixed(Int)
    /// Known when the network runs; the name may be empty.
    case dynamic(String)
  }

  package struct Node: Sendable {
    /// Its place in the file's list of nodes, from 0.
    package let index: Int
    /// May be empty.
    package let name: String
    package let operatorType: String
    /// "" for the standard operators.
    package let domain: String
    /// An empty name is an optional input that is left out.
    package let inputs: [String]
    package let outputs: [String]
    package let attributes: [String: Attribute]

    package init(
      index: Int, name: String, operatorType: String, domain: String = "", inputs: [String], outputs: [String],
      attributes: [String: Attribute] = [:]
    ) {
      self.index = index
      self.name = name
      self.operatorType = operatorType
      self.domain = domain
      self.inputs = inputs
      self.outputs = outputs
      self.attributes = attributes
    }
  }

  package enum Attribute: Sendable {
    case int(Int)
    case float(Float)
    case string(String)
    case ints([Int])
    case floats([Float])
    case strings([String])
    case tensor(Tensor)
    /// A graph, a sparse tensor, or a type; no operator that quern runs has one.
    case other(String)
  }
}
