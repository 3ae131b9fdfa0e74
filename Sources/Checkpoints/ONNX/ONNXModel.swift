import Tensors

/// A network as an ONNX file describes it: nodes that read and write values by name. The names of the values and the
/// order of the nodes are those of the file. Nothing is checked beyond the framing of the file: nodes may be
/// inconsistent.
package struct ONNXModel: Sendable {
  /// The version of the ONNX format.
  package let irVersion: Int
  /// The program that wrote the file, such as "pytorch"; empty if the file does not say.
  package let producer: String
  /// The version of `producer`, such as "2.15.0"; empty if the file does not say.
  package let producerVersion: String
  /// Versions of operator sets by domain. The domain of the standard operators is "".
  package let operatorSets: [String: Int]
  /// The name of the graph.
  package let name: String
  /// The inputs of the graph, except those that have an initialiser.
  package let inputs: [ValueInfo]
  /// The outputs of the graph.
  package let outputs: [ValueInfo]
  /// The nodes in the order of the file.
  package let nodes: [Node]
  /// Constants by the names of their values, in the order of the file: views of the file or of its external data.
  package let initializers: NamedTensors
  /// The paths of the external data files that contain initialisers, relative to the model's folder.
  package let externalFiles: [String]
  /// The size in bytes of the file and of all external data files.
  package let byteCount: Int

  /// The version of the standard operators, or 0 if the file does not say.
  package var operatorSet: Int { operatorSets[""] ?? 0 }

  /// An input or output of the graph.
  package struct ValueInfo: Sendable, Hashable {
    /// The name of the value.
    package let name: String
    /// `nil` if the file does not say, or if no `ElementType` stands for the type.
    package let elementType: ElementType?
    /// The extent of each axis; `nil` if the file does not say.
    package let dimensions: [Dimension]?
  }

  /// The extent of one axis of a value.
  package enum Dimension: Sendable, Hashable {
    /// A positive extent.
    case fixed(Int)
    /// An extent that is only determined when the network runs, with its name in the file, which may be empty.
    case dynamic(String)
  }

  /// One application of an operator.
  package struct Node: Sendable {
    /// The position in the file's list of nodes, from 0.
    package let index: Int
    /// The name of the node, which may be empty.
    package let name: String
    /// The name of the operator, such as "Conv".
    package let operatorType: String
    /// The domain of the operator; "" for the standard operators.
    package let domain: String
    /// The names of the values that the node reads. An empty name stands for an optional input that is left out.
    package let inputs: [String]
    /// The names of the values that the node writes.
    package let outputs: [String]
    /// The attributes by name.
    package let attributes: [String: Attribute]

    /// The values around the node that the branches of an `If` read; none for other operators.
    package var captured: [String] {
      guard operatorType == "If", domain.isEmpty else { return [] }
      return attributes.sorted { $0.key < $1.key }.flatMap { (_, attribute) -> [String] in
        if case .graph(let graph) = attribute { graph.captured } else { [] }
      }
    }

    /// A node with the given properties, which are not checked.
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

  /// The value of an attribute.
  package enum Attribute: Sendable {
    case int(Int)
    case float(Float)
    case string(String)
    case ints([Int])
    case floats([Float])
    case strings([String])
    case tensor(Tensor)
    case graph(Subgraph)
    /// The attribute of this name of the function call, in the nodes of functions only.
    case reference(String)
    /// A value of another type, such as "a sparse tensor". No operator that Quern imports has one.
    case other(String)
  }

  /// A graph inside a node, such as a branch of an `If`. Its nodes may also read values of the graphs around it.
  package struct Subgraph: Sendable {
    /// The nodes in the order of the file. Their `index` is that of the outermost node.
    package let nodes: [Node]
    /// Constants by the names of their values.
    package let initializers: NamedTensors
    /// The names of its outputs.
    package let outputs: [String]

    /// The values of the graphs around it that it reads, in the order of its nodes.
    package var captured: [String] {
      var defined = Set(initializers.names)
      var result: [String] = []
      for node in nodes {
        for name in node.inputs + node.captured where !name.isEmpty && !defined.contains(name) { result.append(name) }
        defined.formUnion(node.outputs)
      }
      return result + outputs.filter { !defined.contains($0) }
    }
  }
}
