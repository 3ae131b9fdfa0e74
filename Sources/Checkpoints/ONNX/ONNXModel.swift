import Tensors

/// A network as an ONNX file describes it: nodes that read and write values by name. What a value is called, and the order
/// of the nodes, are the file's; nothing has been checked but that the file can be read.
public struct ONNXModel: Sendable {
  public let irVersion: Int
  /// What wrote the file, "pytorch" "2.15.0"; empty where it does not say.
  public let producer: String
  public let producerVersion: String
  /// Versions of operator sets by domain; the standard operators' domain is "".
  public let operatorSets: [String: Int]
  /// The graph's name.
  public let name: String
  /// Without those that initialisers give a value to.
  public let inputs: [ValueInfo]
  public let outputs: [ValueInfo]
  public let nodes: [Node]
  /// Views of the file or of the model's external data, in the order of the file.
  public let initializers: NamedTensors
  /// The files beside the model that initialisers lie in, relative to its folder.
  public let externalFiles: [String]

  /// The version of the standard operators.
  public var operatorSet: Int { operatorSets[""] ?? 0 }

  /// An input or output of the graph.
  public struct ValueInfo: Sendable, Hashable {
    public let name: String
    /// `nil` where the file does not say or where quern has no such type.
    public let elementType: ElementType?
    /// `nil` where the file does not say.
    public let dimensions: [Dimension]?
  }

  public enum Dimension: Sendable, Hashable {
    case fixed(Int)
    /// Known when the network runs; the name may be empty.
    case dynamic(String)
  }

  public struct Node: Sendable {
    /// Its place in the file's list of nodes, from 0.
    public let index: Int
    /// May be empty.
    public let name: String
    public let operatorType: String
    /// "" for the standard operators.
    public let domain: String
    /// An empty name is an optional input that is left out.
    public let inputs: [String]
    public let outputs: [String]
    public let attributes: [String: Attribute]

    public init(
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

  public enum Attribute: Sendable {
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
