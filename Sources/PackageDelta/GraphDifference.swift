import Files
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

  /// `nil` where the values have the same bytes.
  package init?(_ property: String, _ old: String?, _ new: String?) {
    guard old.map(ExactName.init) != new.map(ExactName.init) else { return nil }
    (self.property, self.old, self.new) = (property, old, new)
  }
}

extension PropertyChange {
  fileprivate init?(_ property: String, attribute old: AttributeValue?, _ new: AttributeValue?) {
    switch (old, new) {
    case (.ints(let before)?, .ints(let after)?):
      self.init(
        property, elements: before, after, called: "numbers", differ: { $0 != $1 },
        whole: { AttributeValue.ints($0).description })
    case (.floats(let before)?, .floats(let after)?):
      // By their texts, which tell zeros of different signs apart, and not NaNs.
      self.init(
        property, elements: before, after, called: "numbers",
        differ: { $0.bitPattern != $1.bitPattern && "\($0)" != "\($1)" },
        whole: { AttributeValue.floats($0).description })
    case (.string(let before)?, .string(let after)?):
      guard max(before.utf8.count, after.utf8.count) > AttributeValue.shownBytes else {
        self.init(property, before, after)
        return
      }
      let index = zip(before.utf8, after.utf8).prefix { $0 == $1 }.count
      guard index < max(before.utf8.count, after.utf8.count) else { return nil }
      self.init(property, Self.excerpt(of: before, from: index), Self.excerpt(of: after, from: index))
    default: self.init(property, old?.excerpt, new?.excerpt)
    }
  }

  /// A change of a list. Of long ones, only the first elements that differ are shown.
  ///
  /// - Parameters:
  ///   - noun: what the elements are called.
  ///   - differ: whether two elements differ.
  ///   - whole: the text of a whole list.
  fileprivate init?<Element>(
    _ property: String, elements old: [Element], _ new: [Element], called noun: String,
    differ: (Element, Element) -> Bool, whole: ([Element]) -> String
  ) {
    guard max(old.count, new.count) > AttributeValue.shownElements else {
      self.init(property, whole(old), whole(new))
      return
    }
    let common = min(old.count, new.count)
    let index = (0..<common).first { differ(old[$0], new[$0]) } ?? common
    guard index < max(old.count, new.count) else { return nil }
    func text(_ list: [Element]) -> String {
      let element = index < list.count ? "\(list[index])" : "none"
      return "\(list.count) \(noun), first difference at \(index): \(element)"
    }
    self.init(property, text(old), text(new))
  }

  private static func excerpt(of text: String, from index: Int) -> String {
    let bytes = text.utf8.dropFirst(index).prefix(AttributeValue.shownBytes)
    return "\(text.utf8.count) bytes, first difference at \(index): \(String(decoding: bytes, as: UTF8.self))"
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
      changes.append(PropertyChange(name, attribute: old.attributes[name], new.attributes[name]))
    }
    changes.append(
      PropertyChange(
        "inputs", elements: old.inputs.map(oldGraph.name), new.inputs.map(newGraph.name), called: "inputs",
        differ: { $0 != $1 }, whole: { $0.joined(separator: ", ") }))
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
  /// The constant of a role; `nil` where the node has none. Constants are in the order of their roles' bytes.
  func constant(_ role: String) -> ConstantRecord? {
    var (low, high) = (0, constants.count)
    while low < high {
      let middle = (low + high) / 2
      if constants[middle].role.utf8.lexicographicallyPrecedes(role.utf8) { low = middle + 1 } else { high = middle }
    }
    return low < constants.count && constants[low].role == role ? constants[low] : nil
  }
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
