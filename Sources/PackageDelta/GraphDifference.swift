import Graphs
import PackageFormat

/// A property that differs between two packages, as text.
package struct PropertyChange: Encodable, Hashable, Sendable {
  /// The name of the property.
  package let property: String
  /// The old value; `nil` where only the new package has the property.
  package let old: String?
  /// The new value; `nil` where only the old package has the property.
  package let new: String?

  /// `nil` where the values are equal.
  package init?(_ property: String, _ old: String?, _ new: String?) {
    guard old != new else { return nil }
    (self.property, self.old, self.new) = (property, old, new)
  }
}

/// What differs between the graphs of two packages, apart from the elements of constants. Nodes are identified by name.
package struct GraphDifference: Encodable, Hashable, Sendable {
  /// A node that only one of the graphs has.
  package struct Node: Encodable, Hashable, Sendable {
    /// The name of the node.
    package let name: String
    /// The wire name of its operator.
    package let op: String
  }

  /// A node of both graphs.
  package struct Change: Encodable, Hashable, Sendable {
    /// The name of the node.
    package let name: String
    /// What differs: "operator", an attribute, "inputs", "format", "scale", "zero point", or the type and shape of a
    /// constant, under its role.
    package let changes: [PropertyChange]
  }

  /// The nodes that only the new graph has, in its order.
  package let added: [Node]
  /// The nodes that only the old graph has, in its order.
  package let removed: [Node]
  /// The nodes that differ, in the order of the new graph.
  package let changed: [Change]
  /// Whether the nodes that both graphs have are in another order.
  package let isReordered: Bool
  /// What differs in the graph as a whole: "architecture", "mean", "std", "input format", "outputs".
  package let properties: [PropertyChange]

  /// Whether nothing differs.
  package var isEmpty: Bool {
    added.isEmpty && removed.isEmpty && changed.isEmpty && !isReordered && properties.isEmpty
  }

  /// Compares two graphs.
  package init(old: GraphRecord, new: GraphRecord) {
    let oldNodes = Dictionary(old.nodes.map { ($0.name, $0) }) { first, _ in first }
    let newNames = Set(new.nodes.map(\.name))
    added = new.nodes.filter { oldNodes[$0.name] == nil }.map { Node(name: $0.name, op: $0.operatorName) }
    removed = old.nodes.filter { !newNames.contains($0.name) }.map { Node(name: $0.name, op: $0.operatorName) }
    changed = new.nodes.compactMap { node in
      guard let before = oldNodes[node.name] else { return nil }
      let changes = Self.changes(from: before, of: old, to: node, of: new)
      return changes.isEmpty ? nil : Change(name: node.name, changes: changes)
    }
    isReordered =
      old.nodes.map(\.name).filter(newNames.contains) != new.nodes.map(\.name).filter { oldNodes[$0] != nil }
    properties = [
      PropertyChange("architecture", old.architecture, new.architecture),
      PropertyChange("mean", "\(old.preprocessing.mean)", "\(new.preprocessing.mean)"),
      PropertyChange("std", "\(old.preprocessing.std)", "\(new.preprocessing.std)"),
      PropertyChange("input format", old.inputFormat.text, new.inputFormat.text),
      PropertyChange("outputs", Self.outputs(of: old), Self.outputs(of: new)),
    ].compactMap(\.self)
  }

  private static func outputs(of graph: GraphRecord) -> String {
    graph.outputs.map { "\($0.name) = \(graph.name(ofValue: $0.value.index))" }.joined(separator: ", ")
  }

  private static func changes(
    from old: NodeRecord, of oldGraph: GraphRecord, to new: NodeRecord, of newGraph: GraphRecord
  ) -> [PropertyChange] {
    var changes = [PropertyChange("operator", old.operatorName, new.operatorName)]
    for name in names(old.attributes.sorted.map(\.name), new.attributes.sorted.map(\.name)) {
      changes.append(PropertyChange(name, old.attributes[name]?.description, new.attributes[name]?.description))
    }
    changes.append(
      PropertyChange(
        "inputs", old.inputs.map(oldGraph.name).joined(separator: ", "),
        new.inputs.map(newGraph.name).joined(separator: ", ")))
    changes.append(PropertyChange("format", old.format.name, new.format.name))
    let (before, after) = (old.format.quantization, new.format.quantization)
    changes.append(PropertyChange("scale", before.map { "\($0.scale)" }, after.map { "\($0.scale)" }))
    changes.append(PropertyChange("zero point", before.map { "\($0.zeroPoint)" }, after.map { "\($0.zeroPoint)" }))
    for role in names(old.constants.map(\.role), new.constants.map(\.role)) {
      changes.append(PropertyChange(role, old.constant(role)?.text, new.constant(role)?.text))
    }
    return changes.compactMap(\.self)
  }

  /// The names of both lists, each once, in ascending order.
  private static func names(_ old: [String], _ new: [String]) -> [String] { Set(old).union(new).sorted() }
}

extension GraphRecord {
  /// The name of the node that computes a value, or "input".
  fileprivate func name(ofValue number: Int) -> String {
    nodes.indices.contains(number - 1) ? nodes[number - 1].name : "input"
  }
}

extension NodeRecord {
  /// The constant of a role; `nil` where the node has none.
  func constant(_ role: String) -> ConstantRecord? { constants.first { $0.role == role } }
}

extension ConstantRecord {
  /// Such as "int8 64x7x7x3".
  fileprivate var text: String { "\(elementType) \(shape)" }
}

extension ValueFormat {
  /// Such as "uint8, scale 0.5, zero point 3".
  fileprivate var text: String {
    name + (quantization.map { ", scale \($0.scale), zero point \($0.zeroPoint)" } ?? "")
  }
}
