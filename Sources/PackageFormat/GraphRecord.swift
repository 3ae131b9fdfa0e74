import Graphs
import Tensors

/// A constant of a node as the graph section describes it; its bytes are in a tensor section.
package struct ConstantRecord: Hashable, Sendable {
  /// "weight", "bias", "scale".
  package var role: String
  package var elementType: ElementType
  package var shape: Shape
  /// Which tensor section holds the bytes, counted among these; constants with the same bytes share one.
  package var tensor: Int

  /// `nil` where it overflows.
  var checkedByteCount: Int? {
    guard let count = shape.checkedElementCount else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: elementType.byteCount)
    return overflow ? nil : bytes
  }
}

/// A node as the graph section describes it, readable without knowing its operator.
package struct NodeRecord: Hashable, Sendable {
  package var name: String
  package var operatorName: String
  package var attributes: Attributes
  /// Values by number: 0 is the graph's input, `n + 1` the output of node `n`.
  package var inputs: [Int]
  /// Of the output.
  package var format: ValueFormat
  /// Sorted by role.
  package var constants: [ConstantRecord]
}

/// A graph in the portable, canonical form that packages store: values are numbered in the order of execution, and values
/// that nothing makes are left out.
package struct GraphRecord: Hashable, Sendable {
  package var architecture: String
  package var preprocessing: Preprocessing
  package var inputFormat: ValueFormat
  package var nodes: [NodeRecord]
  /// Their values are numbered as in `NodeRecord.inputs`.
  package var outputs: [GraphOutput]
}

extension GraphRecord {
  /// The record of a valid graph, in which `tensorNumber` gives the number of the section for each constant.
  init(_ graph: Graph, tensorNumbers: [ConstantKey: Int]) throws(PackageError) {
    var numbers: [ValueID: Int] = [graph.input: 0]
    for (index, node) in graph.nodes.enumerated() { numbers[node.output] = index + 1 }
    func number(_ value: ValueID) throws(PackageError) -> Int {
      guard let number = numbers[value] else {
        throw .graph(.structure("value \(value.index) is read and never made"))
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

  /// A node's constants in the order in which packages store them: by the bytes of the role.
  static func sortedConstants(_ node: Node) -> [(role: String, tensor: Tensor)] {
    node.constants.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
  }

  /// The graph, with operators that `decodeOperator` makes and `constant` for each tensor.
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

/// Names one constant of a graph.
struct ConstantKey: Hashable, Sendable {
  var node: Int
  var role: String
}
