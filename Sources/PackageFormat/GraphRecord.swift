import Graphs
import Tensors

/// A constant of a node, as the graph section describes it. Its elements are in a tensor section.
package struct ConstantRecord: Hashable, Sendable {
  /// What the node uses the constant for, such as "weight", "bias" or "scale".
  package var role: String
  /// The type of the elements.
  package var elementType: ElementType
  /// The extents, outermost first.
  package var shape: Shape
  /// The number of the tensor section that contains the elements, counting tensor sections from 0. Constants with the
  /// same bytes share one.
  package var tensor: Int

  /// The size of the elements in bytes; `nil` if it overflows.
  var checkedByteCount: Int? {
    guard let count = shape.checkedElementCount else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: elementType.byteCount)
    return overflow ? nil : bytes
  }
}

/// A node, as the graph section describes it. It can be read without knowing the operator.
package struct NodeRecord: Hashable, Sendable {
  /// The node's name, which is unique in the graph.
  package var name: String
  /// The operator's wire name.
  package var operatorName: String
  /// The operator's attributes.
  package var attributes: Attributes
  /// The numbers of the input values: 0 is the graph's input, `n + 1` the output of node `n`.
  package var inputs: [Int]
  /// The format of the output.
  package var format: ValueFormat
  /// The constants, sorted by role.
  package var constants: [ConstantRecord]
}

/// A graph in the portable, canonical form that packages store: values are numbered in the order of execution, and
/// values that no node produces are left out.
package struct GraphRecord: Hashable, Sendable {
  /// The name of the architecture, for people.
  package var architecture: String
  /// The normalisation that the network was trained with.
  package var preprocessing: Preprocessing
  /// The format of the graph's input.
  package var inputFormat: ValueFormat
  /// The nodes, in an order of execution.
  package var nodes: [NodeRecord]
  /// The outputs, whose values are numbered as in `NodeRecord.inputs`.
  package var outputs: [GraphOutput]
}

extension GraphRecord {
  /// The record of a valid graph.
  ///
  /// - Parameters:
  ///   - graph: the graph.
  ///   - tensorNumbers: the number of the tensor section for each constant.
  /// - Throws: `PackageError.graph` where a node reads a value that no earlier node produces.
  init(_ graph: Graph, tensorNumbers: [ConstantKey: Int]) throws(PackageError) {
    var numbers: [ValueID: Int] = [graph.input: 0]
    for (index, node) in graph.nodes.enumerated() { numbers[node.output] = index + 1 }
    func number(_ value: ValueID) throws(PackageError) -> Int {
      guard let number = numbers[value] else {
        throw .graph(.structure("value \(value.index) is read but never produced"))
      }
      return number
    }
    architecture = graph.architecture
    preprocessing = graph.preprocessing
    inputFormat = graph.format(of: graph.input)
    nodes = []
    for (index, node) in graph.nodes.enumerated() {
      var inputs: [Int] = []
      for value in node.inputs { inputs.append(try number(value)) }
      let constants = Self.sortedConstants(node).map { role, tensor in
        ConstantRecord(
          role: role, elementType: tensor.elementType, shape: tensor.shape,
          tensor: tensorNumbers[ConstantKey(node: index, role: role)] ?? .max)
      }
      nodes.append(
        NodeRecord(
          name: node.name, operatorName: node.kind, attributes: node.op.attributes, inputs: inputs,
          format: graph.format(of: node.output), constants: constants))
    }
    outputs = []
    for output in graph.outputs {
      outputs.append(GraphOutput(name: output.name, value: ValueID(try number(output.value))))
    }
  }

  /// A node's constants in the order in which packages store them, which is by the bytes of the role.
  static func sortedConstants(_ node: Node) -> [(role: String, tensor: Tensor)] {
    node.constants.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
  }

  /// The graph that the record describes.
  ///
  /// - Parameters:
  ///   - decodeOperator: returns the operator with a wire name and attributes.
  ///   - constant: returns the tensor of a constant.
  /// - Throws: `PackageError.graph` where an operator is unknown or refuses its attributes, or the graph is not valid;
  ///   what `constant` throws.
  func graph(
    decodeOperator: (_ wireName: String, _ attributes: Attributes) throws(GraphError) -> any Operator,
    constant: (ConstantRecord) throws(PackageError) -> Tensor
  ) throws(PackageError) -> Graph {
    var graph = Graph(architecture: architecture, preprocessing: preprocessing, inputFormat: inputFormat)
    for node in nodes {
      let op: any Operator
      do throws(GraphError) {
        op = try decodeOperator(node.operatorName, node.attributes)
      } catch {
        throw .graph(.at(node: node.name, error))
      }
      var constants: [String: Tensor] = [:]
      for record in node.constants { constants[record.role] = try constant(record) }
      graph.append(
        op, name: node.name, inputs: node.inputs.map { ValueID($0) }, constants: constants, format: node.format)
    }
    graph.outputs = outputs
    do throws(GraphError) { try graph.validate() } catch { throw .graph(error) }
    return graph
  }
}

/// Identifies one constant of a graph.
struct ConstantKey: Hashable, Sendable {
  var node: Int
  var role: String
}
