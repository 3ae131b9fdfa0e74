import Graphs
import Tensors

/// A constant of a graph with the space it takes in a package.
package struct StoredConstant: Hashable, Sendable {
  /// The node, its role there, and how many others have the same bytes and are not stored again.
  package let node: String
  package let role: String
  package let copies: Int
  package let elementType: ElementType
  package let shape: Shape
  package let byteCount: Int
  /// Of the section that holds it.
  package let storedByteCount: Int
}

extension PackageWriter {
  /// What a package of `graph` would hold, one for each section of constants, in the order of the file.
  package static func storedConstants(of graph: Graph, threads: Int = 1) throws(PackageError) -> [StoredConstant] {
    let constants = try UniqueConstants(graph, threads: threads)
    let sections = try constants.sections(threads: threads)
    var users: [[ConstantKey]] = Array(repeating: [], count: sections.count)
    for (key, number) in constants.numbers { users[number].append(key) }
    return sections.indices.compactMap { number in
      guard let first = users[number].min(by: { ($0.node, $0.role) < ($1.node, $1.role) }) else { return nil }
      let tensor = constants.tensors[number]
      return StoredConstant(
        node: graph.nodes[first.node].name, role: first.role, copies: users[number].count - 1,
        elementType: tensor.elementType, shape: tensor.shape, byteCount: sections[number].rawLength,
        storedByteCount: sections[number].storedLength)
    }
  }
}
